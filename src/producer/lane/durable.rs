//! The other half of the way: what is written becomes durable, and those who wait for that are called.

use super::super::calls::Job;
use super::{Lane, State};
use crate::error::{Error, Result};
use crate::partition::AppendInfo;

impl Lane {
    pub(in super::super) fn is_durable(&self, info: AppendInfo) -> bool {
        self.partition.watermarks().durable_end > info.last_offset
    }

    /// Asks whoever does maintenance to sync soon.
    pub(super) fn want_sync(&self, state: &mut State) {
        let now = self.shared.clock.monotonic();
        if state.sync_due.is_none_or(|due| due > now) {
            state.sync_due = Some(now);
            self.shared.schedule(now);
        }
    }

    /// The same for a future, which may not wait itself.
    pub(in super::super) fn request_sync(&self) {
        self.want_sync(&mut self.state());
    }

    /// Why nothing can be made durable any more.
    pub(in super::super) fn sync_failure(&self) -> Option<Error> {
        self.sync_failure.get().cloned()
    }

    /// Makes all durable that is written, and calls those who wait for that.
    pub(in super::super) fn sync(&self) -> Result<()> {
        let end = {
            let mut state = self.state();
            state.sync_due = None;
            state.written_end
        };
        let synced = self.partition.flush_to(end);
        {
            let mut state = self.state();
            let durable_end = self.partition.watermarks().durable_end;
            let mut jobs = std::mem::take(&mut state.awaiting_sync);
            if synced.is_ok() {
                state.awaiting_sync = jobs.split_off(jobs.partition_point(|(end, _)| *end <= durable_end));
            }
            let told = |(_, Job(callback, outcome))| Job(callback, synced.clone().and(outcome));
            self.calls.extend(jobs.into_iter().map(told));
        }
        if let Err(error) = &synced {
            let _ = self.sync_failure.set(error.clone());
            self.partition.synced().notify();
        }
        self.run_calls();
        synced
    }
}
