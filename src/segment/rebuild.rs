//! Making indexes anew from the log.

use super::aborted_index::AbortedIndex;
use super::index::{Indexes, LiveIndexes, SealedFacts};
use super::time_index::TimeEntry;
use super::transactions::OpenTransactions;
use super::{FileKind, Segment, Step};
use crate::error::{OrIo, Result};

/// The interval between entries that are made anew: Kafka's default. What it was when the segment was written is not
/// known any more, and any interval gives the same answers.
const INTERVAL: u32 = 4096;

impl Segment {
    /// Reads the whole segment and puts fresh indexes in the place of those that cannot be used; they are filed again
    /// when the log is closed. Aborted transactions that began in earlier segments cannot be told from here, so the
    /// old index of them is kept if it is good, and stays lost if it is not.
    pub(super) fn rebuild_indexes(&self) -> Result<()> {
        let Ok(aborted) = self.aborted_index()? else {
            return self.rebuild_with(&mut OpenTransactions::default());
        };
        let mut live = self.index_anew(&mut OpenTransactions::default())?;
        live.aborted = AbortedIndex::new(self.base_offset);
        aborted.entries().iter().for_each(|entry| live.push_aborted(*entry));
        *self.indexes.write() = Indexes::Live(live);
        Ok(())
    }

    /// As above, with the transactions that were open where the segment begins; they are carried to its end.
    pub(crate) fn rebuild_with(&self, open: &mut OpenTransactions) -> Result<()> {
        let live = self.index_anew(open)?;
        *self.indexes.write() = Indexes::Live(live);
        Ok(())
    }

    /// Carries the open transactions from the beginning of the segment to its end.
    pub(crate) fn replay_transactions(&self, open: &mut OpenTransactions) -> Result<()> {
        self.index_anew(open).map(drop)
    }

    /// What would be known of this closed segment if it ended before the batch that holds `offset`. Carries the open
    /// transactions that far. The entries of a shorter index are a prefix of the longer one, and so are its files.
    pub(crate) fn facts_up_to(&self, offset: u64, open: &mut OpenTransactions) -> Result<SealedFacts> {
        let path = self.home.path(self.base_offset, FileKind::Log);
        let whole = self.file_and_forget()?;
        let mut before = open.clone();
        let mut facts = SealedFacts { end_offset: self.base_offset, bytes: 0, largest: None, ..whole };
        let mut scanner = self.scan(0)?;
        while let Step::Batch(position, batch) = scanner.step().or_io("read", &path)? {
            let header = batch.header();
            if header.last_offset() >= offset {
                break;
            }
            open.observe(&batch);
            facts.end_offset = header.next_offset();
            facts.bytes = position + u64::from(header.size);
            if header.max_timestamp > facts.largest.map(|largest| largest.timestamp) {
                facts.largest = header
                    .max_timestamp
                    .map(|timestamp| TimeEntry { timestamp, offset: header.last_offset() });
            }
        }
        let mut live =
            match LiveIndexes::read(&self.home, self.base_offset, whole.sums, whole.largest, whole.bytes)? {
                Some(live) => live,
                None => self.index_anew(&mut before)?,
            };
        live.truncate_to(facts.end_offset);
        facts.sums = live.sums();
        Ok(facts)
    }

    fn index_anew(&self, open: &mut OpenTransactions) -> Result<LiveIndexes> {
        let path = self.home.path(self.base_offset, FileKind::Log);
        let mut live = LiveIndexes::new(self.base_offset);
        let mut scanner = self.scan(0)?;
        let mut next_offset = self.base_offset;
        loop {
            match scanner.step().or_io("read", &path)? {
                Step::Batch(position, batch) => {
                    next_offset = batch.header().next_offset();
                    live.observe(batch.header(), position, INTERVAL);
                    if let Some(aborted) = open.observe(&batch) {
                        live.push_aborted(aborted);
                    }
                }
                Step::End => break,
                Step::Invalid(_) => {
                    if !scanner.skip_damage(next_offset).or_io("read", &path)? {
                        break;
                    }
                }
            }
        }
        if self.end_offset().is_some() {
            live.push_largest();
        }
        Ok(live)
    }
}
