//! A file system that tells a test what is read of the batches.

use brooklet::io::{Entry, File, Fs, Lock, MemFs, Metadata};
use bytes::Bytes;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Is told how many bytes of batches are asked for.
type Watcher = dyn Fn(usize) + Send + Sync;

/// Memory that tells of every reading of batches.
#[derive(Clone)]
pub(crate) struct WatchedFs {
    inner: MemFs,
    watcher: Arc<Watcher>,
}

struct WatchedFile {
    inner: Arc<dyn File>,
    watcher: Option<Arc<Watcher>>,
}

impl WatchedFs {
    pub(crate) fn new(inner: MemFs, watcher: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self { inner, watcher: Arc::new(watcher) }
    }

    fn watched(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        Arc::new(WatchedFile { inner, watcher: is_log.then(|| self.watcher.clone()) })
    }
}

impl fmt::Debug for WatchedFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Fs for WatchedFs {
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
        Ok(self.watched(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.watched(path, self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

impl File for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        if let Some(watcher) = &self.watcher {
            watcher(len);
        }
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
