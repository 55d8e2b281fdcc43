//! Making indexes anew from the log.

use super::Segment;
use super::aborted_index::AbortedIndex;
use super::index::{Indexes, LiveIndexes, SealedFacts};
use super::time_index::TimeEntry;
use super::transactions::OpenTransactions;
use crate::error::Result;
use std::ops::ControlFlow;

/// The interval between entries that are made anew: Kafka's default. What it was when the segment was written is not
/// known any more, and any interval gives the same answers.
const INTERVAL: u32 = 4096;

impl Segment {
    /// Reads the whole segment and puts fresh indexes in the place of those that cannot be used; they are filed again
    /// when the log is closed. Aborted transactions that began in earlier segments cannot be told from here, so the
    /// old index of them is kept if it is good, and stays lost if it is not.
    pub(super) fn rebuild_indexes(&self) -> Result<()> {
        let aborted = self.aborted_index()?;
        let mut live = self.index_anew(&mut OpenTransactions::default())?;
        live.aborted = AbortedIndex::new(self.base_offset);
        match aborted {
            Ok(aborted) => aborted.entries().iter().for_each(|entry| live.push_aborted(*entry)),
            Err(sum) => live.aborted_lost = Some(sum),
        }
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
    ///
    /// Damage is kept where it is known to lie below `offset`, and else goes with what lies behind it.
    pub(crate) fn facts_up_to(&self, offset: u64, open: &mut OpenTransactions) -> Result<SealedFacts> {
        let whole = self.file_and_forget()?;
        let mut before = open.clone();
        let mut facts = SealedFacts { end_offset: self.base_offset, bytes: 0, largest: None, ..whole };
        let walked = self.walk_durable(self.origin(), |position, batch| {
            let header = batch.header();
            if header.base_offset <= offset {
                (facts.end_offset, facts.bytes) = (header.base_offset, position);
            }
            if header.last_offset() >= offset {
                return ControlFlow::Break(());
            }
            open.observe(batch);
            (facts.end_offset, facts.bytes) = (header.next_offset(), position + u64::from(header.size));
            if header.max_timestamp > facts.largest.map(|largest| largest.timestamp) {
                let offset = header.last_offset();
                facts.largest = header.max_timestamp.map(|timestamp| TimeEntry { timestamp, offset });
            }
            ControlFlow::Continue(())
        })?;
        if walked.damaged {
            open.doubt_from(self.base_offset);
        }
        if whole.end_offset <= offset {
            return Ok(whole);
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
        let mut live = LiveIndexes::new(self.base_offset);
        let walked = self.walk_durable(self.origin(), |position, batch| {
            live.observe(batch.header(), position, INTERVAL);
            if let Some(aborted) = open.observe(batch) {
                live.push_aborted(aborted);
            }
            ControlFlow::Continue(())
        })?;
        if walked.damaged {
            open.doubt_from(self.base_offset);
        }
        if self.end_offset().is_some() {
            live.push_largest();
        }
        Ok(live)
    }
}
