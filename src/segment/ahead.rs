//! Space set aside ahead of the end of the active segment: a batch then costs no growth of the file, neither when it is
//! written nor when it is synced.
//!
//! ```text
//! 0            bytes                end        segment_bytes
//! | batches      | zeros, set aside  |           |              the file while it is written to
//! | batches      |                                              once it is closed: cut, as Kafka cuts it
//! ```
//! What a crash leaves of it are zeros behind the last batch, and recovery cuts them.

use crate::io::File;
use std::io;

/// The least that is set aside at once. Of ten thousand partitions most are small.
const STEP_MIN: u64 = 32 << 10;
/// The most: what a crash leaves of it is read when the log is opened.
const STEP_MAX: u64 = 16 << 20;

/// Where the space of a file should end so that `needed` bytes have their place: as much again, within limits.
fn next_end(needed: u64, segment_bytes: u64) -> u64 {
    let ahead = needed.clamp(STEP_MIN, STEP_MAX);
    (needed + ahead).next_multiple_of(STEP_MIN).min(segment_bytes).max(needed)
}

/// How far the active segment's file reaches.
#[derive(Debug)]
pub(super) struct Ahead {
    end: u64,
    /// How far the file may reach: an attempt that failed may have added to it.
    reach: u64,
    is_possible: bool,
}

impl Ahead {
    /// The file ends here, behind its last batch.
    pub(super) fn ending_at(end: u64) -> Self {
        Self { end, reach: end, is_possible: true }
    }

    /// Sets space aside if `needed` bytes do not fit. Whether that succeeds does not matter: the write that follows
    /// says whether there is room for itself.
    pub(super) fn make_room(&mut self, file: &dyn File, needed: u64, segment_bytes: u64) {
        if needed <= self.end {
            return;
        }
        if self.is_possible {
            let end = next_end(needed, segment_bytes);
            match file.allocate(end) {
                Ok(()) => return (self.end, self.reach) = (end, self.reach.max(end)),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.is_possible = false,
                Err(_) => self.reach = self.reach.max(end),
            }
        }
        self.end = needed;
        self.reach = self.reach.max(needed);
    }

    /// Gives back what is behind `bytes`.
    pub(super) fn cut(&mut self, file: &dyn File, bytes: u64) -> io::Result<()> {
        file.truncate(bytes)?;
        (self.end, self.reach) = (bytes, bytes);
        Ok(())
    }

    /// Whether there may be anything behind `bytes`.
    pub(super) fn reaches_behind(&self, bytes: u64) -> bool {
        self.reach > bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_again_is_set_aside_within_limits() {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        let table = [
            (1, 1 << 30, 64 * KIB),
            (40 * KIB, 1 << 30, 96 * KIB),
            (MIB, 1 << 30, 2 * MIB),
            (100 * MIB, 1 << 30, 116 * MIB),
            (100 * MIB, 105 * MIB, 105 * MIB),
            (300, 500, 500),
            (600, 500, 600),
        ];
        for (needed, segment_bytes, end) in table {
            assert_eq!(next_end(needed, segment_bytes), end, "{needed} of {segment_bytes}");
        }
    }
}
