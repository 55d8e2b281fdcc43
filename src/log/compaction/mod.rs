//! Compaction: of each key the newest record stays, and with it its offset.
//!
//! ```text
//! plan   what is dirty, which segments become one            plan.rs          pure
//! read   the newest offset of each key of the dirty part     keys.rs, key_map.rs, newest.rs (pure)
//! write  each group of segments anew, beside them            pass.rs, rewrite.rs, transactions.rs
//! swap   the new segment for the old ones                    swap.rs
//! ```
//! A *round* is all of that once. It is done in steps, so that one log does not hold up the others; between and during
//! steps the log is appended to, flushed and read as ever. Only the swap of a group holds others up, for a few syncs.
//!
//! A round that a truncation or a retention overtakes is given up: its keys speak of records that are gone.

mod key_map;
mod keys;
mod newest;
mod pass;
mod plan;
mod rewrite;
mod swap;
mod transactions;

pub use plan::{Cleanable, CompactionConfig};

use super::Log;
use crate::error::{Error, Result};
use crate::record::BatchHeader;
use crate::segment::{SealedFacts, Segment};
use crate::types::Timestamp;
use key_map::KeyMap;
use newest::Newest;
use plan::{GroupLimits, Part, Standing};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use transactions::CleanedTransactions;

/// What a call has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Compacted {
    /// Where the round stands.
    pub progress: CompactionProgress,
    /// Segments that were replaced, and by how many.
    pub segments_in: u64,
    /// Those that took their place.
    pub segments_out: u64,
    /// The bytes of batches in the segments that were replaced.
    pub bytes_in: u64,
    /// The bytes of batches in those that took their place.
    pub bytes_out: u64,
    /// Keys that were read, in this round so far.
    pub keys: u64,
    /// Records that were looked at, markers included: those that are gone, and those that stay.
    pub records_in: u64,
    /// Records that are gone, markers and tombstones included.
    pub records_dropped: u64,
    /// Tombstones among them.
    pub tombstones_dropped: u64,
    /// Markers of transactions among them.
    pub markers_dropped: u64,
    /// Up to where the log is compacted now.
    pub first_dirty: u64,
}

/// How far a round of compaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompactionProgress {
    /// There was nothing to do.
    #[default]
    Idle,
    /// There is more to do: call again.
    More,
    /// The round is over. There may be reason for another.
    Finished,
}

/// The one who compacts a log.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    round: Option<Round>,
    /// The segment that took its place last, as long as the manifest does not say that its files have their names.
    unfinished: Option<Unfinished>,
}

/// A segment whose files have their names, of which the manifest does not say so.
#[derive(Debug)]
struct Unfinished {
    segment: Arc<Segment>,
    facts: SealedFacts,
}

/// A round, between two steps.
#[derive(Debug)]
struct Round {
    /// The life of the log that it belongs to, and where it began then.
    epoch: i32,
    start: u64,
    now: Timestamp,
    first_dirty: u64,
    /// Dirty segments whose keys are not read yet. Those of a round are held by the log alone, or the files of all that
    /// are removed between two steps would stay open.
    unread: VecDeque<Weak<Segment>>,
    reading: CleanedTransactions,
    keys: KeyMap,
    /// Which of the dirty part are the newest; once all keys are read.
    newest: Newest,
    /// Behind the last record that the keys were read from.
    keys_end: u64,
    /// Where the next round begins.
    next_dirty: u64,
    /// Closed segments that are not grouped yet.
    segments: Vec<(Weak<Segment>, Part)>,
    limits: GroupLimits,
    groups: VecDeque<Vec<Weak<Segment>>>,
    writing: CleanedTransactions,
    /// What was written or left as it was so far, and the epochs of the batches in it.
    written: Range<u64>,
    epochs: BTreeSet<i32>,
}

impl Cleaner {
    /// Lets go of a round; what it has done so far stays done.
    pub(super) fn give_up(&mut self) {
        self.round = None;
    }
}

