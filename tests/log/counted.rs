//! A file system that counts what is open, and refuses to remove what a test names.

use brooklet::io::{Entry, File, Fs, Lock, MemFs, Metadata};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clones share the files, the numbers and the refusals.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountedFs {
    inner: MemFs,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicUsize,
    open_most: AtomicUsize,
    /// What names end in that cannot be removed.
    refused: Mutex<Option<String>>,
    /// Names that were taken away since their directory was synced last.
    unsynced: Mutex<Vec<PathBuf>>,
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn File>,
    shared: Arc<Shared>,
}

impl CountedFs {
    /// How many files were open at once at most while something was done.
    pub(crate) fn open_most(&self, act: impl FnOnce()) -> usize {
        self.shared.open_most.store(self.shared.open.load(Ordering::SeqCst), Ordering::SeqCst);
        act();
        self.shared.open_most.load(Ordering::SeqCst)
    }

    /// No file whose name ends so can be removed; all can with none.
    pub(crate) fn refuse_to_remove(&self, ending: Option<&str>) {
        *self.shared.refused.lock() = ending.map(str::to_owned);
    }

    /// Removed files that a power cut may bring back.
    pub(crate) fn removed_and_not_synced(&self) -> usize {
        self.shared.unsynced.lock().len()
    }

    fn counted(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        let open = self.shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.shared.open_most.fetch_max(open, Ordering::SeqCst);
        Arc::new(CountedFile { inner, shared: self.shared.clone() })
    }
}

impl Drop for CountedFile {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fs for CountedFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let refused = self.shared.refused.lock().clone();
        if refused.is_some_and(|ending| path.to_string_lossy().ends_with(&ending)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.inner.remove(path)?;
        self.shared.unsynced.lock().push(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)?;
        self.shared.unsynced.lock().retain(|path| path.parent() != Some(dir));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

impl File for CountedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_at(offset, bytes)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}
