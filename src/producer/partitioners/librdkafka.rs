//! The partitioners of librdkafka, and of the many clients that are built on it.
//!
//! A difference: since its version 1.6, librdkafka gives all records that it would place at random to one partition for
//! 10 ms (`sticky.partitioning.linger.ms`). Here each of them is drawn for itself, as with that setting at 0: a
//! partitioner has no clock. Where records without keys should fill batches, take [`Sticky`](super::Sticky) or
//! [`Murmur2`](super::Murmur2).

use super::murmur2::partition_for_key;
use super::{Partitioner, TopicView};
use crate::record::NewRecord;

/// librdkafka's hash of a key: FNV-1a with 32 bits, then the absolute value of that as a signed number, as Sarama's
/// `NewHashPartitioner` takes it. It is therefore not FNV-1a itself where the highest bit is set.
///
/// One hash has no positive counterpart, that whose highest bit is its only one. It stays what it is, 2^31: to negate it
/// is undefined in C, but every compiler lets it be, and Sarama, which negates after its division, comes to the same
/// partition.
///
/// ```
/// assert_eq!(brooklet::partitioners::fnv1a(b"kafka"), 0x0d33_c4e1);
/// ```
pub fn fnv1a(key: &[u8]) -> u32 {
    let hash =
        key.iter().fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed().unsigned_abs()
}

/// librdkafka's `consistent_random`, which is its default: CRC-32 of the key; random without a key or with an empty one.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Crc32, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Crc32.partition(&NewRecord::new().key("kafka"), &topic), 0x5bbc_7517 % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crc32;

impl Partitioner for Crc32 {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        match record.key_bytes() {
            None | Some([]) => topic.random_partition(),
            Some(key) => crc32fast::hash(key) % topic.partitions(),
        }
    }
}

/// librdkafka's `consistent`: CRC-32 of the key; partition 0 without a key or with an empty one.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Crc32Consistent, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Crc32Consistent.partition(&NewRecord::new(), &topic), 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crc32Consistent;

impl Partitioner for Crc32Consistent {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        crc32fast::hash(key_or_empty(record)) % topic.partitions()
    }
}

/// librdkafka's `murmur2_random`: keys, even empty ones, as Java's client; random without a key.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Murmur2Random, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Murmur2Random.partition(&NewRecord::new().key("abc"), &topic), 479_470_107 % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Murmur2Random;

impl Partitioner for Murmur2Random {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        match record.key_bytes() {
            None => topic.random_partition(),
            Some(key) => partition_for_key(key, topic.partitions()),
        }
    }
}

/// librdkafka's `murmur2`: keys as Java's client, and all records without a key where the empty key goes.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Murmur2Consistent, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Murmur2Consistent.partition(&NewRecord::new(), &topic), 0x106e_08d9 % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Murmur2Consistent;

impl Partitioner for Murmur2Consistent {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        partition_for_key(key_or_empty(record), topic.partitions())
    }
}

/// librdkafka's `fnv1a_random`, and what Sarama does by default: [`fnv1a`] of the key, even of an empty one; random
/// without a key.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Fnv1a, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Fnv1a.partition(&NewRecord::new().key("kafka"), &topic), 0x0d33_c4e1 % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fnv1a;

impl Partitioner for Fnv1a {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        match record.key_bytes() {
            None => topic.random_partition(),
            Some(key) => fnv1a(key) % topic.partitions(),
        }
    }
}

/// librdkafka's `fnv1a`: [`fnv1a`] of the key, and all records without a key where the empty key goes.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Fnv1aConsistent, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Fnv1aConsistent.partition(&NewRecord::new(), &topic), 0x7ee3_623b % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fnv1aConsistent;

impl Partitioner for Fnv1aConsistent {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        fnv1a(key_or_empty(record)) % topic.partitions()
    }
}

/// librdkafka's `random`: each record anywhere, whatever its key.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Partitioner, Random, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert!(Random.partition(&NewRecord::new().key("kafka"), &topic) < 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Random;

impl Partitioner for Random {
    fn partition(&self, _record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        topic.random_partition()
    }
}

/// The consistent ones make no difference between no key and an empty one.
fn key_or_empty<'a>(record: &'a NewRecord<'_>) -> &'a [u8] {
    record.key_bytes().unwrap_or_default()
}
