//! A poll: fair turns between the partitions, and waiting for what is not there yet.

use super::Consumer;
use crate::clock::Clock;
use crate::engine::Alarm;
use crate::error::{Error, Result};
use crate::partition::{Fetched, Records, Waiting, sync};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A consumer that spins gives way to other threads this rarely: one that has a processor of its own loses nothing by
/// it, and one that has not would keep the producer from the very thing it looks for.
const LOOKS_BETWEEN_YIELDS: u32 = 64;

/// Each look takes from the producer what it is about to write to; a little less often is sooner.
const PAUSES_BETWEEN_LOOKS: u32 = 3;

/// What a poll has gathered so far.
struct Gathering {
    records: Records,
    bytes: usize,
    /// Whether more is not waited for, however little it is: it lay here already.
    is_enough: bool,
    /// When it is handed out, however little it is. Set when there is something.
    until: Option<Duration>,
}

impl Gathering {
    fn new() -> Self {
        Self { records: Records::new(), bytes: 0, is_enough: false, until: None }
    }

    fn take(&mut self) -> Records {
        std::mem::replace(self, Self::new()).records
    }
}

impl Consumer {
    pub(super) fn poll_blocking(&mut self, timeout: Duration) -> Result<Records> {
        let mut gathering = Gathering::new();
        let polled = self.poll_into(&mut gathering, timeout);
        if polled.is_err() {
            // Somebody has woken it while it waited for more, or something fell due that failed.
            self.give_back(&gathering.take(), 0);
        }
        polled
    }

    fn poll_into(&mut self, gathering: &mut Gathering, timeout: Duration) -> Result<Records> {
        // Most polls find something, and ask neither for the time nor for anybody's signal.
        if let Some(done) = self.gather(gathering) {
            return done;
        }
        if timeout.is_zero() {
            return Ok(gathering.take());
        }
        let clock = self.engine.clock().clone();
        let begun = clock.monotonic();
        let deadline = begun.saturating_add(timeout);
        if !self.config.spin.is_zero()
            && clock.runs_by_itself()
            && let Some(done) = self.spin(gathering, deadline.min(begun.saturating_add(self.config.spin)))
        {
            return done;
        }
        self.wait(gathering, clock.as_ref(), deadline)
    }

    /// Looks again and again until a moment, as long as there is nothing at all.
    fn spin(&mut self, gathering: &mut Gathering, until: Duration) -> Option<Result<Records>> {
        let mut looks = 0_u32;
        while gathering.until.is_none() && self.engine.clock().monotonic() < until {
            looks += 1;
            if looks.is_multiple_of(LOOKS_BETWEEN_YIELDS) {
                sync::give_way();
            } else {
                (0..PAUSES_BETWEEN_LOOKS).for_each(|_| std::hint::spin_loop());
            }
            if let Some(done) = self.gather(gathering) {
                return Some(done);
            }
        }
        None
    }

    /// Waits for enough, or until the deadline.
    fn wait(&mut self, gathering: &mut Gathering, clock: &dyn Clock, deadline: Duration) -> Result<Records> {
        let signal = self.shared.signal.clone();
        loop {
            let had_some = gathering.until.is_some();
            let wake_at = gathering.until.unwrap_or(deadline).min(deadline);
            // Where nobody else does what falls due meanwhile, it is done here: a record may linger until just then.
            let next_due = if clock.runs_by_itself() { None } else { self.engine.next_due(wake_at) };
            let commit_at = if had_some { None } else { self.auto_commit_at() };
            let step_at = next_due.into_iter().chain(commit_at).fold(wake_at, Duration::min);
            let step = signal.wait(clock, step_at, || match self.gather(gathering) {
                Some(done) => Some(Some(done)),
                // Now there is something, it is not waited for as long.
                None => (!had_some && gathering.until.is_some()).then_some(None),
            });
            match step {
                Some(Some(done)) => return done,
                Some(None) => {}
                None if step_at < wake_at => {
                    if !clock.runs_by_itself() {
                        self.engine.maintain()?;
                    }
                    if !had_some {
                        self.auto_commit_if_due();
                    }
                }
                None => return Ok(gathering.take()),
            }
            if let Some(done) = self.gather(gathering) {
                return done;
            }
        }
    }

    /// Takes what there is. Says so once it is enough, or nothing more is to be waited for.
    fn gather(&mut self, gathering: &mut Gathering) -> Option<Result<Records>> {
        let had = gathering.records.len();
        loop {
            if self.shared.take_wakeup() {
                return Some(Err(Error::WokenUp));
            }
            // What the poll has gathered would not be its own any more.
            if gathering.records.is_empty()
                && self.has_news()
                && let Err(error) = self.follow_group()
            {
                return Some(Err(error));
            }
            if self.has_changed() {
                // Nothing is gathered: the event comes first.
                return Some(Ok(Records::new()));
            }
            match self.engine.check_open().and_then(|()| self.take_turns(gathering)) {
                // It comes again with the next poll, which has nothing to return before it.
                Err(_) if !gathering.records.is_empty() => return Some(Ok(gathering.take())),
                Err(error) => return Some(Err(error)),
                // What nobody gets to see is passed over, and there may be something behind it.
                Ok(Turns::PassedOver) if gathering.records.is_empty() => {}
                Ok(_) => break,
            }
        }
        if gathering.records.is_empty() {
            return None;
        }
        let is_full = gathering.records.len() >= self.config.max_poll_records;
        if is_full || gathering.is_enough || gathering.bytes >= self.config.fetch_min_bytes {
            return Some(Ok(gathering.take()));
        }
        if had == 0 {
            let now = self.engine.clock().monotonic();
            gathering.until = Some(now.saturating_add(self.config.fetch_max_wait));
        }
        None
    }

