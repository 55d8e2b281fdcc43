//! The three indexes of a segment as one thing: in memory while it grows, in their files afterwards.

use super::aborted_index::{self, AbortedIndex, AbortedTransaction};
use super::entries::{Entry, FileSum, Table, last_where};
use super::offset_index::{OffsetEntry, OffsetIndex};
use super::time_index::{TimeEntry, TimeIndex};
use super::{FileKind, Home, Segment};
use crate::error::{OrIo, Result};
use crate::io::File;
use crate::record::BatchHeader;
use crate::types::Timestamp;
use std::io;
use std::sync::{Arc, OnceLock};

/// What is known for good of a segment that is closed, synced and filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedFacts {
    pub(crate) base_offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) bytes: u64,
    pub(crate) dense: bool,
    /// The largest timestamp, and the last offset of the first batch that has it.
    pub(crate) largest: Option<TimeEntry>,
    /// The sums of its index files, in the order of [`FileKind::INDEXES`].
    pub(crate) sums: [FileSum; 3],
}

/// Where the indexes are.
#[derive(Debug)]
pub(crate) enum Indexes {
    Live(LiveIndexes),
    Filed(FiledIndexes),
}

impl Indexes {
    pub(crate) fn filed(facts: SealedFacts) -> Self {
        Indexes::Filed(FiledIndexes { facts, checked: [const { OnceLock::new() }; 3] })
    }
}

/// The indexes in memory, which grow with each batch.
#[derive(Debug, Clone)]
pub(crate) struct LiveIndexes {
    pub(super) offset: OffsetIndex,
    pub(super) time: TimeIndex,
    pub(super) aborted: AbortedIndex,
    pub(super) largest: Option<TimeEntry>,
    /// The sum of an index of aborted transactions that cannot be used any more, until the log as a whole has told what
    /// was in it. Then `aborted` says nothing.
    pub(super) aborted_lost: Option<FileSum>,
    unindexed_bytes: u64,
}

impl LiveIndexes {
    pub(crate) fn new(base_offset: u64) -> Self {
        Self {
            offset: OffsetIndex::new(base_offset),
            time: TimeIndex::new(base_offset),
            aborted: AbortedIndex::new(base_offset),
            largest: None,
            aborted_lost: None,
            unindexed_bytes: 0,
        }
    }

    /// The indexes as they were when the segment had `bytes`, from what `sums` says of their files. None if the files
    /// do not hold it any more.
    pub(crate) fn read(
        home: &Home,
        base_offset: u64,
        sums: [FileSum; 3],
        largest: Option<TimeEntry>,
        bytes: u64,
    ) -> Result<Option<Self>> {
        let offset: Option<OffsetIndex> = read_table(home, base_offset, OFFSET, sums)?;
        let time: Option<TimeIndex> = read_table(home, base_offset, TIME, sums)?;
        let aborted: Option<AbortedIndex> = read_table(home, base_offset, ABORTED, sums)?;
        let (Some(offset), Some(time), Some(aborted)) = (offset, time, aborted) else { return Ok(None) };
        let indexed = offset.entries().last().map_or(0, |entry| u64::from(entry.position));
        let unindexed_bytes = bytes.saturating_sub(indexed);
        Ok(Some(Self { offset, time, aborted, largest, aborted_lost: None, unindexed_bytes }))
    }

    /// Where to begin to look for `offset`.
    pub(crate) fn lookup(&self, offset: u64) -> OffsetEntry {
        self.offset.lookup(offset)
    }

    /// Takes note of the batch that begins at `position`. An entry is added when more than `interval` bytes went by
    /// since the last one, this batch not counted: so the first batch never has one.
    pub(crate) fn observe(&mut self, header: &BatchHeader, position: u64, interval: u32) {
        let offset = header.last_offset();
        match header.max_timestamp {
            Some(timestamp) if self.largest.is_none_or(|largest| timestamp > largest.timestamp) => {
                self.largest = Some(TimeEntry { timestamp, offset });
            }
            _ => {}
        }
        if self.unindexed_bytes > u64::from(interval) {
            let position = u32::try_from(position).expect("segment_bytes is at most 31 bits");
            self.offset.push(OffsetEntry { offset, position });
            self.push_largest();
            self.unindexed_bytes = 0;
        }
        self.unindexed_bytes += u64::from(header.size);
    }

    /// The batches that may come next without changing anything here.
    pub(super) fn quiet(&self, interval: u32) -> Quiet {
        let bytes_left = u64::from(interval).checked_sub(self.unindexed_bytes);
        Quiet { passed: 0, bytes_left, largest: self.largest.map(|largest| largest.timestamp) }
    }

