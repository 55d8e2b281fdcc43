//! How a consumer reads: its settings, and the builder that takes them.

use super::group_config::GroupConfig;
use super::{Consumer, Start};
use crate::config::Isolation;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group::Coordinator;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a consumer. The defaults are Kafka's.
#[derive(Debug, Clone)]
pub(super) struct ConsumerConfig {
    pub(super) start: Start,
    pub(super) isolation: Isolation,
    pub(super) max_poll_records: usize,
    pub(super) fetch_min_bytes: usize,
    pub(super) fetch_max_wait: Duration,
    pub(super) fetch_max_bytes: usize,
    pub(super) max_partition_fetch_bytes: usize,
    pub(super) spin: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            start: Start::Latest,
            isolation: Isolation::ReadUncommitted,
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 50 << 20,
            max_partition_fetch_bytes: 1 << 20,
            spin: Duration::ZERO,
        }
    }
}

/// Makes a [`Consumer`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ConsumerBuilder {
    pub(super) engine: Arc<Engine>,
    pub(super) config: ConsumerConfig,
    pub(super) partitions: Vec<(String, Option<u32>)>,
    pub(super) group: GroupConfig,
}

impl ConsumerBuilder {
    pub(crate) fn new(engine: Arc<Engine>, coordinator: Arc<Coordinator>) -> Self {
        let group = GroupConfig::new(coordinator);
        Self { engine, config: ConsumerConfig::default(), partitions: Vec::new(), group }
    }

    /// Reads these partitions.
    pub fn assign<'a>(mut self, partitions: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let named = partitions.into_iter().map(|(topic, partition)| (topic.to_owned(), Some(partition)));
        self.partitions.extend(named);
        self
    }

    /// Reads all partitions that these topics have now.
    pub fn assign_topics<'a>(mut self, topics: impl IntoIterator<Item = &'a str>) -> Self {
        self.partitions.extend(topics.into_iter().map(|topic| (topic.to_owned(), None)));
        self
    }

    /// Where to begin in a partition of which it does not know where it stands, and where to go on if its position is
    /// not there any more. Default [`Start::Latest`], as in Kafka.
    pub fn start(mut self, start: Start) -> Self {
        self.config.start = start;
        self
    }

    /// What it sees of transactions. Default everything.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.config.isolation = isolation;
        self
    }

    /// The most records that a poll returns. Default 500.
    pub fn max_poll_records(mut self, records: usize) -> Self {
        self.config.max_poll_records = records;
        self
    }

    /// A poll waits for so many bytes, but no longer than [`ConsumerBuilder::fetch_max_wait`]. More makes for fewer and
    /// larger polls. Default 1.
    pub fn fetch_min_bytes(mut self, bytes: usize) -> Self {
        self.config.fetch_min_bytes = bytes;
        self
    }

    /// How long a poll that has something waits for more. Default 500 ms.
    pub fn fetch_max_wait(mut self, time: Duration) -> Self {
        self.config.fetch_max_wait = time;
        self
    }

    /// The most bytes of batches that a poll reads, but one batch at least. Default 50 MiB.
    pub fn fetch_max_bytes(mut self, bytes: usize) -> Self {
        self.config.fetch_max_bytes = bytes;
        self
    }

    /// The same for one partition. Default 1 MiB.
    pub fn max_partition_fetch_bytes(mut self, bytes: usize) -> Self {
        self.config.max_partition_fetch_bytes = bytes;
        self
    }

    /// How long a poll that finds nothing looks again and again before its thread goes to sleep. To be woken takes some
    /// ten microseconds; a consumer that spins has a record in less than one, and keeps a processor busy meanwhile. For
    /// a consumer that has one to itself, and waits for a record to come within that time. Default zero: it sleeps.
    ///
    /// It is for [`Consumer::poll`] alone: a task that awaits a record never spins. With a clock that does not run by
    /// itself nobody spins either.
    ///
    /// ```
    /// # use brooklet::{Acks, Broker, NewRecord, Start, TopicConfig};
    /// # use std::time::Duration;
    /// # let broker = Broker::in_memory()?;
    /// # broker.ensure_topic("ticks", TopicConfig::new())?;
    /// let ticks = broker.consumer().assign([("ticks", 0)]).start(Start::Earliest);
    /// let mut consumer = ticks.spin(Duration::from_micros(200)).build()?;
    /// # broker.producer().build()?.send(NewRecord::to("ticks").value("1"))?.wait()?;
    /// assert_eq!(consumer.poll(Duration::from_secs(1))?.len(), 1);
    /// # Ok::<(), brooklet::Error>(())
    /// ```
    pub fn spin(mut self, time: Duration) -> Self {
        self.config.spin = time;
        self
    }

    /// The consumer.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::UnknownPartition`], or [`Error::InvalidConfig`] for a limit of zero, or a name that
    /// cannot be. [`Error::IllegalState`] for one that is to subscribe without a group, or that is assigned partitions
    /// too.
    pub fn build(self) -> Result<Consumer> {
        let limits = [
            ("max_poll_records", self.config.max_poll_records),
            ("fetch_max_bytes", self.config.fetch_max_bytes),
            ("max_partition_fetch_bytes", self.config.max_partition_fetch_bytes),
        ];
        for (setting, limit) in limits {
            if limit == 0 {
                let why = "with a limit of zero nothing would ever be read";
                return Err(Error::InvalidConfig { setting, value: "0".into(), why });
            }
        }
        let (group, subscription) = self.group.build(!self.partitions.is_empty())?;
        self.engine.keep_time()?;
        let mut partitions = Vec::new();
        for (topic, number) in &self.partitions {
            let topic = self.engine.topic(topic)?;
            match number {
                Some(number) => partitions.push(topic.partition(*number)?.id().as_ref().clone()),
                None => partitions.extend(topic.partitions().iter().map(|one| one.id().as_ref().clone())),
            }
        }
        let mut consumer = Consumer::new(self.engine, self.config, group);
        match subscription {
            Some(subscription) => consumer.set_subscription(subscription)?,
            None => consumer.assign(partitions)?,
        }
        Ok(consumer)
    }
}
