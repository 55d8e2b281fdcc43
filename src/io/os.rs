//! The real file system on Unix: the only file that touches it. (`os_portable.rs` is its stand-in elsewhere.)
//!
//! - Nothing is followed and nothing is waited for: files are opened with `O_NOFOLLOW | O_NONBLOCK`, then looked at
//!   through the descriptor, so that no name can be swapped between the look and the opening.
//! - `Interrupted` is retried here for every call but `read_at` and `write_at`; their loop is in `whole.rs`.
//! - A file whose space was set aside is written and read through memory (`mapped.rs`), on file systems that keep such
//!   a promise: where each write goes to new blocks, a full disk would be a signal instead of an error.
//! - `sync` is fdatasync, which covers what was written through memory; it leaves out times, but not the length, without which the bytes could not be read back
//!   (POSIX asks for it, Linux does it). Truncating and allocating are covered for the same reason.

mod file;
mod names;
mod pages;

use super::{Entry, EntryKind, File, Fs, Lock, Metadata};
use crate::types::Timestamp;
use file::OsFile;
use pages::PageMaker;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No file is longer, and no offset is larger: they are signed for the system.
const LEN_MAX: u64 = i64::MAX as u64;

/// The real file system. What it creates is for the owner's eyes only.
///
/// Files whose space is set aside ([`File::allocate`]) are written and read through memory, on ext4, XFS and tmpfs. If
/// another process cuts such a file, or the disk cannot give back what it holds, this one ends with a SIGBUS; with
/// [`OsFs::without_maps`] that is an error, and every append a system call.
///
/// Symbolic links are refused as the last part of a path; those in front of it are the operator's.
///
/// ```
/// use brooklet::io::{File, Fs, OsFs};
///
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path();
/// let fs = OsFs::new();
/// let file = fs.create(&dir.join("00000000000000000000.log"))?;
/// file.write_all_at(0, b"first")?;
/// file.sync()?;
/// fs.sync_dir(dir)?;                                      // now its name survives a power cut too
/// assert_eq!(&file.read_exact_at(0, 5)?[..], b"first");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OsFs {
    maps: bool,
    page_maker: PageMaker,
}

impl Default for OsFs {
    fn default() -> Self {
        Self::new()
    }
}

impl OsFs {
    /// The real file system.
    pub fn new() -> Self {
        Self { maps: true, page_maker: PageMaker::default() }
    }

    /// The real file system, reached by system calls alone.
    pub fn without_maps() -> Self {
        Self { maps: false, page_maker: PageMaker::default() }
    }

    fn file(&self, file: std::fs::File) -> Arc<dyn File> {
        Arc::new(OsFile::new(file, self))
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

impl Fs for OsFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::mkdir(path, Mode::RWXU))?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::rmdir(path))?)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut names = Dir::new(open_dir(dir)?)?;
        while let Some(found) = names.read() {
            let found = found?;
            let name = found.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match found.file_type() {
                FileType::Unknown => {
                    match retry_on_intr(|| rustix::fs::statat(names.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)) {
                        Ok(stat) => kind_of(FileType::from_raw_mode(stat.st_mode)),
                        Err(Errno::NOENT) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                known => kind_of(known),
            };
            entries.push(Entry { name: name.to_string_lossy().into_owned(), kind });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(metadata_from(&retry_on_intr(|| rustix::fs::lstat(path))?))
    }

    fn metadata_of(&self, dir: &Path, names: &[String]) -> io::Result<Vec<Option<Metadata>>> {
        let dir = match open_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![None; names.len()]),
            other => other?,
        };
        names::look_up(&dir, names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(open_regular(path, OFlags::CREATE | OFlags::EXCL)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.file(open_regular(path, OFlags::empty())?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let stat = retry_on_intr(|| rustix::fs::lstat(from))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_regular(from));
        }
        Ok(retry_on_intr(|| rustix::fs::rename(from, to))?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlink(path))?)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::File::from(open_dir(dir)?).sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = open_regular(path, OFlags::CREATE)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Box::new(OsLock { file })),
                Err(TryLockError::WouldBlock) => return Err(io::Error::from(io::ErrorKind::WouldBlock)),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

fn metadata_from(stat: &rustix::fs::Stat) -> Metadata {
    let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
    let len = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    #[expect(clippy::useless_conversion, reason = "the widths of these fields differ between systems")]
    let (seconds, nanos) = (i64::from(stat.st_mtime), i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
    let millis = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
    Metadata { kind, len, modified: Timestamp::from_millis(millis) }
}

/// Opens a directory itself, and never what a link says it is.
fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::open(dir, flags, Mode::empty()))?)
}

/// Opens a regular file for reading and writing, or says what is in its place.
fn open_regular(path: &Path, how: OFlags) -> io::Result<std::fs::File> {
    // NONBLOCK: opening a FIFO must not wait for its other end. NOCTTY: nor may a terminal become ours.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | how;
    match retry_on_intr(|| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)) {
        Ok(descriptor) => {
            let file = std::fs::File::from(descriptor);
            if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular(path)) }
        }
        // What the systems answer for a link, a directory, a socket. A loop of links further up says LOOP as well.
        Err(error @ (Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO | Errno::OPNOTSUPP)) => {
            match std::fs::symlink_metadata(path) {
                Ok(found) if !found.is_file() => Err(not_regular(path)),
                _ => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn not_regular(path: &Path) -> io::Error {
    let what = match std::fs::symlink_metadata(path).map(|found| found.file_type()) {
        Ok(kind) if kind.is_symlink() => "a symbolic link",
        Ok(kind) if kind.is_dir() => "a directory",
        Ok(kind) if kind.is_fifo() => "a FIFO",
        Ok(kind) if kind.is_socket() => "a socket",
        Ok(kind) if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "something else",
    };
    let sentence = format!("{} is {what}, and only a regular file will do", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, sentence)
}

fn kind_of(kind: FileType) -> EntryKind {
    match kind {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        _ => EntryKind::Other,
    }
}

#[derive(Debug)]
struct OsLock {
    file: std::fs::File,
}

impl Lock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a process that is just being forked has the descriptor too, until it execs.
        // If this fails, closing is what is left.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        OsFs::new().create(&dir.path().join("file")).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let error = OsFs::new().open(&link).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("link is a symbolic link"), "{error}");
        let error = OsFs::new().open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
    }
}
