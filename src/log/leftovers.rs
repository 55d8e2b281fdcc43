//! Segments that are no part of the log any more, until their files are gone, durably.
//!
//! ```text
//! out of the list ──> noted here ──> let go of, unlinked, one by one ──> names synced ──> forgotten
//!                         └── what fails stays: tried again with the next check of retention, the next round of
//!                             compaction, and the next opening, which the manifest tells of it
//! ```
//! Nobody's base offset is given again, so nothing that is noted here can be the name of a segment of the log.

use super::Log;
use crate::error::{OrIo, Result};
use crate::segment::Segment;
use std::sync::Arc;

impl Log {
    /// Unlinks segments that have left the list; for those who hold the turn. One that cannot be unlinked keeps no other,
    /// and the first failure is told.
    ///
    /// Each is let go of before its files are: a file stays open for whoever has it when its name goes, and so many files
    /// as a removal may concern cannot be open at once. Who reads one meanwhile has it in hand himself.
    pub(super) fn remove_segments(&self, gone: impl IntoIterator<Item = Arc<Segment>>) -> Result<()> {
        let base_offset = |segment: Arc<Segment>| segment.base_offset();
        let gone: Vec<u64> = gone.into_iter().map(base_offset).collect();
        self.leftovers.lock().extend(&gone);
        self.unlink(&gone)
    }

    /// Tries again what could not be unlinked before.
    pub(super) fn retry_leftovers(&self) -> Result<()> {
        if self.leftovers.lock().is_empty() {
            return Ok(());
        }
        self.without_flushes(|| {
            // Where the log was taken away its names may be another's by now.
            self.check_writable()?;
            let left: Vec<u64> = self.leftovers.lock().iter().copied().collect();
            self.unlink(&left)
        })
    }

    fn unlink(&self, base_offsets: &[u64]) -> Result<()> {
        let (mut unlinked, mut failed) = (Vec::new(), Ok(()));
        for base_offset in base_offsets {
            match Segment::remove_files_of(&self.home, *base_offset) {
                Ok(()) => unlinked.push(*base_offset),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        if !unlinked.is_empty() {
            self.home.fs.sync_dir(self.path()).or_io("sync", self.path())?;
            let mut leftovers = self.leftovers.lock();
            for base_offset in unlinked {
                leftovers.remove(&base_offset);
            }
        }
        failed
    }
}
