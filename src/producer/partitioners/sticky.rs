//! Records without keys stay with one partition for about a batch (KIP-794), so that batches fill up.
//!
//! One word holds all there is to know:
//!
//! ```text
//! 32 partition | 32 bytes that went into it since it was chosen
//! ```
//! To ask is to load that word. To count is to exchange it against the one with more bytes, or with the next partition
//! and no bytes: whoever exchanges it has switched, and nobody else has. A word that came back to an old value is no
//! harm, since what follows from it depends on nothing else.
//!
//! Where this is not Java's client:
//! - Whatever the partitioner sends to the sticky partition counts, with a key or without. Java counts the bytes without.
//!   A partition that has its batches filled by keys is left sooner.
//! - Queues have weight from the first batch on. Java knows of a queue only after the partition had a batch, and waits
//!   until all had one.
//! - A thread that was told the partition just before another thread switched still goes there. Java asks again.

use super::{Partitioner, TopicView};
use crate::record::NewRecord;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// No partition yet. There are at most `u32::MAX` of them, so this is above all.
const NONE: u32 = u32::MAX;

/// The partition that records without keys go to for now.
#[derive(Debug)]
pub(super) struct StickyPartition(AtomicU64);

impl StickyPartition {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(Stint::at(NONE).to_word()))
    }
}

/// A partition's time as the sticky one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stint {
    partition: u32,
    bytes: u32,
}

impl Stint {
    fn at(partition: u32) -> Self {
        Self { partition, bytes: 0 }
    }

    fn to_word(self) -> u64 {
        u64::from(self.partition) << 32 | u64::from(self.bytes)
    }

    fn from_word(word: u64) -> Self {
        Self { partition: (word >> 32) as u32, bytes: word as u32 }
    }

    fn with_bytes(self, bytes: usize) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self { bytes: self.bytes.saturating_add(bytes), ..self }
    }

    /// Whether it is time to go. A batch's worth is enough at the end of a batch. Elsewhere it would leave half a batch
    /// behind; but two batches' worth is enough anywhere, or else records with keys, which begin batches of their own,
    /// could hold it here for ever.
    fn is_over(self, batch_bytes: usize, is_full: bool) -> bool {
        // Twice of it has to fit. Kafka has no batch larger than this.
        let enough = u32::try_from(batch_bytes).unwrap_or(u32::MAX).clamp(1, u32::MAX / 2);
        (is_full && self.bytes >= enough) || self.bytes >= 2 * enough
    }
}

/// The sticky partition; the first who asks chooses it.
pub(super) fn partition(topic: &TopicView<'_>) -> u32 {
    let word = topic.memory().sticky.0.load(Relaxed);
    let partition = Stint::from_word(word).partition;
    if partition < topic.partitions() { partition } else { first_partition(topic, word) }
}

/// Chooses where none was chosen, or one that this view of the topic does not have: another thread may know of more
/// partitions than this one.
#[cold]
fn first_partition(topic: &TopicView<'_>, word: u64) -> u32 {
    let next = next_partition(topic);
    match topic.memory().sticky.0.compare_exchange(word, Stint::at(next).to_word(), Relaxed, Relaxed) {
        Ok(_) => next,
        Err(word) => {
            Some(Stint::from_word(word).partition).filter(|&at| at < topic.partitions()).unwrap_or(next)
        }
    }
}

/// Counts what went into the sticky partition, and goes on to another when it is time.
pub(super) fn appended(topic: &TopicView<'_>, partition: u32, bytes: usize, is_full: bool) {
    let mut next = None;
    let after = |word| {
        let stint =
            Some(Stint::from_word(word)).filter(|stint| stint.partition == partition)?.with_bytes(bytes);
        if !stint.is_over(topic.batch_bytes(), is_full) {
            return Some(stint.to_word());
        }
        Some(Stint::at(*next.get_or_insert_with(|| next_partition(topic))).to_word())
    };
    // An error says that it went into another partition, which does not matter here.
    let _ = topic.memory().sticky.0.fetch_update(Relaxed, Relaxed, after);
}

/// Draws a partition: the less waits for it, the likelier.
fn next_partition(topic: &TopicView<'_>) -> u32 {
    if !topic.knows_queues() {
        return topic.random_partition();
    }
    let queues = (0..topic.partitions()).map(|partition| topic.queued(partition)).collect();
    let Some(table) = cumulative_weights(queues) else { return topic.random_partition() };
    let total = table.last().copied().unwrap_or_default();
    choose(&table, topic.memory().random_below(total))
}

/// The running sum of the weights of queues; none if they are all as long, since then all weigh the same.
///
/// ```text
/// queues   0 3 1
/// weights  4 1 3     the longest queue and one more, less its own
/// table    4 5 8
/// ```
fn cumulative_weights(mut queues: Vec<u64>) -> Option<Vec<u64>> {
    // So that the sum fits in 64 bits: fewer than 2^32 weights, none above 2^32.
    queues.iter_mut().for_each(|queue| *queue = (*queue).min(u32::MAX.into()));
    let longest = queues.iter().copied().max()?;
    if queues.iter().all(|&queue| queue == longest) {
        return None;
    }
    let mut total = 0;
    for queue in &mut queues {
        total += longest + 1 - *queue;
        *queue = total;
    }
    Some(queues)
}

/// The partition that a number below the last sum falls to: the first whose sum is above it.
fn choose(table: &[u64], number: u64) -> u32 {
    table.partition_point(|&sum| sum <= number) as u32
}

/// Java's default with `partitioner.ignore.keys=true`: all records of a topic go to one partition for about a batch,
/// then to another, whatever their keys. It is drawn at random, less often where batches wait.
///
/// A partition is left once [`TopicView::batch_bytes`] went into it and its batch is full, or when twice as much did.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Partitioner, Sticky, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 12, &memory);
/// assert_eq!(Sticky.partition(&NewRecord::new(), &topic), Sticky.partition(&NewRecord::new(), &topic));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sticky;

impl Partitioner for Sticky {
    fn partition(&self, _record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        partition(topic)
    }

    fn appended(&self, topic: &TopicView<'_>, partition: u32, bytes: usize, is_full: bool) {
        appended(topic, partition, bytes, is_full);
    }
}

#[cfg(test)]
mod tests;