    /// Each partition in turn, beginning behind the one that was served last.
    fn take_turns(&mut self, gathering: &mut Gathering) -> Result<Turns> {
        let Self { engine, config, assigned: all, turn, .. } = self;
        let clock = engine.clock().as_ref();
        let (count, first) = (all.len(), *turn);
        let mut turns = Turns::Done;
        for index in (first..count).chain(0..first) {
            let room = config.max_poll_records - gathering.records.len();
            let bytes_left = config.fetch_max_bytes.saturating_sub(gathering.bytes);
            if room == 0 || bytes_left == 0 {
                return Ok(turns);
            }
            let assigned = &mut all[index];
            if assigned.is_paused {
                continue;
            }
            let bytes_max = bytes_left.min(config.max_partition_fetch_bytes);
            let fetched = assigned.fetch(&mut gathering.records, room, bytes_max, config.start, clock);
            if !fetched.as_ref().is_ok_and(|fetched| fetched.records == 0) {
                // It has had its turn: what is wrong with one keeps nobody from the others.
                *turn = (index + 1) % count;
            }
            let Fetched { records, bytes, was_in_hand } = fetched?;
            if records > 0 {
                gathering.bytes += bytes;
                gathering.is_enough |= was_in_hand;
            } else if bytes > 0 {
                turns = Turns::PassedOver;
            }
        }
        Ok(turns)
    }
}

/// What came of a turn of all partitions.
enum Turns {
    /// There is nothing more, or no room for it.
    Done,
    /// Of one at least there were only batches that nobody gets to see: it has got further, and has to be asked again.
    PassedOver,
}

/// A poll by a task, between two times that the task is polled itself.
pub(super) struct Polling {
    gathering: Gathering,
    waiting: Waiting,
    alarm: Option<Alarm>,
    /// For a commit that falls due while nothing comes.
    commit_alarm: Option<Alarm>,
    /// Whether it ends with each change of the assignment, or only with records.
    tells_changes: bool,
}

impl Polling {
    pub(super) fn new() -> Self {
        Self {
            gathering: Gathering::new(),
            waiting: Waiting::default(),
            alarm: None,
            commit_alarm: None,
            tells_changes: false,
        }
    }

    /// One that ends without records when the assignment changes.
    pub(super) fn of_events() -> Self {
        Self { tells_changes: true, ..Self::new() }
    }

    pub(super) fn poll(
        &mut self,
        consumer: &mut Consumer,
        context: &mut Context<'_>,
    ) -> Poll<Result<Records>> {
        let Self { gathering, waiting, alarm, commit_alarm, tells_changes } = self;
        if gathering.records.is_empty() {
            consumer.begin_poll(*tells_changes);
        }
        let signal = consumer.shared.signal.clone();
        let polled = signal.poll(waiting, context, || {
            if let Some(done) = consumer.gather(gathering) {
                return Some(done);
            }
            let until = gathering.until?;
            (consumer.engine.clock().monotonic() >= until).then(|| Ok(gathering.take()))
        });
        if polled.is_ready() {
            (*alarm, *commit_alarm) = (None, None);
            consumer.end_poll();
            return polled;
        }
        if alarm.is_none() {
            *alarm = gathering.until.map(|until| consumer.engine.set_alarm(until, &signal));
        }
        let commit_at = if gathering.records.is_empty() { consumer.auto_commit_at() } else { None };
        *commit_alarm = commit_at.map(|at| consumer.engine.set_alarm(at, &signal));
        polled
    }

    /// Has the consumer go back to before what was gathered and not handed out.
    pub(super) fn abandon(&mut self, consumer: &mut Consumer) {
        consumer.give_back(&self.gathering.take(), 0);
        consumer.end_poll();
    }
}

impl std::fmt::Debug for Polling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Polling({} records)", self.gathering.records.len())
    }
}

/// Awaits records: see [`Consumer::poll_async`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct PollFuture<'a> {
    consumer: &'a mut Consumer,
    polling: Polling,
}

impl<'a> PollFuture<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer, polling: Polling::new() }
    }
}

impl Future for PollFuture<'_> {
    type Output = Result<Records>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { consumer, polling } = &mut *self;
        polling.poll(consumer, context)
    }
}

impl Drop for PollFuture<'_> {
    fn drop(&mut self) {
        self.polling.abandon(self.consumer);
    }
}

impl Consumer {
    /// Goes back to before records that were read and not returned: those from the one of this number on.
    pub(super) fn give_back(&mut self, records: &Records, first: usize) {
        let mut firsts = BTreeMap::new();
        for record in records.iter().skip(first) {
            // Within a partition they are in order, however many turns it has had.
            firsts.entry((record.topic(), record.partition())).or_insert(record.offset());
        }
        for ((topic, partition), offset) in firsts {
            // What is not assigned any more needs no going back.
            let _ = self.seek(topic, partition, offset);
        }
    }
}
