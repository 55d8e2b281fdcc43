//! A segment: the files of one base offset, which are the batches and three indexes over them.
//!
//! One segment of a log is written to (`ActiveSegment`, the only thing that can append); the others are closed and
//! never change. Readers hold a `Segment` of either kind and see whole batches only: the length that is published
//! moves once a batch is written in full.
//!
//! The indexes of a segment live in memory until they are filed (`filing.rs`); from then on they are searched in their
//! files, whose sums (`SealedFacts`) are checked before the first use. An index that fails this is made anew from
//! the log. An index is a shortcut, never a source of truth.

mod aborted_index;
mod ahead;
mod append;
mod cleaned;
mod damage;
mod durable;
mod entries;
mod files;
mod filing;
mod index;
mod offset_index;
mod rebuild;
pub mod recover;
mod scan;
mod time_index;
mod transactions;

pub use aborted_index::{AbortedIndex, AbortedTransaction};
pub use entries::{Entry, FileSum, Table};
pub use files::{FileKind, FileName};
pub use offset_index::{OffsetEntry, OffsetIndex};
pub use time_index::{TimeEntry, TimeIndex};
pub use transactions::OpenTransactions;

pub(crate) use append::{ActiveSegment, AppendFailure};
pub(crate) use cleaned::CleanedSegment;
pub(crate) use damage::WHOLE_BATCH;
pub(crate) use durable::Durable;
pub(crate) use files::Suffix;
pub(crate) use index::{Indexes, LiveIndexes, SealedFacts};
pub(crate) use scan::{Scanner, Skipped, Step};

use crate::error::{Error, OrIo, Result};
use crate::io::{File, Fs, OpenedFile};
use crate::record::BatchHeader;
use crate::record::layout::HEADER_LEN;
use crate::types::Timestamp;
use bytes::Bytes;
use parking_lot::RwLock;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Where a log's files are.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
}

impl Home {
    pub(crate) fn path(&self, base_offset: u64, kind: FileKind) -> PathBuf {
        let mut room = [0; FileName::LEN_MAX];
        let mut path = PathBuf::with_capacity(self.dir.as_os_str().len() + 1 + room.len());
        path.push(&self.dir);
        path.push(FileName { base_offset, kind }.spell(&mut room));
        path
    }

    /// The same, of a segment that is about to take the place of others.
    pub(crate) fn suffixed(&self, base_offset: u64, kind: FileKind, suffix: Suffix) -> PathBuf {
        self.dir.join(format!("{}{}", FileName { base_offset, kind }, suffix.text()))
    }
}

/// Where a segment's log is, put together when somebody needs it: most are never named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPath<'a> {
    home: &'a Home,
    base_offset: u64,
}

impl From<LogPath<'_>> for PathBuf {
    fn from(LogPath { home, base_offset }: LogPath<'_>) -> Self {
        home.path(base_offset, FileKind::Log)
    }
}

/// A segment, as its readers see it.
#[derive(Debug)]
pub(crate) struct Segment {
    home: Arc<Home>,
    base_offset: u64,
    /// Whether offsets in it follow each other without gaps, so that a gap is damage. Compaction makes gaps.
    dense: bool,
    file: OpenedFile,
    /// Whole batches, in bytes. Moves only forward while the segment is active.
    bytes: AtomicU64,
    /// The offset behind its last record, once it is closed.
    end_offset: OnceLock<u64>,
    indexes: RwLock<Indexes>,
}

impl Segment {
    /// Makes the files of a new, empty segment.
    pub(crate) fn create(home: &Arc<Home>, base_offset: u64) -> Result<Arc<Segment>> {
        let path = home.path(base_offset, FileKind::Log);
        let file = home.fs.create(&path).or_io("create", &path)?;
        Ok(Arc::new(Self { file: OpenedFile::new(file), ..Self::unmade(home, base_offset) }))
    }

