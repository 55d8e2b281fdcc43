//! What a consumer knows of its group, and of itself in it.

use super::event::Change;
use super::listener::RebalanceListener;
use crate::engine::Engine;
use crate::error::Error;
use crate::group::assignor::Assignor;
use crate::group::{Caller, Coordinator, Join, MemberLink, Pattern, Ticket};
use crate::types::TopicPartition;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whether and how often a consumer commits by itself what its polls have returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AutoCommit {
    /// Never: the program says when.
    Off,
    /// In a poll, once this time has passed since the last commit; before a rebalance; and when it is closed. Each
    /// commits what earlier polls have returned, whether it is dealt with or not. Kafka's default is 5 seconds, and so
    /// is ours.
    Every(Duration),
}

impl Default for AutoCommit {
    fn default() -> Self {
        AutoCommit::Every(Duration::from_secs(5))
    }
}

/// A consumer's group.
#[derive(Debug)]
pub(super) struct GroupSide {
    pub(super) coordinator: Arc<Coordinator>,
    pub(super) group_id: String,
    pub(super) auto_commit: AutoCommit,
    /// When it commits by itself next, on the monotonic clock.
    pub(super) auto_commit_due: Duration,
    /// Commits of its own that wait for the disk.
    pub(super) unsettled: Vec<Arc<Ticket>>,
    /// With a subscription; without one it is assigned its partitions by hand, and only commits.
    pub(super) member: Option<Member>,
    /// What it says of itself when it subscribes.
    pub(super) profile: Profile,
}

/// A listener in a lock that nobody ever waits for: a consumer is shared between threads, a listener need not be.
pub(super) type Listener = Mutex<Box<dyn RebalanceListener>>;

/// What a member says of itself, whatever it subscribes to.
pub(super) struct Profile {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) assignor: Arc<dyn Assignor>,
    pub(super) session_timeout: Duration,
    pub(super) max_poll_interval: Duration,
    pub(super) listener: Option<Listener>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance_id, client_id, assignor, .. } = self;
        write!(f, "Profile({client_id}, instance {instance_id:?}, {})", assignor.name())
    }
}

/// What it wants to read.
#[derive(Debug, Clone)]
pub(super) enum Subscription {
    Topics(Arc<BTreeSet<String>>),
    Pattern(Pattern),
}

/// A consumer as a member, or about to be one.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) subscription: Subscription,
    pub(super) link: Arc<MemberLink>,
    /// By which names the group knows it; none: it has to join.
    pub(super) caller: Option<Caller>,
    /// What it owns, as far as it knows.
    pub(super) owned: BTreeSet<TopicPartition>,
    /// What it owned when it was a member last, and in which epoch: a wish.
    pub(super) before: Option<(BTreeSet<TopicPartition>, u32)>,
    /// It has to tell the group what it subscribes to now.
    pub(super) has_changed: bool,
    /// Its last look at the group did not come to its end.
    pub(super) must_look: bool,
    /// Somebody else has its instance id: it is out for good.
    pub(super) fenced: Option<Error>,
    /// Whether the poll that is under way ends with each change of the assignment.
    pub(super) tells_changes: bool,
    /// The change that it ends with.
    pub(super) change: Option<Change>,
    /// What its listener panicked with, until a poll has said so.
    pub(super) panicked: Option<Error>,
    engine: Arc<Engine>,
}

impl Member {
    pub(super) fn new(subscription: Subscription, link: Arc<MemberLink>, engine: Arc<Engine>) -> Self {
        Self {
            subscription,
            link,
            caller: None,
            owned: BTreeSet::new(),
            before: None,
            has_changed: false,
            must_look: true,
            fenced: None,
            tells_changes: false,
            change: None,
            panicked: None,
            engine,
        }
    }

    /// Whether there may be something to learn from the group.
    pub(super) fn has_news(&self) -> bool {
        self.must_look || self.link.take_news()
    }

    /// What it says when it joins. A member keeps its id; everybody else gets one that nobody had before.
    pub(super) fn join(&self, profile: &Profile) -> Join {
        let member_id = match &self.caller {
            Some(caller) => caller.member_id.clone(),
            None => format!("{}-{:016x}", profile.client_id, self.engine.next_seed()),
        };
        let topics = match &self.subscription {
            Subscription::Topics(topics) => topics.clone(),
            // The coordinator looks what it finds.
            Subscription::Pattern(_) => Arc::default(),
        };
        let (owned, generation) = match (&self.caller, &self.before) {
            (Some(caller), _) => (self.owned.clone(), Some(caller.epoch)),
            (None, Some((owned, epoch))) => (owned.clone(), Some(*epoch)),
            (None, None) => (BTreeSet::new(), None),
        };
        Join {
            instance_id: profile.instance_id.clone(),
            client_id: profile.client_id.clone(),
            session_timeout: profile.session_timeout,
            max_poll_interval: profile.max_poll_interval,
            rebalance_timeout: profile.max_poll_interval,
            owned,
            generation,
            topics,
            ..Join::new(member_id, [""; 0], profile.assignor.clone())
        }
    }

    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match &self.subscription {
            Subscription::Topics(_) => None,
            Subscription::Pattern(pattern) => Some(pattern),
        }
    }
}

impl Drop for Member {
    /// It is not heard of any more: its session runs out, as if its process had died.
    fn drop(&mut self) {
        self.link.gone(self.engine.clock().monotonic());
    }
}
