//! The manifest written anew, with what is still true of the log: as a journal it grows with each segment that comes and goes.

use super::Log;
use super::manifest::{Contents, Manifest};
use crate::error::Result;
use std::sync::Arc;

/// A manifest of fewer records is left as it is.
const RECORDS_MIN: usize = 32;
/// So many times the records that are needed it may have.
const SLACK: usize = 4;

impl Log {
    /// What there is to say of the log as it stands, for those who hold the turn. Segments that are not synced yet are
    /// entered later.
    pub(super) fn facts(&self) -> Result<Contents> {
        let (segments, unsynced) = {
            let writer = self.writer.lock();
            (self.segments.load_full(), writer.unsynced.clone())
        };
        let mut contents = Contents {
            removed: self.leftovers.lock().clone(),
            epochs: self.epochs.load().as_ref().clone(),
            compacted_to: self.first_dirty_offset(),
            ..Contents::default()
        };
        // The last one may be closed at any time, and is then not synced either.
        let (_active, closed) = segments.all().split_last().expect("a log has at least one segment");
        for segment in
            closed.iter().filter(|segment| !unsynced.iter().any(|other| Arc::ptr_eq(other, segment)))
        {
            contents.sealed.insert(segment.base_offset(), segment.file_and_forget()?);
        }
        Ok(contents)
    }

    /// Puts a manifest that says just this in the place of the old one; which stays in force if it fails, or the log is
    /// poisoned.
    pub(super) fn put_manifest(&self, contents: &Contents) -> Result<()> {
        let (fs, dir) = (&self.home.fs, self.path());
        match Manifest::create(fs, dir, contents) {
            Ok(manifest) => {
                self.with_manifest(|current| *current = manifest);
                Ok(())
            }
            Err(error) => match Manifest::open(fs, dir) {
                Ok(Some((_, found))) if found != *contents => Err(error),
                // It is there, and whether it will be after a power cut is not known.
                _ => Err(self.poison(error.to_string())),
            },
        }
    }

    /// Writes the manifest anew once most of it says nothing any more. Without room for that it is done later.
    pub(super) fn shorten_manifest(&self) -> Result<()> {
        let needed = self.segments.load().all().len() + self.epochs.load().entries().len();
        if self.with_manifest(|manifest| manifest.records()) <= RECORDS_MIN + SLACK * needed {
            return Ok(());
        }
        let put = self.facts().and_then(|contents| self.put_manifest(&contents));
        put.or_else(|error| self.unpoisoned(error))
    }
}
