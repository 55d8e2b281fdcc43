//! What can be asked of a group.

use super::member::Member;
use super::{Group, GroupState, Join, MemberState};
use crate::types::TopicPartition;
use std::collections::BTreeSet;
use std::time::Duration;

/// A member as others may see it, and what the member itself has to look at after each of its events.
#[derive(Debug, Clone, Copy)]
pub struct MemberView<'a> {
    member: &'a Member,
    state: MemberState,
}

impl<'a> MemberView<'a> {
    /// What it said when it joined.
    pub fn said(&self) -> &'a Join {
        &self.member.said
    }

    /// The epoch that it has to name from now on.
    pub fn epoch(&self) -> u32 {
        self.member.epoch
    }

    /// What it reads.
    pub fn assigned(&self) -> &'a BTreeSet<TopicPartition> {
        &self.member.assigned
    }

    /// What it has to give up: it stops reading, commits, and sends [`Event::Acknowledge`](super::Event) with what it
    /// still owns. Until then nobody else gets any of it.
    pub fn revoking(&self) -> &'a BTreeSet<TopicPartition> {
        &self.member.revoking
    }

    /// What it is waiting for.
    pub fn state(&self) -> MemberState {
        self.state
    }

    /// Whether everything was given up for a new epoch, and this member has not taken its part of it yet.
    pub fn is_between_epochs(&self, group: &Group) -> bool {
        group.state() == GroupState::CompletingRebalance && self.member.epoch < group.target_epoch
    }
}

impl Group {
    /// The group's id.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The group's epoch; Kafka's classic groups call it generation.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The epoch of the target: lower than the group's only while an assignor fails.
    pub fn target_epoch(&self) -> u32 {
        self.target_epoch
    }

    /// What the group is doing.
    pub fn state(&self) -> GroupState {
        let is_settled = |member: &Member| member.is_settled && member.epoch == self.target_epoch;
        if self.is_dead {
            GroupState::Dead
        } else if self.members.is_empty() {
            GroupState::Empty
        } else if self.target_epoch < self.epoch {
            GroupState::Assigning
        } else if self.members.values().all(is_settled) {
            GroupState::Stable
        } else if !self.is_eager {
            GroupState::Reconciling
        } else if self.all_have_given_up() {
            GroupState::CompletingRebalance
        } else {
            GroupState::PreparingRebalance
        }
    }

    /// The name of the assignor that won the vote: none in an empty group.
    pub fn assignor_name(&self) -> Option<String> {
        self.assignor().map(|assignor| assignor.name().to_owned())
    }

    /// One member.
    pub fn member(&self, member_id: &str) -> Option<MemberView<'_>> {
        self.members.get(member_id).map(|member| self.view(member))
    }

    /// The member that has this instance id now.
    pub fn instance(&self, instance_id: &str) -> Option<MemberView<'_>> {
        self.member(self.instances.get(instance_id)?)
    }

    /// All members, by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = MemberView<'_>> {
        self.members.values().map(|member| self.view(member))
    }

    /// Who owns a partition: reads it, or has still to give it up.
    pub fn owner(&self, partition: &TopicPartition) -> Option<&str> {
        self.owners.get(partition).map(String::as_str)
    }

    /// What a member is to have.
    pub fn target(&self, member_id: &str) -> Option<&BTreeSet<TopicPartition>> {
        self.target.get(member_id)
    }

    /// Whether anybody subscribes to this topic: offsets of others may expire while the group lives.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.wishes().into_iter().any(|wish| wish.contains(topic))
    }

    /// When [`Event::Tick`](super::Event) is next due.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.members.values().map(|member| member.deadline().0).min()
    }

    /// No deadline lies before this moment: cheaper to know than [`Group::next_deadline`], and never later.
    pub(crate) fn no_deadline_before(&self) -> Duration {
        self.no_deadline_before
    }

    fn view<'a>(&self, member: &'a Member) -> MemberView<'a> {
        let state = if !member.revoking.is_empty() {
            MemberState::UnrevokedPartitions
        } else if member.is_settled {
            MemberState::Stable
        } else {
            MemberState::UnreleasedPartitions
        };
        MemberView { member, state }
    }
}
