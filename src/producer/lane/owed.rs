//! What a lane owes when the last who knew of it lets go of it: a sync that nobody waits for, and the callbacks of its
//! records. The engine does it in its time.

use super::super::batch::panicked;
use super::super::calls::Job;
use super::Lane;
use crate::engine::Task;
use crate::error::{Error, Result};
use crate::partition::Partition;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Debts of a lane that is gone.
struct Owed {
    partition: Partition,
    debts: Mutex<Option<Debts>>,
}

struct Debts {
    due: Duration,
    /// What is to be durable lies before this.
    end: u64,
    /// In their order, each with what it is told once that is so.
    jobs: Vec<Job>,
}

impl Lane {
    /// Leaves what it owes to the engine. What lingers still, and what waits for room on the disk, is not sent any more;
    /// whoever asked to be called is told so.
    pub(super) fn leave_debts(&mut self) {
        let state = &mut self.guarded.get_mut().state;
        let unsent = state.sealed.drain(..).map(|sealed| sealed.batch);
        let unsent = unsent.chain(state.open.take().map(|open| open.batch));
        let callbacks = unsent.flat_map(|batch| batch.take_callbacks());
        let told = || Err(Error::HandleClosed { handle: "producer" });
        let written = std::mem::take(&mut state.awaiting_sync);
        let wants_sync = state.sync_due.is_some() || !written.is_empty();
        let end = if wants_sync { state.written_end } else { 0 };
        let sync_due = state.sync_due.filter(|_| self.partition.watermarks().durable_end < end);
        let written = written.into_iter().map(|(_, job)| job);
        let jobs: Vec<Job> = written.chain(callbacks.map(|(_, callback)| Job(callback, told()))).collect();
        if sync_due.is_none() && jobs.is_empty() {
            return;
        }
        let due = sync_due.unwrap_or_else(|| self.shared.clock.monotonic());
        let debts = Mutex::new(Some(Debts { due, end, jobs }));
        self.shared.engine.owe(Arc::new(Owed { partition: self.partition.clone(), debts }));
    }
}

impl Owed {
    fn pay(&self) -> Result<()> {
        let Some(Debts { end, jobs, .. }) = self.debts.lock().take() else { return Ok(()) };
        let synced = self.partition.flush_to(end);
        let call = |Job(callback, outcome)| {
            let called = catch_unwind(AssertUnwindSafe(|| callback(synced.clone().and(outcome))));
            called.map_err(|panic| panicked("a callback", panic.as_ref()))
        };
        let called = jobs.into_iter().map(call).fold(Ok(()), Result::and);
        synced.and(called)
    }
}

impl Task for Owed {
    fn due(&self) -> Option<Duration> {
        self.debts.lock().as_ref().map(|debts| debts.due)
    }

    fn run(&self, _now: Duration) {
        // Nobody is left to be told of a failure but those who asked to be called, and they are.
        let _ = self.pay();
    }

    fn finish(&self) -> Result<()> {
        self.pay()
    }
}
