//! The index of aborted transactions: what a reader of committed records passes over.
//!
//! ```text
//! .txnindex    2 version | 8 producer id | 8 first offset | 8 last offset | 8 last stable offset     34 bytes an entry
//! ```
//! Entries come in the order of their last offsets, which are those of the abort markers.

use super::entries::{Entry, Table};

const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: u64,
    /// Its abort marker.
    pub last_offset: u64,
    /// Below this offset no transaction was open once this one was aborted: a search for what else may concern a
    /// reader can end here.
    pub last_stable_offset: u64,
}

impl Entry for AbortedTransaction {
    const LEN: usize = 2 + 8 + 8 + 8 + 8;

    fn encode(&self, _base_offset: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.producer_id.to_be_bytes());
        for offset in [self.first_offset, self.last_offset, self.last_stable_offset] {
            out.extend_from_slice(&offset.to_be_bytes());
        }
    }

    fn decode(base_offset: u64, bytes: &[u8]) -> Option<Self> {
        let version = i16::from_be_bytes(*bytes.first_chunk()?);
        let number = |at: usize| Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let offset = |at: usize| u64::try_from(number(at)?).ok();
        let entry = Self {
            producer_id: number(2)?,
            first_offset: offset(10)?,
            last_offset: offset(18)?,
            last_stable_offset: offset(26)?,
        };
        (version == VERSION && entry.last_offset >= base_offset && entry.first_offset <= entry.last_offset)
            .then_some(entry)
    }

    fn precedes(&self, next: &Self) -> bool {
        self.last_offset < next.last_offset
    }
}

/// The aborted transactions whose markers lie in one segment, in memory.
pub type AbortedIndex = Table<AbortedTransaction>;

impl AbortedIndex {
    /// The transactions that concern a reader of `from..until`, and whether later segments need not be asked.
    pub fn collect(&self, from: u64, until: u64) -> (Vec<AbortedTransaction>, bool) {
        collect(self.entries(), from, until)
    }

    /// Drops every transaction whose marker is at or above `offset`.
    pub fn truncate_to(&mut self, offset: u64) {
        self.truncate_where(|entry| entry.last_offset < offset);
    }
}

/// [`AbortedIndex::collect`] over any run of entries.
pub(super) fn collect(
    entries: &[AbortedTransaction],
    from: u64,
    until: u64,
) -> (Vec<AbortedTransaction>, bool) {
    let mut found = Vec::new();
    for entry in entries {
        if entry.last_offset >= from && entry.first_offset < until {
            found.push(*entry);
        }
        if entry.last_stable_offset >= until {
            return (found, true);
        }
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> AbortedIndex {
        let mut index = AbortedIndex::new(0);
        for (producer_id, first_offset, last_offset, last_stable_offset) in
            [(0, 0, 10, 11), (1, 5, 15, 13), (2, 18, 35, 25), (3, 32, 50, 40)]
        {
            index.push(AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset });
        }
        index
    }

    #[test]
    fn a_reader_is_told_what_concerns_it_and_when_to_stop() {
        for (from, until, producers, complete) in [
            (0, 100, vec![0, 1, 2, 3], false),
            (0, 32, vec![0, 1, 2], true),
            (0, 35, vec![0, 1, 2, 3], true),
            (10, 35, vec![0, 1, 2, 3], true),
            (11, 35, vec![1, 2, 3], true),
            (20, 41, vec![2, 3], false),
        ] {
            let (found, done) = index().collect(from, until);
            assert_eq!(
                found.iter().map(|entry| entry.producer_id).collect::<Vec<_>>(),
                producers,
                "{from}..{until}"
            );
            assert_eq!(done, complete, "{from}..{until}");
        }
    }

    #[test]
    fn the_bytes_are_kafkas_and_come_back() {
        let mut index = AbortedIndex::new(0);
        index.push(AbortedTransaction {
            producer_id: 1,
            first_offset: 0,
            last_offset: 29,
            last_stable_offset: 8,
        });
        let bytes = index.encode();
        assert_eq!(bytes.len(), 34);
        assert_eq!((bytes[9], bytes[25], bytes[33]), (1, 29, 8));
        assert_eq!(AbortedIndex::decode(0, &bytes).entries(), index.entries());
        assert_eq!(
            AbortedIndex::decode(30, &bytes).entries(),
            [],
            "a marker below the segment is not its own"
        );
    }
}
