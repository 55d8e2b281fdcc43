//! Who may write to one partition, over its log: judged before an append, applied after it.
//!
//! ```text
//! append ──> load, the first time ──> judge ──> Log::append ──> apply      all of it under one lock
//! save   ──> encode under that lock ──> Log::flush_to ──> N.snapshot       the slow part is outside of it
//! load   ──> newest snapshot that the log bears out ──> the batches behind it
//! ```
//!
//! The lock is held from the judgement until the batch is applied, so the sequences of a producer and the offsets of its
//! batches have the same order. Whoever writes without a producer id does not take it: such a batch changes nothing here,
//! only the offsets, and these are the log's to give. It is taken before the locks of the log, never the other way round.
//!
//! Nothing is loaded before somebody with a producer id writes. Loading takes nothing away and expires nobody.
//!
//! A snapshot is derived: all that it describes is durable before it is written, and whatever is wrong with one, the one
//! before it or the whole log take its place.

mod answer;
mod load;
mod snapshots;
mod steady;

use super::producer_entry::ProducerStateEntry;
use super::producer_snapshot::encode;
use super::producers::{CompletedTxn, Producers};
use super::verdict::{Append, EndTxnMarker, Origin};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::io::Fs;
use crate::log::{Appended, Log};
use crate::record::{BatchHeader, ControlRecord, EncodedBatch};
use crate::types::{Timestamp, TopicPartition};
use parking_lot::{Mutex, MutexGuard};
use snapshots::Snapshots;
use std::sync::Arc;
use std::time::Duration;
use steady::SteadyTime;

pub use load::producers_of;

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendedBatch {
    /// The offset of its first record.
    pub(crate) base_offset: u64,
    /// The offset of its last record.
    pub(crate) last_offset: u64,
    /// Whether it was there already, and nothing was appended.
    pub(crate) is_duplicate: bool,
    /// When it was appended, the first time. Of a duplicate from before a restart only its largest timestamp is known.
    pub(crate) timestamp: Timestamp,
}

/// Where a marker is, and what it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendedMarker {
    /// Its offset.
    pub(crate) offset: u64,
    /// The transaction that it ended, if one was open.
    pub(crate) completed: Option<CompletedTxn>,
}

/// The producers of one partition. Made when its log was opened, before anything is appended.
#[derive(Debug)]
pub(crate) struct ProducerState {
    partition: Arc<TopicPartition>,
    log: Arc<Log>,
    snapshots: Snapshots,
    time: SteadyTime,
    /// Held by whoever changes snapshots, before the lock of the state is taken.
    saving: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Snapshots above this offset are not believed. When the log was opened it ended here; one that is ahead of that
    /// describes batches that a crash took, and is wrong for those that get their offsets. It moves with our own.
    trusted_to: u64,
    known: Option<Known>,
}

/// What was loaded, and kept up to date since.
#[derive(Debug)]
struct Known {
    producers: Producers,
    /// The offset of the newest snapshot, if one is known to be good.
    saved_at: Option<u64>,
}

impl State {
    fn producers(&mut self) -> &mut Producers {
        &mut self.known.as_mut().expect("it was loaded when the lock was taken").producers
    }
}

impl ProducerState {
    /// Touches no file.
    pub(crate) fn new(
        partition: Arc<TopicPartition>,
        log: Arc<Log>,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let snapshots = Snapshots::new(fs, log.path());
        let state = State { trusted_to: log.watermarks().end, known: None };
        let time = SteadyTime::new(clock);
        Self { partition, log, snapshots, time, saving: Mutex::new(()), state: Mutex::new(state) }
    }

    /// Appends a batch that carries a producer id; `verified` as in [`Append::verified`].
    ///
    /// A duplicate is answered with the offsets of the first time, and nothing is appended. How durable it is then is
    /// for [`Log::flush_to`] to say, as after any append.
    ///
    /// # Errors
    /// [`Error::OutOfOrderSequence`], [`Error::ProducerFenced`], [`Error::InvalidTxnState`]; else as [`Log::append`].
    /// Whatever it is, the state is as before.
    pub(crate) fn append(
        &self,
        batch: &mut EncodedBatch<'_>,
        origin: Origin,
        verified: bool,
    ) -> Result<AppendedBatch> {
        check_producer(batch.header(), origin)?;
        let mut state = self.loaded()?;
        let question = Append {
            origin,
            verified,
            base_offset: self.log.watermarks().end,
            timestamp: self.time.now(),
            ..appended_by(batch.header())
        };
        let verdict = state.producers().check(&question);
        if let Some(known) = answer::to_batch(&self.partition, &question, verdict)? {
            return Ok(known);
        }
        // Somebody without a producer id may have been faster: where the batch is, only the log can say.
        let Appended { base_offset, last_offset } = self.log.append(batch)?;
        state.producers().apply(&Append { base_offset, ..question });
        let timestamp = question.timestamp;
        Ok(AppendedBatch { base_offset, last_offset, is_duplicate: false, timestamp })
    }

    /// Appends the marker that ends a producer's transaction here, or that fences the producer.
    ///
    /// # Errors
    /// [`Error::ProducerFenced`], [`Error::CoordinatorFenced`]; [`Error::InvalidBatch`] if it is no such marker; else as
    /// [`Log::append`]. Whatever it is, the state is as before.
    #[cfg_attr(not(test), expect(dead_code, reason = "transactions, which markers end, are not built yet"))]
    pub(crate) fn append_marker(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        record: ControlRecord,
    ) -> Result<AppendedMarker> {
        let timestamp = self.time.now();
        let mut bytes = record.encode(producer_id, producer_epoch, timestamp)?;
        let mut batch = EncodedBatch::from_bytes(&mut bytes)?;
        let mut state = self.loaded()?;
        let question = EndTxnMarker { timestamp, ..marker_of(batch.header(), record)? };
        let verdict = state.producers().check_marker(&question);
        answer::to_marker(&self.partition, &question, verdict)?;
        let Appended { last_offset: offset, .. } = self.log.append(&mut batch)?;
        let completed = state.producers().apply_marker(&EndTxnMarker { offset, ..question });
        // There is one copy of the log, so nothing that was appended waits for anybody else.
        state.producers().high_watermark_advanced(offset + 1);
        Ok(AppendedMarker { offset, completed })
    }

