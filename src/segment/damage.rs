//! What a segment says of a place that cannot be read: where it is, and where reading can go on.

use super::{Segment, Skipped, Step};
use crate::error::{Error, OrIo, Result};
use std::ops::Range;

/// What there should be where a checksum does not hold.
pub(crate) const WHOLE_BATCH: &str = "a batch whose checksum holds";

impl Segment {
    /// The error for damage at `position`, where the first of `offsets` should be; the last of them is the last that the
    /// segment has. The error names those before the next batch that is whole.
    pub(crate) fn corrupt(
        &self,
        position: u64,
        offsets: Range<u64>,
        expected: String,
        found: String,
    ) -> Error {
        let next = match self.next_whole_batch(position, offsets.clone()) {
            Ok(next) => next.map(|(_, base_offset)| base_offset),
            Err(error) => return error,
        };
        let end = next.unwrap_or(offsets.end).max(offsets.start + 1);
        let (path, offsets) = (self.log_path().into(), offsets.start..end);
        Error::Corrupt { path, position, expected, found, offsets }
    }

    /// The first whole batch behind what begins at `position`, with these offsets: where it begins, and with which.
    pub(crate) fn next_whole_batch(&self, position: u64, offsets: Range<u64>) -> Result<Option<(u64, u64)>> {
        let path = self.log_path();
        let mut scanner = self.scan(position)?;
        if scanner.skip_damage(offsets).or_io("read", path)? != Skipped::ToBatch {
            return Ok(None);
        }
        match scanner.step().or_io("read", path)? {
            Step::Batch(position, batch) => Ok(Some((position, batch.header().base_offset))),
            Step::End | Step::Invalid(_) => Ok(None),
        }
    }
}
