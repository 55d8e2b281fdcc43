//! Topics that coordinators keep their records in. They look like all others on disk and to readers; nobody but their
//! coordinator writes to them.

use super::Engine;
use crate::config::{CleanupPolicy, TopicConfig};
use crate::error::Result;
use crate::topic::Topic;

/// Where groups and committed offsets are kept.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Kafka's `offsets.topic.segment.bytes`: small, so that compaction has something to work on.
const SEGMENT_BYTES: u32 = 100 << 20;

/// A record of a group holds all its members: a thousand of them with a hundred partitions each are some megabytes.
const MESSAGE_BYTES: u32 = 64 << 20;

impl Engine {
    /// The topic of groups and committed offsets, if anybody has used it yet.
    pub(crate) fn find_offsets_topic(&self) -> Option<Topic> {
        self.find_topic(OFFSETS_TOPIC)
    }

    /// The same, made if there is none: with one partition, as there is one coordinator.
    pub(crate) fn offsets_topic(&self) -> Result<Topic> {
        if let Some(topic) = self.find_offsets_topic() {
            return Ok(topic);
        }
        let config = TopicConfig::new()
            .cleanup_policy(CleanupPolicy::Compact)
            .segment_bytes(SEGMENT_BYTES)
            .max_message_bytes(MESSAGE_BYTES);
        self.ensure_topic(OFFSETS_TOPIC, &config)
    }
}