    /// Takes note of those that came by.
    pub(super) fn pass(&mut self, quiet: Quiet) {
        self.unindexed_bytes += quiet.passed;
    }

    /// The last entry of the time index, which is written when the segment is closed.
    pub(crate) fn push_largest(&mut self) {
        if let Some(largest) = self.largest {
            self.time.push(largest);
        }
    }

    /// Forgets what lies at or behind `offset`.
    pub(crate) fn truncate_to(&mut self, offset: u64) {
        self.offset.truncate_to(offset);
        self.time.truncate_to(offset);
        self.aborted.truncate_to(offset);
    }

    /// The sums that files with just these entries have.
    pub(crate) fn sums(&self) -> [FileSum; 3] {
        [self.offset.sum(), self.time.sum(), self.aborted.sum()]
    }

    /// What the three files hold, in the order of [`FileKind::INDEXES`].
    pub(super) fn encoded(&self) -> [Vec<u8>; 3] {
        [self.offset.encode(), self.time.encode(), self.aborted.encode()]
    }

    pub(crate) fn push_aborted(&mut self, aborted: AbortedTransaction) {
        self.aborted.push(aborted);
    }

    pub(crate) fn is_full(&self, bytes_max: u32) -> bool {
        self.offset.is_full(bytes_max) || self.time.is_full(bytes_max)
    }
}

/// Batches that change nothing in the indexes but the bytes since the last entry: nearly all. Who counts them here needs no
/// lock for each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    passed: u64,
    /// How many bytes may have come by before the batch that gets the next entry; none if it is the next.
    bytes_left: Option<u64>,
    largest: Option<Timestamp>,
}

impl Quiet {
    /// Counts a batch, if it is such a one.
    pub(super) fn takes(&mut self, header: &BatchHeader) -> bool {
        let is_newer = header.max_timestamp.is_some_and(|at| self.largest.is_none_or(|largest| at > largest));
        if is_newer || self.bytes_left.is_none_or(|left| self.passed > left) {
            return false;
        }
        self.passed += u64::from(header.size);
        true
    }
}

/// The indexes of a closed segment, in their files.
#[derive(Debug)]
pub(crate) struct FiledIndexes {
    pub(super) facts: SealedFacts,
    /// Once a file was held against its sum: the file, or nothing if it is not the one that was filed.
    checked: [OnceLock<Option<Arc<dyn File>>>; 3],
}

impl FiledIndexes {
    /// The file, if its bytes are those that were filed.
    fn file(&self, home: &Home, which: usize, entry_len: usize) -> Result<Option<&Arc<dyn File>>> {
        if let Some(checked) = self.checked[which].get() {
            return Ok(checked.as_ref());
        }
        let FileSum { count, crc } = self.facts.sums[which];
        let path = home.path(self.facts.base_offset, FileKind::INDEXES[which]);
        let file = match home.fs.open(&path) {
            Ok(file) => file,
            Err(error) if is_not_a_file(&error) => {
                return Ok(self.checked[which].get_or_init(|| None).as_ref());
            }
            Err(error) => return Err(error).or_io("open", &path),
        };
        let bytes = file.read_up_to(0, count as usize * entry_len).or_io("read", &path)?;
        let good = bytes.len() == count as usize * entry_len && crc32fast::hash(&bytes) == crc;
        Ok(self.checked[which].get_or_init(|| good.then_some(file)).as_ref())
    }

    fn last_where<E: Entry>(
        &self,
        home: &Home,
        which: usize,
        holds: impl Fn(&E) -> bool,
    ) -> Result<Result<Option<E>, Unusable>> {
        let FileSum { count, .. } = self.facts.sums[which];
        if count == 0 {
            return Ok(Ok(None));
        }
        let Some(file) = self.file(home, which, E::LEN)? else { return Ok(Err(Unusable)) };
        match last_where(file.as_ref(), self.facts.base_offset, count, holds) {
            Ok(entry) => Ok(Ok(entry)),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
            {
                Ok(Err(Unusable))
            }
            Err(error) => {
                Err(error).or_io("read", home.path(self.facts.base_offset, FileKind::INDEXES[which]))
            }
        }
    }

