//! Which aborted transactions concern a reader of committed records.

use super::Log;
use super::segments::SegmentList;
use crate::error::Result;
use crate::segment::{AbortedTransaction, OpenTransactions, Segment};
use std::sync::Arc;

impl Log {
    /// The aborted transactions that have records in `from..until`, in the order of their markers.
    ///
    /// # Errors
    /// Those of the file system, or of damage met while a lost index is made anew.
    pub fn aborted_transactions(&self, from: u64, until: u64) -> Result<Vec<AbortedTransaction>> {
        self.with_segments(|segments| self.aborted_in(segments, from, until))
    }

    fn aborted_in(&self, segments: &SegmentList, from: u64, until: u64) -> Result<Vec<AbortedTransaction>> {
        let mut all = Vec::new();
        for segment in segments.reaching(from) {
            let (found, complete) = match segment.aborted(from, until)? {
                Ok(found) => found,
                Err(_unusable) => {
                    rebuild_with_history(segments.all(), segment)?;
                    segment.aborted(from, until)?.unwrap_or_default()
                }
            };
            all.extend(found);
            if complete {
                self.check_lost(from, segment.base_offset())?;
                return Ok(all);
            }
        }
        self.check_lost(from, self.marks.end())?;
        Ok(all)
    }
}

/// Makes the indexes of a segment anew, with the transactions that were open where it begins: only all that lies before
/// can tell.
pub(super) fn rebuild_with_history(segments: &[Arc<Segment>], target: &Arc<Segment>) -> Result<()> {
    let mut open = OpenTransactions::default();
    for segment in segments.iter().take_while(|segment| !Arc::ptr_eq(segment, target)) {
        segment.replay_transactions(&mut open)?;
    }
    target.rebuild_with(&mut open)
}
