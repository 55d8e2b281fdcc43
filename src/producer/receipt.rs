//! What `send` hands out: a promise of the record's place, to be waited for, awaited, called back with, or dropped.

use super::batch::ProducerBatch;
use super::lane::{Lane, at};
use crate::config::Acks;
use crate::error::Result;
use crate::partition::{AppendInfo, Waiting};
use crate::types::Timestamp;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// When it was made; or when the log took it in, if its topic stamps records with that.
    pub timestamp: Timestamp,
}

/// How far a record is on its way. Two words, because every send hands one through.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// The batch that it belongs to; none if it was written alone.
    pub(super) batch: Option<Arc<ProducerBatch>>,
    /// Its number in that batch; else its offset.
    pub(super) number: u64,
}

impl Stage {
    /// The same of a record behind the first of a batch, whose own this is.
    #[inline]
    pub(super) fn of_record(&self, number: usize) -> Self {
        Self { batch: self.batch.clone(), number: self.number + number as u64 }
    }
}

/// A promise that a record will be in the log, as sure as the producer's [`Acks`] say.
///
/// Whoever waits does what is to be done: the sync that makes his record durable does so for everybody else's. Dropping a
/// receipt costs nothing and changes nothing: the record is sent all the same.
#[derive(Debug)]
pub struct Receipt {
    pub(super) lane: Arc<Lane>,
    /// The record's own; or the log's, once it is known to have stamped it.
    pub(super) timestamp: Timestamp,
    pub(super) stage: Stage,
    /// What it has to be before it counts as sent.
    pub(super) acks: Acks,
}

impl Receipt {
    /// The record's topic.
    pub fn topic(&self) -> &str {
        self.lane.topic()
    }

    /// The record's partition.
    pub fn partition(&self) -> u32 {
        self.lane.partition().number()
    }

    /// What the record has to be before it counts as sent: what its topic asked for when it was sent; and what it asks for
    /// now, if it lingered, for then it may be written after the topic was altered.
    fn acks(&self) -> Acks {
        let is_settled = self.acks == Acks::Durable || self.stage.batch.is_none();
        if is_settled { self.acks } else { self.acks.max(self.lane.acks()) }
    }

    /// Waits until the record counts as sent. A record that lingers is waited for; no longer than that.
    ///
    /// # Errors
    /// Why it could not be written, or not be made durable.
    pub fn wait(self) -> Result<RecordMetadata> {
        let info = match &self.stage.batch {
            Some(batch) => at(self.lane.wait_settled(batch)?, self.stage.number),
            None => written_at(self.stage.number),
        };
        if self.acks() == Acks::Durable {
            self.lane.partition().flush_to(info.last_offset + 1)?;
        }
        Ok(self.metadata(info))
    }

    /// Has `callback` called when the record counts as sent, or has failed: in the order of the records of a partition,
    /// on whichever thread finds out. A callback may send more; one that panics harms nobody, and the producer's next
    /// `flush` says so.
    pub fn on_ack(self, callback: impl FnOnce(Result<RecordMetadata>) + Send + 'static) {
        // The lane keeps the callback until then, so the callback must not keep the lane.
        let (topic, partition, timestamp) = (self.lane.topic().clone(), self.partition(), self.timestamp);
        let place = move |info| metadata(topic, partition, timestamp, info);
        self.lane.on_ack(&self.stage, Box::new(move |outcome| callback(outcome.map(place))));
    }

    fn metadata(&self, info: AppendInfo) -> RecordMetadata {
        metadata(self.lane.topic().clone(), self.partition(), self.timestamp, info)
    }
}

/// The place of a record that was written alone. When is known already.
pub(super) fn written_at(offset: u64) -> AppendInfo {
    AppendInfo { first_offset: offset, last_offset: offset, log_append_time: None }
}

fn metadata(topic: Arc<str>, partition: u32, timestamp: Timestamp, info: AppendInfo) -> RecordMetadata {
    let timestamp = info.log_append_time.unwrap_or(timestamp);
    RecordMetadata { topic, partition, offset: info.first_offset, timestamp }
}

impl IntoFuture for Receipt {
    type Output = Result<RecordMetadata>;
    type IntoFuture = ReceiptFuture;

    fn into_future(self) -> ReceiptFuture {
        ReceiptFuture { receipt: self, waiting: Waiting::default() }
    }
}

/// Awaits a [`Receipt`]. Dropping it at any point loses nothing.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited; to send and forget, drop the receipt"]
pub struct ReceiptFuture {
    receipt: Receipt,
    waiting: Waiting,
}

impl ReceiptFuture {
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<AppendInfo>> {
        let Stage { batch, number } = &self.receipt.stage;
        match batch {
            Some(batch) => {
                let outcome = batch.settled().poll(&mut self.waiting, context, || batch.outcome());
                outcome.map(|outcome| outcome.map(|info| at(info, *number)))
            }
            None => Poll::Ready(Ok(written_at(*number))),
        }
    }

    fn poll_durable(&mut self, info: AppendInfo, context: &mut Context<'_>) -> Poll<Result<()>> {
        let lane = &self.receipt.lane;
        let done = || match lane.is_durable(info) {
            true => Some(Ok(())),
            false => lane.sync_failure().map(Err),
        };
        let synced = lane.partition().synced().poll(&mut self.waiting, context, done);
        if synced.is_pending() {
            lane.request_sync();
        }
        synced
    }
}

impl Future for ReceiptFuture {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.receipt.lane.shared();
        // Nobody works in the background, or nobody does any more: what is to be done is done here.
        let is_alone = !shared.clock.runs_by_itself() || shared.engine.check_open().is_err();
        if is_alone {
            this.receipt.lane.make_room();
        }
        let info = match this.poll_written(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(info)) => info,
        };
        if this.receipt.acks() == Acks::Durable {
            this.receipt.acks = Acks::Durable;
            this.receipt.timestamp = info.log_append_time.unwrap_or(this.receipt.timestamp);
            this.receipt.stage = Stage { batch: None, number: info.first_offset };
            if is_alone && let Err(error) = this.receipt.lane.sync() {
                return Poll::Ready(Err(error));
            }
            match this.poll_durable(info, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
        }
        Poll::Ready(Ok(this.receipt.metadata(info)))
    }
}
