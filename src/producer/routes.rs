//! From a topic's name to the lane of a record.
//!
//! One immutable table, which every send looks at once. It is replaced when a topic is met for the first time, has more
//! partitions than it had, or was deleted; whoever looks finds that out from the topic itself, and nobody has to tell.

use super::batch::panicked;
use super::lane::Lane;
use super::partitioners::{Partitioner, TopicMemory, TopicView};
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::record::NewRecord;
use crate::topic::Topic;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The lanes of one producer.
#[derive(Debug)]
pub(super) struct Routes {
    shared: Arc<Shared>,
    topics: ArcSwap<BTreeMap<Arc<str>, Arc<TopicLanes>>>,
    /// Held while the table is replaced.
    changing: Mutex<()>,
}

/// A topic, and the lanes into its partitions.
#[derive(Debug)]
pub(super) struct TopicLanes {
    topic: Topic,
    memory: Arc<TopicMemory>,
    lanes: Vec<Arc<Lane>>,
}

impl Routes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, topics: ArcSwap::default(), changing: Mutex::default() }
    }

    /// Does something with the lanes of a topic.
    #[inline(always)]
    pub(super) fn with<R>(&self, name: &str, act: impl FnOnce(&TopicLanes) -> Result<R>) -> Result<R> {
        let (topics, made);
        topics = self.topics.load();
        let lanes = match topics.get(name).filter(|lanes| lanes.is_current()) {
            Some(lanes) => lanes,
            None => {
                made = self.renew(name)?;
                &made
            }
        };
        act(lanes)
    }

    /// The lanes of a topic, if they are known and current; to be kept for as long as they are.
    pub(super) fn current(&self, name: &str) -> Option<Arc<TopicLanes>> {
        self.topics.load().get(name).filter(|lanes| lanes.is_current()).cloned()
    }

    /// The lanes of a topic as it is now.
    #[cold]
    pub(super) fn renew(&self, name: &str) -> Result<Arc<TopicLanes>> {
        let topic = self.shared.engine.topic(name)?;
        topic.partition(0)?.refuse_internal()?;
        let (made, known) = {
            let _changing = self.changing.lock();
            let mut topics = self.topics.load().as_ref().clone();
            let made = match topics.get(name) {
                Some(lanes) if lanes.is_current() => return Ok(lanes.clone()),
                Some(lanes) if !lanes.is_deleted() => lanes.grown(&self.shared),
                _ => TopicLanes::new(topic, &self.shared),
            };
            let made = Arc::new(made);
            topics.retain(|_, lanes| !lanes.is_deleted());
            topics.insert(made.topic.shared_name().clone(), made.clone());
            (made, self.topics.swap(Arc::new(topics)))
        };
        // What still waits for deleted topics, of this name or another, fails now, and gives its room back.
        for lane in known.values().filter(|lanes| lanes.is_deleted()).flat_map(|lanes| &lanes.lanes) {
            lane.give_up();
            if let (Err(error), Some(heir)) = (lane.take_failure(), made.lanes.first()) {
                heir.note_failure(error);
            }
        }
        Ok(made)
    }
}

impl TopicLanes {
    fn new(topic: Topic, shared: &Arc<Shared>) -> Self {
        let memory = Arc::new(TopicMemory::new(shared.engine.next_seed()));
        Self { topic, memory, lanes: Vec::new() }.grown(shared)
    }

    /// The same, with lanes into the partitions that were added.
    fn grown(&self, shared: &Arc<Shared>) -> Self {
        let Self { topic, memory, lanes } = self;
        let mut lanes = lanes.clone();
        for partition in topic.partitions().iter().skip(lanes.len()) {
            let lane = Arc::new(Lane::new(topic.shared_name().clone(), partition.clone(), shared.clone()));
            shared.add_lane(&lane);
            lanes.push(lane);
        }
        Self { topic: topic.clone(), memory: memory.clone(), lanes }
    }

    pub(super) fn name(&self) -> &str {
        self.topic.name()
    }

    /// Whether these are all lanes of a topic that there still is.
    #[inline]
    pub(super) fn is_current(&self) -> bool {
        !self.is_deleted() && self.lanes.len() as u32 >= self.topic.partition_count()
    }

    #[inline]
    fn is_deleted(&self) -> bool {
        self.lanes.first().is_none_or(|lane| lane.partition().is_deleted())
    }

    /// The topic as a partitioner sees it.
    #[inline]
    pub(super) fn view<'a>(&'a self, batch_bytes: usize, queued: &'a dyn Fn(u32) -> u64) -> TopicView<'a> {
        TopicView::new(self.name(), self.lanes.len() as u32, &self.memory)
            .with_batch_bytes(batch_bytes)
            .with_queued(queued)
    }

    /// How many batches wait for a partition.
    pub(super) fn queued(&self, partition: u32) -> u64 {
        self.lanes.get(partition as usize).map_or(0, |lane| lane.queued())
    }

    /// The lane of a record: of the partition that it names, or that was chosen for it before, or that the partitioner
    /// chooses now.
    #[inline]
    pub(super) fn lane_for(
        &self,
        record: &NewRecord<'_>,
        partitioner: &dyn Partitioner,
        view: &TopicView<'_>,
        chosen: &mut Option<u32>,
    ) -> Result<&Arc<Lane>> {
        let number =
            match record.partition_number().or(chosen.filter(|number| (*number as usize) < self.lanes.len()))
            {
                Some(number) => number,
                None => catch_unwind(AssertUnwindSafe(|| partitioner.partition(record, view)))
                    .map_err(|panic| panicked("the partitioner", panic.as_ref()))?,
            };
        *chosen = Some(number);
        self.lanes.get(number as usize).ok_or_else(|| Error::UnknownPartition {
            topic: self.name().to_owned(),
            partition: number,
            partitions: self.lanes.len() as u32,
        })
    }
}
