//! A file system that counts what is read, by kind of file; and that leaves out syncs, if told so.
//!
//! Without syncs a crash may lose anything, and the time that is left is that of the program.

use brooklet::io::{Entry, EntryKind, File, Fs, Lock, Metadata, OsFs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes read, by the ending of the file's name, or its whole name if it has none.
pub(crate) type BytesRead = BTreeMap<String, u64>;

/// The disk, with an eye on it.
#[derive(Debug)]
pub(crate) struct CountingFs {
    disk: OsFs,
    syncs: bool,
    read: Arc<Mutex<BytesRead>>,
}

impl CountingFs {
    pub(crate) fn new(syncs: bool) -> Arc<Self> {
        Arc::new(Self { disk: OsFs::new(), syncs, read: Arc::default() })
    }

    /// What was read since this was last asked. A file that was opened and not read counts with zero bytes.
    pub(crate) fn take_bytes_read(&self) -> BytesRead {
        std::mem::take(&mut self.read.lock())
    }

    fn opened(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = name.rsplit_once('.').map_or(name.to_string(), |(_, ending)| format!(".{ending}"));
        self.read.lock().entry(kind.clone()).or_default();
        Arc::new(CountingFile { inner, kind, syncs: self.syncs, read: self.read.clone() })
    }
}

impl Fs for CountingFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.disk.metadata(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.opened(path, self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.opened(path, self.disk.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.syncs { self.disk.sync_dir(dir) } else { Ok(()) }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn File>,
    kind: String,
    syncs: bool,
    read: Arc<Mutex<BytesRead>>,
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
        if self.syncs { self.inner.sync() } else { Ok(()) }
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
