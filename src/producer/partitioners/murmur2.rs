//! Java's default: murmur2 of the key, and the sticky partition for records without one.

use super::{Partitioner, TopicView, sticky};
use crate::record::NewRecord;

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// Kafka's hash of a key: murmur2 with 32 bits and Kafka's seed. Java shows the same bits as a signed number.
///
/// ```
/// assert_eq!(brooklet::partitioners::murmur2(b"foobar").cast_signed(), -790_332_482);
/// ```
pub fn murmur2(key: &[u8]) -> u32 {
    // A Java array is never longer than 32 bits can say.
    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// Kafka's way to make a signed number positive: it drops the sign bit, and does not take the absolute value.
pub(super) fn to_positive(number: u32) -> u32 {
    number & 0x7fff_ffff
}

/// The partition of a key in Java's client.
pub(super) fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    to_positive(murmur2(key)) % partitions
}

/// The default of Java's client: a key, even an empty one, decides by its [`murmur2`] among all partitions; records
/// without a key stay with one partition for about a batch, as with [`Sticky`](super::Sticky).
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Murmur2, Partitioner, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Murmur2.partition(&NewRecord::new().key("abc"), &topic), 479_470_107 % 12);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Murmur2;

impl Partitioner for Murmur2 {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        match record.key_bytes() {
            Some(key) => partition_for_key(key, topic.partitions()),
            None => sticky::partition(topic),
        }
    }

    fn appended(&self, topic: &TopicView<'_>, partition: u32, bytes: usize, is_full: bool) {
        sticky::appended(topic, partition, bytes, is_full);
    }
}
