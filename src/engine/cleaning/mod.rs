//! Retention and compaction by themselves: whose turn it is, one bounded step at a time.
//!
//! ```text
//! every check interval   each partition in turn: what has outlived its use goes       retention.rs
//! every backoff          the dirtiest of the logs that are due, step by step          compaction.rs
//! ```
//! Nobody who appends or reads waits for a step, and no client's linger or flush: in the background a thread of its own
//! does this. What a step has done, and what was in its way, the listener is told (`events.rs`).

mod compaction;
mod events;
mod retention;
mod schedule;

pub use events::BrokerEvent;
pub(crate) use events::Listener;

use super::Engine;
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::topic::Topic;
use parking_lot::Mutex;
use schedule::Schedule;
use std::time::Duration;

/// How often the engine looks whether there is anything to be done, and who is told of it.
#[derive(Debug, Clone)]
pub(crate) struct CleaningOptions {
    /// `Duration::MAX` means never.
    pub(crate) retention_check_interval: Duration,
    /// As long as that there is nothing to compact is believed. `Duration::MAX` means that nothing ever is.
    pub(crate) cleaner_backoff: Duration,
    pub(crate) listener: Listener,
}

impl Default for CleaningOptions {
    fn default() -> Self {
        Self {
            retention_check_interval: Duration::from_secs(5 * 60),
            cleaner_backoff: Duration::from_secs(15),
            listener: Listener::default(),
        }
    }
}

impl CleaningOptions {
    /// # Errors
    /// [`Error::InvalidConfig`] for an interval that would leave no time for anything else.
    pub(crate) fn validate(&self) -> Result<()> {
        let intervals = [
            ("retention_check_interval", self.retention_check_interval),
            ("cleaner_backoff", self.cleaner_backoff),
        ];
        match intervals.into_iter().find(|(_, interval)| interval.is_zero()) {
            None => Ok(()),
            Some((setting, _)) => {
                let why = "it is longer than zero; Duration::MAX means never";
                Err(Error::InvalidConfig { setting, value: "0".into(), why })
            }
        }
    }
}

/// What is being cleaned, and when to look again.
#[derive(Debug)]
pub(super) struct Cleaning {
    options: CleaningOptions,
    schedule: Mutex<Schedule>,
    /// Held through a step, so that there is one at a time.
    turn: Mutex<()>,
}

impl Cleaning {
    pub(super) fn new(options: CleaningOptions, now: Duration) -> Self {
        let schedule = Schedule::new(options.retention_check_interval, options.cleaner_backoff, now);
        Self { options, schedule: Mutex::new(schedule), turn: Mutex::default() }
    }
}

impl Engine {
    /// When something is to be cleaned next, on the monotonic clock.
    pub(super) fn cleaning_due(&self) -> Option<Duration> {
        if self.topics.load().is_empty() { None } else { self.cleaning.schedule.lock().due() }
    }

    /// Does one bounded step of what is due, and says when to come again.
    pub(super) fn clean(&self) -> Result<Option<Duration>> {
        self.check_open()?;
        if self.cleaning_due().is_some_and(|due| due <= self.clock.monotonic()) {
            let _turn = self.cleaning.turn.lock();
            // Whoever had the turn may have done what was due.
            if self.cleaning_due().is_some_and(|due| due <= self.clock.monotonic()) {
                self.retain_some();
                self.compact_some();
            }
        }
        self.check_open()?;
        let now = self.clock.monotonic();
        Ok(self.cleaning_due().map(|due| due.saturating_sub(now)))
    }

    /// There may be something to compact where there was not: topics were made or changed.
    pub(super) fn topics_changed(&self) {
        self.cleaning.schedule.lock().look_for_compaction(self.clock.monotonic());
        self.background.wake();
        self.cleaner.wake();
    }

    /// Does something in each partition of a topic. One that fails keeps no other from it; the first failure is told.
    fn in_each_partition<T>(topic: &Topic, act: impl Fn(&Partition) -> Result<T>) -> Result<Vec<(u32, T)>> {
        let partitions = topic.partitions();
        let done = |partition: &Partition| {
            act(partition).map(|done| (partition.number(), done)).map_err(|error| partition.explain(error))
        };
        let each: Vec<_> = partitions.iter().map(done).collect();
        each.into_iter().collect()
    }

    pub(super) fn tell(&self, event: &BrokerEvent) {
        self.cleaning.options.listener.tell(event);
    }
}
