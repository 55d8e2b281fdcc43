//! A disk in memory that a test can fill up, break, and stop at a sync. What it does to files it does to their batches
//! and to everything else alike; what it counts are the syncs of batches.

use crate::passing::passes_on;
use brooklet::io::{Entry, EntryKind, File, Fs, MemFs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// Clones share the files and the faults.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    files: MemFs,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    full: AtomicBool,
    /// How many bytes all files together may have.
    room: Mutex<Option<u64>>,
    log_bytes: AtomicU64,
    syncs_fail: AtomicBool,
    reads_fail: AtomicBool,
    log_syncs: AtomicUsize,
    before_sync: Mutex<Option<Hook>>,
    open: AtomicUsize,
    open_most: AtomicUsize,
    /// What paths end in that cannot be removed.
    kept: Mutex<Option<String>>,
    /// Files and directories that were removed since the directory that they were in was synced last.
    removed: Mutex<Vec<PathBuf>>,
}

impl Disk {
    pub(crate) fn set_full(&self, full: bool) {
        self.faults.full.store(full, Ordering::SeqCst);
    }

    /// All files together get no larger than so many bytes; what is there already may be written over.
    pub(crate) fn set_room(&self, bytes: Option<u64>) {
        *self.faults.room.lock() = bytes;
    }

    /// How many bytes of batches were written, to segments old and new, since this was asked last.
    pub(crate) fn count_log_bytes(&self) -> u64 {
        self.faults.log_bytes.swap(0, Ordering::SeqCst)
    }

    /// Whether a file may have so many bytes.
    fn take_room(&self, file: &dyn File, len: u64) -> io::Result<()> {
        self.faults.take_space()?;
        let Some(room) = *self.faults.room.lock() else { return Ok(()) };
        let more = len.saturating_sub(file.len()?);
        if more > 0 && self.bytes_under(Path::new("/")) + more > room {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(crate) fn set_syncs_fail(&self, fail: bool) {
        self.faults.syncs_fail.store(fail, Ordering::SeqCst);
    }

    pub(crate) fn set_reads_fail(&self, fail: bool) {
        self.faults.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// How many files were open at once at most while something was done.
    pub(crate) fn open_most(&self, act: impl FnOnce()) -> usize {
        self.faults.open_most.store(self.faults.open.load(Ordering::SeqCst), Ordering::SeqCst);
        act();
        self.faults.open_most.load(Ordering::SeqCst)
    }

    /// No file whose path ends so can be removed; all can with none.
    pub(crate) fn refuse_to_remove(&self, ending: Option<&str>) {
        *self.faults.kept.lock() = ending.map(str::to_owned);
    }

    /// How many removed files and directories a power cut may bring back.
    pub(crate) fn removed_and_not_synced(&self) -> usize {
        self.faults.removed.lock().len()
    }

    /// How many times batches were synced.
    pub(crate) fn log_syncs(&self) -> usize {
        self.faults.log_syncs.load(Ordering::SeqCst)
    }

    /// Called on the thread that is about to sync batches.
    pub(crate) fn before_sync(&self, hook: impl Fn() + Send + Sync + 'static) {
        *self.faults.before_sync.lock() = Some(Arc::new(hook));
    }

    /// The names in the root directory.
    pub(crate) fn names(&self) -> Vec<String> {
        self.files.list(Path::new("/")).expect("a root").into_iter().map(|entry| entry.name).collect()
    }

    /// Where the first segment of a partition has its batches.
    pub(crate) fn first_segment(&self, partition: &str) -> PathBuf {
        Path::new("/").join(partition).join(format!("{:020}.log", 0))
    }

    /// How many bytes there are under a directory.
    pub(crate) fn bytes_under(&self, dir: &Path) -> u64 {
        let entries = self.files.list(dir).expect("a directory");
        let bytes = |entry: Entry| match entry.kind {
            EntryKind::Directory => self.bytes_under(&dir.join(entry.name)),
            _ => self.files.metadata(&dir.join(entry.name)).expect("it was just listed").len,
        };
        entries.into_iter().map(bytes).sum()
    }

    /// The names of the files of a partition that end so.
    pub(crate) fn files(&self, partition: &str, ending: &str) -> Vec<PathBuf> {
        let dir = Path::new("/").join(partition);
        let entries = self.files.list(&dir).expect("a partition");
        let files = entries.into_iter().filter(|entry| entry.name.ends_with(ending));
        files.map(|entry| dir.join(entry.name)).collect()
    }

    /// Flips a byte of a file behind the engine's back.
    pub(crate) fn flip(&self, path: &Path, at: u64) {
        let file = self.files.open(path).expect("the file");
        let byte = file.read_at(at, 1).expect("memory")[0];
        file.write_at(at, &[!byte]).expect("memory");
    }

    fn wrap(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let has_batches = path.to_string_lossy().contains(".log");
        let open = self.faults.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.faults.open_most.fetch_max(open, Ordering::SeqCst);
        Arc::new(Opened { inner, disk: self.clone(), faults: self.faults.clone(), is_log, has_batches })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Fs for Disk {
    passes_on!([files] list metadata rename lock);

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.take_space()?;
        self.files.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.files.remove_dir(path)?;
        self.faults.synced(path);
        self.faults.removed.lock().push(path.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.take_space()?;
        Ok(self.wrap(path, self.files.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(path, self.files.open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let kept = self.faults.kept.lock().clone();
        if kept.is_some_and(|ending| path.to_string_lossy().ends_with(&ending)) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.files.remove(path)?;
        self.faults.removed.lock().push(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.files.sync_dir(dir)?;
        self.faults.synced(dir);
        Ok(())
    }
}

impl Faults {
    fn take_space(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// No removal from this directory is undone any more: the directory is synced, or gone.
    fn synced(&self, dir: &Path) {
        self.removed.lock().retain(|path| path.parent() != Some(dir));
    }
}

struct Opened {
    inner: Arc<dyn File>,
    disk: Disk,
    faults: Arc<Faults>,
    is_log: bool,
    has_batches: bool,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.faults.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl File for Opened {
    passes_on!([inner] len truncate);

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        if self.is_log && self.faults.reads_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable is out"));
        }
        self.inner.read_at(offset, len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.disk.take_room(self.inner.as_ref(), offset + bytes.len() as u64)?;
        if self.has_batches {
            self.faults.log_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        self.inner.write_at(offset, bytes)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.take_room(self.inner.as_ref(), len)?;
        self.inner.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.is_log {
            self.faults.log_syncs.fetch_add(1, Ordering::SeqCst);
            let hook = self.faults.before_sync.lock().clone();
            if let Some(hook) = hook {
                hook();
            }
            if self.faults.syncs_fail.load(Ordering::SeqCst) {
                return Err(io::Error::other("the disk is worn out"));
            }
        }
        self.inner.sync()
    }
}
