//! `__consumer_offsets` as a broker left it: simple groups, classic ones, one that a broker coordinates itself, deleted
//! offsets and a deleted group. Also offsets that were committed in transactions.

use crate::fixtures::fixtures;
use brooklet::clock::ManualClock;
use brooklet::group::entries::{
    ConsumerAssignment, ConsumerSubscription, GroupMetadataValue, Key, OffsetCommitValue, Undecodable,
};
use brooklet::io::{Fs, MemFs};
use brooklet::{Broker, Isolation, ReadLimit, Timestamp, TopicPartition};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

type Entry = (Vec<u8>, Option<Vec<u8>>);

/// A broker over a copy of a directory.
fn adopted(folder: &Path) -> Broker {
    let disk: Arc<dyn Fs> = Arc::new(MemFs::new());
    copy(&disk, folder, Path::new("/data"));
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
    Broker::builder().fs(disk).clock(clock).adopt(true).open("/data").expect("Kafka closed it in order")
}

fn copy(disk: &Arc<dyn Fs>, source: &Path, target: &Path) {
    disk.create_dir(target).expect("it is new");
    for entry in fs::read_dir(source).expect("the fixture is readable") {
        let source = entry.expect("the entry is readable").path();
        let target = target.join(source.file_name().expect("an entry has a name"));
        if source.is_dir() {
            copy(disk, &source, &target);
        } else {
            let bytes = fs::read(&source).expect("it is readable");
            disk.create(&target).and_then(|file| file.write_all_at(0, &bytes)).expect("it fits");
        }
    }
}

