//! Groups as operators see and change them.

use super::Admin;
use crate::config::Isolation;
use crate::error::{Error, Result};
use crate::group::{GroupState, LagVerdict, MemberSnapshot, OffsetAndMetadata};
use crate::types::{Timestamp, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A group in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group: String,
    /// What it is doing.
    pub state: GroupState,
}

/// A group as it stands.
#[derive(Debug, Clone)]
pub struct GroupDescription {
    /// Its id.
    pub group: String,
    /// What it is doing.
    pub state: GroupState,
    /// Its epoch, which Kafka's classic groups call generation.
    pub epoch: u32,
    /// The assignor that won the vote; none without members.
    pub assignor: Option<String>,
    /// Its members, by id.
    pub members: Vec<MemberDescription>,
    /// Every partition that it has committed or that a member owns, in order.
    pub partitions: Vec<GroupPartition>,
}

/// A member as it stands.
#[derive(Debug, Clone)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// The id that it keeps, if it is a static member.
    pub instance_id: Option<String>,
    /// What it is called.
    pub client_id: String,
    /// The epoch that it works in.
    pub epoch: u32,
    /// What it subscribes to, or its pattern has found.
    pub topics: BTreeSet<String>,
    /// What it owns.
    pub assignment: BTreeSet<TopicPartition>,
    /// What it is to own.
    pub target: BTreeSet<TopicPartition>,
}

/// How far a group has got in a partition.
#[derive(Debug, Clone)]
pub struct GroupPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// What it has committed; none if it never has.
    pub committed: Option<OffsetAndMetadata>,
    /// Where the partition ends; none if it is gone.
    pub end: Option<u64>,
    /// How many offsets lie between.
    pub lag: Option<u64>,
    /// What to think of that, going by the last commits.
    pub verdict: LagVerdict,
    /// Who owns it: a member's id.
    pub member_id: Option<String>,
    /// What that member is called.
    pub client_id: Option<String>,
}

/// Where a group is to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTo {
    /// With the first record that there is.
    Earliest,
    /// With what comes next.
    Latest,
    /// At this offset, or at the end of the log that is nearer to it.
    Offset(u64),
    /// With the first record that is not older; if there is none, with what comes next.
    Timestamp(Timestamp),
    /// So many offsets behind what it has committed, or before it; no further than the log goes.
    ShiftBy(i64),
}

impl Admin {
    /// All groups, by name.
    ///
    /// # Errors
    /// Those of reading what groups have committed.
    pub fn groups(&self) -> Result<Vec<GroupListing>> {
        let all = self.coordinator.list()?;
        Ok(all.into_iter().map(|(group, state)| GroupListing { group, state }).collect())
    }

