//! Which partition a record goes to, if it does not say so itself.
//!
//! A program that moves here from another client takes the partitioner that its client used, and every key stays where
//! it is. A number of partitions that grows moves keys: a hash is taken modulo that number, and nothing is moved back.
//!
//! | here | elsewhere | null key | empty key |
//! |---|---|---|---|
//! | [`Murmur2`], the default | Java: the default | sticky | murmur2 |
//! | [`Sticky`] | Java: `partitioner.ignore.keys=true` | sticky | sticky |
//! | [`RoundRobin`] | Java: `RoundRobinPartitioner` | in turn | in turn |
//! | [`Crc32`] | librdkafka: `consistent_random`, its default | random | random |
//! | [`Crc32Consistent`] | librdkafka: `consistent` | partition 0 | partition 0 |
//! | [`Murmur2Random`] | librdkafka: `murmur2_random` | random | murmur2 |
//! | [`Murmur2Consistent`] | librdkafka: `murmur2` | murmur2 | murmur2 |
//! | [`Fnv1a`] | librdkafka: `fnv1a_random`; Sarama: the default | random | FNV-1a |
//! | [`Fnv1aConsistent`] | librdkafka: `fnv1a` | FNV-1a | FNV-1a |
//! | [`Random`] | librdkafka: `random` | random | random |
//!
//! One's own is a type with one function. What it has to remember of a topic lies in the [`TopicView`], so that it needs
//! no map from topics to whatever it counts:
//!
//! ```
//! use brooklet::NewRecord;
//! use brooklet::partitioners::{Murmur2, Partitioner, TopicMemory, TopicView};
//!
//! /// Keeps the first partition for what is urgent.
//! #[derive(Debug)]
//! struct UrgentFirst;
//!
//! impl Partitioner for UrgentFirst {
//!     fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
//!         match record.key_bytes() {
//!             Some(b"urgent") => 0,
//!             _ if topic.partitions() == 1 => 0,
//!             _ => 1 + topic.next_count() as u32 % (topic.partitions() - 1),
//!         }
//!     }
//! }
//!
//! // It is tested without a producer.
//! let memory = TopicMemory::new(7);
//! let topic = TopicView::new("orders", 3, &memory);
//! assert_eq!(UrgentFirst.partition(&NewRecord::new().key("urgent"), &topic), 0);
//! assert_eq!(UrgentFirst.partition(&NewRecord::new(), &topic), 1);
//! assert_eq!(UrgentFirst.partition(&NewRecord::new(), &topic), 2);
//! assert_eq!(UrgentFirst.partition(&NewRecord::new(), &topic), 1);
//! ```

mod librdkafka;
mod memory;
mod murmur2;
mod round_robin;
mod sticky;
mod topic;

pub use librdkafka::{
    Crc32, Crc32Consistent, Fnv1a, Fnv1aConsistent, Murmur2Consistent, Murmur2Random, Random, fnv1a,
};
pub use memory::TopicMemory;
pub use murmur2::{Murmur2, murmur2};
pub use round_robin::RoundRobin;
pub use sticky::Sticky;
pub use topic::TopicView;

use crate::record::NewRecord;
use std::fmt;
use std::sync::Arc;

/// Chooses partitions. One of them may serve any number of topics, producers and threads at once.
pub trait Partitioner: fmt::Debug + Send + Sync + 'static {
    /// Chooses the partition of a record that names none itself: below [`TopicView::partitions`]. It is asked once for
    /// each record, so that whoever counts skips nobody.
    ///
    /// An answer that is too large fails that record with an error, and so does a panic.
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32;

    /// Told after `bytes` of a record went into the open batch of the `partition` that it chose. `is_full`: that batch
    /// takes no more, or nothing is left waiting, so that going elsewhere now leaves no half of a batch behind.
    ///
    /// Without an own implementation nothing happens.
    #[expect(unused_variables, reason = "their names tell an implementor what they are")]
    fn appended(&self, topic: &TopicView<'_>, partition: u32, bytes: usize, is_full: bool) {}
}

/// So that one that was chosen at run time can be handed to whoever takes any.
impl<P: Partitioner + ?Sized> Partitioner for Arc<P> {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        (**self).partition(record, topic)
    }

    fn appended(&self, topic: &TopicView<'_>, partition: u32, bytes: usize, is_full: bool) {
        (**self).appended(topic, partition, bytes, is_full);
    }
}

#[cfg(test)]
mod tests;
