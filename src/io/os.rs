//! The real file system on Unix: the only file that touches it. (`os_portable.rs` is its stand-in elsewhere.)
//!
//! - Nothing is followed and nothing is waited for: files are opened with `O_NOFOLLOW | O_NONBLOCK`, then looked at
//!   through the descriptor, so that no name can be swapped between the look and the opening.
//! - `Interrupted` is retried here for every call but `read_at` and `write_at`; their loop is in `whole.rs`.
//! - `sync` is fdatasync: it leaves out times, but not the length, without which the bytes could not be read back
//!   (POSIX asks for it, Linux does it). Truncating and allocating are covered for the same reason.

use super::{Entry, EntryKind, File, Fs, Lock, Metadata};
use crate::types::Timestamp;
use bytes::Bytes;
use rustix::buffer::spare_capacity;
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

/// Above this size a read first asks how much there is, so that nobody's `len` becomes an allocation of that size.
const READ_UNCHECKED_MAX: usize = 64 * 1024;

/// The real file system. What it creates is for the owner's eyes only.
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
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl OsFs {
    /// The real file system.
    pub fn new() -> Self {
        Self
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
        let stat = retry_on_intr(|| rustix::fs::lstat(path))?;
        let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
        let len = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        #[expect(clippy::useless_conversion, reason = "the widths of these fields differ between systems")]
        let (seconds, nanos) = (i64::from(stat.st_mtime), i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
        let millis = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
        Ok(Metadata { kind, len, modified: Timestamp::from_millis(millis) })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OsFile { file: open_regular(path, OFlags::CREATE | OFlags::EXCL)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OsFile { file: open_regular(path, OFlags::empty())? }))
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
struct OsFile {
    file: std::fs::File,
}

impl File for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, mut len: usize) -> io::Result<Bytes> {
        if len > READ_UNCHECKED_MAX {
            len = len.min(usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX));
        }
        if len == 0 || offset > LEN_MAX {
            return Ok(Bytes::new());
        }
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len)?;
        rustix::io::pread(&self.file, spare_capacity(&mut buffer), offset)?;
        // An allocator may give more room than it was asked for.
        buffer.truncate(len);
        if buffer.len() < buffer.capacity() / 2 {
            // A short answer would hold on to the whole buffer for as long as somebody reads it.
            buffer.shrink_to_fit();
        }
        Ok(Bytes::from(buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::pwrite(&self.file, bytes, offset)?)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        if len > LEN_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        match retry_on_intr(|| rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, len))
        {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            done => return Ok(done?),
        }
        self.fill_with_zeros(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl OsFile {
    /// Space by writing to it. Holes below the present end stay holes: filling them could overwrite a write that
    /// happens at the same time, and those who allocate do so on files that they have just created.
    fn fill_with_zeros(&self, len: u64) -> io::Result<()> {
        const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
        let file: &dyn File = self;
        let mut end = file.len()?;
        while end < len {
            let zeros = &ZEROS[..ZEROS.len().min(usize::try_from(len - end).unwrap_or(usize::MAX))];
            file.write_all_at(end, zeros)?;
            end += zeros.len() as u64;
        }
        Ok(())
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

    fn scratch() -> (tempfile::TempDir, Arc<OsFile>) {
        let dir = tempfile::tempdir().unwrap();
        let file = open_regular(&dir.path().join("file"), OFlags::CREATE | OFlags::EXCL).unwrap();
        (dir, Arc::new(OsFile { file }))
    }

    #[test]
    fn zeros_are_written_behind_the_end_only() {
        let (_dir, file) = scratch();
        let whole: &dyn File = &*file;
        whole.write_all_at(0, b"kept").unwrap();
        file.fill_with_zeros(40_000).unwrap();
        file.fill_with_zeros(7).unwrap();
        assert_eq!(file.len().unwrap(), 40_000);
        let bytes = whole.read_exact_at(0, 40_000).unwrap();
        assert_eq!(&bytes[..4], b"kept");
        assert!(bytes[4..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_refusal_names_what_was_found() {
        let (dir, _file) = scratch();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let error = OsFs.open(&link).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("link is a symbolic link"), "{error}");
        let error = OsFs.open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
    }

    #[test]
    fn a_short_answer_does_not_hold_on_to_a_large_buffer() {
        let (_dir, file) = scratch();
        file.write_at(0, b"short").unwrap();
        let bytes = file.read_at(0, READ_UNCHECKED_MAX).unwrap();
        assert!(Vec::from(bytes).capacity() < 1024);
    }
}
