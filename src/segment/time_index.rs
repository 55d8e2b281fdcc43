//! The time index: up to which offset all timestamps are at most so large.
//!
//! ```text
//! .timeindex    8 timestamp | 4 offset - base        12 bytes an entry
//! ```
//! An entry holds the largest timestamp seen so far in the segment, and the last offset of the first batch that has it.
//! A lookup takes the largest entry that is not above the target: everything up to its offset is too old.

use super::entries::{Entry, Table};
use super::offset_index::{absolute, relative};
use crate::types::Timestamp;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeEntry {
    /// The largest timestamp of the segment up to there.
    pub timestamp: Timestamp,
    /// The last offset of the first batch that has it.
    pub offset: u64,
}

impl Entry for TimeEntry {
    const LEN: usize = 8 + 4;

    fn encode(&self, base_offset: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.as_millis().to_be_bytes());
        out.extend_from_slice(&relative(base_offset, self.offset).to_be_bytes());
    }

    fn decode(base_offset: u64, bytes: &[u8]) -> Option<Self> {
        let timestamp = Timestamp::from_millis(i64::from_be_bytes(*bytes.first_chunk()?));
        Some(Self { timestamp, offset: absolute(base_offset, bytes.last_chunk()?)? })
    }

    fn precedes(&self, next: &Self) -> bool {
        self.timestamp < next.timestamp && self.offset < next.offset
    }
}

/// The time index of one segment, in memory. An entry whose timestamp is not larger than all before is not taken.
pub type TimeIndex = Table<TimeEntry>;

impl TimeIndex {
    /// The largest entry that is not above `timestamp`: what is at or before its offset is too old, but for the batch
    /// that ends there. `None` if nothing is known to be.
    pub fn lookup(&self, timestamp: Timestamp) -> Option<TimeEntry> {
        let behind = self.entries().partition_point(|entry| entry.timestamp <= timestamp);
        behind.checked_sub(1).map(|index| self.entries()[index])
    }

    /// Drops every entry at or above `offset`.
    pub fn truncate_to(&mut self, offset: u64) {
        self.truncate_where(|entry| entry.offset < offset);
    }

    /// Whether the file is as large as `bytes_max` allows, less the one entry that closing the segment needs.
    pub fn is_full(&self, bytes_max: u32) -> bool {
        self.entries().len() + 1 >= bytes_max as usize / TimeEntry::LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: i64, offset: u64) -> TimeEntry {
        TimeEntry { timestamp: Timestamp::from_millis(timestamp), offset }
    }

    fn index() -> TimeIndex {
        let mut index = TimeIndex::new(45);
        (1..=29).for_each(|i| assert!(index.push(entry(10 * i as i64, 45 + 10 * i))));
        index
    }

    #[test]
    fn a_lookup_finds_the_largest_entry_not_above() {
        let index = index();
        assert_eq!(index.lookup(Timestamp::from_millis(9)), None);
        assert_eq!(index.lookup(Timestamp::from_millis(25)), Some(entry(20, 65)));
        assert_eq!(index.lookup(Timestamp::from_millis(30)), Some(entry(30, 75)));
    }

    #[test]
    fn one_slot_is_kept_for_the_roll() {
        assert!(index().is_full(30 * 12));
        assert!(!index().is_full(31 * 12));
    }

    #[test]
    fn what_is_not_larger_is_passed_over() {
        let mut index = index();
        assert!(!index.push(entry(290, 400)));
        assert!(!index.push(entry(5, 400)));
        assert_eq!(index.entries().len(), 29);
    }

    #[test]
    fn truncation_drops_the_target_too() {
        let mut index = index();
        index.truncate_to(55);
        assert_eq!(index.entries(), []);
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let mut index = TimeIndex::new(100);
        index.push(entry(1_700_000_000_000, 142));
        assert_eq!(index.encode(), [0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0, 0x2a]);
        assert_eq!(TimeIndex::decode(100, &index.encode()).entries(), index.entries());
    }
}
