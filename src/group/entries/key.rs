//! The keys.
//!
//! ```text
//! 0  i16   version: 0 and 1 are alike, 1 is written
//! 2  text  group
//!    text  topic
//!    i32   partition
//!
//! 0  i16   version: 2
//! 2  text  group
//! ```

use super::Undecodable;
use super::wire::{Reader, Writer};
use crate::types::TopicPartition;

const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;

/// What a record of `__consumer_offsets` is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An offset that a group has committed.
    OffsetCommit {
        /// The group.
        group: String,
        /// The partition.
        partition: TopicPartition,
    },
    /// A group.
    GroupMetadata {
        /// The group.
        group: String,
    },
}

impl Key {
    /// The group that it is about.
    pub fn group(&self) -> &str {
        match self {
            Key::OffsetCommit { group, .. } | Key::GroupMetadata { group } => group,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Key::OffsetCommit { group, partition } => {
                let mut writer = Writer::new(OFFSET_COMMIT);
                writer.text(group);
                writer.text(partition.topic());
                writer.put(partition.partition().to_be_bytes());
                writer.finish()
            }
            Key::GroupMetadata { group } => {
                let mut writer = Writer::new(GROUP_METADATA);
                writer.text(group);
                writer.finish()
            }
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Undecodable`]: versions from 3 on are of groups that are coordinated otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Key, Undecodable> {
        let mut reader = Reader::new(bytes);
        let key = match reader.i16()? {
            0..=OFFSET_COMMIT => {
                let (group, topic, partition) = (reader.text()?, reader.text()?, reader.i32()?);
                let partition = u32::try_from(partition).ok();
                match partition.and_then(|partition| TopicPartition::new(&topic, partition).ok()) {
                    Some(partition) => Key::OffsetCommit { group, partition },
                    None => return reader.corrupt("no name of a partition"),
                }
            }
            GROUP_METADATA => Key::GroupMetadata { group: reader.text()? },
            version => return Err(Undecodable::UnknownVersion { version }),
        };
        reader.end(key)
    }
}