impl Log {
    /// What of it can be compacted now, and whether it should be: for whoever chooses between logs.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn cleanable(&self, config: &CompactionConfig) -> Result<Cleanable> {
        let (segments, standing) = (self.segments.load_full(), self.standing());
        let parts = self.parts(segments.all(), standing, config)?;
        Ok(plan::cleanable(&parts, standing, self.believed_time().now, config))
    }

    /// Up to where it was compacted, as the manifest says too; where that does not know, a round reads more than it had to.
    pub fn first_dirty_offset(&self) -> u64 {
        self.first_dirty.load(Ordering::Acquire)
    }

    /// Compacts, for about as long as reading `budget` bytes takes: at least one segment is read for its keys, or one group
    /// of segments rewritten. Call again while there is [more](CompactionProgress::More) to do. A round begins only when it
    /// is [due](Cleanable::is_due).
    ///
    /// `is_last_of_producer` says whether a batch is the last one by which its producer is known; the header of such a batch
    /// stays though its records may not.
    ///
    /// Whatever happens the log holds the old segments or the new ones. Each group is durable when its step is over.
    ///
    /// # Errors
    /// [`Error::DiskFull`] if there is no room for a group beside those it is made from: that group was not changed, try again
    /// later. [`Error::Corrupt`] if there is damage in the way: the log is not compacted any more until it is opened anew,
    /// and what is damaged is untouched. In both cases the groups before it are compacted, and stay so.
    pub fn compact(
        &self,
        config: &CompactionConfig,
        is_last_of_producer: &dyn Fn(&BatchHeader) -> bool,
        budget: u64,
    ) -> Result<Compacted> {
        let mut cleaner = self.cleaner.lock();
        self.check_writable()?;
        if let Some(error) = self.uncleanable() {
            return Err(error);
        }
        let mut done = Compacted::default();
        let result = self.compact_for(&mut cleaner, config, is_last_of_producer, budget, &mut done);
        let round = result.is_err().then(|| cleaner.round.take()).flatten();
        let is_overtaken = round.is_some_and(|round| self.is_overtaken(&round));
        match result {
            Ok(()) => {}
            // What it met are files that were cut, or are gone, as somebody wanted.
            Err(_) if is_overtaken && self.check_writable().is_ok() => {
                done.progress = CompactionProgress::More;
            }
            Err(error) => {
                if is_lasting(&error) {
                    // Only who holds the cleaner sets it, and it was not set above.
                    let _ = self.uncleanable.set(error.clone());
                }
                return Err(error);
            }
        }
        done.first_dirty = self.first_dirty_offset();
        Ok(done)
    }

    /// Lets go of a round that has begun: the log is not to be compacted any more. Waits for a call that is under way.
    pub fn give_up_compaction(&self) {
        self.cleaner.lock().give_up();
    }

    /// Whether the log was truncated, or begins further on, since a round began.
    fn is_overtaken(&self, round: &Round) -> bool {
        round.epoch != self.leader_epoch() || round.start != self.marks.start()
    }

    /// Why this log is not compacted any more, if something was found that is in the way.
    pub fn uncleanable(&self) -> Option<Error> {
        self.uncleanable.get().cloned()
    }

    fn compact_for(
        &self,
        cleaner: &mut Cleaner,
        config: &CompactionConfig,
        is_last_of_producer: &dyn Fn(&BatchHeader) -> bool,
        budget: u64,
        done: &mut Compacted,
    ) -> Result<()> {
        if cleaner.round.is_none() {
            cleaner.round = self.begin_round(config)?;
        }
        let Cleaner { round: current, unfinished, .. } = cleaner;
        let mut spent = 0;
        while let Some(round) = current {
            done.progress = CompactionProgress::More;
            if round.epoch != self.leader_epoch() {
                *current = None;
            } else if let Some(segment) = round.unread.pop_front() {
                let Some(segment) = segment.upgrade() else {
                    *current = None;
                    break;
                };
                spent += segment.bytes();
                self.read_keys(round, &segment)?;
                done.keys = round.keys.len() as u64;
            } else if let Some(group) = round.groups.pop_front() {
                let Some(group) = group.iter().map(Weak::upgrade).collect::<Option<Vec<_>>>() else {
                    *current = None;
                    break;
                };
                spent += group.iter().map(|segment| segment.bytes()).sum::<u64>();
                let delete_retention = config.delete_retention;
                if !self.clean_group(round, group, delete_retention, is_last_of_producer, unfinished, done)? {
                    *current = None;
                }
            } else {
                self.finish_round(round, unfinished)?;
                done.progress = CompactionProgress::Finished;
                *current = None;
            }
            if spent >= budget && current.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn begin_round(&self, config: &CompactionConfig) -> Result<Option<Round>> {
        // Whoever overtakes the round from here on changes one of these, or the segments themselves.
        let (epoch, start) = (self.leader_epoch(), self.marks.start());
        let (now, standing) = (self.believed_time().now, self.standing());
        let list = self.segments.load_full();
        let parts = self.parts(list.all(), standing, config)?;
        let cleanable = plan::cleanable(&parts, standing, now, config);
        if !cleanable.is_due(config) || cleanable.dirty_bytes == 0 {
            return Ok(None);
        }
        let Cleanable { first_dirty, first_uncleanable, .. } = cleanable;
        // Whether it succeeds is told by the check of retention that tries the same.
        let _ = self.retry_leftovers();
        // A new segment takes the place of durable ones, and is durable itself. So has to be what it goes by: records that
        // supersede others, and the markers that say whether they do. Those lie anywhere up to the end, and behind the last
        // stable offset too, where an older transaction is still open.
        self.flush()?;
        let segments: Vec<_> = list.all().iter().cloned().zip(parts).collect();
        let segments: Vec<_> =
            segments.into_iter().filter(|(segment, _)| segment.base_offset() < first_uncleanable).collect();
        let ends_behind = |segment: &Segment| segment.end_offset().is_some_and(|end| end > first_dirty);
        let unread = segments.iter().map(|(segment, _)| segment).filter(|segment| ends_behind(segment));
        let unread: VecDeque<_> = unread.map(Arc::downgrade).collect();
        let first_base = segments.first().map_or(first_dirty, |(first, _)| first.base_offset());
        let log = self.config();
        Ok(Some(Round {
            epoch,
            start,
            now,
            first_dirty,
            unread,
            reading: CleanedTransactions::new(self.aborted_transactions(first_dirty, first_uncleanable)?),
            keys: KeyMap::new(config.key_map_bytes),
            newest: Newest::default(),
            keys_end: first_dirty,
            next_dirty: first_uncleanable,
            segments: segments.iter().map(|(segment, part)| (Arc::downgrade(segment), *part)).collect(),
            limits: GroupLimits {
                segment_bytes: log.segment_bytes.into(),
                index_bytes: log.segment_index_bytes.into(),
                end: first_uncleanable,
            },
            groups: VecDeque::new(),
            writing: CleanedTransactions::new(self.aborted_transactions(first_base, first_uncleanable)?),
            written: first_base..first_base,
            epochs: BTreeSet::new(),
        }))
    }

    fn standing(&self) -> Standing {
        let marks = self.watermarks();
        let cleaned_to = self.first_dirty_offset();
        Standing { start: marks.start, last_stable: marks.last_stable, end: marks.end, cleaned_to }
    }

    fn parts(
        &self,
        segments: &[Arc<Segment>],
        standing: Standing,
        config: &CompactionConfig,
    ) -> Result<Vec<Part>> {
        let asks_for_first = config.max_lag < std::time::Duration::MAX;
        let first_dirty = standing.first_dirty();
        let part = |segment: &Arc<Segment>| {
            let is_dirty = segment.end_offset().is_none_or(|end| end > first_dirty);
            let first_timestamp = match asks_for_first && is_dirty && segment.bytes() > 0 {
                true => segment.first_timestamp()?,
                false => None,
            };
            Ok(Part {
                base_offset: segment.base_offset(),
                bytes: segment.bytes(),
                index_bytes: segment.index_bytes(),
                newest: self.newest(segment)?,
                first_timestamp,
            })
        };
        segments.iter().map(part).collect()
    }
}

/// Whether trying again will meet the same.
fn is_lasting(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { .. }
            | Error::InvalidBatch { .. }
            | Error::CodecMissing { .. }
            | Error::IllegalState { .. }
    )
}
