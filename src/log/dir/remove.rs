//! A log is removed with its directory. What somebody else has put there as a file goes with it; a directory of his does not.

use super::LogDir;
use crate::error::{OrIo, Result};
use crate::io::{Entry, EntryKind};
use crate::types::TopicPartition;
use std::io;
use std::path::Path;

impl LogDir {
    /// Removes a log and all its files. Writes to it are refused from now on; whoever reads it has what he has read, and
    /// no file stays open for more. What a crash leaves of it is removed by calling this again. Durable when it returns.
    ///
    /// # Errors
    /// The first thing that could not be removed; all else is. A directory in there is somebody else's, and left alone.
    pub(crate) fn remove_log(&self, partition: &TopicPartition) -> Result<()> {
        let mut logs = self.logs.lock();
        if let Some(log) = logs.remove(partition) {
            log.retire();
        }
        let dir = self.root.join(partition.to_string());
        let entries = match self.fs.list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.or_io("list", &dir)?,
        };
        let remove = |entry: Entry| self.remove_entry(&dir.join(entry.name), entry.kind);
        entries.into_iter().map(remove).fold(Ok(()), Result::and)?;
        match self.fs.remove_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.or_io("remove", &dir)?,
        }
        self.fs.sync_dir(&self.root).or_io("sync", &self.root)
    }

    fn remove_entry(&self, path: &Path, kind: EntryKind) -> Result<()> {
        let removed = match kind {
            EntryKind::Directory => {
                let why = "it is a directory, and none of ours";
                Err(io::Error::new(io::ErrorKind::IsADirectory, why))
            }
            EntryKind::File | EntryKind::Other => self.pool.discard(path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.or_io("remove", path),
        }
    }
}
