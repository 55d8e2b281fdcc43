//! Many files, few descriptors: the rest of the crate opens what it likes and knows nothing of limits.
//!
//! ```text
//!   caller --Arc--> PooledFile --Arc--> Slot <--Arc-- Frames      at most `capacity` slots, those that are open
//!                        ^                path, inner file if open
//!   Names: path --Weak---+                dirty, lost writes
//! ```
//!
//! - A handle keeps its path and reopens its file when it is used. To make room, another that is not in use is closed,
//!   by second chance (`frames.rs`), and made durable before if it has unsynced writes: an error of writing back is
//!   told once, to a descriptor that is still open, and would be lost with it (`slot.rs`).
//! - Names are changed through the pool only, so that a handle is never reopened under a name that has become another
//!   file's. A handle whose name is removed or replaced keeps its file open for good, beside the capacity: whoever
//!   removes many lets go of them first, or discards them, and then they are closed for whoever still has them.
//! - Locks, in the order in which they are taken: a name (`names.rs`), a slot's path, a slot's inner file, the ring of
//!   frames. Only the last, and the map of names, are shared by all; no call to the inner file system is made under
//!   them. A thread that waits for a busy slot to close is not in the ring itself, so nobody waits for it in a circle.

mod file;
mod frames;
mod names;
mod slot;
#[cfg(test)]
mod tests;

use super::{Entry, File, Fs, Lock, Metadata};
use file::PooledFile;
use frames::Frames;
use names::Names;
use slot::{Opened, Slot};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A file system that keeps at most so many files of another one open, and lets its users believe that all are.
///
/// Paths are opened again later: give absolute ones, always spelled alike, and change names through this pool only. A
/// handle that is dropped closes its file without making it durable, as any file does.
///
/// ```
/// use brooklet::io::{FilePool, Fs, MemFs};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let fs = FilePool::new(Arc::new(MemFs::new()), 1);
/// let first = fs.create(Path::new("/first"))?;
/// let second = fs.create(Path::new("/second"))?;
/// first.write_all_at(0, b"both can be used")?;
/// second.write_all_at(0, b"though one is open")?;
/// assert_eq!(fs.open_files(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FilePool {
    pool: Arc<Pool>,
}

/// What the handles share.
#[derive(Debug)]
struct Pool {
    inner: Arc<dyn Fs>,
    frames: Frames,
    names: Names,
    open: Arc<AtomicUsize>,
}

impl FilePool {
    /// How many files are open at once unless told otherwise: half of the 1024 that most systems grant a process.
    pub const CAPACITY_DEFAULT: usize = 512;

    /// A pool over `inner` with room for `capacity` open files, at least one.
    pub fn new(inner: Arc<dyn Fs>, capacity: usize) -> Self {
        let frames = Frames::new(capacity.max(1));
        Self { pool: Arc::new(Pool { inner, frames, names: Names::default(), open: Arc::default() }) }
    }

    /// How many files of the inner file system are open now. Files that were removed or replaced while somebody had
    /// them open are among them, and may bring the number above the capacity.
    pub fn open_files(&self) -> usize {
        self.pool.open.load(Ordering::Relaxed)
    }

    /// Removes a file that nobody is to read any more: whoever still has it is told that it was removed. So no descriptor is
    /// needed, and none stays, however many files go.
    pub(crate) fn discard(&self, path: &Path) -> io::Result<()> {
        self.pool.names.with(path, |name| {
            if let Some(file) = name.upgrade() {
                // Before the try: if it fails, the file may be gone all the same.
                file.close_without_name();
                *name = Weak::new();
            }
            self.pool.inner.remove(path)?;
            self.pool.names.take_loss(path);
            Ok(())
        })
    }
}

impl Pool {
    /// Opens a file and finds it a place in the ring. The caller holds the slot's inner file for writing.
    fn admit(
        &self,
        slot: &Arc<Slot>,
        open: impl Fn(&dyn Fs) -> io::Result<Arc<dyn File>>,
    ) -> io::Result<Opened> {
        self.frames.enter(slot);
        match self.with_descriptors(open) {
            Ok(file) => Ok(Opened::new(file, &self.open)),
            Err(error) => {
                self.frames.leave(slot);
                Err(error)
            }
        }
    }

    /// Does something that needs a descriptor; once more with one file less, if the system has none left.
    fn with_descriptors<R>(&self, act: impl Fn(&dyn Fs) -> io::Result<R>) -> io::Result<R> {
        match act(&*self.inner) {
            Err(error) if out_of_descriptors(&error) && self.frames.evict_one() => act(&*self.inner),
            done => done,
        }
    }
}

#[cfg(unix)]
fn out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn out_of_descriptors(_: &io::Error) -> bool {
    false
}

impl Fs for FilePool {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.pool.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.pool.inner.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.pool.with_descriptors(|fs| fs.list(dir))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.pool.inner.metadata(path)
    }

    fn metadata_of(&self, dir: &Path, names: &[String]) -> io::Result<Vec<Option<Metadata>>> {
        self.pool.with_descriptors(|fs| fs.metadata_of(dir, names))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.pool.names.with(path, |name| {
            let file = PooledFile::new(&self.pool, path, |fs| fs.create(path))?;
            if let Some(former) = name.upgrade() {
                // Its file has lost this name behind our back, or by a rename that was said to have failed.
                former.part_with_name();
            }
            self.pool.names.take_loss(path);
            *name = Arc::downgrade(&file);
            Ok(file as Arc<dyn File>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.pool.names.with(path, |name| {
            if let Some(file) = name.upgrade() {
                return Ok(file as Arc<dyn File>);
            }
            let file = PooledFile::new(&self.pool, path, |fs| fs.open(path))?;
            if let Some(loss) = self.pool.names.take_loss(path) {
                // What an earlier handle of this file lost and never told.
                file.slot.lose(loss);
            }
            *name = Arc::downgrade(&file);
            Ok(file)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if from == to {
            return self.pool.names.with(from, |_| self.pool.inner.rename(from, to));
        }
        self.pool.names.with_both(from, to, |source, target| {
            if let Some(replaced) = target.upgrade() {
                replaced.stay_open_without_name()?;
                *target = Weak::new();
            }
            let moving = source.upgrade();
            // While its path is locked, nobody reopens it under the old name.
            let mut path = moving.as_ref().map(|file| file.slot.path.lock());
            self.pool.inner.rename(from, to)?;
            if let Some(path) = &mut path {
                **path = Some(to.to_owned());
            }
            *target = std::mem::take(source);
            self.pool.names.move_loss(from, to);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pool.names.with(path, |name| {
            if let Some(file) = name.upgrade() {
                // Before the try: if it fails, the file may be gone all the same.
                file.stay_open_without_name()?;
                *name = Weak::new();
            }
            self.pool.inner.remove(path)?;
            self.pool.names.take_loss(path);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.pool.with_descriptors(|fs| fs.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.pool.with_descriptors(|fs| fs.lock(path))
    }
}
