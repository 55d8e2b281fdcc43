//! The handle that the pool gives out: a file that opens itself when it is used.

use super::super::{File, Fs};
use super::Pool;
use super::slot::{Opened, Slot};
use bytes::Bytes;
use parking_lot::{MappedRwLockReadGuard, RwLockReadGuard, RwLockWriteGuard};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Debug)]
pub(super) struct PooledFile {
    pub(super) slot: Arc<Slot>,
    pool: Arc<Pool>,
}

type InUse<'a> = MappedRwLockReadGuard<'a, Opened>;

impl PooledFile {
    /// A handle of a file that `open` opens or creates.
    pub(super) fn new(
        pool: &Arc<Pool>,
        path: &Path,
        open: impl Fn(&dyn Fs) -> io::Result<Arc<dyn File>>,
    ) -> io::Result<Arc<Self>> {
        let slot = Arc::new(Slot::new(path.to_owned()));
        // Held until it is open: those who look for something to close pass by what is locked.
        let mut opened = slot.opened.write();
        *opened = Some(pool.admit(&slot, open)?);
        drop(opened);
        Ok(Arc::new(Self { slot, pool: pool.clone() }))
    }

    /// Before the name is taken away: opens the file if need be, to stay open for as long as anybody has it.
    pub(super) fn stay_open_without_name(&self) -> io::Result<()> {
        let mut path = self.slot.path.lock();
        let mut opened = self.slot.opened.write();
        if opened.is_none()
            && let Some(path) = &*path
        {
            match self.pool.admit(&self.slot, |fs| fs.open(path)) {
                Ok(file) => *opened = Some(file),
                // Gone already, behind our back: then this is what its users get to hear.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        *path = None;
        self.pin(&mut opened);
        Ok(())
    }

    /// After the name has become another file's: what is open stays open, what is not cannot be opened any more.
    pub(super) fn part_with_name(&self) {
        *self.slot.path.lock() = None;
        self.pin(&mut self.slot.opened.write());
    }

    /// Before the name is taken away for good: closes it, once those who are in the middle of a call are done.
    pub(super) fn close_without_name(&self) {
        *self.slot.path.lock() = None;
        let mut opened = self.slot.opened.write();
        if let Some(closing) = opened.take() {
            drop(closing);
            self.pool.frames.leave(&self.slot);
        }
    }

    fn pin(&self, opened: &mut Option<Opened>) {
        if let Some(opened) = opened
            && !opened.pinned
        {
            opened.pinned = true;
            self.pool.frames.leave(&self.slot);
        }
    }

    fn with<R>(&self, act: impl FnOnce(&dyn File) -> io::Result<R>) -> io::Result<R> {
        let in_use = match RwLockReadGuard::try_map(self.slot.opened.read(), Option::as_ref) {
            Ok(in_use) => in_use,
            Err(closed) => {
                drop(closed);
                self.reopen()?
            }
        };
        if !self.slot.used.load(Ordering::Relaxed) {
            self.slot.used.store(true, Ordering::Relaxed);
        }
        act(&*in_use.file)
    }

    /// As [`Self::with`], for what needs a sync later. See [`Slot::dirty`] for why this is the order.
    fn change<R>(&self, act: impl FnOnce(&dyn File) -> io::Result<R>) -> io::Result<R> {
        self.with(|file| {
            let done = act(file);
            // Whether it succeeded or not: part of it may have been done.
            self.slot.dirty.store(true, Ordering::Relaxed);
            done
        })
    }

    /// Opens the file again. The caller has it before anybody can close it, or no one would ever get anywhere in a
    /// pool that is too small.
    #[cold]
    fn reopen(&self) -> io::Result<InUse<'_>> {
        let path = self.slot.path.lock();
        let mut opened = self.slot.opened.write();
        if opened.is_none() {
            let Some(path) = &*path else {
                let why =
                    "the file was removed, or was replaced while it was closed to make room for another";
                return Err(io::Error::new(io::ErrorKind::NotFound, why));
            };
            *opened = Some(self.pool.admit(&self.slot, |fs| fs.open(path))?);
        }
        let opened = RwLockWriteGuard::downgrade(opened);
        Ok(RwLockReadGuard::map(opened, |opened| {
            opened.as_ref().expect("it was opened under this very lock")
        }))
    }
}

impl File for PooledFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|file| file.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.with(|file| file.read_at(offset, len))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.change(|file| file.write_at(offset, bytes))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.allocate(len))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.truncate(len))
    }

    /// Goes to the disk even if this handle wrote nothing: an earlier process may have.
    fn sync(&self) -> io::Result<()> {
        self.with(|file| {
            if let Some(error) = self.slot.lost_writes() {
                return Err(error);
            }
            self.slot.dirty.store(false, Ordering::Relaxed);
            file.sync().inspect_err(|_| self.slot.dirty.store(true, Ordering::Relaxed))
        })
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        let mut opened = self.slot.opened.write();
        if let Some(closing) = opened.take() {
            drop(closing);
            self.pool.frames.leave(&self.slot);
        }
        drop(opened);
        if let Some(path) = self.slot.path.lock().take() {
            if let Some(kind) = self.slot.unreported_loss() {
                self.pool.names.keep_loss(&path, kind);
            }
            self.pool.names.forget(&path);
        }
    }
}
