//! What the leader asks about a batch or a marker before it writes it, and what can be answered.
//!
//! The questions hold the fields of a batch header under Kafka's names. The answers are Kafka's errors by name, each
//! with what was expected and what was found, so that whoever reports them need not look again.

use crate::Timestamp;
use crate::record::increment_sequence;

/// Who wrote a batch: how much of it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator on a producer's behalf, as when offsets are committed in a transaction. It counts no sequences, so
    /// only the epoch and the transaction are checked.
    Coordinator,
}

/// A data batch with a producer id that is about to be appended, or that was read back from the log.
///
/// Batches without a producer id are not asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append {
    /// The id of the producer: zero or more.
    pub producer_id: i64,
    /// Its epoch: the newer of two producers with one id has the higher epoch.
    pub producer_epoch: i16,
    /// The sequence of the batch's first record.
    pub base_sequence: i32,
    /// The offset that the first record gets or has.
    pub base_offset: u64,
    /// How far the last record is from the first, in offsets and in sequences: zero or more.
    pub last_offset_delta: i32,
    /// When the producer was heard of, for [`Producers::expire`](super::Producers::expire).
    ///
    /// Kafka takes the batch's largest timestamp. The clock at append is better: a program that writes old timestamps
    /// does not lose its producer's state while it is writing.
    pub timestamp: Timestamp,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Who wrote it.
    pub origin: Origin,
    /// Whether the coordinator says that this partition is in the producer's transaction. Asked only of a transactional
    /// batch that would open a transaction here: without it no marker would ever come to close that transaction.
    pub verified: bool,
}

impl Append {
    /// The offset of the last record.
    pub fn last_offset(&self) -> u64 {
        self.base_offset.saturating_add_signed(i64::from(self.last_offset_delta))
    }

    /// The sequence of the last record. A batch without a sequence (a negative one) has none here either.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta as u32)
    }
}

/// A control batch that ends a producer's transaction in this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// The id of the producer whose transaction ends.
    pub producer_id: i64,
    /// Its epoch. A coordinator may raise it to fence the producer.
    pub producer_epoch: i16,
    /// The epoch of the coordinator that writes the marker.
    pub coordinator_epoch: i32,
    /// The offset that the marker gets or has.
    pub offset: u64,
    /// When the producer was heard of, as in [`Append::timestamp`].
    pub timestamp: Timestamp,
    /// Whether the transaction is aborted; otherwise it is committed.
    pub aborted: bool,
}

/// What becomes of a data batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Append it, then [`apply`](super::Producers::apply) it.
    Accept,
    /// It is in the log already. Nothing is appended, and the answer is that of the first time.
    Duplicate {
        /// The offset that its first record got.
        first_offset: u64,
        /// The offset that its last record got.
        last_offset: u64,
        /// The time that was stored with it.
        timestamp: Timestamp,
    },
    /// A batch is missing before it, or it comes too late to be recognised as a duplicate.
    OutOfOrderSequence {
        /// The only sequence that it could have begun with.
        expected: i32,
        /// The sequence that it begins with.
        found: i32,
    },
    /// A newer producer with this id has been here: this one is fenced.
    InvalidProducerEpoch {
        /// The epoch of the newer producer.
        current: i16,
        /// The epoch of the batch.
        found: i16,
    },
    /// The batch and the transaction do not go together.
    InvalidTxnState {
        /// Where the open transaction begins that the batch claims not to be part of; none if the batch would open one
        /// that the coordinator does not know.
        current_txn_first_offset: Option<u64>,
    },
}

/// What becomes of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum MarkerVerdict {
    /// Append it, then [`apply_marker`](super::Producers::apply_marker) it.
    Accept,
    /// A newer producer with this id has been here.
    InvalidProducerEpoch {
        /// The epoch of the newer producer.
        current: i16,
        /// The epoch of the marker.
        found: i16,
    },
    /// A newer coordinator has written here: this one is fenced.
    TransactionCoordinatorFenced {
        /// The epoch of the newer coordinator.
        current: i32,
        /// The epoch of the coordinator that wrote the marker.
        found: i32,
    },
}
