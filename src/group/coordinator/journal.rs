//! The topic of groups and committed offsets: written record by record, read as a whole when a broker is opened.
//!
//! All records of a group are in one partition, which is chosen as in Kafka; so the last record of a key is what counts,
//! and a tombstone takes it away. Ours has one partition; one that was taken over from Kafka has fifty.

use super::live::Committed;
use crate::config::{Acks, Isolation};
use crate::engine::Engine;
use crate::error::Result;
use crate::group::entries::{GroupMetadataValue, Key, OffsetCommitValue};
use crate::group::offsets::OffsetAndMetadata;
use crate::log::ReadLimit;
use crate::partition::Partition;
use crate::record::NewRecord;
use crate::types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

const READ_BYTES: usize = 1 << 20;

/// A record: a key, and its value or a tombstone.
pub(super) type Entry = (Key, Option<Vec<u8>>);

/// Where records of a group went: its partition, and the end that has to be durable for them.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) end: u64,
}

impl Place {
    pub(super) fn is_durable(&self) -> bool {
        self.partition.watermarks().durable_end >= self.end
    }
}

/// What the topic says of one group.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) metadata: Option<GroupMetadataValue>,
    pub(super) offsets: BTreeMap<TopicPartition, Committed>,
}

#[derive(Debug)]
pub(super) struct Journal {
    engine: Arc<Engine>,
}

impl Journal {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Appends records of one group as one batch: all of them, or none.
    pub(super) fn append(&self, group: &str, entries: &[Entry]) -> Result<Place> {
        let topic = self.engine.offsets_topic()?;
        let partition = topic.partition(partition_for(group, topic.partition_count()))?;
        let records = entries.iter().map(|(key, value)| {
            let record = NewRecord::new().key(key.encode());
            match value {
                Some(value) => record.value(value),
                None => record.null_value(),
            }
        });
        let info = partition.append_records(records, Acks::Written)?;
        Ok(Place { partition, end: info.last_offset + 1 })
    }

    /// Makes everything durable that was appended.
    pub(super) fn flush(&self) -> Result<()> {
        let Some(topic) = self.engine.find_offsets_topic() else { return Ok(()) };
        topic.partitions().iter().map(|partition| partition.flush().map(drop)).fold(Ok(()), Result::and)
    }

    /// Has whoever waits for a sync look again.
    pub(super) fn announce(&self) {
        let topic = self.engine.find_offsets_topic();
        topic.iter().for_each(|topic| topic.partitions().iter().for_each(|one| one.synced().notify()));
    }

    /// Everything that the topic says, by group.
    pub(super) fn replay(&self) -> Result<BTreeMap<String, Replayed>> {
        let mut groups = BTreeMap::new();
        if let Some(topic) = self.engine.find_offsets_topic() {
            topic.partitions().iter().try_for_each(|partition| replay_partition(partition, &mut groups))?;
        }
        Ok(groups)
    }
}

/// Kafka's choice: the hash that Java makes of the group's id.
fn partition_for(group: &str, count: u32) -> u32 {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // There is no such thing as the absolute of the lowest number; Kafka takes zero.
    hash.checked_abs().unwrap_or(0).unsigned_abs() % count.max(1)
}

fn replay_partition(partition: &Partition, groups: &mut BTreeMap<String, Replayed>) -> Result<()> {
    let marks = partition.watermarks();
    let mut offset = marks.start;
    while offset < marks.last_stable {
        // Offsets that a transaction of Kafka's has committed count once it has ended.
        let records = partition.read(offset, ReadLimit::bytes(READ_BYTES), Isolation::ReadCommitted)?;
        for record in &records {
            if let Some(key) = record.key() {
                replay_record(key, record.value(), groups);
            }
        }
        match records.next_offset(partition.id()) {
            Some(next) if next > offset => offset = next,
            _ => break,
        }
    }
    Ok(())
}

/// What makes no sense was written by nobody's coordinator, or by one that knows more; it is left where it is.
fn replay_record(key: &[u8], value: Option<&[u8]>, groups: &mut BTreeMap<String, Replayed>) {
    match Key::decode(key) {
        Ok(Key::GroupMetadata { group }) => {
            let metadata = value.map(GroupMetadataValue::decode).transpose();
            if let Ok(metadata) = metadata {
                groups.entry(group).or_default().metadata = metadata;
            }
        }
        Ok(Key::OffsetCommit { group, partition }) => {
            let offsets = &mut groups.entry(group).or_default().offsets;
            match value.map(OffsetCommitValue::decode) {
                None => drop(offsets.remove(&partition)),
                Some(Ok(value)) => drop(offsets.insert(partition, Committed::from(value))),
                Some(Err(_)) => {}
            }
        }
        Err(_) => {}
    }
}

impl From<OffsetCommitValue> for Committed {
    fn from(value: OffsetCommitValue) -> Self {
        let OffsetCommitValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp } = value;
        let offset = OffsetAndMetadata { offset, metadata, leader_epoch };
        Committed { offset, at: commit_timestamp, expires: expire_timestamp }
    }
}

/// The record of a committed offset.
pub(super) fn commit_entry(group: &str, partition: &TopicPartition, committed: &Committed) -> Entry {
    let Committed { offset, at, expires } = committed;
    let value = OffsetCommitValue {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.clone(),
        commit_timestamp: *at,
        expire_timestamp: *expires,
    };
    (offset_key(group, partition), Some(value.encode()))
}

/// The record that takes a committed offset away.
pub(super) fn tombstone(group: &str, partition: &TopicPartition) -> Entry {
    (offset_key(group, partition), None)
}

fn offset_key(group: &str, partition: &TopicPartition) -> Key {
    Key::OffsetCommit { group: group.to_owned(), partition: partition.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kafka says of fifty partitions.
    #[test]
    fn groups_go_to_the_partitions_that_kafka_chooses() {
        for (group, partition) in [("group", 47), ("my-group", 12), ("test", 48)] {
            assert_eq!(partition_for(group, 50), partition, "{group}");
        }
        // Java's hash of this one is its lowest number.
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("anything", 1), 0);
    }
}
