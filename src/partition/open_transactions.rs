//! Which offsets are not stable yet: those from the first transaction on that is open, or whose end may still be lost.
//!
//! ```text
//!   offset     10    11    12    13    14    15 |
//!              a1    b1    x     a2    A!    b2 |    a1 opens a, b1 opens b, A! is a's marker
//!              `-- a, completed ------'         |    high watermark 14: unstable from 10, a's marker may be lost
//!                    `-- b, ongoing ------------|    high watermark 15: unstable from 11
//! ```

use std::collections::BTreeSet;

/// The transactions of one partition that hold back the last stable offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OpenTransactions {
    /// First offset and producer id of those without a marker.
    ongoing: BTreeSet<(u64, i64)>,
    /// First offset and marker's offset of those whose marker the high watermark has not passed.
    completed: BTreeSet<(u64, u64)>,
}

impl OpenTransactions {
    /// A transaction of this producer begins at `first_offset`.
    pub(super) fn begin(&mut self, producer_id: i64, first_offset: u64) {
        self.ongoing.insert((first_offset, producer_id));
    }

    /// The transaction's marker is at `last_offset`. Answers the last stable offset as it will be once that marker is
    /// beyond doubt.
    pub(super) fn complete(&mut self, producer_id: i64, first_offset: u64, last_offset: u64) -> u64 {
        self.ongoing.remove(&(first_offset, producer_id));
        self.completed.insert((first_offset, last_offset));
        self.first_ongoing().unwrap_or_else(|| last_offset.saturating_add(1))
    }

    /// Everything below `high_watermark` is beyond doubt now.
    pub(super) fn high_watermark_advanced(&mut self, high_watermark: u64) {
        self.completed.retain(|&(_, last_offset)| last_offset >= high_watermark);
    }

    /// The first offset that is not stable; none if all are.
    pub(super) fn first_unstable_offset(&self) -> Option<u64> {
        let completed = self.completed.first().map(|&(first_offset, _)| first_offset);
        self.first_ongoing().into_iter().chain(completed).min()
    }

    fn first_ongoing(&self) -> Option<u64> {
        self.ongoing.first().map(|&(first_offset, _)| first_offset)
    }
}
