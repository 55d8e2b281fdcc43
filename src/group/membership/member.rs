//! One member: what it said, what it owns, and until when it has to be heard of.
//!
//! `assigned` and `revoking` are disjoint, and together they are what it owns: nobody else is given any of it.

use super::event::{Join, Removal};
use crate::types::TopicPartition;
use std::collections::BTreeSet;
use std::time::Duration;

/// A member, as its group keeps it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) said: Join,
    /// The epoch of the assignment that it works on.
    pub(super) epoch: u32,
    /// What it may read.
    pub(super) assigned: BTreeSet<TopicPartition>,
    /// What it has to give up and has not yet said that it did.
    pub(super) revoking: BTreeSet<TopicPartition>,
    /// Whether it is known to have all that it is to have, so that a poll need not look.
    pub(super) is_settled: bool,
    /// Since when it owns something that it is not to have.
    pub(super) overdue_since: Option<Duration>,
    pub(super) last_heard: Duration,
    pub(super) last_poll: Duration,
}

impl Member {
    pub(super) fn new(said: Join, now: Duration) -> Self {
        Member {
            said,
            epoch: 0,
            assigned: BTreeSet::new(),
            revoking: BTreeSet::new(),
            is_settled: false,
            overdue_since: None,
            last_heard: now,
            last_poll: now,
        }
    }

    pub(super) fn owns(&self, partition: &TopicPartition) -> bool {
        self.assigned.contains(partition) || self.revoking.contains(partition)
    }

    pub(super) fn owned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.assigned.iter().chain(&self.revoking)
    }

    pub(super) fn owns_nothing(&self) -> bool {
        self.assigned.is_empty() && self.revoking.is_empty()
    }

    /// When a static member does not poll in time, it is not removed: it counts as not heard of since then, so that a
    /// consumer that is started again in time finds its partitions.
    fn poll_deadline(&self) -> Duration {
        self.last_poll.saturating_add(self.said.max_poll_interval)
    }

    /// Takes note of a sign of life.
    pub(super) fn heard(&mut self, now: Duration) {
        if self.said.instance_id.is_none() || now < self.poll_deadline() {
            self.last_heard = self.last_heard.max(now);
        }
    }

    /// Takes note of a poll, which is a sign of life too.
    pub(super) fn polled(&mut self, now: Duration) {
        self.last_poll = self.last_poll.max(now);
        self.last_heard = self.last_heard.max(now);
    }

    /// When it will be removed if nothing happens, and why: the earliest of its deadlines.
    pub(super) fn deadline(&self) -> (Duration, Removal) {
        let session = (self.last_heard.saturating_add(self.said.session_timeout), Removal::SessionTimeout);
        let poll =
            (self.said.instance_id.is_none()).then(|| (self.poll_deadline(), Removal::MaxPollInterval));
        let rebalance = self
            .overdue_since
            .map(|since| (since.saturating_add(self.said.rebalance_timeout), Removal::RebalanceTimeout));
        let others = poll.into_iter().chain(rebalance);
        others.fold(session, |first, other| if other.0 < first.0 { other } else { first })
    }
}
