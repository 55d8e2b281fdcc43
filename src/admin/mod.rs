//! What operators do: look at topics and groups, change them, delete from them, verify them.

mod cleaning;
mod describe;
mod groups;
mod verify;

pub use cleaning::{PartitionCompaction, PartitionRetention};
pub use describe::{PartitionDescription, TopicDescription};
pub use groups::{GroupDescription, GroupListing, GroupPartition, MemberDescription, ResetTo};
pub use verify::{Finding, VerifyReport};

use crate::config::TopicConfig;
use crate::engine::Engine;
use crate::error::Result;
use crate::group::Coordinator;
use crate::topic::Topic;
use std::sync::Arc;

/// An operator's view of a broker. A handle: cheap to clone.
///
/// ```
/// use brooklet::{Broker, CleanupPolicy, NewRecord, ResetTo, Start, TopicConfig};
/// use std::time::Duration;
///
/// let broker = Broker::in_memory()?;
/// let admin = broker.admin();
/// admin.create_topic("orders", TopicConfig::new())?;
/// admin.add_partitions("orders", 6)?;
/// let policy = CleanupPolicy::CompactDelete;
/// admin.alter_topic("orders", |config| config.retention_bytes(10 << 30).cleanup_policy(policy))?;
/// assert_eq!(admin.describe_topic("orders")?.partitions.len(), 6);
///
/// broker.producer().build()?.send(NewRecord::to("orders").partition(0).key("k").value("v"))?.wait()?;
/// let mut consumer = broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest).build()?;
/// assert_eq!(consumer.poll(Duration::from_secs(1))?.len(), 1);
/// consumer.close()?; // commits where it stands, and leaves
/// println!("{}", admin.describe_group("billing")?);
/// assert_eq!(admin.reset_offsets("billing", "orders", ResetTo::Earliest)?[&0], 0);
///
/// admin.delete_records("orders", 0, 1)?;
/// admin.compact_now("orders")?;
/// admin.enforce_retention_now("orders")?;
/// assert!(admin.verify()?.is_clean());
/// admin.delete_topic("orders")?;
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Admin {
    engine: Arc<Engine>,
    coordinator: Arc<Coordinator>,
}

impl Admin {
    pub(crate) fn new(engine: Arc<Engine>, coordinator: Arc<Coordinator>) -> Self {
        Self { engine, coordinator }
    }

    /// All topics, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn topics(&self) -> Result<Vec<Topic>> {
        self.engine.check_open()?;
        Ok(self.engine.topics())
    }

    /// Makes a topic, durably.
    ///
    /// # Errors
    /// [`Error::TopicExists`](crate::Error::TopicExists), or an invalid name or setting;
    /// [`Error::DeletionUnfinished`](crate::Error::DeletionUnfinished) if something is left of one that had its name.
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<Topic> {
        let created = self.engine.create_topic(name, &config);
        self.coordinator.refresh();
        created
    }

    /// Deletes a topic with all its records. When it returns, the name is free: a topic that gets it begins at offset 0
    /// and has another id.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`](crate::Error::UnknownTopic), and those of the disk. Then the topic is still there with
    /// all its records; or it cannot be used any more, and the next opening removes it, or finds it whole.
    /// [`Error::DeletionUnfinished`](crate::Error::DeletionUnfinished) if it is deleted and something is in the way of its
    /// removal, as a directory that somebody has put there: its name is free once that is gone.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.engine.topic(name)?.partition(0)?.refuse_internal()?;
        let deleted = self.engine.delete_topic(name);
        self.coordinator.refresh();
        deleted
    }

    /// Gives a topic more partitions, `total` in all. Keys may then go to other partitions than before, as in Kafka.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if it has as many or more.
    pub fn add_partitions(&self, topic: &str, total: u32) -> Result<Topic> {
        let grown = self.engine.add_partitions(topic, total);
        self.coordinator.refresh();
        grown
    }

    /// Changes the settings of a topic: what they are goes in, what they shall be comes out. No other topic is changed
    /// meanwhile, so `change` must not try to.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig), and then nothing changes.
    pub fn alter_topic(&self, topic: &str, change: impl FnOnce(TopicConfig) -> TopicConfig) -> Result<Topic> {
        self.engine.alter_topic(topic, change)
    }

    /// Makes the records of a partition below an offset unreadable, for ever, and says what the first offset is now.
    ///
    /// # Errors
    /// As [`Partition::delete_records`](crate::Partition::delete_records).
    pub fn delete_records(&self, topic: &str, partition: u32, before: u64) -> Result<u64> {
        self.engine.topic(topic)?.partition(partition)?.delete_records(before)
    }
}