    /// As [`Segment::create`]; but a file that an earlier, failed attempt left behind is emptied and taken. There can
    /// be nothing in it: no offset at or above the end of the log was ever given out.
    pub(crate) fn create_or_empty(home: &Arc<Home>, base_offset: u64) -> Result<Arc<Segment>> {
        match Self::create(home, base_offset) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                let segment = Self::live(home, base_offset, 0, true, LiveIndexes::new(base_offset));
                segment.file().and_then(|file| file.truncate(0)).or_io("empty", segment.log_path())?;
                Ok(Arc::new(segment))
            }
            other => other,
        }
    }

    /// A segment without files, where there is none and nothing may be written.
    pub(crate) fn unmade(home: &Arc<Home>, base_offset: u64) -> Segment {
        Self::live(home, base_offset, 0, true, LiveIndexes::new(base_offset))
    }

    /// A closed segment whose facts are known. Touches no file.
    pub(crate) fn sealed(home: &Arc<Home>, facts: SealedFacts) -> Segment {
        Self {
            home: home.clone(),
            base_offset: facts.base_offset,
            dense: facts.dense,
            file: OpenedFile::default(),
            bytes: AtomicU64::new(facts.bytes),
            end_offset: OnceLock::from(facts.end_offset),
            indexes: RwLock::new(Indexes::filed(facts)),
        }
    }

    /// A segment whose indexes are in memory.
    pub(crate) fn live(
        home: &Arc<Home>,
        base_offset: u64,
        bytes: u64,
        dense: bool,
        indexes: LiveIndexes,
    ) -> Segment {
        Self {
            home: home.clone(),
            base_offset,
            dense,
            file: OpenedFile::default(),
            bytes: AtomicU64::new(bytes),
            end_offset: OnceLock::new(),
            indexes: RwLock::new(Indexes::Live(indexes)),
        }
    }

    pub(crate) fn base_offset(&self) -> u64 {
        self.base_offset
    }

    pub(crate) fn is_dense(&self) -> bool {
        self.dense
    }

    /// Its length in whole batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// The offset behind its last record; `None` while it is written to.
    pub(crate) fn end_offset(&self) -> Option<u64> {
        self.end_offset.get().copied()
    }

    /// Ends it before `end_offset`: from now on nothing is appended. Its indexes get their last entry.
    pub(crate) fn seal(&self, end_offset: u64) {
        self.finish_indexes();
        let _ = self.end_offset.set(end_offset);
    }

    /// Gives the time index of the active segment its last entry, as Kafka does where a log is closed.
    pub(crate) fn finish_indexes(&self) {
        if let Indexes::Live(live) = &mut *self.indexes.write() {
            live.push_largest();
        }
    }

    /// Its indexes, if they are in memory.
    pub(crate) fn into_live(self) -> LiveIndexes {
        match self.indexes.into_inner() {
            Indexes::Live(live) => live,
            Indexes::Filed(filed) => LiveIndexes::new(filed.facts.base_offset),
        }
    }

    pub(crate) fn log_path(&self) -> LogPath<'_> {
        LogPath { home: &self.home, base_offset: self.base_offset }
    }

    /// The log file.
    pub(crate) fn file(&self) -> io::Result<&Arc<dyn File>> {
        self.file.get_or(|| self.home.fs.open(&PathBuf::from(self.log_path())))
    }

    /// Up to `len` bytes from `position` on, as many as there are.
    pub(crate) fn read(&self, position: u64, len: usize) -> Result<Bytes> {
        let len = len.min(usize::try_from(self.bytes().saturating_sub(position)).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(Bytes::new());
        }
        self.file().and_then(|file| file.read_up_to(position, len)).or_io("read", self.log_path())
    }

    /// The largest timestamp of its first batch, if that has one.
    pub(crate) fn first_timestamp(&self) -> Result<Option<Timestamp>> {
        let bytes = self.read(0, HEADER_LEN)?;
        match BatchHeader::read(&bytes) {
            Ok(header) => Ok(header.max_timestamp),
            Err(invalid) => {
                let base = self.base_offset();
                let offsets = base..self.end_offset().unwrap_or(base + 1);
                Err(self.corrupt(0, offsets, WHOLE_BATCH.into(), invalid.to_string()))
            }
        }
    }

    /// Makes its batches durable.
    pub(crate) fn sync_log(&self) -> Result<()> {
        self.file().and_then(|file| file.sync()).or_io("sync", self.log_path())
    }

    /// A walk through its batches from `position` on.
    pub(crate) fn scan(&self, position: u64) -> Result<Scanner<'_>> {
        let file = self.file().or_io("open", self.log_path())?;
        Ok(Scanner::new(file.as_ref(), position, self.bytes()))
    }

    /// What its indexes of offsets and times take on disk, the larger of both; when it is closed and filed.
    pub(crate) fn index_bytes(&self) -> u64 {
        let [offset, time, _] = self.filed_sums();
        let bytes = |sum: FileSum, entry: usize| u64::from(sum.count) * entry as u64;
        bytes(offset, OffsetEntry::LEN).max(bytes(time, TimeEntry::LEN))
    }

    /// Removes all its files.
    pub(crate) fn remove_files(&self) -> Result<()> {
        Self::remove_files_of(&self.home, self.base_offset)
    }

    /// Removes all files of a base offset, the log last, so that what a crash leaves is a segment or nothing.
    pub(crate) fn remove_files_of(home: &Home, base_offset: u64) -> Result<()> {
        for kind in FileKind::INDEXES.into_iter().chain([FileKind::Log]) {
            let path = home.path(base_offset, kind);
            match home.fs.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.or_io("remove", &path)?,
            }
        }
        Ok(())
    }
}
