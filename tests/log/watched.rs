//! A file system that tells a test what is read of the batches.

use crate::passing::passes_on;
use brooklet::io::{File, Fs, MemFs};
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
    passes_on!([inner] create_dir remove_dir list metadata rename remove sync_dir lock);

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.watched(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.watched(path, self.inner.open(path)?))
    }
}

impl File for WatchedFile {
    passes_on!([inner] len write_at allocate truncate sync);

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        if let Some(watcher) = &self.watcher {
            watcher(len);
        }
        self.inner.read_at(offset, len)
    }
}
