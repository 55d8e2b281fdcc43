//! A topic that was compacted, and one of the same name after it: what is known of the first is not true of the second.
//!
//! Up to where the first was compacted, the second was not. A tombstone below that would be taken for one whose work is
//! done, and go; the value that it deleted would stay.

use super::run::Run;
use super::script;
use super::world::{Setup, World};
use crate::disk::{Crash, SimDisk};
use brooklet::{Acks, Broker, CleanupPolicy, Isolation, NewRecord, ReadLimit, Timestamp, TopicConfig};
use std::time::Duration;

/// How long a tombstone stays.
const RETENTION: Duration = Duration::from_secs(60);

fn open(disk: &SimDisk) -> World {
    let setup = Setup { seed: 1, open_files: 512, mistake: None };
    World::open(disk, &setup, Timestamp::from_millis(1_000_000)).unwrap()
}

fn create_orders(broker: &Broker) {
    let config = TopicConfig::new().segment_bytes(450).delete_retention(RETENTION);
    broker.create_topic("orders", config.cleanup_policy(CleanupPolicy::Compact)).unwrap();
}

fn put(broker: &Broker, key: &str, value: Option<&str>) -> u64 {
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    partition.append([NewRecord::new().key(key).value(value)], Acks::Durable).unwrap().first_offset
}

fn put_others(broker: &Broker, count: u64) {
    for number in 0..count {
        put(broker, &format!("other {number}"), Some("value"));
    }
}

fn compact(broker: &Broker) -> u64 {
    broker.admin().compact_now("orders").unwrap()[0].tombstones_dropped
}

/// The newest record of a key that can be read: its offset, and whether it has a value.
fn newest(broker: &Broker, key: &str) -> Option<(u64, bool)> {
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    let records = partition.read(0, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted).unwrap();
    let mut of_key = records.iter().filter(|record| record.key() == Some(key.as_bytes()));
    of_key.next_back().map(|record| (record.offset(), record.value().is_some()))
}

#[test]
fn where_a_deleted_topic_was_compacted_to_says_nothing_of_its_successor() {
    let disk = SimDisk::new();
    let World { broker, .. } = open(&disk);
    create_orders(&broker);
    put_others(&broker, 10);
    compact(&broker);
    broker.close().unwrap();

    let World { broker, .. } = open(&disk);
    broker.admin().delete_topic("orders").unwrap();
    create_orders(&broker);
    assert_eq!((put(&broker, "key", Some("value")), put(&broker, "key", None)), (0, 1));
    put_others(&broker, 20);
    drop(broker);
    disk.crash(Crash::Kill);

    let World { broker, clock } = open(&disk);
    compact(&broker);
    clock.advance(RETENTION);
    put_others(&broker, 1);
    assert_eq!(compact(&broker), 1, "the tombstone has to go, else this shows nothing");
    assert_eq!(newest(&broker, "key"), None, "the key was deleted");
}

#[test]
fn a_topic_that_is_made_anew_keeps_what_was_promised_of_it() {
    let mut tombstones = 0;
    for seed in 0..crate::crash_states::number_from("BROOKLET_SIM_RENEWALS", 300) {
        let mut run = Run::new(SimDisk::new(), Setup::drawn(seed, None));
        run.recover_from_kill().unwrap();
        for step in script::renewed(seed) {
            run.take(&step).unwrap_or_else(|failure| panic!("seed {seed}, {step:?}: {failure:?}"));
        }
        tombstones += run.tombstones_taken;
    }
    assert!(tombstones > 100, "{tombstones}");
}
