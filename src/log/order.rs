//! Whether a batch continues what lies before it. Pure.
//!
//! Base offset and leader epoch stand outside a batch's checksum, because the log sets them after the checksum is made.
//! So they are held against what they must be.

use super::epochs::LeaderEpochs;
use crate::record::BatchHeader;

/// What the next batch must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It begins at this offset; or behind it, where compaction may have left gaps.
    Base(u64),
    /// It ends at this offset, as an index says.
    Last(u64),
}

impl Expected {
    /// The first offset that is missing to a reader of `offset` if the batch is not what it must be.
    pub(crate) fn first_lost(self, offset: u64) -> u64 {
        match self {
            Expected::Base(base) => base,
            Expected::Last(last) => last.min(offset),
        }
    }
}

/// How a batch fails to continue the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disorder {
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// Holds a header against what it must be.
pub(crate) fn check(
    header: &BatchHeader,
    expected: Expected,
    dense: bool,
    epochs: &LeaderEpochs,
) -> Result<(), Disorder> {
    let (fits, expected) = match expected {
        Expected::Base(base) => (header.base_offset == base || (!dense && header.base_offset > base), base),
        Expected::Last(last) => {
            (header.last_offset() == last || (!dense && header.last_offset() < last), last)
        }
    };
    if !fits {
        let found = format!("offsets {} to {}", header.base_offset, header.last_offset());
        return Err(Disorder { expected: format!("the batch of offset {expected}"), found });
    }
    match epochs.epoch_at(header.base_offset) {
        Some(epoch) if epoch != header.leader_epoch => Err(Disorder {
            expected: format!("leader epoch {epoch}"),
            found: format!("leader epoch {}", header.leader_epoch),
        }),
        _ => Ok(()),
    }
}
