//! The public handle: opens the engine, and hands out topics and clients.

mod builder;

pub use builder::BrokerBuilder;

use crate::admin::Admin;
use crate::config::TopicConfig;
use crate::consumer::ConsumerBuilder;
use crate::engine::Engine;
use crate::error::Result;
use crate::group::Coordinator;
use crate::producer::ProducerBuilder;
use crate::topic::Topic;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Kafka inside this process: topics in a directory, or in memory. A handle: cheap to clone, and shared between threads.
///
/// One process at a time has a directory open, and in it one broker. [`Broker::close`] closes in order; a broker that is
/// dropped instead, or killed, has lost nothing that was acknowledged, and the next one recovers the rest. A drop waits
/// for nobody: if the background thread is at work just then, the directory is free a moment later.
#[derive(Debug, Clone)]
pub struct Broker {
    engine: Arc<Engine>,
    coordinator: Arc<Coordinator>,
}

impl Broker {
    /// Opens a directory, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) if anybody has it open, [`Error::NotOurs`](crate::Error::NotOurs) if it
    /// holds something else, and those of the disk.
    pub fn open(path: impl AsRef<Path>) -> Result<Broker> {
        Self::builder().open(path)
    }

    /// A broker in memory, which is gone when the last handle is.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn in_memory() -> Result<Broker> {
        Self::builder().in_memory()
    }

    /// For a disk, a clock or other settings of one's own.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
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

    /// The topic of this name, made if there is none. One that there is keeps its settings.
    ///
    /// # Errors
    /// An invalid name or setting, and those of the disk.
    pub fn ensure_topic(&self, name: &str, config: TopicConfig) -> Result<Topic> {
        let topic = self.engine.ensure_topic(name, &config);
        self.coordinator.refresh();
        topic
    }

    /// The topic of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`](crate::Error::UnknownTopic).
    pub fn topic(&self, name: &str) -> Result<Topic> {
        self.engine.topic(name)
    }

    /// Makes a producer.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.engine.clone())
    }

    /// Makes a consumer.
    pub fn consumer(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.engine.clone(), self.coordinator.clone())
    }

    /// What operators do.
    pub fn admin(&self) -> Admin {
        Admin::new(self.engine.clone(), self.coordinator.clone())
    }

    /// Does one bounded step of what is due, and says when to come again: `None` if nothing waits for its time, zero if
    /// more is due now. Lingering batches, syncs for which nobody waits, retention and compaction are due in their time.
    ///
    /// From the first producer or consumer on the broker's own threads do this, except under a clock that does not run by
    /// itself. A program that only appends and reads through [`Partition`](crate::Partition) calls it from time to time.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), and those of the disk where what is known of producers cannot be saved; that is
    /// tried again when it is due next.
    pub fn maintain(&self) -> Result<Option<Duration>> {
        self.engine.maintain()
    }

    /// Sends what producers still hold, makes everything durable, and closes all logs: opening them again reads nothing.
    /// Every other handle of this broker is closed with it, and the directory is free for others.
    ///
    /// # Errors
    /// The first failure; the rest is closed all the same, and the next opening recovers.
    pub fn close(self) -> Result<()> {
        let closed = self.engine.close();
        self.coordinator.announce_end();
        closed
    }
}
