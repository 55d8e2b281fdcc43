//! A file system whose process dies in place of its n-th call: what was done before stays, and nothing more happens.

use brooklet::io::{Entry, File, Fs, Lock, Metadata};
use bytes::Bytes;
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many calls are left.
#[derive(Debug, Clone)]
struct Left(Arc<AtomicU64>);

impl Left {
    fn spend(&self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    }
}

/// Passes everything on, as long as it lives.
#[derive(Debug)]
pub(crate) struct MortalFs {
    inner: Arc<dyn Fs>,
    left: Left,
}

impl MortalFs {
    /// Dies at its so-manieth call, the first being 1.
    pub(crate) fn new(inner: Arc<dyn Fs>, call: u64) -> Self {
        Self { inner, left: Left(Arc::new(AtomicU64::new(call))) }
    }

    fn inner(&self) -> &dyn Fs {
        self.left.spend();
        self.inner.as_ref()
    }

    fn mortal(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        file.map(|inner| Arc::new(MortalFile { inner, left: self.left.clone() }) as Arc<dyn File>)
    }
}

impl Fs for MortalFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner().create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner().remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.inner().list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner().metadata(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.inner().create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.inner().open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner().sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner().lock(path)
    }
}

#[derive(Debug)]
struct MortalFile {
    inner: Arc<dyn File>,
    left: Left,
}

impl MortalFile {
    fn inner(&self) -> &dyn File {
        self.left.spend();
        self.inner.as_ref()
    }
}

impl File for MortalFile {
    fn len(&self) -> io::Result<u64> {
        self.inner().len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.inner().read_at(offset, len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write_at(offset, bytes)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner().allocate(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner().truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner().sync()
    }
}
