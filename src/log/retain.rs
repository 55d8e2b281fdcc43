//! Retention carried out: the start moves, durably, and only then do files go.
//!
//! ```text
//! plan -> flush -> start in durable-end, synced -> the list that readers load -> the manifest -> unlink -> sync names
//!                                                                                    ^ may fail on a full disk
//! ```
//! Freeing space needs none: the start is written over bytes that are there already. From the moment that it is durable
//! every segment before it may be there or not, and an open asks for none of them. So a crash leaves at most files that
//! the next opening removes, and a failure such as the next call tries again (`leftovers.rs`). Whoever reads one has it
//! open, and goes on.

use super::Log;
use super::append::Writer;
use super::clock_watch::ClockDoubt;
use super::manifest::Fact;
use super::marks::Mark;
use super::retention::{self, Candidate, RemovalReason, RetentionConfig};
use super::segments::SegmentList;
use crate::error::{Error, OrIo, Result};
use crate::segment::Segment;
use crate::types::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What retention has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Removed {
    /// The segments that are gone, oldest first.
    pub segments: Vec<RemovedSegment>,
    /// Where the log begins now.
    pub start: u64,
    /// Why nothing was found to be too old by the wall clock, if that is not believed.
    pub doubt: Option<ClockDoubt>,
}

/// A segment that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedSegment {
    /// Its first offset.
    pub base_offset: u64,
    /// How many bytes of batches it had.
    pub bytes: u64,
    /// Why it went.
    pub reason: RemovalReason,
}

impl Removed {
    /// The bytes of batches that are gone.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl Log {
    /// Removes the segments that have outlived their use: those before the start of the log, those that are too much, and
    /// those that are too old. What is too old is too old by the clock of the log; a wall clock that has just jumped far
    /// ahead is not believed for a while, and the answer says so.
    ///
    /// Durable when it returns. A crash before leaves the old start, or the new one and perhaps files before it, which the
    /// next opening removes. Works on a full disk. Appends wait for a sync only where the segment that they go to is removed too.
    ///
    /// # Errors
    /// Those of the disk. A segment that could not be unlinked is not part of the log any more, and keeps no other from
    /// going; the next call tries again, and tells it again if it has to.
    pub fn enforce_retention(&self, config: &RetentionConfig) -> Result<Removed> {
        let time = self.believed_time();
        let retried = self.retry_leftovers();
        let mut removed = Removed { segments: Vec::new(), start: self.marks.start(), doubt: time.doubt };
        if self.plan_removal(self.segments.load().all(), config, time.now)?.is_empty() {
            return retried.map(|()| removed);
        }
        self.check_writable()?;
        self.flush()?;
        self.without_flushes(|| {
            let (segments, reasons) = self.part_with_leading(config, time.now)?;
            removed.start = self.marks.start();
            let gone = segments.iter().zip(reasons).map(|(segment, reason)| RemovedSegment {
                base_offset: segment.base_offset(),
                bytes: segment.bytes(),
                reason,
            });
            removed.segments = gone.collect();
            self.remove_leading(segments).and(retried).map(|()| removed)
        })
    }

