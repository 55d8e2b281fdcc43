//! The way of one producer's records into one partition, in the order in which they were sent.
//!
//! ```text
//! send ──> open batch ──(full, lingered, flushed)──> log ──> settled ──(acks: durable)──> synced ──> callbacks
//!              └─ none without linger         └─ the disk is full: queue of sealed batches, tried again
//! ```
//! One lock holds the order: what is sent under it is written under it, and so are the batches that wait to be tried
//! again. Callbacks run outside of it, one after the other, on whichever thread comes by.

mod durable;
mod owed;
mod retry;
mod whole;

use super::batch::{Callback, ProducerBatch};
use super::calls::{Calls, Job};
use super::receipt::{Stage, written_at};
use super::shared::Shared;
use crate::config::Acks;
use crate::error::{Error, Result};
use crate::partition::{Admission, AppendInfo, Partition, SettingsCache};
use crate::record::{BatchBuilder, Content, increment_sequence};
use crate::types::Timestamp;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use retry::{Drive, Sealed};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One producer's lane into one partition.
#[derive(Debug)]
pub(super) struct Lane {
    topic: Arc<str>,
    partition: Partition,
    shared: Arc<Shared>,
    guarded: Mutex<Guarded>,
    calls: Calls,
    /// Why what was written cannot be made durable, once that is so.
    sync_failure: OnceLock<Error>,
    /// How many batches wait: for whoever asks without the lock, under which batches are written.
    queued: AtomicU64,
}

/// What the lane's lock guards: two things, because one is looked at while the other changes.
#[derive(Debug)]
struct Guarded {
    settings: SettingsCache,
    state: State,
}

#[derive(Debug)]
struct State {
    builder: BatchBuilder,
    open: Option<Open>,
    sealed: VecDeque<Sealed>,
    next_sequence: i32,
    /// Behind the last record that was written.
    written_end: u64,
    /// When what was written is to be synced, if nobody does it before.
    sync_due: Option<Duration>,
    /// Callbacks of records that are written and not durable, by the end that they wait for.
    awaiting_sync: VecDeque<(u64, Job)>,
    /// The first failure since somebody asked.
    failure: Option<Error>,
}

/// A batch that others may join.
#[derive(Debug)]
struct Open {
    batch: Arc<ProducerBatch>,
    /// When its first record was added: what linger and the delivery timeout are counted from.
    created_at: Duration,
    memory: usize,
}

/// What became of a record at first.
pub(super) struct Sent {
    pub(super) stage: Stage,
    /// When it was made; or when the log took it in, if that is known and counts.
    pub(super) timestamp: Timestamp,
    /// What it has to be before it counts as sent.
    pub(super) acks: Acks,
    /// Whether nothing waits for others to join it any more.
    pub(super) is_full: bool,
}

