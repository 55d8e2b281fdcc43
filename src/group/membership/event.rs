//! What can happen to a group, and what follows from it for others.

use crate::group::assignor::{Assignor, RebalanceProtocol};
use crate::types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Kafka's `session.timeout.ms`.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// Kafka's `max.poll.interval.ms`.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);

/// Who speaks: a member by all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The id that it joined with.
    pub member_id: String,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<String>,
    /// The epoch that it knows: that of its [`MemberView`](super::MemberView) after its last event.
    pub epoch: u32,
}

/// A consumer that joins, or a member that changes what it said when it joined.
#[derive(Debug, Clone)]
pub struct Join {
    /// An id that nobody had before, or that of the member that changes something.
    pub member_id: String,
    /// Makes it a static member: a later consumer with the same instance id takes its place and its partitions.
    pub instance_id: Option<String>,
    /// What to call the consumer in descriptions.
    pub client_id: String,
    /// The topics: named, or found by a pattern. They need not exist. The group keeps one set for all who want the same.
    pub topics: Arc<BTreeSet<String>>,
    /// The pattern by which they were found, for descriptions. Whoever applies it sends [`Event::TopicsChanged`].
    pub pattern: Option<String>,
    /// How it wants partitions to be divided: a vote, by the assignor's name.
    pub assignor: Arc<dyn Assignor>,
    /// How it gives up partitions. The group is eager if anybody in it is.
    pub protocol: RebalanceProtocol,
    /// It is expired when nothing is heard of it for so long.
    pub session_timeout: Duration,
    /// It is expired when it does not poll for so long.
    pub max_poll_interval: Duration,
    /// It is expired when it does not give up a partition that it has to for so long.
    pub rebalance_timeout: Duration,
    /// What it had when it was a member before, or owns now. A wish where it is no member any more.
    pub owned: BTreeSet<TopicPartition>,
    /// The epoch in which it had that.
    pub generation: Option<u32>,
}

impl Join {
    /// A dynamic member with Kafka's timeouts.
    pub fn new<T: Into<String>>(
        member_id: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
        assignor: Arc<dyn Assignor>,
    ) -> Self {
        let member_id = member_id.into();
        Join {
            client_id: member_id.clone(),
            member_id,
            instance_id: None,
            topics: Arc::new(topics.into_iter().map(Into::into).collect()),
            pattern: None,
            protocol: assignor.protocol(),
            assignor,
            session_timeout: SESSION_TIMEOUT,
            max_poll_interval: MAX_POLL_INTERVAL,
            rebalance_timeout: MAX_POLL_INTERVAL,
            owned: BTreeSet::new(),
            generation: None,
        }
    }
}

/// What happens to a group.
#[derive(Debug, Clone)]
pub enum Event {
    /// A consumer joins or rejoins.
    Join(Join),
    /// A sign of life that is not a poll: from a background thread, or a commit.
    Heartbeat(Caller),
    /// A member polls. It is given what is free for it, and told what to give up: see its view.
    Poll(Caller),
    /// A member has run its callbacks and says what it owns now. Everything else is free for others.
    Acknowledge(Caller, BTreeSet<TopicPartition>),
    /// A member goes, and says so.
    Leave(Caller),
    /// Somebody removes a member.
    Evict {
        /// Its id.
        member_id: String,
    },
    /// The topics are not what they were.
    TopicsChanged {
        /// All topics that there are, with their numbers of partitions.
        topics: Arc<BTreeMap<String, u32>>,
        /// What the patterns of members find now, by member id. Those that are not named keep what they have.
        matched: BTreeMap<String, Arc<BTreeSet<String>>>,
    },
    /// Time has passed.
    Tick,
    /// Somebody deletes the group.
    Delete,
}

/// Why a member is one no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It left.
    Left,
    /// Nothing was heard of it for its session timeout.
    SessionTimeout,
    /// It did not poll for its max poll interval.
    MaxPollInterval,
    /// It did not give up in time what it had to.
    RebalanceTimeout,
    /// Somebody removed it.
    Evicted,
    /// Another consumer with its instance id has taken its place.
    Fenced,
}

/// What follows from an event for others than the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The group has a new epoch: note its metadata.
    NewEpoch(u32),
    /// There is something for this member to take or to give up at its next poll: wake it.
    AssignmentChanged {
        /// Its id.
        member_id: String,
    },
    /// This member is one no longer, and owns nothing.
    Removed {
        /// Its id.
        member_id: String,
        /// Why.
        why: Removal,
    },
    /// The group has no members any more.
    BecameEmpty,
    /// The assignor panicked: everybody stays with what was assigned before.
    AssignorFailed {
        /// Its name.
        assignor: String,
        /// What it said.
        message: String,
    },
}
