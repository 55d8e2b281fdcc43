//! Kafka's log inside your process: topics, partitions, producers and consumers over an append-only segmented log in
//! Kafka's own on-disk format. No server, no port, no async runtime.
//!
//! ```no_run
//! use brooklet::{Broker, NewRecord, Result, Start, TopicConfig};
//! use std::time::Duration;
//!
//! fn main() -> Result<()> {
//!     let broker = Broker::open("./data")?;
//!     broker.ensure_topic("orders", TopicConfig::new().partitions(3).retention(Duration::from_secs(7 * 86_400)))?;
//!
//!     let producer = broker.producer().build()?;
//!     let sent = producer.send(NewRecord::to("orders").key("alice").value("created"))?.wait()?; // acks: durable by default
//!     println!("orders-{} @ {}", sent.partition, sent.offset);
//!
//!     let mut consumer = broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest).build()?;
//!     for record in &consumer.poll(Duration::from_secs(1))? {
//!         println!("{:?} = {:?}", record.key(), record.value()); // nothing is copied
//!     }
//!     consumer.commit()?;
//!     broker.close()
//! }
//! ```
//!
//! From the top down:
//!
//! - [`Broker`]: opens a directory, or memory, and hands out everything else.
//! - [`Producer`], [`Consumer`], [`Admin`]: what programs and operators hold. [`partitioners`]: where a record goes.
//! - [`Topic`], [`Partition`]: the log itself, without a client in between.
//! - [`group`]: who reads what and how far, as pure functions. [`assignors`]: how partitions are divided.
//! - [`log`]: one partition's log, and a directory of many. Append, flush, read, find by time, truncate, recover.
//! - [`segment`]: the files that a log is cut into, and their indexes.
//! - [`record`]: records to bytes and back.
//! - [`partition`]: who may write to a partition, as pure functions, and what is read from it.
//! - [`io`], [`clock`]: the two doors to the world. A test brings its own disk and its own time.
//!
//! What is promised after which call, and what a crash leaves, stands with each of them, and row by row in
//! `docs/guarantees.md`; where it is not as in Kafka, in `docs/kafka.md`.

mod admin;
mod broker;
pub mod clock;
mod config;
mod consumer;
mod engine;
mod error;
pub mod group;
pub mod io;
pub mod log;
pub mod partition;
mod producer;
pub mod record;
pub mod segment;
mod topic;
mod types;

pub use admin::{
    Admin, Finding, GroupDescription, GroupListing, GroupPartition, MemberDescription, PartitionCompaction,
    PartitionDescription, PartitionRetention, ResetTo, TopicDescription, VerifyReport,
};
pub use broker::{Broker, BrokerBuilder};
pub use config::{Acks, CleanupPolicy, Isolation, LogConfig, TopicConfig, Visibility};
pub use consumer::{
    AutoCommit, Consumer, ConsumerBuilder, ConsumerEvent, PollEventFuture, PollFuture, RebalanceCx,
    RebalanceListener, RecordStream, RevocationGuard, Start, WakeupHandle,
};
pub use engine::BrokerEvent;
pub use error::{Error, Result};
pub use group::assignor as assignors;
pub use group::{GroupState, LagVerdict, OffsetAndMetadata, PendingCommit};
pub use log::{ReadLimit, Watermarks};
pub use partition::{AppendInfo, Partition, Record, RecordRef, Records};
pub use producer::{
    IntoReceipts, Producer, ProducerBuilder, Receipt, ReceiptFuture, Receipts, RecordMetadata, SendFuture,
    TrySendError, partitioners,
};
pub use record::NewRecord;
pub use topic::{InvalidTopicId, Topic, TopicId};
pub use types::{Compression, InvalidName, Timestamp, TimestampType, TopicPartition};
