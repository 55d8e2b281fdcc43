//! A segment that compaction writes: beside those that it is made from, under names of its own.
//!
//! ```text
//! 00000000000000000000.log.cleaned     while it is written
//! 00000000000000000000.log.swap        once it is whole and synced
//! 00000000000000000000.log             when it has taken the place of the others
//! ```
//! Room for all of it is made sure of before the first byte is written: it is no larger than what it is made from, but for
//! a few bytes.

use super::{AbortedTransaction, FileKind, Home, LiveIndexes, SealedFacts, Segment, Suffix};
use crate::error::{Error, OrIo, Result};
use crate::io::File;
use crate::record::BatchHeader;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
/// Positions in a segment are 31 bits wide.
const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// A segment in the making.
#[derive(Debug)]
pub(crate) struct CleanedSegment {
    home: Arc<Home>,
    base_offset: u64,
    file: Arc<dyn File>,
    indexes: LiveIndexes,
    index_interval: u32,
    /// Behind its last batch, written or not.
    bytes: u64,
    gathered: Vec<u8>,
}

impl CleanedSegment {
    /// Begins one, with room for so many bytes. What an earlier attempt left is removed; what is left if this fails, the next attempt removes.
    pub(crate) fn create(home: &Arc<Home>, base_offset: u64, room: u64, index_interval: u32) -> Result<Self> {
        Self::discard(home, base_offset)?;
        let path = home.suffixed(base_offset, FileKind::Log, Suffix::Cleaned);
        let file = home.fs.create(&path).or_io("create", &path)?;
        let cleaned = Self {
            home: home.clone(),
            base_offset,
            file,
            indexes: LiveIndexes::new(base_offset),
            index_interval,
            bytes: 0,
            gathered: Vec::new(),
        };
        match cleaned.file.allocate(room.min(SEGMENT_BYTES_MAX)) {
            // Then the writes themselves say whether there is room.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(cleaned),
            other => other.or_io("make room in", &path).map(|()| cleaned),
        }
    }

    /// Adds a batch behind the others.
    pub(crate) fn push(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<()> {
        if self.bytes + batch.len() as u64 > SEGMENT_BYTES_MAX {
            let what = "compaction";
            let why =
                "a segment near 2 GiB has grown by its delete horizons; lower segment.bytes for new ones";
            return Err(Error::IllegalState { what, why });
        }
        self.indexes.observe(header, self.bytes, self.index_interval);
        self.gathered.extend_from_slice(batch);
        self.bytes += batch.len() as u64;
        if self.gathered.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Adds an aborted transaction, whose marker was just added or is to be.
    pub(crate) fn push_aborted(&mut self, aborted: AbortedTransaction) {
        self.indexes.push_aborted(aborted);
    }

    fn write(&mut self) -> Result<()> {
        let path = self.path(FileKind::Log);
        let position = self.bytes - self.gathered.len() as u64;
        self.file.write_all_at(position, &self.gathered).or_io("write to", &path)?;
        self.gathered.clear();
        Ok(())
    }

    /// Writes all that is left, its indexes too, and makes the bytes durable; the names are not yet. It ends before
    /// `end_offset`, with a gap or without.
    pub(crate) fn finish(mut self, end_offset: u64) -> Result<SealedFacts> {
        self.write()?;
        let path = self.path(FileKind::Log);
        self.file.truncate(self.bytes).or_io("cut", &path)?;
        self.file.sync().or_io("sync", &path)?;
        self.indexes.push_largest();
        let facts = SealedFacts {
            base_offset: self.base_offset,
            end_offset,
            bytes: self.bytes,
            dense: false,
            largest: self.indexes.largest,
            sums: self.indexes.sums(),
        };
        for (kind, bytes) in FileKind::INDEXES.into_iter().zip(self.indexes.encoded()) {
            if kind == FileKind::AbortedIndex && bytes.is_empty() {
                continue;
            }
            let path = self.path(kind);
            let file = self.home.fs.create(&path).or_io("create", &path)?;
            file.write_all_at(0, &bytes).or_io("write to", &path)?;
            file.sync().or_io("sync", &path)?;
        }
        Ok(facts)
    }

    fn path(&self, kind: FileKind) -> PathBuf {
        self.home.suffixed(self.base_offset, kind, Suffix::Cleaned)
    }

    /// Removes what there is of one that did not take anybody's place, the one that is being written or that is whole.
    pub(crate) fn discard(home: &Home, base_offset: u64) -> Result<()> {
        for suffix in [Suffix::Cleaned, Suffix::Swap] {
            for kind in FileKind::ALL {
                let path = home.suffixed(base_offset, kind, suffix);
                remove_if_there(home, &path)?;
            }
        }
        Ok(())
    }

    /// Puts the first bytes of a segment's log, in a file of their own, in the place of it all. A file is not cut that others
    /// may be reading: they may have it as memory, which would end under their eyes. If it fails the log is as it was.
    pub(crate) fn shorten(home: &Home, segment: &Segment, bytes: u64) -> Result<()> {
        Self::discard_cut(home, segment.base_offset())?;
        let path = home.suffixed(segment.base_offset(), FileKind::Log, Suffix::Cut);
        let shortened = Self::copy_start(home, segment, bytes, &path)
            .and_then(|()| home.fs.rename(&path, &PathBuf::from(segment.log_path())).or_io("rename", &path));
        if shortened.is_err() {
            // The first failure is what the caller needs to hear; what stays the next opening removes.
            let _ = Self::discard_cut(home, segment.base_offset());
        }
        shortened.and_then(|()| home.fs.sync_dir(&home.dir).or_io("sync", &home.dir))
    }

    fn copy_start(home: &Home, segment: &Segment, bytes: u64, to: &Path) -> Result<()> {
        let file = home.fs.create(to).or_io("create", to)?;
        let mut position = 0;
        while position < bytes {
            let len = (bytes - position).min(WRITE_BYTES as u64) as usize;
            let piece = segment.file().and_then(|file| file.read_exact_at(position, len));
            file.write_all_at(position, &piece.or_io("read", segment.log_path())?).or_io("write to", to)?;
            position += len as u64;
        }
        file.sync().or_io("sync", to)
    }

    /// Removes what a truncation left unfinished.
    pub(crate) fn discard_cut(home: &Home, base_offset: u64) -> Result<()> {
        remove_if_there(home, &home.suffixed(base_offset, FileKind::Log, Suffix::Cut))
    }

    /// Gives its files the next of their names; those that are there.
    pub(crate) fn rename(home: &Home, base_offset: u64, to: Option<Suffix>) -> Result<()> {
        let from = if to.is_some() { Suffix::Cleaned } else { Suffix::Swap };
        for kind in FileKind::ALL {
            let source = home.suffixed(base_offset, kind, from);
            let target = match to {
                Some(suffix) => home.suffixed(base_offset, kind, suffix),
                None => home.path(base_offset, kind),
            };
            match home.fs.rename(&source, &target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.or_io("rename", &source)?,
            }
        }
        Ok(())
    }

    /// Gives its files their final names, and removes the index of aborted transactions of the one before it where it has
    /// none itself. May be done again and again.
    pub(crate) fn take_place(home: &Home, base_offset: u64, aborted: u32) -> Result<()> {
        Self::rename(home, base_offset, None)?;
        if aborted == 0 {
            remove_if_there(home, &home.path(base_offset, FileKind::AbortedIndex))?;
        }
        home.fs.sync_dir(&home.dir).or_io("sync", &home.dir)
    }
}

fn remove_if_there(home: &Home, path: &Path) -> Result<()> {
    match home.fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.or_io("remove", path),
    }
}
