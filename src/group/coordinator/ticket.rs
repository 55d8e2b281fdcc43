//! A commit on its way: what it waits for, and how whoever made it learns what became of it.

use super::journal::Place;
use crate::error::{Error, Result};
use crate::group::Caller;
use crate::group::offsets::OffsetAndMetadata;
use crate::partition::{Partition, Signal};
use crate::types::TopicPartition;
use parking_lot::Mutex;
use std::sync::Arc;

/// Offsets of several partitions, and who commits them.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// None: an operator, or a consumer that was assigned its partitions by hand.
    pub(super) by: Option<Caller>,
    pub(super) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
}

/// How much of a partition has to be durable before an offset of it is committed.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) partition: Partition,
    pub(super) end: u64,
}

impl Need {
    pub(super) fn is_met(&self) -> bool {
        self.partition.watermarks().durable_end >= self.end
    }

    /// Makes it durable. Of a partition that is deleted nothing is needed.
    pub(super) fn meet(&self) -> Result<()> {
        if self.is_met() {
            return Ok(());
        }
        let met = self.partition.flush_to(self.end);
        if self.partition.is_deleted() { Ok(()) } else { met }
    }
}

/// A commit that may be written once all that it needs is durable.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ticket: Arc<Ticket>,
    pub(super) request: Request,
    /// One for each of its offsets.
    pub(super) needs: Vec<Need>,
}

impl Queued {
    /// Topics may have been deleted while it waited, and their names gone to others: of those nothing is committed, and
    /// the rest is.
    pub(super) fn leave_out_deleted(&mut self) -> Result<()> {
        let mut needs = self.needs.iter();
        self.request.offsets.retain(|_| needs.next().is_some_and(|need| !need.partition.is_deleted()));
        match self.needs.first() {
            Some(need) if self.request.offsets.is_empty() => {
                Err(Error::UnknownTopic { topic: need.partition.topic().to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// What becomes of a commit that had to wait.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    outcome: Mutex<Option<Result<Place>>>,
    settled: Signal,
}

impl Ticket {
    pub(super) fn settle(&self, outcome: Result<Place>) {
        *self.outcome.lock() = Some(outcome);
        self.settled.notify();
    }

    /// Whether it was refused; none as long as that is not known.
    pub(crate) fn has_failed(&self) -> Option<bool> {
        self.outcome.lock().as_ref().map(Result::is_err)
    }

    pub(super) fn outcome(&self) -> Option<Result<Place>> {
        self.outcome.lock().clone()
    }

    pub(super) fn settled(&self) -> &Signal {
        &self.settled
    }
}

/// A ticket that nobody settles any more: its group was deleted.
pub(super) fn orphaned(group: &str) -> Error {
    Error::UnknownGroup { group: group.to_owned() }
}
