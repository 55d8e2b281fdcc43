//! The bugs that show in what is done to bytes.

use super::{Bug, Planted};
use crate::disk::{Op, SimDisk, SimFile};
use brooklet::io::File;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The sidecar of the durable end.
const SIDECAR: &str = "durable-end";

/// What files are called until they are complete.
const TEMPORARY: [&str; 4] = ["tmp", "cleaned", "swap", "cut"];

/// An open file as a library with one bug uses it.
#[derive(Debug)]
pub(super) struct PlantedFile {
    library: Planted,
    file: Arc<SimFile>,
}

/// What the library does instead of the sync that it should do.
#[derive(Debug, PartialEq, Eq)]
enum Sync {
    Done,
    Dropped,
    Late,
    WhenTold,
}

impl PlantedFile {
    pub(super) fn new(library: Planted, file: Arc<SimFile>) -> Self {
        Self { library, file }
    }

    fn is_sidecar(&self) -> bool {
        self.file.path().is_some_and(|path| path.ends_with(SIDECAR))
    }

    fn judge_sync(&self, path: &Path) -> Sync {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_log = extension == Some("log");
        let is_temporary = extension.is_some_and(|extension| TEMPORARY.contains(&extension));
        let dropped_if = |drops| if drops { Sync::Dropped } else { Sync::Done };
        let delayed_if = |delays| if delays { Sync::WhenTold } else { Sync::Done };
        match self.library.bug {
            Bug::DropLogSync => dropped_if(is_log),
            Bug::DropOldSegmentSync => dropped_if(is_log && !self.library.is_newest_log(path)),
            Bug::DropSidecarSync => dropped_if(path.ends_with(SIDECAR)),
            Bug::NoSyncBeforeRename => dropped_if(is_temporary),
            Bug::DropTruncateSync => dropped_if(self.library.was_seen(path)),
            Bug::SyncAfterRename => delayed_if(is_temporary),
            Bug::SidecarBeforeData => delayed_if(is_log),
            Bug::SyncTooLate => Sync::Late,
            _ => Sync::Done,
        }
    }

    fn sync_now(&self) -> io::Result<()> {
        match self.file.sync() {
            Err(error) if SimDisk::is_crash_stop(&error) => Err(error),
            Err(_) if self.library.bug == Bug::SwallowSyncError => Ok(()),
            Err(_) if self.library.bug == Bug::RetryFailedSync => self.file.sync(),
            synced => synced,
        }
    }
}

impl Planted {
    /// The names of segments are offsets of one width, so the newest one's is the last.
    fn is_newest_log(&self, path: &Path) -> bool {
        let entries = path.parent().and_then(|dir| self.disk.peek_list(dir).ok()).unwrap_or_default();
        let newest = entries.iter().rfind(|entry| entry.name.ends_with(".log"));
        newest.is_some_and(|newest| path.ends_with(&newest.name))
    }
}

impl File for PlantedFile {
    fn len(&self) -> io::Result<u64> {
        self.library.before(Op::Len);
        self.file.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.library.before(Op::Read);
        match self.file.read_at(offset, len) {
            Err(error)
                if self.library.bug == Bug::ReadErrorTakenAsEnd
                    && error.kind() != io::ErrorKind::Interrupted
                    && !SimDisk::is_crash_stop(&error) =>
            {
                Ok(Bytes::new())
            }
            read => read,
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.library.before(Op::Write);
        if self.library.bug == Bug::WriteTooLate {
            self.library.write_late(&self.file, offset, bytes);
            return Ok(bytes.len());
        }
        let written = match self.file.write_at(offset, bytes) {
            Err(error) if SimDisk::is_crash_stop(&error) => Err(error),
            _ if self.library.bug == Bug::ShortWriteTakenAsWhole => Ok(bytes.len()),
            written => written,
        };
        if self.library.bug == Bug::SidecarBeforeData && self.is_sidecar() {
            self.library.sync_waiting()?;
        }
        written
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.library.before(Op::Allocate);
        self.file.allocate(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.library.before(Op::Truncate);
        match self.library.bug {
            Bug::CutTooLittle if len < self.file.len()? => self.file.truncate(len + 1),
            Bug::CutTooMuch if len < self.file.len()? => self.file.truncate(len.saturating_sub(1)),
            Bug::DropTruncateSync => {
                if let Some(path) = self.file.path() {
                    self.library.see(&path);
                }
                self.file.truncate(len)
            }
            _ => self.file.truncate(len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.library.before(Op::Sync);
        match self.file.path().map_or(Sync::Done, |path| self.judge_sync(&path)) {
            Sync::Done => self.sync_now(),
            Sync::Dropped => Ok(()),
            Sync::Late => {
                self.library.sync_late(&self.file);
                Ok(())
            }
            Sync::WhenTold => {
                self.library.sync_when_told(&self.file);
                Ok(())
            }
        }
    }
}
