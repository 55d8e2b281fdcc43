//! What becomes of a batch, and of each of its records. Pure; the rule is Kafka's.
//!
//! A record stays if it is the newest of its key, or lies behind what was read of the keys. A tombstone that stays, and a
//! marker that speaks for nothing any more, get a *delete horizon*; a later pass, once that has come, drops them. So every
//! reader who is not slower than that hears of the deletion. What was aborted goes at once.
//!
//! A batch of which nothing stays goes too, unless somebody needs its header: the last one of a producer says which number
//! it gave last, and the last one of all how far this pass came.

use super::key_map::KeyMap;
use super::newest::Newest;
use super::transactions::CleanedTransactions;
use crate::error::Result;
use crate::record::{Batch, BatchHeader, RecordView};
use crate::segment::AbortedTransaction;
use crate::types::Timestamp;
use std::time::Duration;

/// What a pass goes by.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a> {
    pub(crate) keys: &'a KeyMap,
    /// The same for the offsets of the dirty part.
    pub(crate) newest: &'a Newest,
    /// Behind the last record that the keys were read from; what lies there stays.
    pub(crate) keys_end: u64,
    pub(crate) now: Timestamp,
    pub(crate) delete_retention: Duration,
    /// Whether a batch is the last one by which its producer is known.
    pub(crate) is_last_of_producer: &'a dyn Fn(&BatchHeader) -> bool,
}

/// What is written in a batch's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// The same bytes.
    AsItWas,
    /// Others, with at least one record.
    Changed(Vec<u8>),
    /// A header alone.
    Emptied(Vec<u8>),
    /// Nothing.
    Dropped,
}

/// What was decided about one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) rewritten: Rewritten,
    /// The entry that the index of aborted transactions needs.
    pub(crate) aborted: Option<AbortedTransaction>,
    pub(crate) records: u64,
    pub(crate) records_dropped: u64,
    pub(crate) tombstones_dropped: u64,
    pub(crate) markers_dropped: u64,
}

/// What is known of a batch before its records are looked at.
struct Verdict {
    /// All of its records go.
    discards_records: bool,
    /// It is a marker that speaks for nothing.
    needs_horizon: bool,
    aborted: Option<AbortedTransaction>,
}

impl Rule<'_> {
    /// Decides about the next batch of a pass.
    ///
    /// # Errors
    /// If its records cannot be read.
    pub(crate) fn rewrite(
        &self,
        batch: &Batch<'_>,
        transactions: &mut CleanedTransactions,
    ) -> Result<Decision> {
        let header = batch.header();
        let verdict = self.judge(batch, transactions)?;
        let records = batch.records()?;
        let (mut kept, mut decision) = (Vec::new(), Decision::of(verdict.aborted));
        for record in records.iter() {
            let record = record?;
            decision.records += 1;
            if !verdict.discards_records && self.keeps(header, &record) {
                kept.push(record);
                continue;
            }
            decision.records_dropped += 1;
            decision.tombstones_dropped += u64::from(!header.is_control() && record.value().is_none());
            decision.markers_dropped += u64::from(header.is_control());
        }
        decision.rewritten = if kept.is_empty() {
            self.without_records(batch)
        } else {
            let has_tombstone = kept.iter().any(|record| record.value().is_none());
            let stamped = (has_tombstone || verdict.needs_horizon) && header.delete_horizon().is_none();
            let horizon = stamped.then_some(self.now + self.delete_retention);
            match horizon {
                None if decision.records_dropped == 0 => Rewritten::AsItWas,
                _ => Rewritten::Changed(batch.retained(&kept, horizon)?),
            }
        };
        Ok(decision)
    }

    fn judge(&self, batch: &Batch<'_>, transactions: &mut CleanedTransactions) -> Result<Verdict> {
        let header = batch.header();
        if !header.is_control() {
            let discards_records = transactions.meet_records(header);
            return Ok(Verdict { discards_records, needs_horizon: false, aborted: None });
        }
        let marker = transactions.meet_marker(header, batch.control()?);
        Ok(Verdict {
            discards_records: marker.speaks_for_nothing && self.has_come(header) == Some(true),
            needs_horizon: marker.speaks_for_nothing,
            aborted: marker.aborted,
        })
    }

    fn keeps(&self, header: &BatchHeader, record: &RecordView<'_>) -> bool {
        if header.is_control() || record.offset() >= self.keys_end {
            return true;
        }
        // A compacted topic takes no record without a key; one from before it was compacted cannot be superseded.
        let Some(key) = record.key() else { return false };
        // Of transactional ones the bits would have to be believed that they were committed when the keys were read.
        let known = if header.is_transactional() { None } else { self.newest.get(record.offset()) };
        let ask = || self.keys.get(key).is_none_or(|newest| record.offset() >= newest);
        known.unwrap_or_else(ask) && (record.value().is_some() || self.has_come(header) != Some(true))
    }

    /// Whether the delete horizon of a batch has come, if it has one.
    fn has_come(&self, header: &BatchHeader) -> Option<bool> {
        header.delete_horizon().map(|horizon| horizon <= self.now)
    }

    fn without_records(&self, batch: &Batch<'_>) -> Rewritten {
        let header = batch.header();
        let is_last_of_producer = header.has_producer_id() && (self.is_last_of_producer)(header);
        if !is_last_of_producer && header.next_offset() != self.keys_end {
            Rewritten::Dropped
        } else if header.records_count == 0 {
            Rewritten::AsItWas
        } else {
            Rewritten::Emptied(batch.emptied())
        }
    }
}

impl Decision {
    fn of(aborted: Option<AbortedTransaction>) -> Self {
        Self {
            rewritten: Rewritten::Dropped,
            aborted,
            records: 0,
            records_dropped: 0,
            tombstones_dropped: 0,
            markers_dropped: 0,
        }
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
