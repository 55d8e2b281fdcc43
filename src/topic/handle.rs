//! A topic as users hold it: a name, its settings, its partitions.

use super::id::TopicId;
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::types::INTERNAL_TOPICS;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A topic. A handle: cheap to clone, and shared between threads.
///
/// It goes on to name the topic that it was made for: if that one is deleted and made anew, this one has no partitions to
/// offer any more, and [`Broker::topic`](crate::Broker::topic) hands out another.
#[derive(Clone)]
pub struct Topic {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    id: TopicId,
    settings: Arc<ArcSwap<TopicConfig>>,
    partitions: ArcSwap<Vec<Partition>>,
    /// How many they are: producers ask for every record, and have no use for the list.
    partition_count: AtomicU32,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({}, {} partitions)", self.name(), self.partitions().len())
    }
}

impl Topic {
    pub(crate) fn new(
        name: &str,
        id: TopicId,
        settings: Arc<ArcSwap<TopicConfig>>,
        partitions: Vec<Partition>,
    ) -> Self {
        let partition_count = AtomicU32::new(partitions.len() as u32);
        let partitions = ArcSwap::from_pointee(partitions);
        Self { inner: Arc::new(Inner { name: name.into(), id, settings, partitions, partition_count }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What tells it from every other topic that ever had its name.
    pub fn id(&self) -> TopicId {
        self.inner.id
    }

    /// Whether coordinators keep their records in it. Others read it, and do not write to it.
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.name())
    }

    /// Its settings.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.inner.settings.load_full()
    }

    /// Its partitions, in the order of their numbers.
    pub fn partitions(&self) -> Arc<Vec<Partition>> {
        self.inner.partitions.load_full()
    }

    /// One of its partitions.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] says how many there are; [`Error::UnknownTopic`] that the topic was deleted.
    pub fn partition(&self, number: u32) -> Result<Partition> {
        if self.is_deleted() {
            return Err(Error::UnknownTopic { topic: self.name().to_owned() });
        }
        let partitions = self.inner.partitions.load();
        partitions.get(number as usize).cloned().ok_or_else(|| Error::UnknownPartition {
            topic: self.name().to_owned(),
            partition: number,
            partitions: partitions.len() as u32,
        })
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.inner.name
    }

    pub(crate) fn settings(&self) -> &Arc<ArcSwap<TopicConfig>> {
        &self.inner.settings
    }

    #[inline]
    pub(crate) fn partition_count(&self) -> u32 {
        self.inner.partition_count.load(Ordering::Acquire)
    }

    pub(crate) fn set_partitions(&self, partitions: Vec<Partition>) {
        let count = partitions.len() as u32;
        self.inner.partitions.store(Arc::new(partitions));
        self.inner.partition_count.store(count, Ordering::Release);
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.inner.partitions.load().first().is_none_or(Partition::is_deleted)
    }
}
