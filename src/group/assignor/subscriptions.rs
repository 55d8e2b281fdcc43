//! What an assignor is told: the topics, the members, what these subscribe to and what they own.

use crate::types::{InvalidName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One member, as an assignor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberSubscription {
    /// Its id: a new one after each join.
    pub member_id: String,
    /// The id that a static member keeps.
    pub instance_id: Option<String>,
    /// What it subscribes to. Some of it may not exist. Members that subscribe to the same share one set.
    pub topics: Arc<BTreeSet<String>>,
    /// What it had until now. It may claim anything: what does not exist any more, what others claim too.
    pub owned: BTreeSet<TopicPartition>,
    /// The epoch in which it got that: of two claims to one partition the higher wins. None is lower than any.
    pub generation: Option<u32>,
}

impl MemberSubscription {
    /// A dynamic member that owns nothing.
    pub fn new<T: Into<String>>(member_id: impl Into<String>, topics: impl IntoIterator<Item = T>) -> Self {
        let topics = Arc::new(topics.into_iter().map(Into::into).collect());
        MemberSubscription { member_id: member_id.into(), topics, ..MemberSubscription::default() }
    }

    /// Makes it a static member.
    #[must_use]
    pub fn instance(self, instance_id: impl Into<String>) -> Self {
        MemberSubscription { instance_id: Some(instance_id.into()), ..self }
    }

    /// Says what it had, and since when.
    #[must_use]
    pub fn owns(self, owned: impl IntoIterator<Item = TopicPartition>, generation: u32) -> Self {
        MemberSubscription { owned: owned.into_iter().collect(), generation: Some(generation), ..self }
    }
}

/// Everything that is to be divided, and between whom.
#[derive(Debug, Clone, Default)]
pub struct Subscriptions {
    topics: BTreeMap<String, u32>,
    members: BTreeMap<String, MemberSubscription>,
}

impl Subscriptions {
    /// Topics with their numbers of partitions, and no members yet.
    ///
    /// # Errors
    /// [`InvalidName`] for what can be no partition of a topic.
    pub fn new<T: Into<String>>(topics: impl IntoIterator<Item = (T, u32)>) -> Result<Self, InvalidName> {
        let topics: BTreeMap<String, u32> =
            topics.into_iter().map(|(name, partitions)| (name.into(), partitions)).collect();
        for (name, partitions) in &topics {
            TopicPartition::new(name, partitions.saturating_sub(1))?;
        }
        Ok(Subscriptions { topics, members: BTreeMap::new() })
    }

    /// Adds a member. Of two with the same id the later one counts.
    #[must_use]
    pub fn member(mut self, member: MemberSubscription) -> Self {
        self.members.insert(member.member_id.clone(), member);
        self
    }

    /// The topics with their numbers of partitions, by name.
    pub fn topics(&self) -> impl Iterator<Item = (&str, u32)> {
        self.topics.iter().map(|(name, partitions)| (name.as_str(), *partitions))
    }

    /// How many partitions a topic has: none if there is no such topic.
    pub fn partition_count(&self, topic: &str) -> u32 {
        self.topics.get(topic).copied().unwrap_or(0)
    }

    /// The partitions of one topic, in order: none if there is no such topic.
    pub fn partitions(&self, topic: &str) -> impl Iterator<Item = TopicPartition> {
        (0..self.partition_count(topic)).map(move |partition| named(topic, partition))
    }

    /// The members, by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &MemberSubscription> {
        self.members.values()
    }

    /// The member of this id.
    pub fn get(&self, member_id: &str) -> Option<&MemberSubscription> {
        self.members.get(member_id)
    }

    /// Whether this partition exists and this member subscribes to its topic.
    pub fn may_own(&self, member: &MemberSubscription, partition: &TopicPartition) -> bool {
        partition.partition() < self.partition_count(partition.topic())
            && member.topics.contains(partition.topic())
    }
}

/// A partition of a topic whose name was looked at when it came in.
pub(super) fn named(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, partition).expect("names and numbers were checked by Subscriptions::new")
}
