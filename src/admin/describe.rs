//! What can be said of a topic.

use super::Admin;
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::log::Watermarks;
use crate::topic::TopicId;
use std::fmt;
use std::sync::Arc;

/// A topic as it stands.
#[derive(Debug, Clone)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
    /// Its settings.
    pub config: Arc<TopicConfig>,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it stands.
#[derive(Debug, Clone)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: u32,
    /// Where its log begins and ends, and how much of it is durable.
    pub watermarks: Watermarks,
    /// The epoch of the next batch: it rises with each recovery that lost anything.
    pub leader_epoch: i32,
    /// The files it is cut into.
    pub segments: usize,
    /// The bytes of its batches.
    pub size_bytes: u64,
    /// What was found to be lost when it was opened. If there is anything, it can only be read.
    pub damage: Vec<String>,
    /// What was found to be in the way of compaction. If there is anything, it is not compacted until the broker is opened
    /// anew; everything else goes on.
    pub uncleanable: Option<Error>,
}

impl Admin {
    /// Says how a topic stands.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub fn describe_topic(&self, name: &str) -> Result<TopicDescription> {
        let topic = self.engine.topic(name)?;
        let partitions = topic.partitions();
        let describe = |partition: &crate::partition::Partition| PartitionDescription {
            partition: partition.number(),
            watermarks: partition.watermarks(),
            leader_epoch: partition.log().leader_epoch(),
            segments: partition.log().segment_base_offsets().len(),
            size_bytes: partition.size_bytes(),
            uncleanable: partition.log().uncleanable(),
            damage: partition.log().damage().iter().map(ToString::to_string).collect(),
        };
        Ok(TopicDescription {
            name: name.to_owned(),
            id: topic.id(),
            config: topic.config(),
            partitions: partitions.iter().map(describe).collect(),
        })
    }
}

/// A table, as `kafka-topics --describe` prints one.
impl fmt::Display for TopicDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Topic: {}  TopicId: {}  PartitionCount: {}", self.name, self.id, self.partitions.len())?;
        let settings: Vec<_> =
            self.config.entries().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(f, "Configs: {}", settings.join(","))?;
        writeln!(
            f,
            "{:>9} {:>12} {:>12} {:>12} {:>12} {:>6} {:>14}",
            "PARTITION", "START", "LAST-STABLE", "END", "DURABLE-END", "EPOCH", "BYTES"
        )?;
        for partition in &self.partitions {
            let marks = partition.watermarks;
            writeln!(
                f,
                "{:>9} {:>12} {:>12} {:>12} {:>12} {:>6} {:>14}",
                partition.partition,
                marks.start,
                marks.last_stable,
                marks.end,
                marks.durable_end,
                partition.leader_epoch,
                partition.size_bytes
            )?;
        }
        Ok(())
    }
}
