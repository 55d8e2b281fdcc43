//! Members, topics and partitions as numbers, for assignors that look at each of them often.
//!
//! ```text
//! members     by id                              0, 1, 2, ..
//! topics      those that exist, by name          0, 1, 2, ..
//! partitions  topic by topic, in order           0, 1, 2, ..      bases[topic] + number
//! ```
//! So the order of the numbers is the order of the names, and a tie is broken by the smaller number. Memory grows with
//! partitions + members + different subscriptions, and never with a product of these.

use super::Assignment;
use super::subscriptions::{MemberSubscription, Subscriptions, named};
use super::wishes::Wishes;
use crate::types::TopicPartition;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A group in numbers.
pub(super) struct Layout<'a> {
    members: Vec<&'a MemberSubscription>,
    topics: Vec<(&'a str, u32)>,
    /// Who wants the same, and what that is.
    wishes: Wishes,
    bases: Vec<usize>,
    partitions: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(group: &'a Subscriptions) -> Self {
        let members: Vec<_> = group.members().collect();
        let (wishes, topics) = Wishes::new(&members, group.topics().collect());
        let mut partitions = 0;
        let mut bases = Vec::with_capacity(topics.len());
        for (_, count) in &topics {
            bases.push(partitions);
            partitions += *count as usize;
        }
        Layout { members, topics, wishes, bases, partitions }
    }

    /// Whether all members subscribe to the same, be it there or not.
    pub(super) fn wants_one_thing(&self) -> bool {
        self.wishes.len() <= 1
    }

    pub(super) fn members(&self) -> &[&'a MemberSubscription] {
        &self.members
    }

    pub(super) fn topics_len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn partitions_len(&self) -> usize {
        self.partitions
    }

    /// The partitions of one topic.
    pub(super) fn partitions_of(&self, topic: usize) -> std::ops::Range<usize> {
        let base = self.bases[topic];
        base..base + self.topics[topic].1 as usize
    }

    pub(super) fn topic(&self, name: &str) -> Option<usize> {
        self.topics.binary_search_by_key(&name, |(name, _)| name).ok()
    }

    /// The number of a partition, if there is such a partition of a subscribed topic.
    pub(super) fn partition(&self, partition: &TopicPartition) -> Option<usize> {
        let topic = self.topic(partition.topic())?;
        (partition.partition() < self.topics[topic].1)
            .then(|| self.bases[topic] + partition.partition() as usize)
    }

    /// The topic of each partition.
    pub(super) fn topic_by_partition(&self) -> Vec<u32> {
        let mut topics = vec![0; self.partitions];
        for topic in 0..self.topics.len() {
            topics[self.partitions_of(topic)].fill(topic as u32);
        }
        topics
    }

    /// The members that subscribe to each topic, in order of their ids.
    pub(super) fn subscribers(&self) -> Vec<Rc<[u32]>> {
        let order: Vec<u32> = (0..self.members.len() as u32).collect();
        self.subscribers_in(&order)
    }

    /// The members that subscribe to each topic, in this order of the members.
    pub(super) fn subscribers_in(&self, order: &[u32]) -> Vec<Rc<[u32]>> {
        self.wishes.subscribers(self.topics.len(), order)
    }

    /// The members in the order of those assignors that remember nothing: static ones first, by instance id, then the
    /// dynamic ones by member id.
    pub(super) fn static_members_first(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.members.len() as u32).collect();
        order.sort_by_key(|number| {
            let member = self.members[*number as usize];
            (member.instance_id.is_none(), member.instance_id.as_deref(), *number)
        });
        order
    }

    /// Names again, from the owner of each partition.
    pub(super) fn assignment(&self, owners: &[Option<u32>]) -> Assignment {
        let mut shares: Vec<Vec<TopicPartition>> = vec![Vec::new(); self.members.len()];
        for (topic, (name, _)) in self.topics.iter().enumerate() {
            for (partition, owner) in owners[self.partitions_of(topic)].iter().enumerate() {
                if let Some(owner) = owner {
                    shares[*owner as usize].push(named(name, partition as u32));
                }
            }
        }
        let ids = self.members.iter().map(|member| member.member_id.clone());
        ids.zip(shares.into_iter().map(BTreeSet::from_iter)).collect()
    }
}
