//! The file system: the other door to the world.
//!
//! Everything the engine does to a disk goes through [`Fs`] and [`File`]. Three implementations stand behind them:
//! [`OsFs`] (a real directory), [`MemFs`] (memory), and the simulated disk of the test suite, which loses power. The
//! contracts below are checked on all of them by one suite, `tests/fs_conformance.rs`.
//!
//! The traits are as low as POSIX: writes may be short, and a call may be interrupted. The loops that hide this are
//! written once, as methods of `dyn File` (`whole.rs`), and so they are exercised by every simulated fault.

mod atomic_file;
#[cfg(test)]
mod faulty;
mod lazy;
#[cfg(unix)]
mod mapped;
mod mem;
#[cfg(unix)]
mod os;
#[cfg(not(unix))]
#[path = "os_portable.rs"]
mod os;
mod pool;
mod whole;

pub use atomic_file::{read_file, replace_file};
pub(crate) use lazy::{LazyFile, OpenedFile};
pub use mem::MemFs;
pub use os::OsFs;
pub use pool::FilePool;

use crate::types::Timestamp;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file system, or what a test makes of one.
///
/// Contract, beside what each method says:
/// - paths are taken as they are; nothing is created that was not asked for, parents neither;
/// - only regular files and directories exist for it: symbolic links are not followed, and opening anything else
///   is an error of kind `InvalidInput`;
/// - a name (created, renamed or removed) survives a power cut only after [`Fs::sync_dir`] on its directory returned,
///   and the bytes of a file only after [`File::sync`] did;
/// - any call may fail with any error; after an error of a name operation either state may be found.
pub trait Fs: fmt::Debug + Send + Sync + 'static {
    /// Creates one directory, readable by its owner only (0700). `AlreadyExists` if the name is taken.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory; `DirectoryNotEmpty` if it is not.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// What is in a directory, sorted by name, so that nothing depends on the order in which a disk answers.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// What a path names, without following links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// The same for many names in one directory; none for a name that is not there.
    fn metadata_of(&self, dir: &Path, names: &[String]) -> io::Result<Vec<Option<Metadata>>> {
        let found = |name: &String| match self.metadata(&dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        };
        names.iter().map(found).collect()
    }

    /// Creates an empty regular file, readable by its owner only (0600), for reading and writing. `AlreadyExists` if
    /// the name is taken by anything at all.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a regular file for reading and writing. `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Renames a file, replacing the file that has the new name, if any, in one step. Open files go on under the new
    /// name. A directory keeps its name: `InvalidInput`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Those who have it open go on reading it.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes every name in this directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on a file, which is created if need be. Held until the returned value is dropped or the
    /// process is gone; `WouldBlock` at once if anybody holds it, this process included.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// An open regular file. Threads may use it at the same time; there is no cursor.
pub trait File: fmt::Debug + Send + Sync + 'static {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `len` bytes at `offset`, without a copy where it can. Fewer may come back at any time, none only at
    /// or behind the end (or for `len` 0). May fail with `Interrupted`, and is then called again.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// Writes some of `bytes` at `offset` and says how many, at least one. A gap before `offset` reads as zeros. May
    /// fail with `Interrupted`. After any other error, any part of the range may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes sure of the space for the first `len` bytes: later writes below `len` do not fail for want of it, and may be
    /// cheaper. The file is at least `len` long afterwards, its new bytes zero; after an error it may be longer than it
    /// was. Nobody may write behind the end meanwhile. `Unsupported` where such a promise cannot be kept, on a file
    /// system that writes to new blocks each time; then a file grows as it is written.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Sets the length; bytes behind it are gone, and a longer file gains zeros.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes every byte written before this call durable, and the length. After an error nothing is known of them, and
    /// a later success proves nothing about them.
    fn sync(&self) -> io::Result<()>;
}

/// An exclusive lock, held until dropped.
pub trait Lock: fmt::Debug + Send + Sync + 'static {}

/// One name in a directory. Ordered by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without its directory. A name that is not UTF-8 is given with replacement characters, and so names
    /// nothing that the engine would look for.
    pub name: String,
    /// What it names.
    pub kind: EntryKind,
}

/// What a name can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link, a FIFO, a socket, a device: nothing that the engine touches.
    Other,
}

/// What is known of a path without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: EntryKind,
    /// Its length in bytes, for a regular file.
    pub len: u64,
    /// When its bytes were last changed. Kafka falls back on it for segments whose records have no timestamps.
    pub modified: Timestamp,
}
