//! For tests of this room: files in memory whose calls are written down, counted, and fail when a test says so.

use super::{Entry, File, Fs, Lock, MemFs, Metadata};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It is carried out.
    Done,
    /// It is not carried out, and fails with this kind.
    Refused(io::ErrorKind),
    /// It is carried out, and says that it failed: what an error leaves unknown.
    DoneButFailed(io::ErrorKind),
    /// It fails with this error of the system.
    System(i32),
}

/// A file system whose every call is known: as a verb and a file name, "sync a".
#[derive(Debug)]
pub(super) struct FaultyFs {
    inner: MemFs,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    calls: Mutex<Vec<String>>,
    plan: Mutex<Option<Plan>>,
    open: AtomicUsize,
    open_most: AtomicUsize,
}

type Plan = Box<dyn FnMut(&str) -> Fate + Send>;

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl FaultyFs {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemFs::new(), log: Arc::default() })
    }

    /// From now on this decides about every call.
    pub(super) fn plan(&self, plan: impl FnMut(&str) -> Fate + Send + 'static) {
        *self.log.plan.lock() = Some(Box::new(plan));
    }

    /// From now on nothing fails.
    pub(super) fn heal(&self) {
        *self.log.plan.lock() = None;
    }

    /// The calls since this was last asked.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.log.calls.lock())
    }

    /// How many files are open, and how many were at most.
    pub(super) fn open(&self) -> (usize, usize) {
        (self.log.open.load(Ordering::SeqCst), self.log.open_most.load(Ordering::SeqCst))
    }

    fn opened(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        let open = self.log.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.open_most.fetch_max(open, Ordering::SeqCst);
        Arc::new(FaultyFile { inner: file, name: name_of(path), log: self.log.clone() })
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl Log {
    fn call<R>(&self, call: String, act: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let fate = self.plan.lock().as_mut().map_or(Fate::Done, |plan| plan(&call));
        self.calls.lock().push(call);
        match fate {
            Fate::Done => act(),
            Fate::Refused(kind) => Err(kind.into()),
            Fate::DoneButFailed(kind) => act().and(Err(kind.into())),
            Fate::System(code) => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

impl Fs for FaultyFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.log.call(format!("create_dir {}", name_of(path)), || self.inner.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.log.call(format!("remove_dir {}", name_of(path)), || self.inner.remove_dir(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.log.call(format!("list {}", name_of(dir)), || self.inner.list(dir))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.log.call(format!("metadata {}", name_of(path)), || self.inner.metadata(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.log.call(format!("create {}", name_of(path)), || Ok(self.opened(path, self.inner.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.log.call(format!("open {}", name_of(path)), || Ok(self.opened(path, self.inner.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.log.call(format!("rename {}", name_of(from)), || self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.log.call(format!("remove {}", name_of(path)), || self.inner.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.log.call(format!("sync_dir {}", name_of(dir)), || self.inner.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.log.call(format!("lock {}", name_of(path)), || self.inner.lock(path))
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn File>,
    name: String,
    log: Arc<Log>,
}

impl FaultyFile {
    fn call<R>(&self, verb: &str, act: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.log.call(format!("{verb} {}", self.name), act)
    }
}

impl File for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.call("len", || self.inner.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.call("read", || self.inner.read_at(offset, len))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.call("write", || self.inner.write_at(offset, bytes))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.call("allocate", || self.inner.allocate(len))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.call("truncate", || self.inner.truncate(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.call("sync", || self.inner.sync())
    }
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        self.log.calls.lock().push(format!("close {}", self.name));
        self.log.open.fetch_sub(1, Ordering::SeqCst);
    }
}
