//! Waiting for something to happen: the only place where a reader blocks.
//!
//! Level-triggered: whoever waits registers, looks again, and only then waits. So what happened between the first look
//! and the registration is not missed, and a wake-up that came for nothing does no harm.
//!
//! ```text
//! reader   look ── register ── fence ── look again ── wait      sees the record, or is registered when it is announced
//! writer   write ── publish the end ── fence ── announce        announces to all who are registered by then
//! ```
//! One of the two fences comes first. If it is the reader's, the writer sees that somebody is registered; if it is the
//! writer's, the second look sees the record. A writer who finds nobody pays for the fence and a load. Whoever has been
//! told is not registered any more: while he is on his way he is not told again, however much comes meanwhile.
//!
//! `tests/models/` tries this very file in every order of its steps.

use super::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, OnceLock, Ordering, RwLock, fence};
use super::sync::{LOOKS_BEFORE_SLEEP, pause};
use crate::clock::Clock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Whoever waits that long waits for what happens and not for time.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Something that may happen again and again, and those who wait for it.
#[derive(Default)]
pub(crate) struct Signal {
    /// Made when the first one waits. Most signals never have anybody, and there may be one for each record.
    waiters: OnceLock<Arc<Waiters>>,
}

/// Those who wait, and how they are told.
#[derive(Default)]
struct Waiters {
    /// Whether anybody is registered. Set under the lock, read by writers without.
    is_awaited: AtomicBool,
    registered: Mutex<Registered>,
    /// What threads sleep on.
    told: Condvar,
}

#[derive(Default)]
struct Registered {
    /// How often those who were registered have been told. Each belongs to the round in which he came.
    round: u64,
    threads: usize,
    tasks: BTreeMap<u64, Waker>,
    /// The number of the next task.
    next_task: u64,
}

impl Signal {
    /// It has happened: wakes all who wait. What they wait for must be visible by now.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        self.awaited().into_iter().for_each(|waiters| waiters.tell());
    }

    /// Those to be told, if there are any. The caller has made a fence behind what there is to tell.
    fn awaited(&self) -> Option<&Arc<Waiters>> {
        self.waiters.get().filter(|waiters| waiters.is_awaited.load(Ordering::Relaxed))
    }

    /// Returns what `ready` finds, looking each time this happens; `None` once the monotonic clock has reached
    /// `deadline` and there is still nothing.
    pub(crate) fn wait<T>(
        &self,
        clock: &dyn Clock,
        deadline: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        for step in 0..LOOKS_BEFORE_SLEEP {
            if let Some(found) = ready() {
                return Some(found);
            }
            pause(step);
        }
        let waiters = self.waiters();
        loop {
            let mine = ThreadWaiting::enter(waiters);
            if let Some(found) = ready() {
                return Some(found);
            }
            match clock.wait_until(deadline) {
                None => return ready(),
                Some(rest) => mine.sleep((rest < A_YEAR).then_some(rest)),
            }
            if let Some(found) = ready() {
                return Some(found);
            }
        }
    }

    /// The same for a future: ready with what `ready` finds, or registered in `waiting` to be polled again.
    pub(crate) fn poll<T>(
        &self,
        waiting: &mut Waiting,
        context: &mut Context<'_>,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        loop {
            if let Some(found) = ready() {
                waiting.leave();
                return Poll::Ready(found);
            }
            if waiting.is_registered(context.waker()) {
                return Poll::Pending;
            }
            waiting.enter(self.waiters(), context.waker());
        }
    }

    fn waiters(&self) -> &Arc<Waiters> {
        self.waiters.get_or_init(Arc::default)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signal")
    }
}

impl Waiters {
    /// Adds somebody, who looks again after this, and says what he needs to know to be removed.
    fn enter<T>(&self, add: impl FnOnce(&mut Registered) -> T) -> T {
        let added = {
            let mut registered = self.registered.lock();
            self.is_awaited.store(true, Ordering::Relaxed);
            add(&mut registered)
        };
        fence(Ordering::SeqCst);
        added
    }

