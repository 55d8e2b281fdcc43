//! How a producer sends: its settings, and the builder that takes them.

use super::Producer;
use super::partitioners::{Murmur2, Partitioner};
use crate::config::Acks;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Compression;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a producer. The defaults are Kafka's, but for two: it does not linger, and it numbers no batches,
/// because there is no connection on which an answer could be lost.
#[derive(Debug, Clone)]
pub(super) struct ProducerConfig {
    pub(super) acks: Acks,
    pub(super) linger: Duration,
    pub(super) batch_bytes: usize,
    pub(super) buffer_memory: usize,
    pub(super) max_block: Duration,
    pub(super) max_request_bytes: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) retry_backoff: Duration,
    pub(super) retry_backoff_max: Duration,
    pub(super) compression: Compression,
    pub(super) idempotent: bool,
    pub(super) partitioner: Arc<dyn Partitioner>,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::Durable,
            linger: Duration::ZERO,
            batch_bytes: 16 << 10,
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            max_request_bytes: 1 << 20,
            delivery_timeout: Duration::from_secs(120),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            compression: Compression::None,
            idempotent: false,
            partitioner: Arc::new(Murmur2),
        }
    }
}

impl ProducerConfig {
    fn validate(&self) -> Result<()> {
        let refuse = |setting: &'static str, value: String, why: &'static str| {
            Err(Error::InvalidConfig { setting, value, why })
        };
        if self.buffer_memory == 0 {
            return refuse("buffer_memory", "0".into(), "it has room for one record at least");
        }
        if self.batch_bytes > i32::MAX as usize {
            return refuse("batch_bytes", self.batch_bytes.to_string(), "it is at most 2 GiB - 1");
        }
        if self.max_request_bytes == 0 {
            return refuse("max_request_bytes", "0".into(), "it has room for one record at least");
        }
        if self.delivery_timeout < self.linger {
            let value = format!("{:?}", self.delivery_timeout);
            return refuse("delivery_timeout", value, "it is at least as long as linger");
        }
        if !self.compression.is_compiled_in() {
            return Err(Error::CodecMissing { codec: self.compression.name() });
        }
        Ok(())
    }

    /// Refuses a record that alone would make a batch of so many bytes, if that is too many.
    #[inline]
    pub(super) fn check_size(&self, bytes: usize) -> Result<()> {
        let refuse = |limit: usize, setting: &'static str| {
            Err(Error::TooLarge { bytes: bytes as u64, limit: limit as u64, setting })
        };
        if bytes > self.max_request_bytes {
            return refuse(self.max_request_bytes, "max_request_bytes");
        }
        if bytes > self.buffer_memory {
            return refuse(self.buffer_memory, "buffer_memory");
        }
        Ok(())
    }
}

/// Makes a [`Producer`].
///
/// ```
/// use brooklet::{Acks, Broker, Compression, NewRecord, Timestamp, TopicConfig, partitioners};
/// use std::time::Duration;
///
/// let broker = Broker::in_memory()?;
/// broker.ensure_topic("orders", TopicConfig::new().partitions(3))?;
/// let producer = broker
///     .producer()
///     .acks(Acks::Durable) // None: nobody waits; Written: survives the process; Durable: survives a power cut
///     .linger(Duration::from_millis(1))
///     .batch_bytes(64 << 10)
///     .buffer_memory(32 << 20)
///     .max_block(Duration::from_secs(60))
///     .compression(Compression::Lz4)
///     .idempotent(true)
///     .partitioner(partitioners::Murmur2)
///     .build()?;
/// let record = NewRecord::to("orders").key("k").value("v").header("trace", "abc");
/// let receipt = producer.send(record.timestamp(Timestamp::from_millis(1_700_000_000_000)).partition(2))?;
/// let sent = receipt.wait()?; // or .await, or .on_ack(|result| ...), or drop it
/// assert_eq!((sent.partition, sent.offset), (2, 0));
/// producer.flush()?;
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ProducerBuilder {
    engine: Arc<Engine>,
    config: ProducerConfig,
}

impl ProducerBuilder {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let config = ProducerConfig { acks: engine.acks(), ..ProducerConfig::default() };
        Self { engine, config }
    }

    /// When a record counts as sent. A topic may ask for more. Default what the broker was opened with, and that is
    /// [`Acks::Durable`].
    pub fn acks(mut self, acks: Acks) -> Self {
        self.config.acks = acks;
        self
    }

    /// How long a record may wait for others to share its batch. Default zero: each is written by the call that sends
    /// it.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// A batch is sent when it has so many bytes, though others could still join it. Default 16 KiB.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.config.batch_bytes = bytes;
        self
    }

    /// The most bytes of records that wait at once. Default 32 MiB.
    pub fn buffer_memory(mut self, bytes: usize) -> Self {
        self.config.buffer_memory = bytes;
        self
    }

    /// How long [`Producer::send`] may wait for room in the buffer. Default 60 s.
    pub fn max_block(mut self, time: Duration) -> Self {
        self.config.max_block = time;
        self
    }

    /// The largest record, with what its batch adds to it, before compression. Default 1 MiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.config.max_request_bytes = bytes;
        self
    }

    /// How long a batch that fails with something that may pass, as a full disk, is tried again: counted as in Kafka from
    /// its first record on, what it lingers included. Default 120 s.
    pub fn delivery_timeout(mut self, time: Duration) -> Self {
        self.config.delivery_timeout = time;
        self
    }

    /// How long to wait before trying again: first, and at most, after doubling; a millisecond at least. Default 100 ms
    /// and 1 s.
    pub fn retry_backoff(mut self, first: Duration, most: Duration) -> Self {
        // Without any, whoever waits would try again and again while no time passes.
        let first = first.max(Duration::from_millis(1));
        (self.config.retry_backoff, self.config.retry_backoff_max) = (first, most.max(first));
        self
    }

    /// How batches are compressed, unless their topic says. Default not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.config.compression = compression;
        self
    }

    /// Whether batches carry a producer id and sequence numbers, as those of Kafka's idempotent producer. Default
    /// false: in one process no answer is lost, so nothing is ever sent twice.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.config.idempotent = idempotent;
        self
    }

    /// Who chooses partitions. Default [`Murmur2`], as Java's client.
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.config.partitioner = Arc::new(partitioner);
        self
    }

    /// The producer.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first setting that cannot be; [`Error::CodecMissing`] a codec that was not
    /// compiled in.
    pub fn build(self) -> Result<Producer> {
        self.config.validate()?;
        Producer::new(self.engine, self.config)
    }
}
