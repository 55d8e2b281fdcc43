//! A file system whose process is killed after so many changes: what was done stays, and nothing more happens.

use brooklet::io::{Entry, File, Fs, Lock, Metadata};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many more changes will be made.
#[derive(Debug, Clone)]
struct Life(Arc<AtomicU64>);

impl Life {
    fn killed<T>() -> io::Result<T> {
        Err(io::Error::other("the process was killed"))
    }

    /// Before every look.
    fn goes_on(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) > 0 { Ok(()) } else { Self::killed() }
    }

    /// Before every change.
    fn spend(&self) -> io::Result<()> {
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        spent.map(drop).or_else(|_| Self::killed())
    }
}

/// Passes everything on, as long as it lives.
#[derive(Debug)]
pub(crate) struct MortalFs {
    inner: Arc<dyn Fs>,
    life: Life,
}

impl MortalFs {
    pub(crate) fn new(inner: Arc<dyn Fs>, changes: u64) -> Self {
        Self { inner, life: Life(Arc::new(AtomicU64::new(changes))) }
    }

    fn mortal(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        file.map(|inner| Arc::new(MortalFile { inner, life: self.life.clone() }) as Arc<dyn File>)
    }
}

impl Fs for MortalFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.remove_dir(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.life.goes_on().and_then(|()| self.inner.list(dir))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.life.goes_on().and_then(|()| self.inner.metadata(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.life.spend().and_then(|()| self.inner.create(path)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.life.goes_on().and_then(|()| self.inner.open(path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.life.goes_on().and_then(|()| self.inner.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.life.goes_on().and_then(|()| self.inner.lock(path))
    }
}

#[derive(Debug)]
struct MortalFile {
    inner: Arc<dyn File>,
    life: Life,
}

impl File for MortalFile {
    fn len(&self) -> io::Result<u64> {
        self.life.goes_on().and_then(|()| self.inner.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.life.goes_on().and_then(|()| self.inner.read_at(offset, len))
    }

    /// Takes so little at a time that a life may end in the middle of a small file.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        const PIECE: usize = 300;
        self.life.spend().and_then(|()| self.inner.write_at(offset, &bytes[..bytes.len().min(PIECE)]))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.allocate(len))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.life.spend().and_then(|()| self.inner.truncate(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.life.goes_on().and_then(|()| self.inner.sync())
    }
}
