//! What a partitioner sees of a topic. It is made anew for each record and owns nothing.

use super::TopicMemory;
use std::fmt;

/// Kafka's `batch.size`, for a view that was not told another one.
const BATCH_BYTES: usize = 16 << 10;

/// A topic as a producer sees it at one moment.
///
/// A producer makes these itself. In a test of one's own partitioner:
///
/// ```
/// use brooklet::partitioners::{TopicMemory, TopicView};
///
/// let memory = TopicMemory::new(1);
/// let queued = |partition| if partition == 2 { 5 } else { 0 };
/// let topic = TopicView::new("orders", 6, &memory).with_batch_bytes(1000).with_queued(&queued);
/// assert_eq!((topic.name(), topic.partitions(), topic.batch_bytes()), ("orders", 6, 1000));
/// assert_eq!((topic.queued(2), topic.queued(3)), (5, 0));
/// assert_eq!((topic.next_count(), topic.next_count()), (0, 1));
/// ```
#[derive(Clone, Copy)]
pub struct TopicView<'a> {
    name: &'a str,
    partitions: u32,
    batch_bytes: usize,
    queued: Option<&'a dyn Fn(u32) -> u64>,
    memory: &'a TopicMemory,
}

impl<'a> TopicView<'a> {
    /// A topic with so many partitions, in which nothing waits. There is no topic with none: 0 is taken as 1.
    pub fn new(name: &'a str, partitions: u32, memory: &'a TopicMemory) -> Self {
        TopicView { name, partitions: partitions.max(1), batch_bytes: BATCH_BYTES, queued: None, memory }
    }

    /// Says how large the producer's batches may become; otherwise that is Kafka's default, 16 KiB.
    #[must_use]
    pub fn with_batch_bytes(self, batch_bytes: usize) -> Self {
        TopicView { batch_bytes, ..self }
    }

    /// Says how many batches wait for a partition. It is called only by who asks, which the built-in partitioners do
    /// once for every batch or so.
    #[must_use]
    pub fn with_queued(self, queued: &'a dyn Fn(u32) -> u64) -> Self {
        TopicView { queued: Some(queued), ..self }
    }

    /// The name of the topic.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The number of its partitions: one or more. It may have grown since the last record.
    #[inline]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// How large the producer's batches may become.
    pub fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// How many batches wait for a partition in the producer: usually none, and more where the partition is slow.
    pub fn queued(&self, partition: u32) -> u64 {
        self.queued.map_or(0, |queued| queued(partition))
    }

    /// 0, 1, 2, and so on: no number comes twice to the same producer and topic.
    pub fn next_count(&self) -> u64 {
        self.memory.next_count()
    }

    /// A random number, each as likely as any other. They are the same in every run that has the same seed, and so no
    /// secret to anybody.
    pub fn random(&self) -> u32 {
        (self.memory.random() >> 32) as u32
    }

    /// A random partition, each as likely as any other.
    pub fn random_partition(&self) -> u32 {
        u32::try_from(self.memory.random_below(self.partitions.into()))
            .expect("it is below a number of 32 bits")
    }

    /// Whether anything is known of what waits.
    pub(super) fn knows_queues(&self) -> bool {
        self.queued.is_some()
    }

    /// What the producer remembers of the topic.
    pub(super) fn memory(&self) -> &'a TopicMemory {
        self.memory
    }
}

impl fmt::Debug for TopicView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicView")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("batch_bytes", &self.batch_bytes)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
