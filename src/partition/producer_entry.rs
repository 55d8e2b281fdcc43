//! One producer in one partition: what is remembered of it, and the order in which its next batch is judged.
//!
//! Invariants: at most [`BATCHES_RETAINED`] batches, oldest first, all of the entry's epoch. An entry with a negative
//! epoch is one that nothing is known of; it equals no entry at all.

use std::collections::VecDeque;

use super::verdict::{Append, EndTxnMarker, MarkerVerdict, Origin, Verdict};
use crate::Timestamp;
use crate::record::increment_sequence;

/// How many batches of a producer are remembered, and thus how late a duplicate is still recognised.
///
/// A producer may have five requests under way, and any of them may be sent twice.
pub const BATCHES_RETAINED: usize = 5;

const NO_PRODUCER_EPOCH: i16 = -1;

/// A batch that was appended: enough to answer for it a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMetadata {
    /// The sequence of its first record.
    pub first_sequence: i32,
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The offset of its first record.
    pub first_offset: u64,
    /// The offset of its last record.
    pub last_offset: u64,
    /// The time that came with it.
    pub timestamp: Timestamp,
}

/// What the leader remembers of one producer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerStateEntry {
    /// The id.
    pub producer_id: i64,
    /// The newest epoch that wrote here.
    pub producer_epoch: i16,
    /// The epoch of the coordinator that wrote the last marker; none if there was no marker.
    pub coordinator_epoch: Option<i32>,
    /// The time of the last batch or marker.
    pub last_timestamp: Timestamp,
    /// Where its open transaction begins; none if none is open.
    pub current_txn_first_offset: Option<u64>,
    pub(super) batches: VecDeque<BatchMetadata>,
}

impl ProducerStateEntry {
    /// An entry for a producer that nothing is known of.
    pub(super) fn empty(producer_id: i64) -> Self {
        Self {
            producer_id,
            producer_epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: None,
            last_timestamp: Timestamp::from_millis(-1),
            current_txn_first_offset: None,
            batches: VecDeque::new(),
        }
    }

    /// The remembered batches, oldest first.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = &BatchMetadata> + '_ {
        self.batches.iter()
    }

    /// The newest of the remembered batches; none if a marker raised the epoch and nothing was written since.
    pub fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches.back()
    }

    /// Judges a data batch. The order is Kafka's, and it matters: a duplicate is a success whatever else holds.
    pub(super) fn check(&self, append: &Append) -> Verdict {
        let counts_sequences = append.origin == Origin::Client;
        if counts_sequences && let Some(batch) = self.duplicate_of(append) {
            let BatchMetadata { first_offset, last_offset, timestamp, .. } = *batch;
            return Verdict::Duplicate { first_offset, last_offset, timestamp };
        }
        if append.transactional && !append.verified && !self.has_ongoing_transaction(append.producer_epoch) {
            return Verdict::InvalidTxnState { current_txn_first_offset: None };
        }
        if append.producer_epoch < self.producer_epoch {
            return Verdict::InvalidProducerEpoch {
                current: self.producer_epoch,
                found: append.producer_epoch,
            };
        }
        if counts_sequences && let Some(expected) = self.expected_sequence(append.producer_epoch) {
            let found = append.base_sequence;
            if found != expected {
                return Verdict::OutOfOrderSequence { expected, found };
            }
        }
        if !append.transactional && self.current_txn_first_offset.is_some() {
            return Verdict::InvalidTxnState { current_txn_first_offset: self.current_txn_first_offset };
        }
        Verdict::Accept
    }

    /// Judges a marker.
    pub(super) fn check_marker(&self, marker: &EndTxnMarker) -> MarkerVerdict {
        if marker.producer_epoch < self.producer_epoch {
            return MarkerVerdict::InvalidProducerEpoch {
                current: self.producer_epoch,
                found: marker.producer_epoch,
            };
        }
        match self.coordinator_epoch {
            Some(current) if marker.coordinator_epoch < current => {
                MarkerVerdict::TransactionCoordinatorFenced { current, found: marker.coordinator_epoch }
            }
            _ => MarkerVerdict::Accept,
        }
    }

    /// Remembers a batch, and that it opened a transaction if none was open.
    pub(super) fn add_batch(&mut self, append: &Append) {
        self.move_to_epoch(append.producer_epoch);
        if self.batches.len() == BATCHES_RETAINED {
            self.batches.pop_front();
        }
        self.batches.push_back(BatchMetadata {
            first_sequence: append.base_sequence,
            last_sequence: append.last_sequence(),
            first_offset: append.base_offset,
            last_offset: append.last_offset(),
            timestamp: append.timestamp,
        });
        self.last_timestamp = append.timestamp;
        if append.transactional && self.current_txn_first_offset.is_none() {
            self.current_txn_first_offset = Some(append.base_offset);
        }
    }

    /// Remembers a marker; answers where the transaction began that it ended.
    pub(super) fn add_marker(&mut self, marker: &EndTxnMarker) -> Option<u64> {
        self.move_to_epoch(marker.producer_epoch);
        self.coordinator_epoch = Some(marker.coordinator_epoch);
        self.last_timestamp = marker.timestamp;
        self.current_txn_first_offset.take()
    }

    /// Sequences start over with each epoch, so batches of another one would only be mistaken for duplicates.
    /// A transaction outlives the change: only a marker ends it.
    fn move_to_epoch(&mut self, producer_epoch: i16) {
        if producer_epoch != self.producer_epoch {
            self.producer_epoch = producer_epoch;
            self.batches.clear();
        }
    }

    /// Only the exact batch is a duplicate: one that overlaps was put together anew, and part of it would be lost.
    fn duplicate_of(&self, append: &Append) -> Option<&BatchMetadata> {
        if append.producer_epoch != self.producer_epoch {
            return None;
        }
        let range = (append.base_sequence, append.last_sequence());
        self.batches.iter().find(|batch| (batch.first_sequence, batch.last_sequence) == range)
    }

    fn has_ongoing_transaction(&self, producer_epoch: i16) -> bool {
        self.current_txn_first_offset.is_some() && producer_epoch == self.producer_epoch
    }

    /// The one sequence that may come next; none if any may, because what came before has been forgotten.
    fn expected_sequence(&self, producer_epoch: i16) -> Option<i32> {
        if self.producer_epoch == NO_PRODUCER_EPOCH {
            return None;
        }
        match self.last_batch() {
            Some(last) if producer_epoch == self.producer_epoch => {
                Some(increment_sequence(last.last_sequence, 1))
            }
            _ => Some(0),
        }
    }
}