    /// Removes somebody who does not wait any more, if he has not been told.
    fn leave<T>(&self, remove: impl FnOnce(&mut Registered) -> T) -> T {
        let mut registered = self.registered.lock();
        let removed = remove(&mut registered);
        if registered.threads == 0 && registered.tasks.is_empty() {
            self.is_awaited.store(false, Ordering::Relaxed);
        }
        removed
    }

    /// Wakes all who are registered, and outside the lock: a waker is foreign code, which may come back here.
    fn tell(&self) {
        let (threads, tasks) = self.leave(|registered| {
            registered.round += 1;
            (std::mem::take(&mut registered.threads), std::mem::take(&mut registered.tasks))
        });
        if threads > 0 {
            self.told.notify_all();
        }
        tasks.into_values().for_each(Waker::wake);
    }
}

/// A thread that is registered; dropped, it is not.
struct ThreadWaiting<'a> {
    waiters: &'a Waiters,
    round: u64,
}

impl<'a> ThreadWaiting<'a> {
    fn enter(waiters: &'a Waiters) -> Self {
        let round = waiters.enter(|registered| {
            registered.threads += 1;
            registered.round
        });
        Self { waiters, round }
    }

    /// Sleeps until it is told, or for so long. It may wake too early: whoever sleeps looks at the clock anyway.
    fn sleep(self, time: Option<Duration>) {
        let mut registered = self.waiters.registered.lock();
        if registered.round == self.round {
            match time {
                Some(time) => {
                    self.waiters.told.wait_for(&mut registered, time);
                }
                None => self.waiters.told.wait(&mut registered),
            }
        }
    }
}

impl Drop for ThreadWaiting<'_> {
    fn drop(&mut self) {
        self.waiters.leave(|registered| {
            if registered.round == self.round {
                registered.threads -= 1;
            }
        });
    }
}

/// A future's registration with a [`Signal`]; dropping it leaves no trace.
#[derive(Default)]
pub(crate) struct Waiting(Option<(Arc<Waiters>, u64)>);

impl Waiting {
    fn enter(&mut self, waiters: &Arc<Waiters>, waker: &Waker) {
        self.leave();
        let waker = waker.clone();
        let number = waiters.enter(|registered| {
            let number = registered.next_task;
            registered.next_task += 1;
            registered.tasks.insert(number, waker);
            number
        });
        self.0 = Some((waiters.clone(), number));
    }

    /// Whether it is registered and has not been told; if so, `waker` is what will be woken.
    fn is_registered(&self, waker: &Waker) -> bool {
        let Some((waiters, number)) = &self.0 else { return false };
        let waker = waker.clone();
        // What is replaced is dropped behind the lock: it is foreign code too.
        let replaced = {
            let mut registered = waiters.registered.lock();
            registered.tasks.get_mut(number).map(|known| std::mem::replace(known, waker))
        };
        replaced.is_some()
    }

    fn leave(&mut self) {
        if let Some((waiters, number)) = self.0.take() {
            drop(waiters.leave(|registered| registered.tasks.remove(&number)));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Waiting(registered)" } else { "Waiting" })
    }
}

/// Those who want to know when a partition has something new.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    signals: RwLock<Vec<Arc<Signal>>>,
}

impl Watchers {
    /// Notifies `signal` from now on, until it is removed.
    pub(crate) fn add(&self, signal: &Arc<Signal>) {
        self.change(signal, |signals| signals.push(signal.clone()));
    }

    /// Does not notify `signal` any more.
    pub(crate) fn remove(&self, signal: &Arc<Signal>) {
        self.change(signal, |_| {});
    }

    fn change(&self, signal: &Arc<Signal>, change: impl FnOnce(&mut Vec<Arc<Signal>>)) {
        let mut signals = self.signals.write();
        signals.retain(|known| !Arc::ptr_eq(known, signal));
        change(&mut signals);
        self.count.store(signals.len(), Ordering::Relaxed);
    }

    /// Something is new, and visible. One fence for all who watch, and for those who do not wait a load each.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut to_tell = Vec::new();
        for signal in self.signals.read().iter() {
            to_tell.extend(signal.awaited().cloned());
        }
        // Not under the lock: whoever is woken may stop watching before he does anything else.
        to_tell.iter().for_each(|waiters| waiters.tell());
    }
}
