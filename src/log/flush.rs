//! Flushing: one sync for all who wait, outside the write lock.
//!
//! The first who asks does the work, for everything that is in the log by then; those who come meanwhile wait for it
//! and look whether it covered them. What a sync has covered is told to `durable-end` and only then to the waiters.

use super::append::Writer;
use super::durable_end::DurableEnd;
use super::manifest::{Fact, Manifest};
use super::marks::Mark;
use super::{Log, Refusal};
use crate::clock::give_way;
use crate::error::{Error, OrIo, Result};
use crate::segment::{Segment, TimeEntry};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often whoever is about to sync looks, for each whom he expects, whether all are there: about as long as it takes
/// a thread to wake up, where nobody else wants the processor.
const LOOKS_FOR_EACH: usize = 16;
/// And no more than that, which is less than a sync takes: perhaps they do not come.
const LOOKS_MAX: usize = 256;

/// Who flushes, and who waits.
#[derive(Debug)]
pub(super) struct Flusher {
    turns: Mutex<Turns>,
    finished: Condvar,
    /// Only the one who flushes touches it.
    manifest: Mutex<Manifest>,
}

#[derive(Debug, Default)]
struct Turns {
    is_taken: bool,
    /// How many wait for the present turn to end.
    waiting: usize,
    /// How many waited when the last turn ended.
    released: usize,
}

/// The right to flush; given back when dropped, whatever happened.
struct Turn<'a>(&'a Flusher);

impl Turn<'_> {
    /// Lets those come back whom the last turn released: most of them are about to append and to flush once more. Without
    /// this, whoever is first would sync for himself alone, and all others would wait for that and one more sync.
    fn gather(&self) {
        let expected = self.0.turns.lock().released;
        for _ in 0..(expected * LOOKS_FOR_EACH).min(LOOKS_MAX) {
            if self.0.turns.lock().waiting >= expected {
                return;
            }
            give_way();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.turns.lock();
        turns.is_taken = false;
        turns.released = std::mem::take(&mut turns.waiting);
        drop(turns);
        self.0.finished.notify_all();
    }
}

/// What there was to be made durable at one moment.
struct Work {
    end: u64,
    first_unstable: u64,
    closed: Vec<Arc<Segment>>,
    active: Arc<Segment>,
    active_bytes: u64,
    largest: Option<TimeEntry>,
    names: bool,
}

impl Flusher {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { turns: Mutex::default(), finished: Condvar::new(), manifest: Mutex::new(manifest) }
    }

    /// Takes the turn, or waits for the one who has it to end; then there may be nothing left to do.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut turns = self.turns.lock();
        if turns.is_taken {
            turns.waiting += 1;
            self.finished.wait(&mut turns);
            return None;
        }
        turns.is_taken = true;
        Some(Turn(self))
    }
}

impl Log {
    /// Makes everything durable that is in the log now, and says up to where.
    ///
    /// # Errors
    /// As [`Log::flush_to`].
    pub fn flush(&self) -> Result<u64> {
        let end = self.marks.end();
        self.flush_to(end)?;
        Ok(end)
    }

    /// Returns once everything below `offset` survives a power cut. Many threads may wait; they share one sync.
    ///
    /// # Errors
    /// [`Error::Indeterminate`] if a sync failed: then nobody knows what is on disk, and no later success would prove
    /// anything, so the log takes no more writes until it is opened anew.
    pub fn flush_to(&self, offset: u64) -> Result<()> {
        loop {
            if self.marks.durable_end() >= offset {
                return Ok(());
            }
            self.check_flushable(offset)?;
            let Some(turn) = self.flusher.turn() else { continue };
            turn.gather();
            if self.marks.durable_end() >= offset {
                return Ok(());
            }
            self.check_flushable(offset)?;
            self.flush_now()?;
        }
    }

    fn check_flushable(&self, until: u64) -> Result<()> {
        if let Some(cause) = self.poison.get() {
            let path = self.path().to_owned();
            return Err(Error::Indeterminate { path, until, cause: cause.clone() });
        }
        match self.refusal.get() {
            Some(Refusal::ReadOnly(_) | Refusal::Removed) => self.check_writable(),
            Some(Refusal::Closed) if self.is_shut.load(Ordering::Acquire) => self.check_writable(),
            _ if until > self.marks.end() => {
                let why = format!(
                    "offset {until} was asked to be durable, and the log ends at {}",
                    self.marks.end()
                );
                Err(Error::InvalidBatch { why })
            }
            None | Some(Refusal::Closed) => Ok(()),
        }
    }

