//! A file system that counts its syncs, and what is read, by kind of file. It may stand in memory, with one file lent to it from the
//! disk: then it can be thrown away and made again, and what it costs is the program's time and not the disk's.

use brooklet::io::{Entry, EntryKind, File, Fs, Lock, MemFs, Metadata, OsFs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read, by the ending of the file's name, or its whole name if it has none.
pub(crate) type BytesRead = BTreeMap<String, u64>;

/// Another file system, with an eye on it.
#[derive(Debug)]
pub(crate) struct CountingFs {
    inner: Arc<dyn Fs>,
    disk: OsFs,
    /// A file that is the disk's, and not the inner file system's.
    lent: Option<PathBuf>,
    read: Arc<Mutex<BytesRead>>,
    syncs: Arc<AtomicU64>,
}

impl CountingFs {
    pub(crate) fn on_disk() -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(OsFs::new()),
            disk: OsFs::new(),
            lent: None,
            read: Arc::default(),
            syncs: Arc::default(),
        })
    }

    /// Empty memory, but for one file that lies on disk at the same path.
    pub(crate) fn in_memory(lent: PathBuf) -> Arc<Self> {
        let memory = MemFs::new();
        let mut above: Vec<_> = lent.ancestors().skip(1).filter(|dir| dir.file_name().is_some()).collect();
        above.reverse();
        above.iter().for_each(|dir| memory.create_dir(dir).expect("it is new"));
        let (read, syncs) = (Arc::default(), Arc::default());
        Arc::new(Self { inner: Arc::new(memory), disk: OsFs::new(), lent: Some(lent), read, syncs })
    }

    /// Whose a path is.
    fn owner(&self, path: &Path) -> &dyn Fs {
        if self.lent.as_deref() == Some(path) { &self.disk } else { self.inner.as_ref() }
    }

    /// Syncs of files and directories since this was last asked.
    pub(crate) fn take_syncs(&self) -> u64 {
        self.syncs.swap(0, Ordering::Relaxed)
    }

    /// What was read since this was last asked. A file that was opened and not read counts with zero bytes.
    pub(crate) fn take_bytes_read(&self) -> BytesRead {
        std::mem::take(&mut self.read.lock())
    }

    fn opened(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = name.rsplit_once('.').map_or(name.to_string(), |(_, ending)| format!(".{ending}"));
        self.read.lock().entry(kind.clone()).or_default();
        Arc::new(CountingFile { inner, kind, read: self.read.clone(), syncs: self.syncs.clone() })
    }
}

impl Fs for CountingFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = self.inner.list(dir)?;
        if let Some(lent) = self.lent.as_ref().filter(|lent| lent.parent() == Some(dir)) {
            let name = lent.file_name().unwrap_or_default().to_string_lossy().into_owned();
            entries.push(Entry { name, kind: EntryKind::File });
            entries.sort();
        }
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.owner(path).metadata(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.opened(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.opened(path, self.owner(path).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn File>,
    kind: String,
    read: Arc<Mutex<BytesRead>>,
    syncs: Arc<AtomicU64>,
}

impl File for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = self.inner.read_at(offset, len)?;
        *self.read.lock().entry(self.kind.clone()).or_default() += bytes.len() as u64;
        Ok(bytes)
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
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync()
    }
}

/// The files of a directory with their bytes, those below it not included.
pub(crate) fn files_in(fs: &dyn Fs, dir: &Path) -> Vec<(String, Bytes)> {
    let entries = fs.list(dir).expect("the directory is there");
    let files = entries.into_iter().filter(|entry| entry.kind == EntryKind::File);
    let with_bytes = |entry: Entry| {
        let file = fs.open(&dir.join(&entry.name)).expect("it was just listed");
        let len = file.len().expect("the disk works") as usize;
        (entry.name, file.read_exact_at(0, len).expect("the disk works"))
    };
    files.map(with_bytes).collect()
}

/// Writes such files into a directory, which has none of them.
pub(crate) fn write_files(fs: &dyn Fs, dir: &Path, files: &[(String, Bytes)]) {
    for (name, bytes) in files {
        let file = fs.create(&dir.join(name)).expect("the name is free");
        file.write_all_at(0, bytes).expect("there is room");
    }
}
