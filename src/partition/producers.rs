//! The producers of one partition: what each may write next, and from where on readers of committed records must wait.
//!
//! Checking and applying are two steps, because the log is written between them, and because what is read back from the
//! log is applied unchecked: it was checked when it was written, and the log is right whatever one thinks of it.
//!
//! Invariant: a producer's open transaction is in its entry and among the open transactions, or in neither.
//! Order: everything that can be seen comes in the order of producer ids or offsets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::Vacant;
use std::time::Duration;

use super::open_transactions::OpenTransactions;
use super::producer_entry::ProducerStateEntry;
use super::verdict::{Append, EndTxnMarker, MarkerVerdict, Verdict};
use crate::Timestamp;

/// A transaction that a marker has ended; if it was aborted, these are the fields of its entry in the `.txnindex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: u64,
    /// The offset of its marker.
    pub last_offset: u64,
    /// Whether it was aborted.
    pub aborted: bool,
    /// The last stable offset once the marker is beyond doubt: where the next ongoing transaction begins, else the
    /// offset after the marker.
    pub last_stable_offset: u64,
}

/// What a partition's leader remembers of its producers.
///
/// A partition that is opened, or truncated, starts from the newest [snapshot](super::producer_snapshot) at or below its
/// end, and applies what lies between the two; nothing is ever taken back step by step.
///
/// ```
/// use brooklet::Timestamp;
/// use brooklet::partition::{Append, Origin, Producers, Verdict};
///
/// let mut producers = Producers::new();
/// let batch = Append {
///     producer_id: 7,
///     producer_epoch: 0,
///     base_sequence: 0,
///     base_offset: 100,
///     last_offset_delta: 2,
///     timestamp: Timestamp::from_millis(1_700_000_000_000),
///     transactional: false,
///     origin: Origin::Client,
///     verified: false,
/// };
/// assert_eq!(producers.check(&batch), Verdict::Accept);
/// producers.apply(&batch); // after it was written
///
/// let again = Append { base_offset: 103, ..batch };
/// assert!(matches!(producers.check(&again), Verdict::Duplicate { first_offset: 100, last_offset: 102, .. }));
///
/// let after_a_gap = Append { base_sequence: 4, ..again };
/// assert_eq!(producers.check(&after_a_gap), Verdict::OutOfOrderSequence { expected: 3, found: 4 });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<i64, ProducerStateEntry>,
    transactions: OpenTransactions,
}

impl Producers {
    /// Knows nobody: the state of an empty log, and that of one which was truncated to nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a data batch that is about to be appended. Changes nothing.
    ///
    /// A producer that is not known may begin with any sequence: its state may have expired while it lived.
    pub fn check(&self, append: &Append) -> Verdict {
        match self.entries.get(&append.producer_id) {
            Some(entry) => entry.check(append),
            None => ProducerStateEntry::empty(append.producer_id).check(append),
        }
    }

    /// Takes note of a data batch that was written, or that was read back from the log. Checks nothing.
    pub fn apply(&mut self, append: &Append) {
        let entry = self.entry(append.producer_id);
        let was_open = entry.current_txn_first_offset.is_some();
        entry.add_batch(append);
        if append.transactional && !was_open {
            self.transactions.begin(append.producer_id, append.base_offset);
        }
    }

    /// Judges a marker that is about to be appended. Changes nothing.
    pub fn check_marker(&self, marker: &EndTxnMarker) -> MarkerVerdict {
        match self.entries.get(&marker.producer_id) {
            Some(entry) => entry.check_marker(marker),
            None => MarkerVerdict::Accept,
        }
    }

    /// Takes note of a marker that was written, or that was read back from the log. Checks nothing.
    ///
    /// Answers the transaction that it ended, if one was open. If that one was aborted, its index entry has to be written
    /// before the high watermark passes the marker: until then readers of committed records are held back anyway.
    pub fn apply_marker(&mut self, marker: &EndTxnMarker) -> Option<CompletedTxn> {
        let EndTxnMarker { producer_id, offset: last_offset, aborted, .. } = *marker;
        let first_offset = self.entry(producer_id).add_marker(marker)?;
        let last_stable_offset = self.transactions.complete(producer_id, first_offset, last_offset);
        Some(CompletedTxn { producer_id, first_offset, last_offset, aborted, last_stable_offset })
    }

    /// Lets go of the transactions whose marker lies below `high_watermark`.
    pub fn high_watermark_advanced(&mut self, high_watermark: u64) {
        self.transactions.high_watermark_advanced(high_watermark);
    }

    /// The first offset of the earliest transaction that is open, or whose marker the high watermark has not passed.
    ///
    /// It may lie below the start of the log, if records of an open transaction were deleted.
    pub fn first_unstable_offset(&self) -> Option<u64> {
        self.transactions.first_unstable_offset()
    }

    /// Forgets those who were not heard of for `after` or longer, and answers how many they were. Who has a transaction
    /// open stays: its marker is still to come.
    pub fn expire(&mut self, now: Timestamp, after: Duration) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| {
            entry.current_txn_first_offset.is_some() || now.since(entry.last_timestamp) < after
        });
        before - self.entries.len()
    }

    /// What is remembered of this producer.
    pub fn get(&self, producer_id: i64) -> Option<&ProducerStateEntry> {
        self.entries.get(&producer_id)
    }

    /// All producers, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ProducerStateEntry> + '_ {
        self.entries.values()
    }

    fn entry(&mut self, producer_id: i64) -> &mut ProducerStateEntry {
        self.entries.entry(producer_id).or_insert_with(|| ProducerStateEntry::empty(producer_id))
    }

    /// Takes an entry from a snapshot. Refuses a second one with the same id.
    pub(super) fn insert(&mut self, entry: ProducerStateEntry) -> bool {
        let Vacant(place) = self.entries.entry(entry.producer_id) else { return false };
        if let Some(first_offset) = entry.current_txn_first_offset {
            self.transactions.begin(entry.producer_id, first_offset);
        }
        place.insert(entry);
        true
    }
}

#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod tests;