    fn flush_now(&self) -> Result<()> {
        let work = self.work(&mut self.writer.lock());
        let unfiled = self.make_durable(work)?;
        self.writer.lock().unsynced.splice(0..0, unfiled);
        Ok(())
    }

    /// As a flush, with the write lock in hand: behind it there is nothing that is not durable.
    pub(super) fn flush_holding(&self, writer: &mut Writer) -> Result<()> {
        let work = self.work(writer);
        writer.unsynced = self.make_durable(work)?;
        Ok(())
    }

    /// Does the work, and hands back the closed segments that could not be filed.
    fn make_durable(&self, work: Work) -> Result<Vec<Arc<Segment>>> {
        self.sync_work(&work).map_err(|error| self.poison(error.to_string()))?;
        let filed = self.file_closed(&work.closed);
        let is_filed = filed.is_ok();
        filed.or_else(|error| self.unpoisoned(error))?;
        self.note_durable(&work, !work.closed.is_empty())?;
        self.marks.set(Mark::DurableEnd, work.end);
        Ok(if is_filed { Vec::new() } else { work.closed })
    }

    fn work(&self, writer: &mut Writer) -> Work {
        let end = self.marks.end();
        let active = writer.active.segment().clone();
        Work {
            end,
            first_unstable: writer.first_unstable(end),
            closed: std::mem::take(&mut writer.unsynced),
            active_bytes: active.bytes(),
            largest: active.largest_timestamp(),
            active,
            names: std::mem::take(&mut writer.names_unsynced),
        }
    }

    /// Oldest first, then the names: what survives a power cut in between is a prefix, or is seen not to be one.
    fn sync_work(&self, work: &Work) -> Result<()> {
        for segment in &work.closed {
            segment.sync_log()?;
        }
        work.active.sync_log()?;
        if work.names {
            self.home.fs.sync_dir(&self.home.dir).or_io("sync", &self.home.dir)?;
        }
        Ok(())
    }

    /// Files the indexes of closed segments and enters them in the manifest. All of it can be made anew from the log,
    /// so a failure (a full disk above all) holds up no acknowledgement: it is tried again with the next flush.
    pub(super) fn file_closed(&self, closed: &[Arc<Segment>]) -> Result<()> {
        if closed.is_empty() {
            return Ok(());
        }
        let facts = closed
            .iter()
            .map(|segment| Ok(Fact::Sealed(segment.file_and_forget()?)))
            .collect::<Result<Vec<_>>>()?;
        self.with_manifest(|manifest| manifest.append(&facts)).map_err(|failure| self.failed(failure))
    }

    /// Notes the new durable end. That it is noted acknowledges nothing, so only a failed sync counts: without the note
    /// recovery reads more.
    fn note_durable(&self, work: &Work, rolled: bool) -> Result<()> {
        let sums = work.active.file_indexes_for_note();
        let change = |state: &mut DurableEnd| {
            state.durable_end = work.end;
            state.first_unstable = work.first_unstable;
            state.segment_base = work.active.base_offset();
            state.segment_bytes = work.active_bytes;
            state.largest = work.largest;
            state.sums = sums;
        };
        if !rolled {
            let _ = self.durable_end.hint(change);
            return Ok(());
        }
        self.commit(change).or_else(|error| self.unpoisoned(error))
    }

    /// Says in a note of the durable end where the log stands, behind a flush with the write lock in hand: in its active
    /// segment, so that the note speaks of no other.
    pub(super) fn stand(&self, writer: &Writer, state: &mut DurableEnd) {
        let active = writer.active.segment();
        state.durable_end = self.marks.durable_end();
        state.first_unstable = writer.first_unstable(state.durable_end);
        state.segment_base = active.base_offset();
        state.segment_bytes = active.bytes();
        state.largest = active.largest_timestamp();
        state.sums = active.file_indexes_for_note();
    }

    /// Passes over a failure that only holds up what can be made anew.
    pub(super) fn unpoisoned(&self, error: Error) -> Result<()> {
        if self.poison.get().is_some() { Err(error) } else { Ok(()) }
    }

    /// The manifest, for those who hold the turn or are alone.
    pub(super) fn with_manifest<T>(&self, act: impl FnOnce(&mut Manifest) -> T) -> T {
        act(&mut self.flusher.manifest.lock())
    }

    /// Waits until nobody flushes, and keeps it so while `act` runs.
    pub(super) fn without_flushes<T>(&self, act: impl FnOnce() -> T) -> T {
        loop {
            if let Some(_turn) = self.flusher.turn() {
                return act();
            }
        }
    }
}
