//! What a program does when partitions come and go, and what it may do meanwhile.

use super::{Consumer, Start};
use crate::error::Result;
use crate::group::{OffsetAndMetadata, PendingCommit};
use crate::types::TopicPartition;

/// Hears of partitions that come and go. It is called within a poll, on the thread that polls, and never twice at once.
///
/// If it panics, the rebalance goes on without it, and the poll says so once: see [`Error::Panicked`](crate::Error).
pub trait RebalanceListener: Send {
    /// These partitions were added. Where reading begins in them is not looked up yet: a seek decides it.
    fn assigned(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        let _ = (cx, partitions);
    }

    /// These partitions are about to go. They still belong to this consumer: what it has dealt with can be committed.
    fn revoked(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        let _ = (cx, partitions);
    }

    /// These partitions belong to others already: the group has gone on without this consumer. So there is nothing to
    /// commit with.
    fn lost(&mut self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }
}

/// What a [`RebalanceListener`] may do with its consumer.
#[derive(Debug)]
pub struct RebalanceCx<'a> {
    consumer: &'a mut Consumer,
}

impl<'a> RebalanceCx<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer }
    }

    pub(super) fn consumer(&mut self) -> &mut Consumer {
        self.consumer
    }

    /// As [`Consumer::commit`].
    ///
    /// # Errors
    /// As there.
    pub fn commit(&mut self) -> Result<()> {
        self.consumer.commit()
    }

    /// As [`Consumer::commit_offsets`].
    ///
    /// # Errors
    /// As there.
    pub fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.consumer.commit_offsets(offsets)
    }

    /// As [`Consumer::commit_async`].
    ///
    /// # Errors
    /// As there.
    pub fn commit_async(&mut self) -> Result<PendingCommit> {
        self.consumer.commit_async()
    }

    /// As [`Consumer::commit_offsets_async`].
    ///
    /// # Errors
    /// As there.
    pub fn commit_offsets_async<O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<PendingCommit> {
        self.consumer.commit_offsets_async(offsets)
    }

    /// As [`Consumer::committed`].
    ///
    /// # Errors
    /// As there.
    pub fn committed(&mut self, partition: &TopicPartition) -> Result<Option<OffsetAndMetadata>> {
        self.consumer.committed(partition.topic(), partition.partition())
    }

    /// As [`Consumer::seek`].
    ///
    /// # Errors
    /// As there.
    pub fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.consumer.seek(partition.topic(), partition.partition(), offset)
    }

    /// As [`Consumer::seek_to`].
    ///
    /// # Errors
    /// As there.
    pub fn seek_to(&mut self, partition: &TopicPartition, start: Start) -> Result<()> {
        self.consumer.seek_to(partition.topic(), partition.partition(), start)
    }

    /// As [`Consumer::position`].
    ///
    /// # Errors
    /// As there.
    pub fn position(&mut self, partition: &TopicPartition) -> Result<u64> {
        self.consumer.position(partition.topic(), partition.partition())
    }

    /// Returns nothing of this partition until it is resumed.
    ///
    /// # Errors
    /// [`Error::NotAssigned`](crate::Error::NotAssigned).
    pub fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        self.consumer.find(partition.topic(), partition.partition()).map(|assigned| assigned.is_paused = true)
    }

    /// Returns records of this partition again.
    ///
    /// # Errors
    /// [`Error::NotAssigned`](crate::Error::NotAssigned).
    pub fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        self.consumer
            .find(partition.topic(), partition.partition())
            .map(|assigned| assigned.is_paused = false)
    }
}