impl Lane {
    pub(super) fn new(topic: Arc<str>, partition: Partition, shared: Arc<Shared>) -> Self {
        let settings = partition.settings_cache();
        let state = State {
            builder: BatchBuilder::new(shared.config.compression),
            open: None,
            sealed: VecDeque::new(),
            next_sequence: 0,
            written_end: 0,
            sync_due: None,
            awaiting_sync: VecDeque::new(),
            failure: None,
        };
        let (guarded, calls) = (Mutex::new(Guarded { settings, state }), Calls::default());
        Self {
            topic,
            partition,
            shared,
            guarded,
            calls,
            sync_failure: OnceLock::new(),
            queued: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MappedMutexGuard<'_, State> {
        MutexGuard::map(self.guarded.lock(), |guarded| &mut guarded.state)
    }

    pub(super) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What its records have to be before they count as sent, as its topic is now.
    pub(super) fn acks(&self) -> Acks {
        self.shared.config.acks.max(self.partition.min_acks())
    }

    /// The same, for those who know how the topic is.
    pub(super) fn acks_of(&self, admission: Admission<'_>) -> Acks {
        self.shared.config.acks.max(admission.min_acks())
    }

    /// Whether something of it is to be durable: now, or when it was sent, before its topic was altered.
    pub(super) fn needs_sync(&self) -> bool {
        self.acks() == Acks::Durable || !self.state().awaiting_sync.is_empty()
    }

    /// How many batches wait.
    pub(super) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Takes a record, if its topic takes it. It lingers, or is in the log when this returns, unless it fails with
    /// something that may pass.
    ///
    /// If it has to wait it takes memory, if that is there, until it is settled.
    #[inline(always)]
    pub(super) fn send(&self, record: &Content<'_>, now: Timestamp) -> Result<Sent> {
        let lingers = !self.shared.config.linger.is_zero();
        let sent = {
            let Guarded { settings, state } = &mut *self.guarded.lock();
            let admission = Admission(settings.load());
            admission.check(|| self.partition.id(), record, now)?;
            let made_at = record.timestamp().unwrap_or(now);
            let (stage, timestamp) = if lingers || !state.sealed.is_empty() {
                (self.join(state, admission, record, lingers)?, made_at)
            } else {
                self.write_alone(state, admission, record)
                    .map(|(stage, stamped)| (stage, stamped.unwrap_or(made_at)))?
            };
            Sent { stage, timestamp, acks: self.acks_of(admission), is_full: state.open.is_none() }
        };
        self.run_calls();
        Ok(sent)
    }

    /// Keeps a failure for the next flush, if it is the first since the last.
    pub(super) fn note_failure(&self, error: Error) {
        self.state().failure.get_or_insert(error);
    }

    /// The straight way: one record, one batch, one append. Says too when the log took it in, if that counts.
    #[inline(always)]
    fn write_alone(
        &self,
        state: &mut State,
        admission: Admission<'_>,
        record: &Content<'_>,
    ) -> Result<(Stage, Option<Timestamp>)> {
        self.begin(state, admission);
        state.builder.push_content(record)?;
        match self.write_built(state, admission) {
            Ok(info) => Ok((Stage { batch: None, number: info.first_offset }, info.log_append_time)),
            Err(error) if error.is_retriable() => {
                let batch = Arc::<ProducerBatch>::default();
                // It was created by this very call.
                let (memory, created_at) = (state.builder.len_bytes(), self.shared.clock.monotonic());
                self.seal_built(state, admission, Open { batch: batch.clone(), created_at, memory })?;
                self.shared.memory.take(memory);
                self.queued.fetch_add(1, Ordering::Relaxed);
                Ok((Stage { batch: Some(batch), number: 0 }, None))
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a record into the open batch; a full one is written first, or afterwards.
    #[inline(never)]
    fn join(
        &self,
        state: &mut State,
        admission: Admission<'_>,
        record: &Content<'_>,
        lingers: bool,
    ) -> Result<Stage> {
        let shared = &self.shared;
        let memory = record.batch_bytes_max();
        if !shared.memory.try_take(memory) {
            return Err(Error::BufferFull { limit: shared.memory.limit() as u64 });
        }
        let limit = shared.config.batch_bytes.min(admission.batch_bytes_max());
        if state.open.is_some() && !state.builder.has_room(record, limit) {
            self.write_open(state, admission);
        }
        if state.open.is_none() {
            self.begin(state, admission);
        }
        if let Err(error) = state.builder.push_content(record) {
            shared.memory.give_back(memory);
            return Err(error);
        }
        let open = state.open.get_or_insert_with(|| self.open());
        open.memory += memory;
        let stage = Stage { batch: Some(open.batch.clone()), number: u64::from(state.builder.records() - 1) };
        if !lingers || state.builder.len_bytes() >= limit {
            self.write_open(state, admission);
        }
        Ok(stage)
    }

    /// A batch that begins now.
    #[cold]
    fn open(&self) -> Open {
        let shared = &self.shared;
        let created_at = shared.clock.monotonic();
        if !shared.config.linger.is_zero() {
            // Without linger whoever opens it writes it too, before he returns.
            shared.schedule(created_at.saturating_add(shared.config.linger));
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        Open { batch: Arc::default(), created_at, memory: 0 }
    }

    /// An empty builder, compressing as the topic wants it now.
    fn begin(&self, state: &mut State, admission: Admission<'_>) {
        state.builder.reset(admission.compression().unwrap_or(self.shared.config.compression));
    }

    /// Writes the open batch, or has it stand in the queue: behind those that wait, or as the first of them.
    fn write_open(&self, state: &mut State, admission: Admission<'_>) {
        let Some(open) = state.open.take() else { return };
        let written = state.sealed.is_empty().then(|| self.write_built(state, admission));
        let (batch, memory) = (open.batch.clone(), open.memory);
        let outcome = match written {
            Some(Ok(info)) => Ok(info),
            Some(Err(error)) if !error.is_retriable() || self.is_expired(&open) => Err(error),
            Some(Err(_)) | None => match self.seal_built(state, admission, open) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
        };
        self.settle(state, &batch, memory, outcome);
    }

    /// Appends what is in the builder.
    #[inline]
    fn write_built(&self, state: &mut State, admission: Admission<'_>) -> Result<AppendInfo> {
        if let Some(id) = self.shared.producer_id {
            state.builder.producer(id, 0, state.next_sequence);
        }
        let encoded = &mut state.builder.build_within(admission.batch_bytes_max())?;
        let info = self.partition.append_batch(admission, encoded)?;
        self.written(state, admission, info);
        Ok(info)
    }

    /// Takes note of what is in the log now.
    fn written(&self, state: &mut State, admission: Admission<'_>, info: AppendInfo) {
        let records = info.last_offset - info.first_offset + 1;
        state.next_sequence = increment_sequence(state.next_sequence, records as u32);
        state.written_end = info.last_offset + 1;
        // What nobody can read before it is durable is not left to chance either.
        let wants_sync = self.acks_of(admission) == Acks::Durable || admission.shows_durable_only();
        if state.sync_due.is_none() && wants_sync {
            let due = self.shared.clock.monotonic().saturating_add(self.shared.engine.flush_interval());
            state.sync_due = Some(due);
            self.shared.schedule(due);
        }
    }

    /// Tells everybody what became of a batch.
    fn settle(&self, state: &mut State, batch: &ProducerBatch, memory: usize, outcome: Result<AppendInfo>) {
        self.shared.memory.give_back(memory);
        self.queued.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = &outcome {
            state.failure.get_or_insert_with(|| error.clone());
        }
        batch.settle(outcome.clone());
        for (index, callback) in batch.take_callbacks() {
            let outcome = outcome.clone().map(|info| at(info, index));
            self.call(state, callback, outcome);
        }
    }

    /// Has a callback called once its record counts as sent, or is given up; and behind those before it.
    fn call(&self, state: &mut State, callback: Callback, outcome: Result<AppendInfo>) {
        let own_end = match &outcome {
            Ok(info) if self.acks() == Acks::Durable => info.last_offset + 1,
            _ => 0,
        };
        let end = state.awaiting_sync.back().map_or(own_end, |(before, _)| own_end.max(*before));
        let job = Job(callback, outcome);
        if !state.awaiting_sync.is_empty() || end > self.partition.watermarks().durable_end {
            state.awaiting_sync.push_back((end, job));
            self.want_sync(state);
        } else {
            self.calls.extend([job]);
        }
    }

    /// Has a callback called for one record, whatever has become of it already.
    pub(super) fn on_ack(&self, stage: &Stage, callback: Callback) {
        {
            let mut state = self.state();
            match &stage.batch {
                None => self.call(&mut state, callback, Ok(written_at(stage.number))),
                Some(batch) => match batch.outcome() {
                    None => batch.add_callback(stage.number, callback),
                    Some(outcome) => {
                        let outcome = outcome.map(|info| at(info, stage.number));
                        self.call(&mut state, callback, outcome);
                    }
                },
            }
        }
        self.run_calls();
    }

    /// Does what is due by now.
    pub(super) fn run_due(&self, now: Duration) {
        let sync_is_due = {
            let Guarded { settings, state } = &mut *self.guarded.lock();
            let admission = Admission(settings.load());
            self.retry(state, admission, Drive::Due(now));
            let lingered = |open: &Open| open.created_at.saturating_add(self.shared.config.linger) <= now;
            if state.open.as_ref().is_some_and(lingered) {
                self.write_open(state, admission);
            }
            state.sync_due.is_some_and(|due| due <= now)
        };
        if sync_is_due {
            // Those whom a failure concerns are told by `sync` itself.
            let _ = self.sync();
        }
        self.run_calls();
    }

    /// When there is something to be done next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let state = self.state();
        let lingered =
            state.open.as_ref().map(|open| open.created_at.saturating_add(self.shared.config.linger));
        let retried = state.sealed.front().map(|sealed| sealed.retry_at);
        [lingered, retried, state.sync_due].into_iter().flatten().min()
    }

    /// Writes everything that waits, now; what fails and may pass is tried again as long as it is allowed to.
    pub(super) fn write_all(&self) {
        let clock = self.shared.clock.as_ref();
        loop {
            let (front, retry_at) = {
                let Guarded { settings, state } = &mut *self.guarded.lock();
                let admission = Admission(settings.load());
                self.write_open(state, admission);
                self.retry(state, admission, Drive::All(clock.monotonic()));
                match state.sealed.front() {
                    Some(front) => (front.batch.clone(), front.retry_at),
                    None => break,
                }
            };
            self.run_calls();
            front.settled().wait(clock, retry_at, || front.outcome().map(drop));
        }
        self.run_calls();
    }

    /// What failed for good since the last time.
    pub(super) fn take_failure(&self) -> Result<()> {
        self.state().failure.take().map_or(Ok(()), Err)
    }

    /// Its topic is gone: everybody who still waits is told so, and memory is given back.
    pub(super) fn give_up(&self) {
        self.write_all();
        // Those whom a failure concerns are told by `sync` itself.
        let _ = self.sync();
    }

    /// Tries once to make room: writes what waits, without waiting for what fails.
    pub(super) fn make_room(&self) {
        let now = self.shared.clock.monotonic();
        {
            let Guarded { settings, state } = &mut *self.guarded.lock();
            let admission = Admission(settings.load());
            self.write_open(state, admission);
            self.retry(state, admission, Drive::Due(now));
        }
        self.run_calls();
    }

    /// Waits until a batch is settled, and does what is due for it meanwhile.
    pub(super) fn wait_settled(&self, batch: &ProducerBatch) -> Result<AppendInfo> {
        let clock = self.shared.clock.as_ref();
        loop {
            let due = self.next_due().unwrap_or(Duration::MAX);
            if let Some(outcome) = batch.settled().wait(clock, due, || batch.outcome()) {
                return outcome;
            }
            self.run_due(clock.monotonic());
        }
    }

    /// Returns when the callbacks are over whose time has come by now.
    pub(super) fn finish_calls(&self) {
        self.calls.finish(|error| self.note_failure(error));
    }

    fn run_calls(&self) {
        self.calls.run(|error| self.note_failure(error));
    }
}

/// What it never sent leaves its room to others, and what it has written is not forgotten.
impl Drop for Lane {
    fn drop(&mut self) {
        let state = &self.guarded.get_mut().state;
        let sealed = state.sealed.iter().map(|sealed| sealed.memory);
        let open = state.open.as_ref().map(|open| open.memory);
        self.shared.memory.give_back(sealed.chain(open).sum());
        self.leave_debts();
    }
}

/// The place of one record of a batch.
pub(super) fn at(info: AppendInfo, index: u64) -> AppendInfo {
    let offset = info.first_offset + index;
    AppendInfo { first_offset: offset, last_offset: offset, ..info }
}
