//! The `.snapshot` files of one partition: their names, which of them are kept, and in what order they come and go.
//!
//! ```text
//! 00000000000000000107.snapshot       the producers as they were before offset 107: the one to fall back on
//! 00000000000000000125.snapshot       the newest
//! 00000000000000000144.snapshot       ahead of the log when it was opened: misleading once the log has grown past it
//! 00000000000000000125.snapshot.tmp   what a crash left of one that was being written
//! ```
//! Only writing a new one removes any, and a truncation. The misleading go first, durably; then the new one is put in
//! place; then the outdated go, and if a crash brings these back they are outdated still.

use crate::error::{Error, OrIo, Result};
use crate::io::{EntryKind, Fs, read_file, replace_file};
use crate::partition::Producers;
use crate::partition::producer_snapshot::decode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIGITS: usize = 20;
const SUFFIX: &str = ".snapshot";
/// How [`replace_file`] calls what it has not finished.
const UNFINISHED: &str = ".tmp";

/// Above five million producers; a larger file is not read, and the log is.
const BYTES_MAX: usize = 256 << 20;

/// The name of a snapshot. Ordered by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SnapshotName {
    offset: u64,
    finished: bool,
}

impl SnapshotName {
    fn of(offset: u64) -> Self {
        Self { offset, finished: true }
    }

    /// Reads a name; `None` if neither Kafka nor we would have written exactly that.
    fn parse(name: &str) -> Option<Self> {
        let (digits, suffix) = (name.get(..DIGITS)?, &name[DIGITS..]);
        let finished = match suffix.strip_prefix(SUFFIX)? {
            "" => true,
            UNFINISHED => false,
            _ => return None,
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let offset = digits.parse().ok().filter(|&offset: &u64| i64::try_from(offset).is_ok())?;
        Some(Self { offset, finished })
    }

    fn file_name(self) -> String {
        let unfinished = if self.finished { "" } else { UNFINISHED };
        format!("{:0DIGITS$}{SUFFIX}{unfinished}", self.offset)
    }
}

/// Those that have served their time once there is a snapshot at `newest`: all but that and the one before it.
fn outdated(names: &[SnapshotName], newest: u64) -> impl Iterator<Item = SnapshotName> {
    let before = names.iter().filter(|name| name.finished && name.offset < newest).max().copied();
    let is_kept = move |name: &SnapshotName| name.finished && name.offset == newest || Some(*name) == before;
    names.iter().filter(move |name| !is_kept(name)).copied()
}

/// The snapshots in the directory of one log.
#[derive(Debug)]
pub(super) struct Snapshots {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

impl Snapshots {
    pub(super) fn new(fs: Arc<dyn Fs>, dir: &Path) -> Self {
        Self { fs, dir: dir.to_owned() }
    }

    /// The offsets of which there is one, good or bad; the newest first.
    pub(super) fn newest_first(&self) -> Result<impl Iterator<Item = u64>> {
        let names = self.list()?;
        Ok(names.into_iter().rev().filter(|name| name.finished).map(|name| name.offset))
    }

    /// What one says; `None` if it is damaged or cannot be read. Only a failure that may pass is an error: to replay more
    /// of the log is right, but it knows less.
    pub(super) fn read(&self, offset: u64) -> Result<Option<Producers>> {
        let path = self.path(SnapshotName::of(offset));
        match read_file(self.fs.as_ref(), &path, BYTES_MAX).or_io("read", &path) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| decode(&bytes).ok())),
            Err(error) if error.is_retriable() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Puts a new one in place and removes those that are not needed any more. Those above `trusted_to` are misleading.
    pub(super) fn replace(&self, offset: u64, bytes: &[u8], trusted_to: u64) -> Result<()> {
        let (trusted, misleading): (Vec<_>, Vec<_>) =
            self.list()?.into_iter().partition(|name| name.offset <= trusted_to);
        self.remove_durably(&misleading)?;
        let path = self.path(SnapshotName::of(offset));
        replace_file(self.fs.as_ref(), &path, bytes).or_io("write", &path)?;
        outdated(&trusted, offset).try_for_each(|name| self.remove(name))
    }

    /// Removes, durably, those that describe what lies behind `offset`.
    pub(super) fn remove_above(&self, offset: u64) -> Result<()> {
        let mut names = self.list()?;
        names.retain(|name| name.offset > offset);
        self.remove_durably(&names)
    }

    fn remove_durably(&self, names: &[SnapshotName]) -> Result<()> {
        names.iter().try_for_each(|name| self.remove(*name))?;
        if names.is_empty() { Ok(()) } else { self.fs.sync_dir(&self.dir).or_io("sync", &self.dir) }
    }

    fn remove(&self, name: SnapshotName) -> Result<()> {
        let path = self.path(name);
        match self.fs.remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| Error::io("remove", &path, error)),
        }
    }

    /// Sorted by offset.
    fn list(&self) -> Result<Vec<SnapshotName>> {
        let entries = self.fs.list(&self.dir).or_io("list", &self.dir)?;
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let mut names: Vec<_> = files.filter_map(|entry| SnapshotName::parse(&entry.name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn path(&self, name: SnapshotName) -> PathBuf {
        self.dir.join(name.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_come_back() {
        let name = SnapshotName::of(125);
        assert_eq!(name.file_name(), "00000000000000000125.snapshot");
        for name in [name, SnapshotName { finished: false, ..name }] {
            assert_eq!(SnapshotName::parse(&name.file_name()), Some(name));
        }
    }

    #[test]
    fn anything_else_is_not_a_name() {
        for name in [
            "125.snapshot",
            "00000000000000000125",
            "00000000000000000125.snapshot.tmp.tmp",
            "00000000000000000125.snapshot.deleted",
            "0000000000000000012x.snapshot",
            "+0000000000000000125.snapshot",
            "09223372036854775808.snapshot",
            "99999999999999999999.snapshot",
            "0000000000000000012é.snapshot",
            "",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_newest_and_the_one_before_it_are_kept() {
        let mut names: Vec<_> = [3, 5, 9].map(SnapshotName::of).into();
        names.push(SnapshotName { offset: 9, finished: false });
        let gone: Vec<_> = outdated(&names, 9).collect();
        assert_eq!(gone, [SnapshotName::of(3), SnapshotName { offset: 9, finished: false }]);
        let gone: Vec<_> = outdated(&names[..3], 12).map(|name| name.offset).collect();
        assert_eq!(gone, [3, 5]);
    }
}
