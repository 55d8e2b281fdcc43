//! A disk without room: what takes things away works on it, what would need room says so, and everybody goes on once
//! there is some, without opening anything anew.

use crate::cleaned::{Cleaned, newest, put, table};
use crate::world::*;
use brooklet::{Acks, BrokerEvent, CleanupPolicy, Error, NewRecord, Partition, TopicConfig};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn append(partition: &Partition) -> Result<u64, Error> {
    let record = NewRecord::new().value(vec![b'v'; 300]);
    partition.append([record], Acks::Durable).map(|info| info.first_offset)
}

/// Appends until there is no room for one more.
fn fill_up(partition: &Partition) {
    let refused = (0..10_000).find_map(|_| append(partition).err());
    assert!(matches!(refused, Some(Error::DiskFull { .. })), "{refused:?}");
}

#[test]
fn retention_frees_a_full_disk_and_appends_go_on() {
    let cleaned = Cleaned::with(TopicConfig::new().segment_bytes(2_000).retention(HOUR));
    let (world, partition) = (&cleaned.world, cleaned.world.partition(0));
    put(&partition, "first", None);
    world.disk.set_room(Some(30_000));
    fill_up(&partition);
    let end = partition.watermarks().end;
    world.pass(30 * MINUTE);
    assert!(append(&partition).is_err() && partition.watermarks().end == end);

    let before = world.disk.bytes_under("/".as_ref());
    world.pass(HOUR);
    let events = cleaned.events();
    let is_retained = |event: &BrokerEvent| matches!(event, BrokerEvent::Retained { .. });
    assert!(!events.is_empty() && events.iter().all(is_retained), "{events:?}");
    assert!(world.disk.bytes_under("/".as_ref()) + 20_000 < before);
    assert!(partition.watermarks().start + 2 >= end, "{:?}", partition.watermarks());
    assert_eq!(append(&partition).unwrap(), end);
    fill_up(&partition);

    world.disk.set_room(None);
    let (marks, table_before) = (partition.watermarks(), table(&partition));
    drop(partition);
    let cleaned = cleaned.reopened();
    let partition = cleaned.world.partition(0);
    assert_eq!((partition.watermarks(), table(&partition)), (marks, table_before));
}

#[test]
fn what_is_removed_on_a_full_disk_stays_removed_after_a_crash() {
    let world = World::with(TopicConfig::new().segment_bytes(2_000).retention_bytes(4_000));
    let partition = world.partition(0);
    put(&partition, "first", None);
    world.disk.set_room(Some(30_000));
    fill_up(&partition);
    // Not even a note of what is removed finds room.
    world.disk.set_room(Some(0));
    let removed = world.broker.admin().enforce_retention_now("orders").unwrap();
    assert!(removed[0].segments_removed.len() > 5, "{removed:?}");
    let (marks, left) = (partition.watermarks(), table(&partition));
    drop(partition);
    world.disk.set_room(None);
    let world = world.crashed();
    let partition = world.partition(0);
    assert_eq!((partition.watermarks().start, table(&partition)), (marks.start, left));
    let described = world.broker.admin().describe_topic("orders").unwrap();
    assert!(described.partitions[0].damage.is_empty());
}

#[test]
fn compaction_without_room_for_what_it_writes_does_not_begin_to_write() {
    let config = TopicConfig::new().segment_bytes(2_000).cleanup_policy(CleanupPolicy::Compact);
    let cleaned = Cleaned::with(config);
    let (world, partition) = (&cleaned.world, cleaned.world.partition(0));
    for number in 0..200 {
        put(&partition, &format!("key {}", number % 7), Some("a value that somebody wants to keep"));
    }
    partition.flush().unwrap();
    let before = table(&partition);
    // Room for notes, and not for a segment.
    let used = world.disk.bytes_under("/".as_ref());
    world.disk.set_room(Some(used + 1_500));
    world.disk.count_log_bytes();
    world.pass(15 * SECOND);
    let events = cleaned.events();
    let [BrokerEvent::CompactionFailed { partition: failed, error, is_set_aside: false }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(matches!(error, Error::DiskFull { .. }) && failed.to_string() == "orders-0", "{error}");
    assert!(events[0].to_string().contains("tried again later"), "{}", events[0]);
    assert_eq!(world.disk.count_log_bytes(), 0, "not a byte of a batch was written");
    for leftover in [".cleaned", ".swap"] {
        assert!(world.disk.files("orders-0", leftover).is_empty());
    }
    assert_eq!(table(&partition), before);
    put(&partition, "key 1", Some("small"));
    let expected = newest(&table(&partition));

    world.disk.set_room(None);
    world.pass(6 * MINUTE);
    let events = cleaned.events();
    assert!(matches!(&events[..], [BrokerEvent::Compacted { .. }]), "{events:?}");
    let after = table(&partition);
    assert!(after.len() < 100);
    assert_eq!(newest(&after), expected);
}

#[test]
fn what_retention_frees_lets_compaction_and_producers_go_on() {
    let config = TopicConfig::new().segment_bytes(2_000).cleanup_policy(CleanupPolicy::Compact);
    let cleaned = Cleaned::with(config);
    let (world, compacted) = (&cleaned.world, cleaned.world.partition(0));
    let aged = TopicConfig::new().segment_bytes(2_000).retention(HOUR);
    let aged = world.broker.create_topic("aged", aged).unwrap().partition(0).unwrap();
    for number in 0..200 {
        put(&compacted, &format!("key {}", number % 7), Some("a value that somebody wants to keep"));
    }
    let room = world.disk.bytes_under("/".as_ref()) + 20_000;
    world.disk.set_room(Some(room));
    fill_up(&aged);
    let producer = world.broker.producer().delivery_timeout(3 * HOUR).acks(Acks::Written).build().unwrap();
    let record = || NewRecord::to("orders").key("key 1").value(vec![b'v'; 1_900]);
    let receipts: Vec<_> = (0..2).map(|_| producer.send(record()).unwrap()).collect();
    world.pass(15 * SECOND);
    assert!(matches!(
        &cleaned.events()[..],
        [BrokerEvent::CompactionFailed { error: Error::DiskFull { .. }, .. }]
    ));
    world.pass(2 * HOUR);
    world.pass(MINUTE);
    let events = cleaned.events();
    let told = |is: fn(&BrokerEvent) -> bool| events.iter().any(is);
    assert!(told(|event| matches!(event, BrokerEvent::Retained { .. })), "{events:?}");
    assert!(told(|event| matches!(event, BrokerEvent::Compacted { .. })), "{events:?}");
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    append(&aged).unwrap();
    assert!(table(&compacted).len() < 50);
}
