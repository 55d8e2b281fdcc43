//! Sending records: which partition they go to, what they share a batch with, and when they count as sent.
//!
//! - `partitioners`: who chooses the partition.
//! - `lane`: the way of one producer's records into one partition.
//! - `batch`, `receipt`, `calls`: what became of them, and how it is told.
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
mod send_async;
mod shared;

pub use config::ProducerBuilder;
pub use receipt::{Receipt, ReceiptFuture, RecordMetadata};
pub use send_async::SendFuture;

use crate::engine::{Engine, Task};
use crate::error::{Error, Result};
use crate::record::NewRecord;
use crate::topic::Topic;
use crate::types::Timestamp;
use arc_swap::ArcSwap;
use batch::panicked;
use config::ProducerConfig;
use lane::Lane;
use parking_lot::Mutex;
use partitioners::{TopicMemory, TopicView};
use shared::Shared;
use std::collections::BTreeMap;
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
/// Dropping it does no I/O: what still lingers is sent only if somebody waits for it. [`Producer::close`] sends
/// everything.
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    topics: ArcSwap<BTreeMap<Arc<str>, Arc<TopicLanes>>>,
    /// Held while a topic's lanes are made.
    making: Mutex<()>,
    is_closed: AtomicBool,
}

/// A topic, and the lanes into its partitions.
#[derive(Debug)]
struct TopicLanes {
    topic: Topic,
    memory: TopicMemory,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
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
        let (topics, making) = (ArcSwap::default(), Mutex::default());
        let inner = Arc::new(Inner { shared, topics, making, is_closed: AtomicBool::new(false) });
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
        let inner = &self.inner;
        match inner.try_send(&record) {
            Err(Error::BufferFull { .. }) => {}
            other => return other,
        }
        let (clock, max_block) = (inner.shared.clock.as_ref(), inner.shared.config.max_block);
        let deadline = clock.monotonic().saturating_add(max_block);
        loop {
            // What is due is done here: else its time would lie in the past, and the wait be none.
            inner.shared.run(clock.monotonic());
            inner.shared.make_room();
            let next = inner.shared.due().unwrap_or(Duration::MAX).min(deadline);
            let sent = inner.shared.memory.freed().wait(clock, next, || match inner.try_send(&record) {
                Err(Error::BufferFull { .. }) => None,
                other => Some(other),
            });
            if let Some(sent) = sent {
                return sent;
            }
            if clock.monotonic() >= deadline {
                let what = "waiting for room in the producer's buffer";
                return Err(Error::Timeout { what, after: max_block, setting: "max_block" });
            }
        }
    }

    /// The same without waiting: where there is no room, the record comes back.
    ///
    /// # Errors
    /// As [`Producer::send`], each with the record in it.
    #[expect(clippy::result_large_err, reason = "the record comes back in it, without an allocation")]
    pub fn try_send<'a>(&self, record: NewRecord<'a>) -> Result<Receipt, TrySendError<'a>> {
        match self.inner.try_send(&record) {
            Err(Error::BufferFull { .. }) => self.inner.shared.make_room(),
            Err(error) => return Err(TrySendError { record, error }),
            Ok(receipt) => return Ok(receipt),
        }
        self.inner.try_send(&record).map_err(|error| TrySendError { record, error })
    }

    /// The same for a task: awaits room in the buffer, without a limit of its own. Dropped before it is ready, it has
    /// sent nothing.
    pub fn send_async<'a>(&self, record: NewRecord<'a>) -> SendFuture<'a> {
        SendFuture::new(self.clone(), record)
    }

    /// Sends many records at once: those of one partition share batches, and all are in the log when this returns unless
    /// the producer lingers. The receipts are in the order of the records.
    ///
    /// # Errors
    /// The first record that cannot be sent, as [`Producer::send`]; those before it are sent.
    pub fn send_batch<'a>(&self, records: impl IntoIterator<Item = NewRecord<'a>>) -> Result<Vec<Receipt>> {
        let inner = &self.inner;
        let now = inner.shared.clock.now();
        let mut known: Option<Arc<TopicLanes>> = None;
        let send_one = |record: NewRecord<'a>| {
            let same = |lanes: &Arc<TopicLanes>| lanes.topic.name() == record.topic_name();
            let lanes = match known.take().filter(same) {
                Some(lanes) => lanes,
                None => inner.lanes_of(record.topic_name())?,
            };
            let sent = self.send_joining(&record, &lanes, now);
            known = Some(lanes);
            sent
        };
        inner.check_open()?;
        let sent = records.into_iter().map(send_one).collect();
        if self.inner.shared.config.linger.is_zero() {
            self.inner.shared.make_room();
        }
        sent
    }

    fn send_joining(&self, record: &NewRecord<'_>, lanes: &TopicLanes, now: Timestamp) -> Result<Receipt> {
        match self.inner.send_to_lane(record, lanes, now, true) {
            Err(Error::BufferFull { .. }) => {
                self.inner.shared.make_room();
                match self.inner.send_to_lane(record, lanes, now, true) {
                    Err(Error::BufferFull { .. }) => self.send(record.clone()),
                    other => other,
                }
            }
            other => other,
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

    fn try_send(&self, record: &NewRecord<'_>) -> Result<Receipt> {
        self.check_open()?;
        let lanes = self.lanes_of(record.topic_name())?;
        self.send_to_lane(record, &lanes, self.shared.clock.now(), !self.shared.config.linger.is_zero())
    }

    /// Admits a record, finds its lane, and hands it over.
    fn send_to_lane(
        &self,
        record: &NewRecord<'_>,
        lanes: &TopicLanes,
        now: Timestamp,
        joins: bool,
    ) -> Result<Receipt> {
        let bytes = record.with_parts(now, |parts| parts.batch_bytes_max());
        let config = &self.shared.config;
        for (setting, limit) in
            [("max_request_bytes", config.max_request_bytes), ("buffer_memory", config.buffer_memory)]
        {
            if bytes > limit {
                return Err(Error::TooLarge { bytes: bytes as u64, limit: limit as u64, setting });
            }
        }
        let lane = lanes.lane_for(self, record)?;
        let created = record.created_at().unwrap_or(now);
        let partition = lane.partition();
        partition.admission().check(partition.id(), record.key_bytes().is_some(), created, now)?;
        let (receipt, is_full) = lane.send(record, created, joins, bytes)?;
        // The record is sent; what the partitioner makes of that is for the next flush to tell.
        if let Err(error) = lanes.tell_partitioner(self, &lane, bytes, is_full) {
            lane.note_failure(error);
        }
        Ok(receipt)
    }

    fn lanes_of(&self, name: &str) -> Result<Arc<TopicLanes>> {
        match self.topics.load().get(name) {
            Some(lanes) if !lanes.topic.is_deleted() => return Ok(lanes.clone()),
            _ => {}
        }
        let topic = self.shared.engine.topic(name)?;
        let memory = TopicMemory::new(self.shared.engine.next_seed());
        let made = Arc::new(TopicLanes { topic, memory, lanes: ArcSwap::default() });
        let replaced = {
            let _making = self.making.lock();
            let mut topics = self.topics.load().as_ref().clone();
            if let Some(lanes) = topics.get(name).filter(|lanes| !lanes.topic.is_deleted()) {
                return Ok(lanes.clone());
            }
            let replaced = topics.insert(made.topic.shared_name().clone(), made.clone());
            self.topics.store(Arc::new(topics));
            replaced
        };
        // What still waits for the deleted topic of this name fails now, and gives its room back.
        for lane in replaced.iter().flat_map(|lanes| lanes.lanes.load().to_vec()) {
            lane.give_up();
            if let (Err(error), Some(heir)) = (lane.take_failure(), made.lanes(self).first()) {
                heir.note_failure(error);
            }
        }
        Ok(made)
    }
}

impl TopicLanes {
    /// The lane of a record: of the partition that it names, or that the partitioner chooses.
    fn lane_for(&self, inner: &Inner, record: &NewRecord<'_>) -> Result<Arc<Lane>> {
        let lanes = self.lanes(inner);
        let unknown = |partition| Error::UnknownPartition {
            topic: self.topic.name().to_owned(),
            partition,
            partitions: lanes.len() as u32,
        };
        if let Some(number) = record.partition_number() {
            return lanes.get(number as usize).cloned().ok_or_else(|| unknown(number));
        }
        let queued = |partition: u32| lanes.get(partition as usize).map_or(0, |lane| lane.queued());
        let config = &inner.shared.config;
        let view = TopicView::new(self.topic.name(), lanes.len() as u32, &self.memory)
            .with_batch_bytes(config.batch_bytes)
            .with_queued(&queued);
        let chosen = catch_unwind(AssertUnwindSafe(|| config.partitioner.partition(record, &view)));
        let number = chosen.map_err(|panic| panicked("the partitioner", panic.as_ref()))?;
        lanes.get(number as usize).cloned().ok_or_else(|| unknown(number))
    }

    /// Tells the partitioner that a record went into a batch, and whether that is full, or gone.
    fn tell_partitioner(&self, inner: &Inner, lane: &Lane, bytes: usize, is_full: bool) -> Result<()> {
        let lanes = self.lanes.load();
        let queued = |partition: u32| lanes.get(partition as usize).map_or(0, |lane| lane.queued());
        let view = TopicView::new(self.topic.name(), lanes.len() as u32, &self.memory)
            .with_batch_bytes(inner.shared.config.batch_bytes)
            .with_queued(&queued);
        let partitioner = &inner.shared.config.partitioner;
        let number = lane.partition().number();
        catch_unwind(AssertUnwindSafe(|| partitioner.appended(&view, number, bytes, is_full)))
            .map_err(|panic| panicked("the partitioner", panic.as_ref()))
    }

    /// A lane for each partition; more, once the topic has more.
    fn lanes(&self, inner: &Inner) -> Arc<Vec<Arc<Lane>>> {
        let lanes = self.lanes.load_full();
        if lanes.len() as u32 >= self.topic.partition_count() {
            return lanes;
        }
        let _making = inner.making.lock();
        let mut lanes = self.lanes.load().to_vec();
        for partition in self.topic.partitions().iter().skip(lanes.len()) {
            let name = self.topic.shared_name().clone();
            let lane = Arc::new(Lane::new(name, partition.clone(), inner.shared.clone()));
            inner.shared.add_lane(&lane);
            lanes.push(lane);
        }
        let lanes = Arc::new(lanes);
        self.lanes.store(lanes.clone());
        lanes
    }
}
