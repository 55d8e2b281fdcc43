//! A consumer, and what the test believes of it.

use brooklet::{Consumer, RebalanceCx, RebalanceListener, TopicPartition};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SESSION: Duration = Duration::from_secs(45);
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(300);

/// What a listener heard, with what the group had committed at that moment.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    Assigned(TopicPartition, Option<u64>),
    Revoked(TopicPartition, Option<u64>),
    Lost(TopicPartition),
}

pub(crate) type Ear = Arc<Mutex<Vec<Heard>>>;

pub(crate) struct Listener(pub(crate) Ear);

impl Listener {
    fn hear(
        &self,
        cx: &mut RebalanceCx<'_>,
        all: &[TopicPartition],
        what: fn(TopicPartition, Option<u64>) -> Heard,
    ) {
        for one in all {
            let committed = cx.committed(one).expect("a readable topic").map(|committed| committed.offset);
            self.0.lock().push(what(one.clone(), committed));
        }
    }
}

impl RebalanceListener for Listener {
    fn assigned(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        self.hear(cx, partitions, Heard::Assigned);
    }

    fn revoked(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        self.hear(cx, partitions, Heard::Revoked);
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.0.lock().extend(partitions.iter().cloned().map(Heard::Lost));
    }
}

/// Where a member stands in a partition, and of which topic of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) incarnation: u32,
    /// None: where its policy says, and nobody has looked yet.
    pub(crate) offset: Option<u64>,
}

pub(crate) struct Member {
    /// None once it was closed or killed.
    pub(crate) consumer: Option<Consumer>,
    pub(crate) ear: Ear,
    pub(crate) commits_by_itself: bool,
    pub(crate) begins_late: bool,
    pub(crate) instance: Option<String>,
    pub(crate) stands: BTreeMap<TopicPartition, Stand>,
    /// Whether it has joined.
    pub(crate) is_member: bool,
    /// How often it has joined.
    pub(crate) life: u32,
    /// It is out, and may not know it yet: its time was over, an operator threw it out, or another has its name.
    pub(crate) is_out: bool,
    /// Another has joined under its instance id.
    pub(crate) was_replaced: bool,
    /// It has been told so.
    pub(crate) knows_it_is_fenced: bool,
    pub(crate) last_poll: Duration,
    pub(crate) gone_at: Option<Duration>,
}

impl Member {
    /// Time goes by: whether it is out now.
    pub(crate) fn age(&mut self, now: Duration) {
        let is_over = match self.gone_at {
            Some(gone_at) => now >= gone_at + SESSION,
            None => now >= self.last_poll + POLL_INTERVAL,
        };
        self.is_out |= self.is_member && is_over;
    }

    /// The same for what it said in an earlier life.
    pub(crate) fn answers_for(&self, life: u32) -> bool {
        self.counts() && self.life == life
    }

    /// Whether its group still takes its word.
    pub(crate) fn counts(&self) -> bool {
        self.is_member && !self.is_out
    }
}
