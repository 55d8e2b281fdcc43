//! The offsets topic, read record by record by the test itself: so nobody is disturbed by it, and nothing is settled.

use brooklet::group::entries::{GroupMetadataValue, Key, OffsetCommitValue};
use brooklet::{Broker, Isolation, ReadLimit, TopicPartition};
use std::collections::BTreeMap;

/// A record of the one group that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Committed(TopicPartition, u64),
    TakenAway(TopicPartition),
    Epoch(u32),
    /// The group is over; there may be another one of its name.
    Deleted,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    next: u64,
    pub(crate) offsets: BTreeMap<TopicPartition, u64>,
    pub(crate) epoch: u32,
}

impl Journal {
    /// What was written since the last look, and what the topic says with it.
    pub(crate) fn news(&mut self, broker: &Broker) -> Vec<Entry> {
        let Ok(topic) = broker.topic("__consumer_offsets") else { return Vec::new() };
        let partition = topic.partition(0).expect("it has one");
        let id = TopicPartition::new("__consumer_offsets", 0).expect("a valid name");
        let mut news = Vec::new();
        while self.next < partition.watermarks().end {
            let limit = ReadLimit::bytes(1 << 20);
            let records =
                partition.read(self.next, limit, Isolation::ReadUncommitted).expect("a readable topic");
            for record in &records {
                news.extend(entry(record.key().expect("a key"), record.value()));
            }
            self.next = records.next_offset(&id).expect("reading gets on below the end");
        }
        for one in &news {
            match one.clone() {
                Entry::Committed(partition, offset) => drop(self.offsets.insert(partition, offset)),
                Entry::TakenAway(partition) => drop(self.offsets.remove(&partition)),
                Entry::Deleted => self.epoch = 0,
                Entry::Epoch(epoch) => {
                    assert!(epoch >= self.epoch, "epochs only grow");
                    self.epoch = epoch;
                }
            }
        }
        news
    }
}

fn entry(key: &[u8], value: Option<&[u8]>) -> Option<Entry> {
    match (Key::decode(key).expect("a key of ours"), value) {
        (Key::OffsetCommit { partition, .. }, Some(value)) => {
            let value = OffsetCommitValue::decode(value).expect("a value of ours");
            Some(Entry::Committed(partition, value.offset))
        }
        (Key::OffsetCommit { partition, .. }, None) => Some(Entry::TakenAway(partition)),
        (Key::GroupMetadata { .. }, None) => Some(Entry::Deleted),
        (Key::GroupMetadata { .. }, Some(value)) => {
            let value = GroupMetadataValue::decode(value).expect("a value of ours");
            Some(Entry::Epoch(u32::try_from(value.generation).expect("it is not negative")))
        }
    }
}
