//! The offset index: where in the log file some offsets are.
//!
//! ```text
//! .index    4 offset - base | 4 position        8 bytes an entry
//! ```
//! An entry names the *last* offset of a batch and the position where that batch *begins*. A lookup takes the largest
//! entry that is not above the target and reads on from there; what lies before it holds only smaller offsets.

use super::entries::{Entry, Table};

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of the batch.
    pub offset: u64,
    /// Where the batch begins.
    pub position: u32,
}

impl Entry for OffsetEntry {
    const LEN: usize = 4 + 4;

    fn encode(&self, base_offset: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&relative(base_offset, self.offset).to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(base_offset: u64, bytes: &[u8]) -> Option<Self> {
        let offset = absolute(base_offset, bytes.first_chunk()?)?;
        let position = i32::from_be_bytes(*bytes.last_chunk()?);
        Some(Self { offset, position: u32::try_from(position).ok()? })
    }

    fn precedes(&self, next: &Self) -> bool {
        self.offset < next.offset && self.position < next.position
    }
}

/// An offset as the 32 bits that indexes have for it. That it fits is seen to before a batch is appended.
pub(super) fn relative(base_offset: u64, offset: u64) -> i32 {
    i32::try_from(offset - base_offset).expect("a segment is closed before its offsets outgrow 31 bits")
}

/// The reverse of [`relative`]; `None` for what cannot have been written.
pub(super) fn absolute(base_offset: u64, bytes: &[u8; 4]) -> Option<u64> {
    base_offset.checked_add(u64::try_from(i32::from_be_bytes(*bytes)).ok()?)
}

/// The offset index of one segment, in memory.
pub type OffsetIndex = Table<OffsetEntry>;

impl OffsetIndex {
    /// Where to begin to look for `offset`: the largest entry that is not above it, or the beginning of the segment.
    pub fn lookup(&self, offset: u64) -> OffsetEntry {
        let behind = self.entries().partition_point(|entry| entry.offset <= offset);
        let origin = OffsetEntry { offset: self.base_offset(), position: 0 };
        behind.checked_sub(1).map_or(origin, |index| self.entries()[index])
    }

    /// Drops every entry at or above `offset`.
    pub fn truncate_to(&mut self, offset: u64) {
        self.truncate_where(|entry| entry.offset < offset);
    }

    /// Whether another entry would make the file larger than `bytes_max`.
    pub fn is_full(&self, bytes_max: u32) -> bool {
        self.entries().len() >= bytes_max as usize / OffsetEntry::LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(base: u64, entries: u32) -> OffsetIndex {
        let mut index = OffsetIndex::new(base);
        for i in 0..entries {
            index.push(OffsetEntry { offset: base + u64::from(i) + 1, position: i });
        }
        index
    }

    #[test]
    fn a_lookup_finds_the_largest_entry_not_above() {
        let index = index(40, 10);
        assert_eq!(index.lookup(40), OffsetEntry { offset: 40, position: 0 });
        assert_eq!(index.lookup(50), OffsetEntry { offset: 50, position: 9 });
        assert_eq!(index.lookup(u64::MAX), OffsetEntry { offset: 50, position: 9 });
        assert_eq!(OffsetIndex::new(7).lookup(99), OffsetEntry { offset: 7, position: 0 });
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let mut index = OffsetIndex::new(100);
        index.push(OffsetEntry { offset: 142, position: 8192 });
        assert_eq!(index.encode(), [0, 0, 0, 0x2a, 0, 0, 0x20, 0]);
    }

    #[test]
    fn reading_ends_where_the_order_does() {
        let mut bytes = index(40, 3).encode();
        bytes.extend_from_slice(&[0; 64]);
        assert_eq!(OffsetIndex::decode(40, &bytes).entries().len(), 3);
        bytes[8] = 0xff;
        assert_eq!(OffsetIndex::decode(40, &bytes).entries().len(), 1);
    }

    #[test]
    fn truncation_drops_the_target_too() {
        let mut index = index(40, 5);
        index.truncate_to(43);
        assert_eq!(index.entries().last().unwrap().offset, 42);
    }

    #[test]
    fn it_is_full_when_the_next_entry_would_not_fit() {
        assert!(!index(0, 2).is_full(24));
        assert!(index(0, 3).is_full(24));
        assert!(index(0, 3).is_full(31));
    }
}
