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

/// A commit that may be written once all of `needs` is durable.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ticket: Arc<Ticket>,
    pub(super) request: Request,
    pub(super) needs: Vec<(Partition, u64)>,
}

/// What becomes of a commit that had to wait.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    outcome: Mutex<Option<Result<Place>>>,
    settled: Signal,
}

impl Ticket {
    pub(super) fn settle(&self, outcome: Result<Place>) {
        *self.outcome.lock() = Some(outcome);
        self.settled.notify();
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