    /// Says how a group stands: its members, what they own, and how far it has got.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        let snapshot = self.coordinator.describe(group, |partition| self.end_of(partition))?;
        let owner = |partition: &TopicPartition| {
            snapshot.members.iter().find(|member| member.owned.contains(partition))
        };
        let named = snapshot.offsets.keys().chain(snapshot.members.iter().flat_map(|member| &member.owned));
        let named: BTreeSet<&TopicPartition> = named.collect();
        let partitions = named.into_iter().map(|partition| {
            let (committed, end) = (snapshot.offsets.get(partition).cloned(), self.end_of(partition));
            let lag =
                committed.as_ref().zip(end).map(|(committed, end)| end.saturating_sub(committed.offset));
            let verdict = snapshot.verdicts.get(partition).copied().unwrap_or(LagVerdict::Ok);
            GroupPartition {
                partition: partition.clone(),
                committed,
                end,
                lag,
                verdict,
                member_id: owner(partition).map(|member| member.member_id.clone()),
                client_id: owner(partition).map(|member| member.client_id.clone()),
            }
        });
        let partitions = partitions.collect();
        let members = snapshot.members.iter().cloned().map(MemberDescription::from).collect();
        let (state, epoch, assignor) = (snapshot.state, snapshot.epoch, snapshot.assignor.clone());
        Ok(GroupDescription { group: snapshot.group.clone(), state, epoch, assignor, members, partitions })
    }

    /// Sends a group back, or on, in all partitions of a topic; says where it stands in each now. Only while it has no
    /// members, as in Kafka. A group that is not there yet is made.
    ///
    /// # Errors
    /// [`Error::GroupNotEmpty`], [`Error::UnknownTopic`], and those of the disk; then nothing changes.
    pub fn reset_offsets(&self, group: &str, topic: &str, to: ResetTo) -> Result<BTreeMap<u32, u64>> {
        self.coordinator.expect_empty(group)?;
        let partitions = self.engine.topic(topic)?.partitions();
        let ids: Vec<TopicPartition> =
            partitions.iter().map(|partition| partition.id().as_ref().clone()).collect();
        let committed: BTreeMap<_, _> = self.coordinator.committed(group, &ids)?.into_iter().collect();
        let mut offsets = Vec::new();
        for (partition, id) in partitions.iter().zip(ids) {
            let marks = partition.watermarks();
            let offset = match to {
                ResetTo::Earliest => marks.start,
                ResetTo::Latest => marks.end,
                ResetTo::Offset(offset) => offset,
                ResetTo::Timestamp(timestamp) => {
                    partition.offset_for_time(timestamp)?.map_or(marks.end, |(offset, _)| offset)
                }
                ResetTo::ShiftBy(by) => {
                    // As Kafka's tool does it: where nothing is committed there is nothing to shift.
                    let Some(committed) = committed.get(&id) else { continue };
                    committed.offset.saturating_add_signed(by)
                }
            };
            offsets.push((id, offset.clamp(marks.start, marks.end)));
        }
        let reset = offsets.iter().map(|(id, offset)| (id.partition(), *offset)).collect();
        let offsets: Vec<_> = offsets.into_iter().map(|(id, offset)| (id, offset.into())).collect();
        loop {
            match self.coordinator.commit(group, None, offsets.clone()).and_then(|pending| pending.wait()) {
                // Somebody has joined since it was looked; and perhaps left again.
                Err(Error::UnknownMember { .. }) => self.coordinator.expect_empty(group)?,
                done => return done.map(|()| reset),
            }
        }
    }

    /// Deletes a group that has no members, with all that it has committed.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] or [`Error::GroupNotEmpty`].
    pub fn delete_group(&self, group: &str) -> Result<()> {
        self.coordinator.delete(group)
    }

    /// Takes away what a group has committed of a topic that none of its members subscribes to.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], or [`Error::GroupNotEmpty`] if one of them does.
    pub fn delete_offsets(&self, group: &str, topic: &str) -> Result<()> {
        self.coordinator.delete_offsets(group, topic)
    }

    /// Removes a member from its group: others get its partitions. If it is alive it hears that they are lost, and joins
    /// anew.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] or [`Error::UnknownMember`].
    pub fn evict_member(&self, group: &str, member_id: &str) -> Result<()> {
        self.coordinator.evict(group, member_id)
    }

    fn end_of(&self, partition: &TopicPartition) -> Option<u64> {
        let topic = self.engine.topic(partition.topic()).ok()?;
        Some(topic.partition(partition.partition()).ok()?.visible_end(Isolation::ReadUncommitted))
    }
}

impl From<MemberSnapshot> for MemberDescription {
    fn from(member: MemberSnapshot) -> Self {
        let MemberSnapshot { member_id, instance_id, client_id, epoch, topics, owned, target } = member;
        let topics = Arc::unwrap_or_clone(topics);
        MemberDescription { member_id, instance_id, client_id, epoch, topics, assignment: owned, target }
    }
}

/// A table, as `kafka-consumer-groups --describe` prints one, and a verdict on each lag.
impl fmt::Display for GroupDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dash = || "-".to_owned();
        let head = [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "VERDICT",
            "CONSUMER-ID",
            "CLIENT-ID",
        ];
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        for one in &self.partitions {
            let number = |number: Option<u64>| number.map_or_else(dash, |number| number.to_string());
            rows.push(vec![
                self.group.clone(),
                one.partition.topic().to_owned(),
                one.partition.partition().to_string(),
                number(one.committed.as_ref().map(|committed| committed.offset)),
                number(one.end),
                number(one.lag),
                one.verdict.to_string(),
                one.member_id.clone().unwrap_or_else(dash),
                one.client_id.clone().unwrap_or_else(dash),
            ]);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join(" ").trim_end())?;
        }
        Ok(())
    }
}