    fn aborted(&self, home: &Home) -> Result<Result<AbortedIndex, Unusable>> {
        let base_offset = self.facts.base_offset;
        let FileSum { count, .. } = self.facts.sums[ABORTED];
        if count == 0 {
            return Ok(Ok(AbortedIndex::new(base_offset)));
        }
        let Some(file) = self.file(home, ABORTED, AbortedTransaction::LEN)? else { return Ok(Err(Unusable)) };
        let path = home.path(base_offset, FileKind::AbortedIndex);
        let bytes = file.read_up_to(0, count as usize * AbortedTransaction::LEN).or_io("read", &path)?;
        let index = AbortedIndex::decode(base_offset, &bytes);
        Ok(if index.entries().len() == count as usize { Ok(index) } else { Err(Unusable) })
    }
}

/// The part of an index file that its sum vouches for; none if it is not there.
fn read_table<E: Entry>(
    home: &Home,
    base_offset: u64,
    which: usize,
    sums: [FileSum; 3],
) -> Result<Option<Table<E>>> {
    let sum = sums[which];
    if sum.count == 0 {
        return Ok(Some(Table::new(base_offset)));
    }
    let path = home.path(base_offset, FileKind::INDEXES[which]);
    let bytes = match home.fs.open(&path).and_then(|file| file.read_up_to(0, sum.count as usize * E::LEN)) {
        Ok(bytes) => bytes,
        Err(error) if is_not_a_file(&error) => return Ok(None),
        Err(error) => return Err(error).or_io("read", &path),
    };
    Ok(Table::from_filed(base_offset, &bytes, sum))
}

const OFFSET: usize = 0;
const TIME: usize = 1;
const ABORTED: usize = 2;

/// An index file that is not what was filed: to be made anew.
#[derive(Debug)]
pub(crate) struct Unusable;

/// Whether an error of opening says that the file is missing or is something else altogether.
fn is_not_a_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
}

impl Segment {
    /// Where to begin to look for `offset`.
    pub(crate) fn lookup(&self, offset: u64) -> Result<OffsetEntry> {
        loop {
            match &*self.indexes.read() {
                Indexes::Live(live) => return Ok(live.offset.lookup(offset)),
                Indexes::Filed(filed) => {
                    let found =
                        filed.last_where(&self.home, OFFSET, |entry: &OffsetEntry| entry.offset <= offset)?;
                    if let Ok(entry) = found {
                        return Ok(entry.unwrap_or(OffsetEntry { offset: self.base_offset, position: 0 }));
                    }
                }
            }
            self.rebuild_indexes()?;
        }
    }

    /// Up to where all timestamps are at most `timestamp`.
    pub(crate) fn lookup_time(&self, timestamp: Timestamp) -> Result<Option<TimeEntry>> {
        loop {
            match &*self.indexes.read() {
                Indexes::Live(live) => return Ok(live.time.lookup(timestamp)),
                Indexes::Filed(filed) => {
                    let found = filed
                        .last_where(&self.home, TIME, |entry: &TimeEntry| entry.timestamp <= timestamp)?;
                    if let Ok(entry) = found {
                        return Ok(entry);
                    }
                }
            }
            self.rebuild_indexes()?;
        }
    }

    /// The aborted transactions that concern a reader of `from..until`, and whether later segments need not be asked.
    /// [`Unusable`] if the index is lost: only the whole log can tell what was in it.
    pub(crate) fn aborted(
        &self,
        from: u64,
        until: u64,
    ) -> Result<Result<(Vec<AbortedTransaction>, bool), Unusable>> {
        match &*self.indexes.read() {
            Indexes::Live(live) if live.aborted_lost.is_some() => Ok(Err(Unusable)),
            Indexes::Live(live) => Ok(Ok(live.aborted.collect(from, until))),
            Indexes::Filed(filed) => Ok(filed
                .aborted(&self.home)?
                .map(|index| aborted_index::collect(index.entries(), from, until))),
        }
    }

    /// The largest timestamp, and the last offset of the first batch that has it.
    pub(crate) fn largest_timestamp(&self) -> Option<TimeEntry> {
        match &*self.indexes.read() {
            Indexes::Live(live) => live.largest,
            Indexes::Filed(filed) => filed.facts.largest,
        }
    }

    /// The index of aborted transactions, or its sum if it cannot be used.
    pub(super) fn aborted_index(&self) -> Result<Result<AbortedIndex, FileSum>> {
        match &*self.indexes.read() {
            Indexes::Live(live) => Ok(live.aborted_lost.map_or_else(|| Ok(live.aborted.clone()), Err)),
            Indexes::Filed(filed) => Ok(filed.aborted(&self.home)?.map_err(|_| filed.facts.sums[ABORTED])),
        }
    }
}
