//! Sending records: which partition they go to, what they share a batch with, and when they count as sent.
//!
//! - `partitioners`: who chooses the partition.
//! - `runs`: many records at once.
//! - `routes`: from the name of a topic to the lane of a record.
//! - `lane`: the way of one producer's records into one partition.
//! - `batch`, `receipt`, `receipts`, `calls`: what became of them, and how it is told.
//! - `memory`: how many bytes may wait. `shared`: what lanes have in common. `config`: the settings.
//!
//! All work is done by whoever sends, waits or flushes; what nobody waits for is done by maintenance.

mod batch;
mod calls;
mod config;
mod lane;
mod memory;
pub mod partitioners;
mod receipt;
mod receipts;
mod routes;
mod runs;
mod send_async;
mod shared;

pub use config::ProducerBuilder;
pub use receipt::{Receipt, ReceiptFuture, RecordMetadata};
pub use receipts::{IntoReceipts, Receipts};
pub use send_async::SendFuture;

use crate::engine::{Engine, Task};
use crate::error::{Error, Result};
use crate::record::{Content, NewRecord};
use crate::types::Timestamp;
use batch::panicked;
use config::ProducerConfig;
use lane::{Lane, Sent};
use routes::{Routes, TopicLanes};
use shared::Shared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Sends records to topics. A handle: cheap to clone, and shared between threads.
///
/// ```
/// use brooklet::{Acks, Broker, NewRecord, TopicConfig};
///
/// let broker = Broker::in_memory()?;
/// broker.ensure_topic("orders", TopicConfig::new().partitions(3))?;
/// let producer = broker.producer().acks(Acks::Written).build()?;
/// let sent = producer.send(NewRecord::to("orders").key("alice").value("created"))?.wait()?;
/// assert_eq!(sent.offset, 0);
/// producer.close()?;
/// # Ok::<(), brooklet::Error>(())
/// ```
///
/// Dropping it does no I/O. What is written by then is made durable in its time, and those who asked to be called are; what
/// still lingers, or waits for room on the disk, is sent only if somebody waits for it with a receipt, and otherwise they are
/// told that it was not.
/// [`Producer::close`] sends everything.
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    routes: Routes,
    is_closed: AtomicBool,
}

/// A record that was not sent, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct TrySendError<'a> {
    /// The record, as it was handed in.
    pub record: NewRecord<'a>,
    /// Why it was not sent. [`Error::BufferFull`] if there is no room now.
    pub error: Error,
}

impl Producer {
    fn new(engine: Arc<Engine>, config: ProducerConfig) -> Result<Self> {
        engine.keep_time()?;
        let producer_id = config.idempotent.then(|| engine.new_producer_id()).transpose()?;
        let shared = Arc::new(Shared::new(engine.clone(), config, producer_id));
        let routes = Routes::new(shared.clone());
        let inner = Arc::new(Inner { shared, routes, is_closed: AtomicBool::new(false) });
        let task: Weak<dyn Task> = Arc::<Shared>::downgrade(&inner.shared);
        engine.add_task(task);
        Ok(Self { inner })
    }

    /// Sends a record. Waits for room in the buffer if need be, at most `max_block`; without linger it is in the log when
    /// this returns.
    ///
    /// # Errors
    /// What is known by now: an unknown topic or partition, a record that is too large or that its topic does not take,
    /// no room. The receipt tells the rest.
    pub fn send(&self, record: NewRecord<'_>) -> Result<Receipt> {
        let mut chosen = None;
        let sent = self.inner.try_send(&record, &mut chosen);
        if is_out_of_room(&sent) {
            return self.inner.when_room(|| self.inner.try_send(&record, &mut chosen));
        }
        sent
    }

