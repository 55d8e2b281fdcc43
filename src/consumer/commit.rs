//! Committing: by the program, and by itself.

use super::Consumer;
use super::assignment::Assigned;
use super::member::{AutoCommit, GroupSide};
use crate::error::{Error, Result};
use crate::group::{Coordinator, OffsetAndMetadata, PendingCommit};
use crate::types::TopicPartition;
use std::sync::Arc;
use std::time::Duration;

impl Consumer {
    /// Commits where it stands: everything that its polls have returned. When it returns the offsets are as sure as the
    /// broker's `acks` ask: after a power cut, with [`Acks::Durable`](crate::Acks::Durable).
    ///
    /// # Errors
    /// [`Error::IllegalState`] without a group. [`Error::UnknownMember`] or [`Error::IllegalGeneration`] if the group has
    /// gone on without this consumer, [`Error::FencedInstance`] if another one has its instance id, and
    /// [`Error::RebalanceInProgress`] between two epochs of an eager group: nothing was committed then, and the next poll
    /// says what is assigned. Those of the disk.
    pub fn commit(&mut self) -> Result<()> {
        self.commit_async()?.wait()
    }

    /// The same without waiting for the disk. What is returned can be awaited, waited for, or dropped: it comes to pass
    /// all the same, after the commits before it.
    ///
    /// # Errors
    /// As [`Consumer::commit`], as far as they are known at once.
    pub fn commit_async(&mut self) -> Result<PendingCommit> {
        self.begin_commit(self.positions())
    }

    /// Commits these offsets: of each partition the next one to read. Its own position stays where it is. As in Kafka
    /// the partitions need not be its own, nor the offsets within the log.
    ///
    /// # Errors
    /// As [`Consumer::commit`]; [`Error::TooLarge`] for a note of more than 4,096 bytes, and [`Error::UnknownTopic`] or
    /// [`Error::UnknownPartition`]: then none of them was committed.
    pub fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.commit_offsets_async(offsets)?.wait()
    }

    /// The same without waiting for the disk.
    ///
    /// # Errors
    /// As [`Consumer::commit_offsets`], as far as they are known at once.
    pub fn commit_offsets_async<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<PendingCommit> {
        self.begin_commit(offsets.into_iter().map(|(partition, offset)| (partition, offset.into())).collect())
    }

    /// What its group has committed of a partition; none if it never has, which is not the same as 0.
    ///
    /// # Errors
    /// [`Error::IllegalState`] without a group.
    pub fn committed(&self, topic: &str, partition: u32) -> Result<Option<OffsetAndMetadata>> {
        let group = self.expect_group()?;
        let partition = TopicPartition::new(topic, partition)?;
        let found = group.coordinator.committed(&group.group_id, [&partition])?;
        Ok(found.into_iter().next().map(|(_, offset)| offset))
    }

    /// Where it stands in each partition, as far as it stands anywhere. Those of deleted topics are left out.
    fn positions(&self) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let there = self.assigned.iter().filter(|assigned| !assigned.partition().is_deleted());
        let stands = there.filter_map(|assigned| Some((assigned, assigned.known_position()?)));
        stands.map(|(assigned, offset)| (assigned.partition().id().as_ref().clone(), offset.into())).collect()
    }

    fn begin_commit(&mut self, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) -> Result<PendingCommit> {
        self.forget_refused();
        let group = self.expect_group()?;
        let caller = match &group.member {
            None => None,
            Some(member) => match (&member.caller, &member.fenced) {
                (Some(caller), _) => Some(caller),
                (None, Some(fenced)) => return Err(fenced.clone()),
                (None, None) => {
                    let group = group.group_id.clone();
                    return Err(Error::UnknownMember { group, member: "that polls".into() });
                }
            },
        };
        let pending = group.coordinator.commit(&group.group_id, caller, offsets.clone())?;
        if let (Some(ticket), Some(group)) = (pending.ticket(), &mut self.group) {
            group.unsettled.push(ticket);
        }
        for (partition, committed) in offsets {
            if let Ok(assigned) = self.find(partition.topic(), partition.partition()) {
                assigned.note_committed(committed.offset);
            }
        }
        Ok(pending)
    }

    fn expect_group(&self) -> Result<&GroupSide> {
        let why = "offsets are committed in the name of a group; name one when the consumer is built";
        self.group.as_deref().ok_or(Error::IllegalState { what: "commit without a group", why })
    }

    pub(super) fn coordinator(&self) -> Option<Arc<Coordinator>> {
        self.group.as_ref().map(|group| group.coordinator.clone())
    }

    /// When it is to commit by itself, if it stands anywhere that is not committed.
    pub(super) fn auto_commit_at(&self) -> Option<Duration> {
        let group = self.group.as_ref().filter(|group| group.auto_commit != AutoCommit::Off)?;
        self.assigned.iter().any(|assigned| assigned.is_uncommitted()).then_some(group.auto_commit_due)
    }

    /// Commits by itself, if it is time. Only where nothing is gathered that was not returned.
    pub(super) fn auto_commit_if_due(&mut self) {
        let Some(group) = &mut self.group else { return };
        let AutoCommit::Every(interval) = group.auto_commit else { return };
        let now = self.engine.clock().monotonic();
        if now < group.auto_commit_due {
            return;
        }
        group.auto_commit_due = now.saturating_add(interval);
        self.auto_commit_now();
    }

    /// Commits by itself, without waiting. What fails is tried again when it is time again, or not its own any more.
    pub(super) fn auto_commit_now(&mut self) {
        drop(self.begin_auto_commit());
    }

    /// Lets its own commits that wait for the disk come to pass.
    pub(super) fn settle(&self) {
        if let Some(group) = self.group.as_ref().filter(|group| !group.unsettled.is_empty()) {
            group.coordinator.settle(&group.group_id);
        }
    }

    /// Whether commits of its own wait for the disk.
    pub(super) fn is_unsettled(&self) -> bool {
        let group = self.group.as_ref();
        group.is_some_and(|group| group.unsettled.iter().any(|ticket| ticket.has_failed().is_none()))
    }

    /// Of commits that were refused while they waited nothing counts: all that it stands at is to be committed again.
    fn forget_refused(&mut self) {
        let Some(group) = &mut self.group else { return };
        let mut was_refused = false;
        group.unsettled.retain(|ticket| {
            let has_failed = ticket.has_failed();
            was_refused |= has_failed == Some(true);
            has_failed.is_none()
        });
        if was_refused {
            self.assigned.iter_mut().for_each(Assigned::forget_committed);
        }
    }

    /// Commits by itself for the last time.
    pub(super) fn auto_commit_for_sure(&mut self) -> Result<()> {
        self.settle();
        self.begin_auto_commit().and_then(|pending| pending.map_or(Ok(()), PendingCommit::wait))
    }

    fn begin_auto_commit(&mut self) -> Result<Option<PendingCommit>> {
        self.forget_refused();
        if self.auto_commit_at().is_none() {
            return Ok(None);
        }
        let uncommitted = self.assigned.iter().filter(|assigned| assigned.is_uncommitted());
        let uncommitted: Vec<TopicPartition> =
            uncommitted.map(|assigned| assigned.partition().id().as_ref().clone()).collect();
        let mut offsets = self.positions();
        offsets.retain(|(partition, _)| uncommitted.contains(partition));
        self.begin_commit(offsets).map(Some)
    }
}