/// All records of `__consumer_offsets`, aborted ones left out.
fn entries(folder: &Path) -> Vec<Entry> {
    let broker = adopted(folder);
    let topic = broker.topic("__consumer_offsets").expect("it is there");
    let mut entries = Vec::new();
    for number in 0..5 {
        let partition = topic.partition(number).expect("it is there");
        let (mut at, end) = (partition.watermarks().start, partition.watermarks().end);
        let id = TopicPartition::new("__consumer_offsets", number).expect("Kafka took it");
        while at < end {
            let records =
                partition.read(at, ReadLimit::bytes(1 << 20), Isolation::ReadCommitted).expect("it is whole");
            let keyed = records.iter().map(|record| {
                (record.key().expect("all have keys").to_vec(), record.value().map(<[u8]>::to_vec))
            });
            entries.extend(keyed);
            // Without records there is nothing further on but markers.
            at = records.next_offset(&id).unwrap_or(end);
        }
    }
    entries
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a coordinator would know after reading it all.
#[derive(Default)]
struct Known {
    offsets: BTreeMap<(String, TopicPartition), OffsetCommitValue>,
    groups: BTreeMap<String, GroupMetadataValue>,
    tombstones: usize,
    others: usize,
}

/// Decodes all, encodes each again, and adds up what holds in the end.
fn replay(folder: &Path) -> Known {
    let mut known = Known::default();
    for (key, value) in entries(folder) {
        let decoded = match Key::decode(&key) {
            Ok(decoded) => decoded,
            Err(Undecodable::UnknownVersion { version: 3..=8 }) => {
                known.others += 1;
                continue;
            }
            Err(error) => panic!("{}: {error}", text(&key)),
        };
        assert_eq!(decoded.encode(), key, "{decoded:?}");
        known.tombstones += usize::from(value.is_none());
        let value = value.as_deref();
        match decoded {
            Key::OffsetCommit { group, partition } => match value {
                None => drop(known.offsets.remove(&(group, partition))),
                Some(bytes) => {
                    let value = OffsetCommitValue::decode(bytes).expect("Kafka wrote it");
                    assert_eq!(text(&value.encode()), text(bytes));
                    known.offsets.insert((group, partition), value);
                }
            },
            Key::GroupMetadata { group } => match value {
                None => drop(known.groups.remove(&group)),
                Some(bytes) => {
                    let value = GroupMetadataValue::decode(bytes).expect("Kafka wrote it");
                    assert_eq!(text(&value.encode()), text(bytes));
                    known.groups.insert(group, value);
                }
            },
        }
    }
    known
}

/// What an operator of Kafka saw.
fn committed(folder: &Path) -> BTreeMap<(String, TopicPartition), (u64, String, Option<u32>)> {
    let read = fs::read_to_string(folder.join("expected.json")).expect("it is readable");
    let expected: Value = serde_json::from_str(&read).expect("it is JSON");
    let mut committed = BTreeMap::new();
    for (group, offsets) in expected["committed_offsets"].as_object().expect("groups") {
        for offset in offsets.as_array().expect("offsets") {
            let number = offset["partition"].as_u64().expect("a number") as u32;
            let topic = offset["topic"].as_str().expect("a name");
            let partition = TopicPartition::new(topic, number).expect("Kafka took it");
            let metadata = offset["metadata"].as_str().expect("a text").to_owned();
            let epoch = offset["leader_epoch"].as_u64().map(|epoch| epoch as u32);
            let value = (offset["offset"].as_u64().expect("a number"), metadata, epoch);
            committed.insert((group.clone(), partition), value);
        }
    }
    committed
}

#[test]
fn what_a_broker_wrote_is_read_and_written_again_byte_for_byte() {
    let Some(folder) = fixtures() else { return };
    for (name, groups, tombstones, others) in
        [("groups", 2, 4, 18), ("transactions", 0, 0, 0), ("transactions-v2", 0, 0, 0)]
    {
        let folder = folder.join(name);
        let known = replay(&folder.join("dir"));
        let ours = known
            .offsets
            .iter()
            .map(|(key, value)| (key.clone(), (value.offset, value.metadata.clone(), value.leader_epoch)));
        assert_eq!(ours.collect::<BTreeMap<_, _>>(), committed(&folder), "{name}");
        assert!(!known.offsets.is_empty(), "{name}");
        assert_eq!((known.groups.len(), known.tombstones), (groups, tombstones), "{name}");
        assert!(known.others >= others, "{name}: {}", known.others);
    }
}

#[test]
fn what_members_said_to_each_other_is_read_and_written_again() {
    let Some(folder) = fixtures() else { return };
    let mut members = 0;
    for (key, value) in entries(&folder.join("groups").join("dir")) {
        let (Ok(Key::GroupMetadata { .. }), Some(value)) = (Key::decode(&key), value) else { continue };
        let group = GroupMetadataValue::decode(&value).expect("Kafka wrote it");
        for member in &group.members {
            let said = ConsumerSubscription::decode(&member.subscription).expect("Kafka's client wrote it");
            let given = ConsumerAssignment::decode(&member.assignment).expect("Kafka's client wrote it");
            assert_eq!(text(&said.encode()), text(&member.subscription), "{said:?}");
            assert_eq!(text(&given.encode()), text(&member.assignment), "{given:?}");
            assert!(said.topics.iter().all(|topic| ["in-a", "in-b"].contains(&topic.as_str())), "{said:?}");
            members += 1;
        }
    }
    assert!(members > 0, "no group had members");
}

#[test]
fn a_broker_that_takes_it_over_knows_the_groups_and_goes_on_in_their_partitions() {
    let Some(folder) = fixtures() else { return };
    let folder = folder.join("groups");
    let broker = adopted(&folder.join("dir"));
    let admin = broker.admin();
    let mut found = BTreeMap::new();
    for listed in admin.groups().expect("a whole topic") {
        let described = admin.describe_group(&listed.group).expect("it was just listed");
        assert!(described.members.is_empty(), "they were in processes that are gone");
        for one in described.partitions {
            if let Some(committed) = one.committed {
                let value = (committed.offset, committed.metadata, committed.leader_epoch);
                found.insert((listed.group.clone(), one.partition), value);
            }
        }
    }
    assert_eq!(found, committed(&folder));
    assert!(admin.describe_group("gone-g").is_err(), "it was deleted");
    let topic = broker.topic("__consumer_offsets").expect("it is there");
    let ends = || topic.partitions().iter().map(|one| one.watermarks().end).collect::<Vec<_>>();
    for number in 0..3 {
        let (group, before) = (format!("simple-{number}"), ends());
        let mut consumer =
            broker.consumer().group(&group).assign([("in-a", 0)]).build().expect("it takes commits");
        let id = TopicPartition::new("in-a", 0).expect("Kafka took it");
        consumer.commit_offsets([(id, 7)]).expect("room");
        assert_eq!(consumer.committed("in-a", 0).expect("just committed"), Some(7.into()));
        let grown: Vec<usize> = (0..5).filter(|at| ends()[*at] > before[*at]).collect();
        // All that Kafka wrote of a group is in one partition, and so is what comes now.
        assert_eq!(grown, [partition_of(&folder.join("dir"), &group)], "{group}");
    }
}

/// The partition in which Kafka wrote of a group.
fn partition_of(folder: &Path, group: &str) -> usize {
    let names = |number: &usize| {
        let log = folder.join(format!("__consumer_offsets-{number}")).join("00000000000000000000.log");
        let bytes = fs::read(log).expect("it is readable");
        bytes.windows(group.len()).any(|window| window == group.as_bytes())
    };
    (0..5).find(names).expect("it committed something")
}
