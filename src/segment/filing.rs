//! Filing: bringing the indexes of a segment from memory into their files.
//!
//! Only one thread files at a time (the one that flushes), so what is written here is written in order. A file is
//! synced before its sum is remembered: a sum that is found on disk speaks of bytes that are there.

use super::entries::{Entry, FileSum, Table};
use super::index::{Indexes, LiveIndexes, SealedFacts};
use super::{FileKind, Segment};
use crate::error::{OrIo, Result};
use std::io;

/// The active segment's indexes are filed in steps of this many entries, 2 MiB of log at the default interval: what is
/// not filed is what a lookup has to read through after a crash.
const STEP: usize = 512;

impl Segment {
    /// Files what the active segment has gathered, if it is enough to be worth it, and always what no scan of the tail
    /// would find again: aborted transactions. Says what is filed now.
    pub(crate) fn file_indexes_in_steps(&self) -> Result<[FileSum; 3]> {
        let worth_it = match &*self.indexes.read() {
            Indexes::Live(live) => live.offset.unfiled() >= STEP || live.aborted.unfiled() > 0,
            Indexes::Filed(filed) => return Ok(filed.facts.sums),
        };
        if worth_it { self.file_indexes() } else { Ok(self.filed_sums()) }
    }

    /// As above, for a note of the durable end, which must not wait for an index. Offsets and times that are not in
    /// their files only make a lookup read more. But an aborted transaction that the note leaves out would be forgotten;
    /// so where filing fails it says what the file should hold, and whoever finds that it does not reads the log.
    pub(crate) fn file_indexes_for_note(&self) -> [FileSum; 3] {
        self.file_indexes_in_steps().unwrap_or_else(|_| {
            let [offset, time, filed] = self.filed_sums();
            match &*self.indexes.read() {
                Indexes::Live(live) => [offset, time, live.aborted.sum()],
                Indexes::Filed(_) => [offset, time, filed],
            }
        })
    }

    /// What of the indexes is in their files, known and synced.
    pub(crate) fn filed_sums(&self) -> [FileSum; 3] {
        match &*self.indexes.read() {
            Indexes::Live(live) => {
                let aborted = live.aborted_lost.unwrap_or(live.aborted.filed());
                [live.offset.filed(), live.time.filed(), aborted]
            }
            Indexes::Filed(filed) => filed.facts.sums,
        }
    }

    /// Files all of the indexes. An empty one gets an empty file, as in Kafka, but for that of aborted transactions,
    /// which exists only where it is needed. A lost one stays lost: its file goes on not being what its sum says.
    pub(crate) fn file_indexes(&self) -> Result<[FileSum; 3]> {
        self.file_table(FileKind::OffsetIndex, |live| &mut live.offset)?;
        self.file_table(FileKind::TimeIndex, |live| &mut live.time)?;
        self.file_table(FileKind::AbortedIndex, |live| &mut live.aborted)?;
        Ok(self.filed_sums())
    }

    /// Ends the life of a closed segment in memory: files its indexes and forgets them.
    pub(crate) fn file_and_forget(&self) -> Result<SealedFacts> {
        let sums = self.file_indexes()?;
        let end_offset = self.end_offset().expect("only closed segments are filed for good");
        let mut indexes = self.indexes.write();
        let facts = match &*indexes {
            Indexes::Filed(filed) => return Ok(filed.facts),
            Indexes::Live(live) => SealedFacts {
                base_offset: self.base_offset,
                end_offset,
                bytes: self.bytes(),
                dense: self.dense,
                largest: live.largest,
                sums,
            },
        };
        *indexes = Indexes::filed(facts);
        Ok(facts)
    }

    /// Whether its indexes are in memory.
    pub(crate) fn is_live(&self) -> bool {
        matches!(&*self.indexes.read(), Indexes::Live(_))
    }

    fn file_table<E: Entry>(
        &self,
        kind: FileKind,
        of: impl Fn(&mut LiveIndexes) -> &mut Table<E>,
    ) -> Result<()> {
        let (position, bytes, sum) = match &mut *self.indexes.write() {
            Indexes::Live(live) if kind == FileKind::AbortedIndex && live.aborted_lost.is_some() => {
                return Ok(());
            }
            Indexes::Live(live) => of(live).to_file(),
            Indexes::Filed(_) => return Ok(()),
        };
        let path = self.home.path(self.base_offset, kind);
        let fs = &self.home.fs;
        let file = match fs.open(&path) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && kind == FileKind::AbortedIndex
                    && sum.count == 0 =>
            {
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = fs.create(&path).or_io("create", &path)?;
                fs.sync_dir(&self.home.dir).or_io("sync", &self.home.dir)?;
                file
            }
            other => other.or_io("open", &path)?,
        };
        file.write_all_at(position, &bytes).or_io("write to", &path)?;
        let end = position + bytes.len() as u64;
        if file.len().or_io("read", &path)? != end {
            file.truncate(end).or_io("truncate", &path)?;
        }
        file.sync().or_io("sync", &path)?;
        if let Indexes::Live(live) = &mut *self.indexes.write() {
            of(live).set_filed(sum);
        }
        Ok(())
    }
}
