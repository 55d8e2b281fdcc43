//! One partition after the other.

use super::murmur2::to_positive;
use super::{Partitioner, TopicView};
use crate::record::NewRecord;

/// Java's `RoundRobinPartitioner`: each record goes to the next partition, whatever its key. Batches stay small where
/// there are many partitions; [`Sticky`](super::Sticky) spreads as evenly over a longer time.
///
/// Java's skips partitions when a record begins a new batch, because it asks twice then. This one does not.
///
/// ```
/// # use brooklet::{NewRecord, partitioners::{Partitioner, RoundRobin, TopicMemory, TopicView}};
/// # let memory = TopicMemory::new(0);
/// let topic = TopicView::new("orders", 3, &memory);
/// assert_eq!([(); 4].map(|()| RoundRobin.partition(&NewRecord::new(), &topic)), [0, 1, 2, 0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundRobin;

impl Partitioner for RoundRobin {
    fn partition(&self, _record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        turn(topic.next_count(), topic.partitions())
    }
}

/// Kafka counts with 32 bits.
fn turn(count: u64, partitions: u32) -> u32 {
    to_positive(count as u32) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_begins_anew_where_javas_becomes_negative() {
        assert_eq!([(1 << 31) - 1, 1 << 31, (1 << 31) + 1].map(|count| turn(count, 10)), [7, 0, 1]);
        assert_eq!([u64::MAX, 1 << 32, (1 << 32) + 5].map(|count| turn(count, 10)), [7, 0, 5]);
    }
}
