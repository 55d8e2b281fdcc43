//! What operators ask: what groups there are and how they stand, and changes from outside.

use super::{Coordinator, LiveGroup};
use crate::error::{Error, Result};
use crate::group::offsets::OffsetAndMetadata;
use crate::group::{Event, GroupState, LagVerdict};
use crate::types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group at one moment.
#[derive(Debug, Clone)]
pub(crate) struct GroupSnapshot {
    pub(crate) group: String,
    pub(crate) state: GroupState,
    pub(crate) epoch: u32,
    pub(crate) assignor: Option<String>,
    pub(crate) members: Vec<MemberSnapshot>,
    pub(crate) offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    /// What to think of each partition, given where it ends.
    pub(crate) verdicts: BTreeMap<TopicPartition, LagVerdict>,
}

/// A member at one moment.
#[derive(Debug, Clone)]
pub(crate) struct MemberSnapshot {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) epoch: u32,
    pub(crate) topics: Arc<BTreeSet<String>>,
    pub(crate) owned: BTreeSet<TopicPartition>,
    pub(crate) target: BTreeSet<TopicPartition>,
}

impl Coordinator {
    /// All groups and their states, by name.
    pub(crate) fn list(&self) -> Result<Vec<(String, GroupState)>> {
        self.check()?;
        let state = |group: &Arc<LiveGroup>| {
            let mut state = group.lock();
            // Whose time is over is none any more.
            let _ = state.apply(Event::Tick, self.means());
            (group.id.to_string(), state.group.state())
        };
        let mut all: Vec<_> = self.groups().iter().map(state).collect();
        all.retain(|(_, state)| *state != GroupState::Dead);
        Ok(all)
    }

    /// How a group stands. `end_of` says where a partition ends.
    pub(crate) fn describe(
        &self,
        group_id: &str,
        end_of: impl Fn(&TopicPartition) -> Option<u64>,
    ) -> Result<GroupSnapshot> {
        let group = self.expect(group_id)?;
        self.drain(&group);
        let mut state = group.lock();
        state.apply(Event::Tick, self.means())?;
        let now = self.engine.clock().monotonic();
        let judge = |(partition, window): (&TopicPartition, &crate::group::LagWindow)| {
            Some((partition.clone(), window.judge(end_of(partition)?, now).verdict))
        };
        let members = state.group.members().map(|member| {
            let said = member.said();
            MemberSnapshot {
                member_id: said.member_id.clone(),
                instance_id: said.instance_id.clone(),
                client_id: said.client_id.clone(),
                epoch: member.epoch(),
                topics: said.topics.clone(),
                owned: member.assigned().union(member.revoking()).cloned().collect(),
                target: state.group.target(&said.member_id).cloned().unwrap_or_default(),
            }
        });
        Ok(GroupSnapshot {
            group: group_id.to_owned(),
            state: state.group.state(),
            epoch: state.group.epoch(),
            assignor: state.group.assignor_name(),
            members: members.collect(),
            offsets: state
                .offsets
                .iter()
                .map(|(id, committed)| (id.clone(), committed.offset.clone()))
                .collect(),
            verdicts: state.windows.iter().filter_map(judge).collect(),
        })
    }

    /// Removes a member.
    pub(crate) fn evict(&self, group_id: &str, member_id: &str) -> Result<()> {
        let group = self.expect(group_id)?;
        let evicted = group.lock().apply(Event::Evict { member_id: member_id.to_owned() }, self.means());
        self.schedule_upkeep();
        evicted
    }

    /// Deletes a group without members, with all that it has committed.
    pub(crate) fn delete(&self, group_id: &str) -> Result<()> {
        let group = self.expect(group_id)?;
        self.drain(&group);
        group.lock().delete(self.means())?;
        self.forget(&group);
        self.journal_is_durable()
    }

    /// Takes away what a group has committed of a topic that nobody in it subscribes to.
    pub(crate) fn delete_offsets(&self, group_id: &str, topic: &str) -> Result<()> {
        let group = self.expect(group_id)?;
        self.drain(&group);
        let mut state = group.lock();
        state.apply(Event::Tick, self.means())?;
        if state.group.is_subscribed(topic) {
            let members = state.group.members().len();
            return Err(Error::GroupNotEmpty { group: group_id.to_owned(), members });
        }
        state.take_away(|partition, _| partition.topic() == topic, self.means())?;
        drop(state);
        self.journal_is_durable()
    }

    /// An error if a group has members: then nobody but them may say where it stands.
    pub(crate) fn expect_empty(&self, group_id: &str) -> Result<()> {
        let Some(group) = self.find(group_id)? else { return Ok(()) };
        let mut state = group.lock();
        state.apply(Event::Tick, self.means())?;
        match state.group.members().len() {
            0 => Ok(()),
            members => Err(Error::GroupNotEmpty { group: group_id.to_owned(), members }),
        }
    }

    fn journal_is_durable(&self) -> Result<()> {
        match self.engine.acks() {
            crate::config::Acks::Durable => self.journal.flush(),
            _ => {
                self.schedule_upkeep();
                Ok(())
            }
        }
    }
}