    fn plan_removal(
        &self,
        segments: &[Arc<Segment>],
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<Vec<RemovalReason>> {
        let candidates =
            segments.iter().map(|segment| self.candidate(segment)).collect::<Result<Vec<_>>>()?;
        Ok(retention::plan(&candidates, self.marks.start(), now, config))
    }

    fn candidate(&self, segment: &Segment) -> Result<Candidate> {
        let (base_offset, bytes) = (segment.base_offset(), segment.bytes());
        Ok(Candidate { base_offset, bytes, newest: self.newest(segment)? })
    }

    /// The largest timestamp of a segment; when its file was last written to if its records have none, as in Kafka.
    pub(super) fn newest(&self, segment: &Segment) -> Result<Timestamp> {
        let stamped = segment.largest_timestamp().map(|largest| largest.timestamp);
        if let Some(newest) = stamped.filter(|newest| newest.as_millis() >= 0) {
            return Ok(newest);
        }
        let path = PathBuf::from(segment.log_path());
        Ok(self.home.fs.metadata(&path).or_io("look at", path)?.modified)
    }

    /// Moves the start, durably, and takes the segments before it out of the list. Their files are still there.
    ///
    /// Closed segments do not change, and nobody else takes them away while there are no flushes: so only where the active
    /// one goes too, or the note of the durable end does not stand behind them yet, do appends wait for the disk.
    fn part_with_leading(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<(Vec<Arc<Segment>>, Vec<RemovalReason>)> {
        self.check_writable()?;
        let segments = self.segments.load_full();
        let mut reasons = self.plan_removal(segments.all(), config, now)?;
        let next_base = segments.all().get(reasons.len()).map(|next| next.base_offset());
        let stands_behind = |base: &u64| {
            self.durable_end.state().segment_base >= *base && self.marks.durable_end() >= self.start_at(*base)
        };
        let (mut writer, start) = match next_base.filter(stands_behind) {
            _ if reasons.is_empty() => return Ok((Vec::new(), reasons)),
            Some(base) => {
                let start = self.start_at(base);
                // Whoever deletes records moves it as well, further perhaps, and holds the write lock for that alone.
                self.commit(|state| state.start_offset = start.max(state.start_offset))?;
                (self.writer.lock(), start)
            }
            None => {
                let mut writer = self.writer.lock();
                reasons = self.roll_expired(&mut writer, config, now)?;
                if reasons.is_empty() {
                    return Ok((Vec::new(), reasons));
                }
                self.flush_holding(&mut writer)?;
                let start = self.start_at(self.segments.load().all()[reasons.len()].base_offset());
                self.commit(|state| {
                    self.stand(&writer, state);
                    state.start_offset = start;
                })?;
                (writer, start)
            }
        };
        Ok((self.begin_behind(&mut writer, reasons.len(), start), reasons))
    }

    /// Where the log starts once the segment of this base offset is its first.
    fn start_at(&self, base_offset: u64) -> u64 {
        base_offset.max(self.marks.start())
    }

    /// The log starts there from now on, and its leading segments are none of its own any more.
    fn begin_behind(&self, writer: &mut Writer, leading: usize, start: u64) -> Vec<Arc<Segment>> {
        self.marks.set(Mark::Start, self.start_at(start));
        let segments = self.segments.load_full();
        let (gone, kept) = segments.all().split_at(leading);
        let first_base = kept[0].base_offset();
        writer.unsynced.retain(|segment| segment.base_offset() >= first_base);
        self.segments.store(Arc::new(SegmentList::new(kept.to_vec())));
        gone.to_vec()
    }

    /// Says what is to go now that nobody appends, and begins a new segment if that is all. Without room for its file the
    /// active one stays, and the others go first.
    fn roll_expired(
        &self,
        writer: &mut Writer,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<Vec<RemovalReason>> {
        self.check_writable()?;
        let segments = self.segments.load_full();
        let mut reasons = self.plan_removal(segments.all(), config, now)?;
        if reasons.len() == segments.all().len() {
            match self.roll(writer, self.marks.end()) {
                Err(Error::DiskFull { .. }) if reasons.len() > 1 => drop(reasons.pop()),
                other => other?,
            }
        }
        Ok(reasons)
    }

    fn remove_leading(&self, segments: Vec<Arc<Segment>>) -> Result<()> {
        if segments.is_empty() {
            return Ok(());
        }
        let facts: Vec<Fact> = segments.iter().map(|segment| Fact::Removed(segment.base_offset())).collect();
        self.with_manifest(|manifest| manifest.append(&facts))
            .map_err(|failure| self.failed(failure))
            .or_else(|error| self.unpoisoned(error))?;
        self.remove_segments(segments)?;
        self.forget_epochs(0..0, &BTreeSet::new());
        self.shorten_manifest()
    }
}
