//! A poll: fair turns between the partitions, and waiting for what is not there yet.

use super::{Consumer, Shared};
use crate::engine::Alarm;
use crate::error::{Error, Result};
use crate::partition::{Records, Waiting};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a poll has gathered so far.
struct Gathering {
    records: Records,
    bytes: usize,
    /// When it is handed out, however little it is. Set when there is something.
    until: Option<Duration>,
}

impl Gathering {
    fn new() -> Self {
        Self { records: Records::new(), bytes: 0, until: None }
    }

    fn take(&mut self) -> Records {
        std::mem::replace(self, Self::new()).records
    }
}

impl Consumer {
    pub(super) fn poll_blocking(&mut self, timeout: Duration) -> Result<Records> {
        let clock = self.engine.clock().clone();
        let deadline = match timeout {
            Duration::ZERO => Duration::ZERO,
            _ => clock.monotonic().saturating_add(timeout),
        };
        let signal = self.shared.signal.clone();
        let mut gathering = Gathering::new();
        loop {
            if let Some(done) = self.gather(&mut gathering) {
                return done;
            }
            if timeout.is_zero() {
                return Ok(gathering.take());
            }
            let had_some = gathering.until.is_some();
            let wake_at = gathering.until.unwrap_or(deadline).min(deadline);
            // Where nobody else does what falls due meanwhile, it is done here: a record may linger until just then.
            let next_due = if clock.runs_by_itself() { None } else { self.engine.next_due() };
            let step_at = next_due.map_or(wake_at, |due| due.min(wake_at));
            let step = signal.wait(clock.as_ref(), step_at, || match self.gather(&mut gathering) {
                Some(done) => Some(Some(done)),
                // Now there is something, it is not waited for as long.
                None => (!had_some && gathering.until.is_some()).then_some(None),
            });
            match step {
                Some(Some(done)) => return done,
                Some(None) => {}
                None if step_at < wake_at => drop(self.engine.maintain()?),
                None => return Ok(gathering.take()),
            }
        }
    }

    /// Takes what there is. Says so once it is enough, or nothing more is to be waited for.
    fn gather(&mut self, gathering: &mut Gathering) -> Option<Result<Records>> {
        if self.shared.take_wakeup() {
            return Some(Err(Error::WokenUp));
        }
        let had = gathering.records.len();
        if let Err(error) = self.engine.check_open().and_then(|()| self.take_turns(gathering)) {
            // It comes again with the next poll, which has nothing to return before it.
            return Some(if gathering.records.is_empty() { Err(error) } else { Ok(gathering.take()) });
        }
        if gathering.records.is_empty() {
            return None;
        }
        let is_full = gathering.records.len() >= self.config.max_poll_records;
        if is_full || gathering.bytes >= self.config.fetch_min_bytes {
            return Some(Ok(gathering.take()));
        }
        if had == 0 {
            let now = self.engine.clock().monotonic();
            gathering.until = Some(now.saturating_add(self.config.fetch_max_wait));
        }
        None
    }

    /// Each partition in turn, beginning behind the one that was served last.
    fn take_turns(&mut self, gathering: &mut Gathering) -> Result<()> {
        let clock = self.engine.clock().clone();
        let count = self.assigned.len();
        let first = self.turn;
        for index in (0..count).map(|step| (first + step) % count) {
            let room = self.config.max_poll_records - gathering.records.len();
            let bytes_left = self.config.fetch_max_bytes.saturating_sub(gathering.bytes);
            if room == 0 || bytes_left == 0 {
                return Ok(());
            }
            let assigned = &mut self.assigned[index];
            if assigned.is_paused {
                continue;
            }
            let bytes_max = bytes_left.min(self.config.max_partition_fetch_bytes);
            let had = gathering.records.len();
            let fetched =
                assigned.fetch(&mut gathering.records, room, bytes_max, self.config.start, clock.as_ref());
            if fetched.is_err() {
                // It has had its turn: what is wrong with one keeps nobody from the others.
                self.turn = (index + 1) % count;
            }
            gathering.bytes += fetched?;
            if gathering.records.len() > had {
                self.turn = (index + 1) % count;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn take_wakeup(&self) -> bool {
        self.is_woken.load(Ordering::SeqCst) && self.is_woken.swap(false, Ordering::SeqCst)
    }
}

/// A poll by a task, between two times that the task is polled itself.
pub(super) struct Polling {
    gathering: Gathering,
    waiting: Waiting,
    alarm: Option<Alarm>,
}

impl Polling {
    pub(super) fn new() -> Self {
        Self { gathering: Gathering::new(), waiting: Waiting::default(), alarm: None }
    }

    pub(super) fn poll(
        &mut self,
        consumer: &mut Consumer,
        context: &mut Context<'_>,
    ) -> Poll<Result<Records>> {
        let Self { gathering, waiting, alarm } = self;
        let signal = consumer.shared.signal.clone();
        let polled = signal.poll(waiting, context, || {
            if let Some(done) = consumer.gather(gathering) {
                return Some(done);
            }
            let until = gathering.until?;
            (consumer.engine.clock().monotonic() >= until).then(|| Ok(gathering.take()))
        });
        if polled.is_ready() {
            *alarm = None;
        } else if alarm.is_none() {
            *alarm = gathering.until.map(|until| consumer.engine.set_alarm(until, &signal));
        }
        polled
    }

    /// Has the consumer go back to before what was gathered and not handed out.
    pub(super) fn abandon(&mut self, consumer: &mut Consumer) {
        consumer.give_back(&self.gathering.take(), 0);
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
        let mut last = None;
        for record in records.iter().skip(first) {
            let place = (record.topic(), record.partition());
            if last != Some(place) {
                last = Some(place);
                // They come in runs, so the first of a partition is the first of its run; what is not assigned any more
                // needs no going back.
                let _ = self.seek(record.topic(), record.partition(), record.offset());
            }
        }
    }
}
