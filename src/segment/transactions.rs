//! Which transactions are open, as far as the batches tell: the one thing that an index needs and a single batch does
//! not say.
//!
//! A transaction opens with its producer's first transactional batch and ends with that producer's marker. An abort
//! marker turns it into an entry of the index of aborted transactions.

use super::aborted_index::AbortedTransaction;
use crate::record::{Batch, ControlRecord};
use std::collections::BTreeMap;

/// The open transactions behind the batches seen so far. Pure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenTransactions {
    first_offsets: BTreeMap<i64, u64>,
    /// Damage was met: it may hide a transaction that began here or later.
    uncertain_from: Option<u64>,
}

impl OpenTransactions {
    /// Takes note of the next batch; hands out the transaction that it aborts, if it does.
    ///
    /// A marker without a transaction ends nothing and aborts nothing, as in Kafka.
    pub fn observe(&mut self, batch: &Batch<'_>) -> Option<AbortedTransaction> {
        let header = batch.header();
        if !header.is_transactional() {
            return None;
        }
        if header.records_count == 0 {
            // The cleaner has emptied it, and it cleans only what is decided. The marker may be gone already.
            return None;
        }
        if !header.is_control() {
            self.first_offsets.entry(header.producer_id).or_insert(header.base_offset);
            return None;
        }
        match batch.control() {
            Ok(Some(ControlRecord::Abort { .. })) => self.end(header.producer_id, header.last_offset()),
            Ok(Some(ControlRecord::Commit { .. })) => {
                self.first_offsets.remove(&header.producer_id);
                None
            }
            _ => None,
        }
    }

    /// The first offset of the oldest open transaction: nothing from there on is decided yet.
    pub fn first_offset(&self) -> Option<u64> {
        self.first_offsets.values().copied().min()
    }

    /// Where to look for open transactions again: the first offset of the oldest, or where damage may hide an older one.
    /// Its records cannot be read, so nobody waits for it; but the file may be restored.
    pub(crate) fn unsettled_from(&self) -> Option<u64> {
        self.first_offset().into_iter().chain(self.uncertain_from).min()
    }

    /// Remembers that damage may hide a transaction that began at `offset` or later.
    pub(crate) fn doubt_from(&mut self, offset: u64) {
        self.uncertain_from = Some(self.uncertain_from.map_or(offset, |before| before.min(offset)));
    }

    /// Drops what began before `offset`, where it is known that nothing before it is open.
    pub(crate) fn settle_before(&mut self, offset: u64) {
        self.first_offsets.retain(|_, first_offset| *first_offset >= offset);
        self.uncertain_from = self.uncertain_from.map(|before| before.max(offset));
    }

    fn end(&mut self, producer_id: i64, last_offset: u64) -> Option<AbortedTransaction> {
        let first_offset = self.first_offsets.remove(&producer_id)?;
        let last_stable_offset = self.first_offset().unwrap_or(last_offset + 1);
        Some(AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset })
    }
}
