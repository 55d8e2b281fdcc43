//! What falls due without anybody asking: members whose time is over, commits that wait for a sync, offsets that are old.

use super::Coordinator;
use super::live::LiveGroup;
use crate::engine::Task;
use crate::error::{Error, Result};
use crate::group::Event;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Kafka's `offsets.retention.check.interval.ms`.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(600);

/// What could not be written is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// When something is to be done, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Times {
    due: Mutex<Due>,
    failure: Mutex<Option<Error>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Due {
    /// To look after the groups.
    groups: Option<Duration>,
    /// To make durable what was written.
    sync: Option<Duration>,
    /// To look for offsets that are old.
    expiry: Option<Duration>,
}

impl Due {
    fn next(self) -> Option<Duration> {
        self.groups.into_iter().chain(self.sync).chain(self.expiry).min()
    }
}

impl Coordinator {
    /// The groups are to be looked after at a moment, or earlier.
    pub(super) fn schedule(&self, at: Duration) {
        self.change_due(|due| due.groups = Some(due.groups.map_or(at, |known| known.min(at))));
    }

    /// Something was written: it has to be made durable, and will be old one day.
    pub(super) fn schedule_upkeep(&self) {
        let now = self.engine.clock().monotonic();
        let (sync, expiry) = (self.engine.flush_interval(), EXPIRY_INTERVAL);
        self.change_due(|due| {
            due.sync.get_or_insert(now.saturating_add(sync));
            due.expiry.get_or_insert(now.saturating_add(expiry));
        });
    }

    /// Somebody waits for a sync.
    pub(super) fn request_sync(&self) {
        self.change_due(|due| due.sync = Some(Duration::ZERO));
    }

    /// Why nothing can be made durable any more.
    pub(super) fn sync_failure(&self) -> Option<Error> {
        self.times.failure.lock().clone()
    }

    fn change_due(&self, change: impl FnOnce(&mut Due)) {
        let is_sooner = {
            let mut due = self.times.due.lock();
            let before = due.next();
            change(&mut due);
            due.next().is_some_and(|next| before.is_none_or(|before| next < before))
        };
        if is_sooner {
            self.engine.wake();
        }
    }

    /// Takes what is due by now.
    fn take_due(&self, now: Duration) -> (bool, bool, bool) {
        let mut due = self.times.due.lock();
        let take = |at: &mut Option<Duration>| at.take_if(|at| *at <= now).is_some();
        let Due { groups, sync, expiry } = &mut *due;
        (take(groups), take(sync), take(expiry))
    }

    fn look_after(&self, group: &LiveGroup, now: Duration) {
        self.drain(group);
        let mut state = group.lock();
        // A dead group has nothing that falls due.
        if state.apply(Event::Tick, self.means()).is_err() {
            return;
        }
        state.note(self.means());
        let retry = (!state.is_noted()).then(|| now.saturating_add(RETRY));
        let deadline = state.group.no_deadline_before();
        drop(state);
        retry
            .into_iter()
            .chain((deadline < Duration::MAX).then_some(deadline))
            .for_each(|at| self.schedule(at));
    }

    fn sync(&self) -> Result<()> {
        let synced = self.journal.flush();
        if let Err(error) = &synced {
            *self.times.failure.lock() = Some(error.clone());
            self.journal.announce();
        }
        synced
    }

    /// Takes away offsets that are older than they are kept, and groups of which nothing is left then.
    fn expire(&self) {
        for group in self.groups() {
            let mut state = group.lock();
            let is_over = state.expire_offsets(self.offsets_retention, self.means());
            if matches!(is_over, Ok(true)) && state.delete(self.means()).is_ok() {
                drop(state);
                self.forget(&group);
            }
        }
        if !self.groups().is_empty() {
            self.schedule_upkeep();
        }
    }
}

impl Task for Coordinator {
    fn due(&self) -> Option<Duration> {
        match self.topics_are_new() {
            true => Some(Duration::ZERO),
            false => self.times.due.lock().next(),
        }
    }

    fn run(&self, now: Duration) {
        self.refresh();
        let (groups, sync, expiry) = self.take_due(now);
        if groups {
            self.groups().iter().for_each(|group: &Arc<LiveGroup>| self.look_after(group, now));
        }
        if expiry {
            self.expire();
        }
        if sync {
            // Whoever waits for it is told; everybody else hears of it with the next commit.
            let _ = self.sync();
        }
    }

    /// Offsets that were committed of a deleted topic are gone for good before its name goes to another: of that one
    /// they would say that it was read already.
    fn make_way(&self) -> Result<()> {
        self.refresh();
        if !self.topics.take_orphans() {
            return Ok(());
        }
        let written = self.groups().iter().try_for_each(|group| group.lock().write_unwritten(self.means()));
        let gone = written.and_then(|()| self.journal.flush());
        if gone.is_err() {
            self.topics.note_orphans();
        }
        gone
    }

    fn finish(&self) -> Result<()> {
        self.groups().iter().for_each(|group| self.drain(group));
        self.sync()
    }
}
