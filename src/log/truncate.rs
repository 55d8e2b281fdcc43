//! Truncation: taking back the end of a log.
//!
//! The offsets that were given out are not given again: the log goes on at its old end, in a new segment and under a
//! new epoch, and what was cut off is a gap. First all is brought into closed segments; then one replaced file, the
//! manifest, is the moment at which the log is truncated; then the files follow.

use super::Log;
use super::append::Writer;
use super::manifest::{Contents, Manifest};
use super::marks::Mark;
use super::segments::SegmentList;
use crate::error::{Error, OrIo, Result};
use crate::segment::{CleanedSegment, OpenTransactions, SealedFacts, Segment};
use std::sync::Arc;

/// What a truncation leaves.
struct Cut {
    kept: Vec<SealedFacts>,
    removed: Vec<Arc<Segment>>,
    /// The last of the kept, if it becomes shorter.
    shortened: Option<(Arc<Segment>, u64)>,
    transactions: OpenTransactions,
}

impl Log {
    /// Removes every batch that has an offset at or above `offset`. Whole batches go, as in Kafka; the next record gets
    /// the offset that it would have got without this.
    ///
    /// Durable when it returns. A crash leaves the log truncated or not, never in between. It reads what is kept of the
    /// log once, to know which transactions are open then, and appends wait for it: it is not for every day.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if the log does not hold `offset`.
    pub fn truncate(&self, offset: u64) -> Result<()> {
        self.flush()?;
        self.without_flushes(|| {
            let mut writer = self.writer.lock();
            self.check_writable()?;
            let (start, end) = (self.marks.start(), self.marks.end());
            if offset < start || offset > end {
                return Err(Error::OffsetOutOfRange { requested: offset, start, end });
            }
            if offset == end {
                return Ok(());
            }
            self.flush_holding(&mut writer)?;
            self.truncate_all_durable(&mut writer, offset, end)
        })
    }

    fn truncate_all_durable(&self, writer: &mut Writer, offset: u64, end: u64) -> Result<()> {
        self.close_everything(writer, end)?;
        let cut = self.plan_cut(writer, offset)?;
        let first_unstable = [&writer.transactions, &cut.transactions].map(OpenTransactions::unsettled_from);
        let first_unstable = first_unstable.into_iter().flatten().min().unwrap_or(end);
        self.commit(|state| {
            state.durable_end = end;
            state.segment_base = end;
            state.segment_bytes = 0;
            state.largest = None;
            state.sums = Default::default();
            state.first_unstable = first_unstable;
        })?;
        self.replace_manifest(&cut)?;
        let mut segments: Vec<_> =
            cut.kept.iter().map(|facts| Arc::new(Segment::sealed(&self.home, *facts))).collect();
        segments.push(writer.active.segment().clone());
        self.segments.store(Arc::new(SegmentList::new(segments)));
        writer.transactions = cut.transactions.clone();
        self.marks.set(Mark::LastStable, writer.last_stable(end));
        self.remove_cut(cut)
    }

    /// Brings all batches into closed segments that the manifest knows; the active one is then empty.
    fn close_everything(&self, writer: &mut Writer, end: u64) -> Result<()> {
        if writer.active.segment().base_offset() < end {
            self.roll(writer, end)?;
        }
        self.home.fs.sync_dir(self.path()).or_io("sync", self.path())?;
        self.file_closed(&writer.unsynced)?;
        writer.unsynced.clear();
        writer.names_unsynced = false;
        self.begin_epoch(writer, end)
    }

    fn plan_cut(&self, writer: &Writer, offset: u64) -> Result<Cut> {
        let segments = self.segments.load_full();
        let closed = segments.all().iter().filter(|segment| !Arc::ptr_eq(segment, writer.active.segment()));
        let mut cut = Cut {
            kept: Vec::new(),
            removed: Vec::new(),
            shortened: None,
            transactions: OpenTransactions::default(),
        };
        for segment in closed {
            if segment.base_offset() >= offset {
                cut.removed.push(segment.clone());
                continue;
            }
            let whole = segment.file_and_forget()?;
            let facts = segment.facts_up_to(offset, &mut cut.transactions)?;
            match facts.bytes {
                0 => cut.removed.push(segment.clone()),
                bytes if bytes < whole.bytes => {
                    cut.kept.push(facts);
                    cut.shortened = Some((segment.clone(), bytes));
                }
                _ => cut.kept.push(whole),
            }
        }
        Ok(cut)
    }

    fn replace_manifest(&self, cut: &Cut) -> Result<()> {
        let leftovers = self.leftovers.lock().clone();
        let contents = Contents {
            sealed: cut.kept.iter().map(|facts| (facts.base_offset, *facts)).collect(),
            removed: cut.removed.iter().map(|segment| segment.base_offset()).chain(leftovers).collect(),
            epochs: self.epochs.load().as_ref().clone(),
            compacted_to: self.first_dirty_offset(),
            ..Contents::default()
        };
        let replaced = Manifest::create(&self.home.fs, self.path(), &contents);
        match replaced {
            Ok(manifest) => self.with_manifest(|current| *current = manifest),
            Err(error) => return Err(self.poison(error.to_string())),
        }
        Ok(())
    }

    /// The truncation has happened; what a crash leaves of the files goes when the log is opened next.
    fn remove_cut(&self, cut: Cut) -> Result<()> {
        let removed = self.remove_segments(cut.removed.into_iter().rev());
        if let Some((segment, bytes)) = &cut.shortened {
            CleanedSegment::shorten(&self.home, segment, *bytes)?;
        }
        removed
    }
}