    /// Every producer that is known here, by id. Loads them if need be.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn producers(&self) -> Result<Vec<ProducerStateEntry>> {
        Ok(self.loaded()?.producers().iter().cloned().collect())
    }

    /// Forgets who was not heard of for `after` or longer and has no transaction open; answers how many they were.
    ///
    /// What counts is the time that has passed, not what the wall clock says: see [`SteadyTime`]. Who was replayed from
    /// the log was last heard of at the time that its batch says, which is all that Kafka's format keeps.
    pub(crate) fn expire(&self, after: Duration) -> usize {
        let mut state = self.state.lock();
        let now = self.time.now();
        state.known.as_mut().map_or(0, |known| known.producers.expire(now, after))
    }

    /// Writes a snapshot of all that is in the log, which is made durable for it. Two are kept, and older ones removed.
    ///
    /// Does nothing if nothing was loaded or appended since the last one, and nothing to a log that is read-only.
    ///
    /// # Errors
    /// As [`Log::flush_to`], and those of the file system. Without the snapshot loading takes longer, and is right.
    pub(crate) fn save(&self) -> Result<()> {
        let _saving = self.saving.lock();
        let Some((offset, bytes, trusted_to)) = self.unsaved() else { return Ok(()) };
        self.log.flush_to(offset)?;
        self.snapshots.replace(offset, &bytes, trusted_to)?;
        let mut state = self.state.lock();
        state.trusted_to = state.trusted_to.max(offset);
        if let Some(known) = &mut state.known {
            known.saved_at = Some(offset);
        }
        Ok(())
    }

    /// Truncates the log, and forgets what was taken from it. Snapshots of what goes are removed first: the log keeps its
    /// end, and they would be believed after a crash.
    ///
    /// # Errors
    /// As [`Log::truncate`], and those of the file system.
    pub(crate) fn truncate(&self, offset: u64) -> Result<()> {
        let _saving = self.saving.lock();
        let mut state = self.state.lock();
        let marks = self.log.watermarks();
        if (marks.start..marks.end).contains(&offset) && self.log.damage().is_empty() {
            state.trusted_to = state.trusted_to.min(offset);
            self.snapshots.remove_above(offset)?;
        }
        state.known = None;
        self.log.truncate(offset)
    }

    /// Forgets what was loaded, so that it is loaded anew. For whoever has truncated the log past us; those who can go
    /// through [`ProducerState::truncate`] have no need of it.
    #[cfg(test)]
    pub(crate) fn reload(&self) {
        let _saving = self.saving.lock();
        self.state.lock().known = None;
    }

    fn loaded(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        if state.known.is_none() {
            state.known = Some(load::load(&self.log, &self.snapshots, state.trusted_to)?);
        }
        Ok(state)
    }

    /// What a snapshot would be now: at which offset, with which bytes, and which others are believed.
    fn unsaved(&self) -> Option<(u64, Vec<u8>, u64)> {
        let state = self.state.lock();
        let known = state.known.as_ref().filter(|_| self.log.damage().is_empty())?;
        let end = self.log.watermarks().end;
        (known.saved_at != Some(end)).then(|| (end, encode(&known.producers), state.trusted_to))
    }
}

/// A data batch as it stands in the log. It was checked when it was written, and its own times are all that it tells.
fn appended_by(header: &BatchHeader) -> Append {
    Append {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        base_offset: header.base_offset,
        last_offset_delta: header.last_offset_delta.cast_signed(),
        timestamp: heard_at(header),
        transactional: header.is_transactional(),
        origin: Origin::Client,
        verified: true,
    }
}

/// A marker as it stands in the log; an error if the record is of another type.
fn marker_of(header: &BatchHeader, record: ControlRecord) -> Result<EndTxnMarker> {
    let (coordinator_epoch, aborted) = match record {
        ControlRecord::Abort { coordinator_epoch } => (coordinator_epoch, true),
        ControlRecord::Commit { coordinator_epoch } => (coordinator_epoch, false),
        ControlRecord::Other(kind) => {
            let why = format!("expected an abort or a commit, found a control record of type {kind}");
            return Err(Error::InvalidBatch { why });
        }
    };
    Ok(EndTxnMarker {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        coordinator_epoch,
        offset: header.base_offset,
        timestamp: heard_at(header),
        aborted,
    })
}

/// A batch without a timestamp says what Kafka writes for none, and so counts as very old.
fn heard_at(header: &BatchHeader) -> Timestamp {
    header.max_timestamp.unwrap_or(Timestamp::from_millis(-1))
}

/// What the judgement takes for granted.
fn check_producer(header: &BatchHeader, origin: Origin) -> Result<()> {
    let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
    let why = if !header.has_producer_id() || epoch < 0 {
        format!("expected a producer id and epoch of 0 or above, found {id} and {epoch}")
    } else if origin == Origin::Client && sequence < 0 {
        format!("expected a base sequence of 0 or above, found {sequence}")
    } else if header.is_control() {
        "expected data, found a marker, which only a coordinator writes".into()
    } else {
        return Ok(());
    };
    Err(Error::InvalidBatch { why })
}

#[cfg(test)]
mod tests;
