//! What is due: tasks that come back from time to time, and alarms that ring once.
//!
//! Nothing here has a thread of its own. Whoever calls `maintain` does the work: the background thread, a test with a
//! manual clock, or a caller that would otherwise wait.

use super::Engine;
use crate::error::Result;
use crate::partition::Signal;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Somebody who has something to do from time to time.
pub(crate) trait Task: Send + Sync + 'static {
    /// When it wants to be run next, on the monotonic clock.
    fn due(&self) -> Option<Duration>;

    /// Does what is due by now, and no more. What fails it tells those whom it concerns.
    fn run(&self, now: Duration);

    /// A topic is about to be made: of one that had its name before nothing may be left. An error keeps it from being made.
    fn make_way(&self) -> Result<()> {
        Ok(())
    }

    /// Does all that is left: the engine is about to be closed.
    fn finish(&self) -> Result<()>;
}

#[derive(Default)]
pub(super) struct Maintenance {
    tasks: Mutex<Vec<Weak<dyn Task>>>,
    /// What those left behind who are gone.
    owed: Mutex<Vec<Arc<dyn Task>>>,
    alarms: Mutex<BTreeMap<(Duration, u64), Weak<Signal>>>,
    next_alarm: AtomicU64,
    /// When what is known of producers is saved next; never, as long as nobody numbers batches.
    upkeep_due: Mutex<Option<Duration>>,
}

/// What is known of producers is saved so often, as Kafka writes its checkpoints: after a crash no more than what came
/// since has to be read back.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);

impl Maintenance {
    fn tasks(&self) -> Vec<Arc<dyn Task>> {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| task.strong_count() > 0);
        let alive = tasks.iter().filter_map(Weak::upgrade);
        alive.chain(self.owed.lock().iter().cloned()).collect()
    }

    /// Forgets what is not owed any more.
    fn forget_settled(&self) {
        let settled: Vec<_> = self.owed.lock().extract_if(.., |task| task.due().is_none()).collect();
        // Dropped behind the lock: what they held may owe something itself.
        drop(settled);
    }

    fn run(&self, now: Duration) {
        for task in self.tasks() {
            if task.due().is_some_and(|due| due <= now) {
                task.run(now);
            }
        }
        self.forget_settled();
        let ringing = {
            let mut alarms = self.alarms.lock();
            let later = alarms.split_off(&(now.saturating_add(Duration::from_nanos(1)), 0));
            std::mem::replace(&mut *alarms, later)
        };
        ringing.into_values().filter_map(|signal| signal.upgrade()).for_each(|signal| signal.notify());
    }

    fn next_due(&self) -> Option<Duration> {
        let tasks = self.tasks().into_iter().filter_map(|task| task.due()).min();
        let alarm = self.alarms.lock().keys().next().map(|(due, _)| *due);
        tasks.into_iter().chain(alarm).chain(*self.upkeep_due.lock()).min()
    }

    /// Lets every task take away, for good, what it has of deleted topics.
    pub(super) fn make_way(&self) -> Result<()> {
        self.tasks().into_iter().try_for_each(|task| task.make_way())
    }

    /// Lets every task do all that it has left. The first failure is told; the others have their say all the same.
    pub(super) fn finish(&self) -> Result<()> {
        let finished = self.tasks().into_iter().map(|task| task.finish()).fold(Ok(()), Result::and);
        self.forget_settled();
        finished
    }
}

impl Engine {
    /// Sees to it that what is due is done though nobody waits for it, if time passes by itself. Called by whoever may
    /// have something to be done; so a broker that nobody uses has no thread.
    pub(crate) fn keep_time(self: &Arc<Self>) -> Result<()> {
        self.check_open()?;
        match self.clock.runs_by_itself() {
            true => self.background.start(self, Self::maintain_beside_cleaner),
            false => Ok(()),
        }
    }

    /// Takes a task in, as long as it lives.
    pub(crate) fn add_task(&self, task: Weak<dyn Task>) {
        self.maintenance.tasks.lock().push(task);
    }

    /// Takes over what somebody owes who is about to go, until it is done: then nothing of it is due any more.
    pub(crate) fn owe(&self, task: Arc<dyn Task>) {
        match self.check_open() {
            Ok(()) => {
                self.maintenance.owed.lock().push(task);
                self.wake();
            }
            // Everything is durable by now, or nobody will ever know: it tells those whom it concerns.
            Err(_) => drop(task.finish()),
        }
    }

    /// Something is due sooner than anybody knew.
    pub(crate) fn wake(&self) {
        self.background.wake();
    }

    /// Does one step of everything that is due, and says when to come again: `None` if nothing is waiting for its time.
    pub(crate) fn maintain(&self) -> Result<Option<Duration>> {
        self.serve_clients()?;
        self.clean()?;
        let now = self.clock.monotonic();
        let due = self.maintenance.next_due().into_iter().chain(self.cleaning_due()).min();
        Ok(due.map(|due| due.saturating_sub(now)))
    }

    /// The same for the background thread, which has another one clean for it: begun when it is first needed.
    pub(super) fn maintain_beside_cleaner(self: &Arc<Self>) -> Result<Option<Duration>> {
        let rest = self.serve_clients()?;
        if self.cleaner.is_running() {
            return Ok(rest);
        }
        let now = self.clock.monotonic();
        match self.cleaning_due().map(|due| due.saturating_sub(now)) {
            Some(Duration::ZERO) => self.cleaner.start(self, |engine| engine.clean()).map(|()| rest),
            cleaning => Ok(rest.into_iter().chain(cleaning).min()),
        }
    }

    /// Does one step of what clients wait for.
    fn serve_clients(&self) -> Result<Option<Duration>> {
        self.check_open()?;
        let now = self.clock.monotonic();
        self.maintenance.run(now);
        if self.maintenance.upkeep_due.lock().take_if(|due| *due <= now).is_some() {
            self.arm_upkeep();
            self.keep_producers()?;
        }
        let now = self.clock.monotonic();
        Ok(self.maintenance.next_due().map(|due| due.saturating_sub(now)))
    }

    /// From now on there are producers to be kept.
    pub(super) fn arm_upkeep(&self) {
        let due = self.clock.monotonic().saturating_add(UPKEEP_INTERVAL);
        self.maintenance.upkeep_due.lock().get_or_insert(due);
        self.wake();
    }

    /// When something is due next, on the monotonic clock, for one who waits until then and can do it meanwhile.
    ///
    /// To clean comes back for ever. So one who waits without end, for another thread, does not let time pass for it.
    pub(crate) fn next_due(&self, until: Duration) -> Option<Duration> {
        let cleaning = if until == Duration::MAX { None } else { self.cleaning_due() };
        self.maintenance.next_due().into_iter().chain(cleaning).min()
    }

    /// Has a signal notified at a moment: how a future waits for time to pass.
    pub(crate) fn set_alarm(self: &Arc<Self>, at: Duration, signal: &Arc<Signal>) -> Alarm {
        let number = self.maintenance.next_alarm.fetch_add(1, Ordering::Relaxed);
        self.maintenance.alarms.lock().insert((at, number), Arc::downgrade(signal));
        self.wake();
        Alarm { engine: Arc::downgrade(self), key: (at, number) }
    }
}

/// An alarm that is set; dropped, it does not ring any more.
#[derive(Debug)]
pub(crate) struct Alarm {
    engine: Weak<Engine>,
    key: (Duration, u64),
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.maintenance.alarms.lock().remove(&self.key);
        }
    }
}
