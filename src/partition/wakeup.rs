//! Waiting for something to happen: the only place where a reader blocks.
//!
//! Level-triggered: whoever waits registers, looks again, and only then waits. So what happened between the first look
//! and the registration is not missed, and a wake-up that came for nothing does no harm.
//!
//! ```text
//! reader   look ── register ── look again ── wait         sees the record, or is registered before it was announced
//! writer   write ── publish the end ── announce           announces to all who are registered by then
//! ```

use crate::clock::Clock;
use event_listener::{Event, EventListener, Listener};
use parking_lot::RwLock;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// Whoever waits that long waits for what happens and not for time.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Something that may happen again and again, and those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    event: Event,
}

impl Signal {
    /// It has happened: wakes all who wait. What they wait for must be visible by now.
    pub(crate) fn notify(&self) {
        self.event.notify(usize::MAX);
    }

    /// Returns what `ready` finds, looking each time this happens; `None` once the monotonic clock has reached
    /// `deadline` and there is still nothing.
    pub(crate) fn wait<T>(
        &self,
        clock: &dyn Clock,
        deadline: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            if let Some(found) = ready() {
                return Some(found);
            }
            let listener = self.event.listen();
            if let Some(found) = ready() {
                return Some(found);
            }
            match clock.wait_until(deadline) {
                None => return ready(),
                Some(rest) if rest > A_YEAR => listener.wait(),
                Some(rest) => drop(listener.wait_timeout(rest)),
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
                waiting.0 = None;
                return Poll::Ready(found);
            }
            let Some(listener) = &mut waiting.0 else {
                waiting.0 = Some(self.event.listen());
                continue;
            };
            match Future::poll(Pin::new(listener), context) {
                Poll::Ready(()) => waiting.0 = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A future's registration with a [`Signal`]; dropping it leaves no trace.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Option<EventListener>);

/// Those who want to know when a partition has something new.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    signals: RwLock<Vec<Weak<Signal>>>,
}

impl Watchers {
    /// Notifies `signal` from now on, as long as it lives or until it is removed.
    pub(crate) fn add(&self, signal: &Arc<Signal>) {
        let mut signals = self.signals.write();
        signals
            .retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(signal)));
        signals.push(Arc::downgrade(signal));
        self.count.store(signals.len(), Ordering::SeqCst);
    }

    /// Does not notify `signal` any more.
    pub(crate) fn remove(&self, signal: &Arc<Signal>) {
        let mut signals = self.signals.write();
        signals
            .retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(signal)));
        self.count.store(signals.len(), Ordering::SeqCst);
    }

    /// Something is new, and visible. Costs a fence where nobody watches.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) > 0 {
            self.signals.read().iter().filter_map(Weak::upgrade).for_each(|signal| signal.notify());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SystemClock};
    use crate::types::Timestamp;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_wait_with_nothing_to_come_ends_when_its_time_has_passed() {
        let clock = ManualClock::new(Timestamp::from_millis(0));
        let found: Option<()> = Signal::default().wait(&clock, Duration::from_secs(3), || None);
        assert_eq!((found, clock.monotonic()), (None, Duration::from_secs(3)));
    }

    #[test]
    fn what_happens_between_the_look_and_the_registration_is_not_missed() {
        let clock = SystemClock::new();
        let signal = Signal::default();
        let mut looks = 0;
        let found = signal.wait(&clock, Duration::MAX, || {
            looks += 1;
            if looks == 1 {
                signal.notify(); // nobody is registered yet
            }
            (looks == 2).then_some(looks)
        });
        assert_eq!(found, Some(2));
    }

    #[test]
    fn a_thread_that_waits_sees_every_step_of_another() {
        const STEPS: u64 = 20_000;
        let (signal, watchers, published) =
            (Arc::new(Signal::default()), Watchers::default(), AtomicU64::new(0));
        watchers.add(&signal);
        let clock = SystemClock::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for step in 1..=STEPS {
                    published.store(step, Ordering::Release);
                    watchers.notify();
                }
            });
            let mut seen = 0;
            while seen < STEPS {
                let now = signal.wait(&clock, Duration::MAX, || {
                    Some(published.load(Ordering::Acquire)).filter(|now| *now > seen)
                });
                seen = now.expect("it waits without end");
            }
        });
    }

    #[test]
    fn who_is_gone_is_not_notified() {
        let watchers = Watchers::default();
        let (one, other) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
        watchers.add(&one);
        watchers.add(&one);
        watchers.add(&other);
        assert_eq!(watchers.count.load(Ordering::SeqCst), 2);
        watchers.remove(&one);
        drop(other);
        watchers.notify();
        watchers.add(&one);
        assert_eq!(watchers.count.load(Ordering::SeqCst), 1);
    }
}