    /// The same without waiting: where there is no room, the record comes back.
    ///
    /// # Errors
    /// As [`Producer::send`], each with the record in it.
    #[expect(clippy::result_large_err, reason = "the record comes back in it, without an allocation")]
    pub fn try_send<'a>(&self, record: NewRecord<'a>) -> Result<Receipt, TrySendError<'a>> {
        let mut chosen = None;
        match self.inner.try_send(&record, &mut chosen) {
            Err(Error::BufferFull { .. }) => self.inner.shared.make_room(),
            Err(error) => return Err(TrySendError { record, error }),
            Ok(receipt) => return Ok(receipt),
        }
        self.inner.try_send(&record, &mut chosen).map_err(|error| TrySendError { record, error })
    }

    /// The same for a task: awaits room in the buffer, without a limit of its own. Dropped before it is ready, it has
    /// sent nothing.
    pub fn send_async<'a>(&self, record: NewRecord<'a>) -> SendFuture<'a> {
        SendFuture::new(self.clone(), record)
    }

    /// Sends many records at once: those of one partition share batches, and all are in the log when this returns unless
    /// the producer lingers. The receipts are in the order of the records. Without linger, records without a timestamp get
    /// that of the call.
    ///
    /// # Errors
    /// The first record that cannot be sent, as [`Producer::send`]; those before it are sent. Only after
    /// [`Error::Timeout`] some may be missing among these: partitions for whose records no room came.
    pub fn send_batch<'a>(&self, records: impl IntoIterator<Item = NewRecord<'a>>) -> Result<Receipts> {
        self.inner.check_open()?;
        match self.inner.shared.config.linger.is_zero() {
            true => runs::send(&self.inner, records.into_iter()),
            false => records.into_iter().map(|record| self.send(record)).collect(),
        }
    }

    /// Sends all that waits, and waits until it counts as sent.
    ///
    /// # Errors
    /// The first failure since the last flush: of a batch, of a sync, of a callback that panicked.
    pub fn flush(&self) -> Result<()> {
        self.inner.check_open()?;
        self.inner.shared.flush()
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub fn partitions_for(&self, topic: &str) -> Result<u32> {
        self.inner.check_open()?;
        self.inner.shared.engine.topic(topic).map(|topic| topic.partition_count())
    }

    /// Flushes, and sends nothing afterwards, through no clone of this handle.
    ///
    /// # Errors
    /// As [`Producer::flush`]; it is closed all the same.
    pub fn close(self) -> Result<()> {
        self.inner.check_open()?;
        self.inner.is_closed.store(true, Ordering::Release);
        self.inner.shared.flush()
    }
}

impl Inner {
    fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::HandleClosed { handle: "producer" });
        }
        self.shared.engine.check_open()
    }

    /// One attempt. The partition that was chosen stays so for the next: a partitioner that counts is to be asked once.
    #[inline(always)]
    fn try_send(&self, record: &NewRecord<'_>, chosen: &mut Option<u32>) -> Result<Receipt> {
        self.check_open()?;
        self.routes.with(record.topic_name(), |lanes| {
            let now = self.shared.clock.now();
            self.route(lanes, record, now, chosen, |lane, content| {
                let Sent { stage, timestamp, acks, is_full } = lane.send(content, now)?;
                Ok((Receipt { lane: lane.clone(), timestamp, stage, acks }, is_full))
            })
        })
    }

    /// Waits until an attempt to send finds room, and does meanwhile what may make it.
    #[cold]
    fn when_room<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let Shared { clock, config, memory, .. } = &*self.shared;
        let (clock, max_block) = (clock.as_ref(), config.max_block);
        let deadline = clock.monotonic().saturating_add(max_block);
        loop {
            // What is due is done here: else its time would lie in the past, and the wait be none.
            self.shared.run(clock.monotonic());
            self.shared.make_room();
            let next = self.shared.due().unwrap_or(Duration::MAX).min(deadline);
            let sent =
                memory.freed().wait(clock, next, || Some(attempt()).filter(|sent| !is_out_of_room(sent)));
            if let Some(sent) = sent {
                return sent;
            }
            if clock.monotonic() >= deadline {
                let what = "waiting for room in the producer's buffer";
                return Err(Error::Timeout { what, after: max_block, setting: "max_block" });
            }
        }
    }

    /// Measures a record, finds its lane and has it handed over. A partitioner that chose the lane is told whether the batch
    /// is full.
    #[inline(always)]
    fn route<T>(
        &self,
        lanes: &TopicLanes,
        record: &NewRecord<'_>,
        now: Timestamp,
        chosen: &mut Option<u32>,
        hand_over: impl FnOnce(&Arc<Lane>, &Content<'_>) -> Result<(T, bool)>,
    ) -> Result<T> {
        let config = &self.shared.config;
        let content = record.content(now);
        let bytes = content.batch_bytes_max();
        config.check_size(bytes)?;
        let queued = |partition| lanes.queued(partition);
        let view = lanes.view(config.batch_bytes, &queued);
        let lane = lanes.lane_for(record, config.partitioner.as_ref(), &view, chosen)?;
        let (sent, is_full) = hand_over(lane, &content)?;
        if record.partition_number().is_some() {
            return Ok(sent);
        }
        // The record is sent; what the partitioner makes of that is for the next flush to tell.
        let appended = || config.partitioner.appended(&view, lane.partition().number(), bytes, is_full);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(appended)) {
            lane.note_failure(panicked("the partitioner", panic.as_ref()));
        }
        Ok(sent)
    }
}

fn is_out_of_room<T>(sent: &Result<T>) -> bool {
    matches!(sent, Err(Error::BufferFull { .. }))
}
