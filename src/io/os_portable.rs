//! The real file system where there is no Unix: it compiles, with the standard library alone, and is untested.
//!
//! Linux is what is promised. Here there are no permission bits, no making of directories durable (`sync_dir` does
//! nothing), and a special file is refused by a look before the opening, which a rename in between could deceive.

use super::{Entry, EntryKind, File, Fs, Lock, Metadata};
use crate::types::Timestamp;
use bytes::Bytes;
use parking_lot::Mutex;
use std::fs::{OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The real file system, as far as the standard library shows it. Untested on this platform.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs(());

impl OsFs {
    /// The real file system.
    pub fn new() -> Self {
        Self(())
    }

    /// The same: nothing is mapped here.
    pub fn without_maps() -> Self {
        Self::new()
    }

    /// The absolute path behind a path that may be relative, and may lead through links. What does not exist yet is
    /// taken as it is written.
    ///
    /// Files are opened anew now and then, by their paths: so these must not change their meaning when the program
    /// changes its working directory.
    pub fn resolve(path: &Path) -> io::Result<PathBuf> {
        match std::fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(path),
            other => other,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door: the only place that touches the disk")]
impl Fs for OsFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in std::fs::read_dir(dir)? {
            let found = found?;
            let name = found.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, kind: kind_of(found.file_type()?) });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = std::fs::symlink_metadata(path)?;
        let kind = kind_of(found.file_type());
        let len = if kind == EntryKind::File { found.len() } else { 0 };
        let millis = match found.modified()?.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Ok(Metadata { kind, len, modified: Timestamp::from_millis(millis) })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(OsFile { file: Mutex::new(file) }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        only_regular(path)?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile { file: Mutex::new(file) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        only_regular(from)?;
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if std::fs::symlink_metadata(dir)?.is_dir() {
            Ok(())
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        match only_regular(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(OsLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn only_regular(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let sentence = format!("{} is not a regular file, and only such a file will do", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
}

fn kind_of(kind: std::fs::FileType) -> EntryKind {
    match kind {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Directory,
        _ => EntryKind::Other,
    }
}

/// Reading and writing at a position is not portable, so they take turns at the one cursor.
#[derive(Debug)]
struct OsFile {
    file: Mutex<std::fs::File>,
}

impl File for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.lock().metadata()?.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut file = self.file.lock();
        let rest = file.metadata()?.len().saturating_sub(offset);
        let len = len.min(usize::try_from(rest).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len)?;
        file.seek(SeekFrom::Start(offset))?;
        (&*file).take(len as u64).read_to_end(&mut buffer)?;
        Ok(Bytes::from(buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.write(bytes)
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.lock().set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.lock().sync_data()
    }
}

#[derive(Debug)]
struct OsLock {
    _file: std::fs::File,
}

impl Lock for OsLock {}
