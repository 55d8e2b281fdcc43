//! How a consumer takes part in a group: the settings, in the builder.

use super::builder::ConsumerBuilder;
use super::listener::RebalanceListener;
use super::member::{AutoCommit, GroupSide, Listener, Profile, Subscription};
use crate::error::{Error, Result};
use crate::group::assignor::{Assignor, Range};
use crate::group::{Coordinator, Pattern};
use crate::types::TopicPartition;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Kafka writes the length of a group's id in two bytes.
const GROUP_ID_BYTES_MAX: usize = i16::MAX as usize;

/// The settings of a consumer that have to do with its group. The defaults are Kafka's.
pub(super) struct GroupConfig {
    coordinator: Arc<Coordinator>,
    id: Option<String>,
    instance_id: Option<String>,
    client_id: Option<String>,
    topics: BTreeSet<String>,
    pattern: Option<String>,
    assignor: Arc<dyn Assignor>,
    auto_commit: AutoCommit,
    session_timeout: Duration,
    max_poll_interval: Duration,
    listener: Option<Listener>,
}

impl fmt::Debug for GroupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupConfig({:?}, topics {:?}, pattern {:?})", self.id, self.topics, self.pattern)
    }
}

impl GroupConfig {
    pub(super) fn new(coordinator: Arc<Coordinator>) -> Self {
        Self {
            coordinator,
            id: None,
            instance_id: None,
            client_id: None,
            topics: BTreeSet::new(),
            pattern: None,
            assignor: Arc::new(Range),
            auto_commit: AutoCommit::default(),
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Duration::from_secs(300),
            listener: None,
        }
    }

    fn subscription(&self) -> Result<Option<Subscription>> {
        match (&self.pattern, self.topics.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Ok(Some(Subscription::Topics(Arc::new(self.topics.clone())))),
            (Some(pattern), true) => Ok(Some(Subscription::Pattern(Pattern::new(pattern)?))),
            (Some(_), false) => {
                let why = "a pattern may name topics too: say them all in one";
                Err(Error::IllegalState { what: "subscribe and subscribe_pattern", why })
            }
        }
    }

    /// The group, if there is one, and what is subscribed to in it.
    pub(super) fn build(self, is_assigned: bool) -> Result<(Option<Box<GroupSide>>, Option<Subscription>)> {
        let subscription = self.subscription()?;
        if subscription.is_some() && is_assigned {
            let why = "a consumer reads what it is assigned by hand or what its group gives it, not both";
            return Err(Error::IllegalState { what: "subscribe and assign", why });
        }
        self.check_timeouts()?;
        if let Some(instance) = &self.instance_id {
            TopicPartition::new(instance, 0)?;
        }
        let Some(group_id) = self.id else {
            // Whoever subscribes without a group is told so by the consumer.
            return Ok((None, subscription));
        };
        if group_id.is_empty() || group_id.len() > GROUP_ID_BYTES_MAX {
            let why = "it has 1 to 32767 bytes";
            return Err(Error::InvalidConfig {
                setting: "group",
                value: format!("{} bytes", group_id.len()),
                why,
            });
        }
        let profile = Profile {
            instance_id: self.instance_id,
            client_id: self.client_id.unwrap_or_else(|| format!("consumer-{group_id}")),
            assignor: self.assignor,
            session_timeout: self.session_timeout,
            max_poll_interval: self.max_poll_interval,
            listener: self.listener,
        };
        let auto_commit_due = match self.auto_commit {
            AutoCommit::Off => Duration::MAX,
            AutoCommit::Every(interval) => self.coordinator.now().saturating_add(interval),
        };
        let (coordinator, auto_commit) = (self.coordinator, self.auto_commit);
        let unsettled = Vec::new();
        let group = GroupSide {
            coordinator,
            group_id,
            auto_commit,
            auto_commit_due,
            unsettled,
            member: None,
            profile,
        };
        Ok((Some(Box::new(group)), subscription))
    }

    fn check_timeouts(&self) -> Result<()> {
        let times =
            [("session_timeout", self.session_timeout), ("max_poll_interval", self.max_poll_interval)];
        match times.into_iter().find(|(_, time)| time.is_zero()) {
            None => Ok(()),
            Some((setting, _)) => {
                let why = "every member would be expired as soon as it has joined";
                Err(Error::InvalidConfig { setting, value: "0".into(), why })
            }
        }
    }
}

impl ConsumerBuilder {
    /// The group in whose name it commits, and whose members share out what they subscribe to.
    pub fn group(mut self, group_id: impl Into<String>) -> Self {
        self.group.id = Some(group_id.into());
        self
    }

    /// Reads what its group gives it of these topics. They need not exist yet.
    pub fn subscribe<'a>(mut self, topics: impl IntoIterator<Item = &'a str>) -> Self {
        self.group.topics.extend(topics.into_iter().map(str::to_owned));
        self
    }

    /// The same for all topics whose whole name matches this regular expression, now or later.
    pub fn subscribe_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.group.pattern = Some(pattern.into());
        self
    }

    /// Makes it a static member: when it is gone its partitions wait for it until its session has run out, and a new
    /// consumer of this id gets them without a rebalance. The old one, if it is still there, is fenced.
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.group.instance_id = Some(instance_id.into());
        self
    }

    /// What to call it in descriptions. Default `consumer-` and its group.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.group.client_id = Some(client_id.into());
        self
    }

    /// How it wants partitions to be divided: the group goes by the vote of most. Default [`Range`], as in Kafka.
    pub fn assignor(mut self, assignor: impl Assignor) -> Self {
        self.group.assignor = Arc::new(assignor);
        self
    }

    /// Whether and how often it commits by itself. Default every 5 seconds.
    pub fn auto_commit(mut self, auto_commit: AutoCommit) -> Self {
        self.group.auto_commit = auto_commit;
        self
    }

    /// How long its partitions wait after it was dropped without being closed. Default 45 seconds.
    pub fn session_timeout(mut self, time: Duration) -> Self {
        self.group.session_timeout = time;
        self
    }

    /// Who does not poll for so long is a member no longer. Default 5 minutes.
    pub fn max_poll_interval(mut self, time: Duration) -> Self {
        self.group.max_poll_interval = time;
        self
    }

    /// What is told of partitions that come and go.
    pub fn on_rebalance(mut self, listener: impl RebalanceListener + 'static) -> Self {
        self.group.listener = Some(Mutex::new(Box::new(listener)));
        self
    }
}
