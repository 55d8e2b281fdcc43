//! The bugs that show in what is done to names.

use super::file::PlantedFile;
use super::memory::Held;
use super::{Bug, Planted};
use crate::disk::{Op, SimDisk, SimFile};
use brooklet::io::{Entry, EntryKind, File, Fs, Lock, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// A lock that holds nobody off.
#[derive(Debug)]
struct NoLock;

impl Lock for NoLock {}

impl Planted {
    fn opened(&self, file: Arc<SimFile>) -> Arc<dyn File> {
        Arc::new(PlantedFile::new(self.clone(), file))
    }

    fn has_directories(&self, dir: &Path) -> bool {
        let entries = self.disk.peek_list(dir).unwrap_or_default();
        entries.iter().any(|entry| entry.kind == EntryKind::Directory)
    }

    /// Whether the sync of this directory is the one that the bug leaves out.
    fn drops_dir_sync(&self, dir: &Path) -> bool {
        match self.bug {
            Bug::DropDirSync => true,
            Bug::DropParentDirSync => self.has_directories(dir),
            Bug::NoDirSyncAfterRename | Bug::NoDirSyncAfterCreate => self.was_seen(dir),
            Bug::SyncDirOnlyOnce => !self.see(dir),
            _ => false,
        }
    }
}

impl Fs for Planted {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Op::CreateDir);
        self.see_dir_of(Bug::NoDirSyncAfterCreate, path);
        self.disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Op::RemoveDir);
        self.disk.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.before(Op::List);
        self.disk.list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.before(Op::Metadata);
        self.disk.metadata(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.before(Op::Create);
        self.see_dir_of(Bug::NoDirSyncAfterCreate, path);
        match self.disk.create_file(path) {
            Err(error) if self.bug == Bug::CreateNotExclusive && error.kind() == ErrorKind::AlreadyExists => {
                let file = self.disk.open_file(path)?;
                file.truncate(0)?;
                Ok(self.opened(file))
            }
            created => Ok(self.opened(created?)),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.before(Op::Open);
        Ok(self.opened(self.disk.open_file(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Op::Rename);
        self.see_dir_of(Bug::NoDirSyncAfterRename, to);
        match self.bug {
            Bug::SwapRenames => return self.swap(Held::Rename(from.to_owned(), to.to_owned())),
            Bug::RemoveBeforeRename if self.disk.peek(to).is_ok() => self.disk.remove(to)?,
            _ => {}
        }
        self.disk.rename(from, to)?;
        if self.bug == Bug::SyncAfterRename { self.sync_waiting() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.before(Op::Remove);
        match self.bug {
            Bug::SwapRemoves => self.swap(Held::Remove(path.to_owned())),
            _ => self.disk.remove(path),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.before(Op::SyncDir);
        if self.drops_dir_sync(dir) {
            return Ok(());
        }
        match self.disk.sync_dir(dir) {
            Err(error) if self.bug == Bug::SwallowSyncError && !SimDisk::is_crash_stop(&error) => Ok(()),
            synced => synced,
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.before(Op::Lock);
        match self.disk.lock(path) {
            Err(error) if self.bug == Bug::LockNotExclusive && error.kind() == ErrorKind::WouldBlock => {
                Ok(Box::new(NoLock))
            }
            locked => locked,
        }
    }
}
