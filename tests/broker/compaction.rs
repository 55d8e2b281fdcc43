//! Compaction by itself and on demand: which log, what stays, and what everybody is told of it.

use crate::cleaned::{Cleaned, newest, put, table};
use crate::world::*;
use brooklet::io::Fs;
use brooklet::{Acks, BrokerEvent, CleanupPolicy, Error, NewRecord, TopicConfig};
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Some eight batches a segment.
fn compacted() -> TopicConfig {
    TopicConfig::new().segment_bytes(700).cleanup_policy(CleanupPolicy::Compact)
}

fn put_many(world: &World, number: u32, keys: u64, count: u64) {
    let partition = world.partition(number);
    for value in 0..count {
        put(&partition, &format!("key {}", value % keys), Some(&value.to_string()));
    }
}

fn compactions(events: &[BrokerEvent]) -> Vec<u32> {
    let number = |event: &BrokerEvent| match event {
        BrokerEvent::Compacted { partition, .. } => partition.partition(),
        event => panic!("{event}"),
    };
    events.iter().map(number).collect()
}

#[test]
fn of_each_key_the_newest_stays_at_its_offset() {
    let cleaned = Cleaned::with(compacted());
    put_many(&cleaned.world, 0, 5, 60);
    let partition = cleaned.world.partition(0);
    let before = table(&partition);
    cleaned.world.pass(15 * SECOND);
    let after = table(&partition);
    assert!(after.len() < 20, "{} of {} records are left", after.len(), before.len());
    assert!(after.iter().all(|entry| before.get_key_value(entry.0) == Some(entry)), "nothing is new");
    assert_eq!(newest(&after), newest(&before));
    let events = cleaned.events();
    let [event @ BrokerEvent::Compacted { compacted, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((before.len() - after.len()) as u64, compacted.records_dropped);
    assert_eq!(compacted.keys, 5);
    assert!(compacted.bytes_out < compacted.bytes_in && event.to_string().contains("compacted"));
    cleaned.world.pass(MINUTE);
    assert!(cleaned.events().is_empty(), "it is clean now");
}

#[test]
fn nothing_is_compacted_before_it_is_worth_it() {
    let cleaned = Cleaned::with(compacted().min_cleanable_dirty_ratio(0.9));
    put_many(&cleaned.world, 0, 40, 80);
    cleaned.world.pass(15 * SECOND);
    assert_eq!(compactions(&cleaned.events()), [0]);
    put_many(&cleaned.world, 0, 40, 40);
    cleaned.world.pass(MINUTE);
    assert!(cleaned.events().is_empty(), "half of it is dirty, and nine tenths are asked for");
    cleaned.broker().admin().alter_topic("orders", |config| config.min_cleanable_dirty_ratio(0.1)).unwrap();
    cleaned.world.pass(15 * SECOND);
    assert_eq!(compactions(&cleaned.events()), [0]);
}

#[test]
fn the_dirtiest_goes_first() {
    let cleaned = Cleaned::with(compacted().partitions(3).min_cleanable_dirty_ratio(0.01));
    for number in 0..3 {
        put_many(&cleaned.world, number, 40, 40);
    }
    cleaned.world.pass(15 * SECOND);
    cleaned.events();
    for (number, count) in [(0, 40), (1, 400), (2, 120)] {
        put_many(&cleaned.world, number, 40, count);
    }
    cleaned.world.pass(15 * SECOND);
    assert_eq!(compactions(&cleaned.events()), [1, 2, 0]);
}

#[test]
fn a_topic_that_becomes_compacted_is_compacted_and_one_that_is_not_never() {
    let cleaned = Cleaned::with(TopicConfig::new().segment_bytes(700));
    put_many(&cleaned.world, 0, 5, 60);
    cleaned.world.pass(MINUTE);
    assert_eq!(table(&cleaned.world.partition(0)).len(), 60);
    let admin = cleaned.broker().admin();
    admin.alter_topic("orders", |config| config.cleanup_policy(CleanupPolicy::Compact)).unwrap();
    cleaned.world.pass(15 * SECOND);
    assert_eq!(compactions(&cleaned.events()), [0]);
}

#[test]
fn a_topic_that_is_no_longer_compacted_keeps_all_that_it_has_though_a_round_has_begun() {
    let cleaned = Cleaned::with(compacted().segment_bytes(1 << 20));
    let partition = cleaned.world.partition(0);
    let value = "v".repeat(64 << 10);
    for number in 0..200 {
        put(&partition, &format!("key {}", number % 5), Some(&value));
    }
    cleaned.world.clock.advance(15 * SECOND);
    assert_eq!(
        cleaned.broker().maintain().unwrap(),
        Some(Duration::ZERO),
        "its round takes more than a step"
    );
    let before = partition.size_bytes();
    let admin = cleaned.broker().admin();
    admin.alter_topic("orders", |config| config.cleanup_policy(CleanupPolicy::Delete)).unwrap();
    cleaned.world.pass(MINUTE);
    assert_eq!((partition.size_bytes(), table(&partition).len()), (before, 200));
    assert!(cleaned.events().is_empty());
}

#[test]
fn damage_sets_a_log_aside_and_the_others_go_on() {
    let cleaned = Cleaned::with(compacted().partitions(2));
    for number in 0..2 {
        put_many(&cleaned.world, number, 5, 60);
    }
    let before = table(&cleaned.world.partition(1));
    cleaned.world.disk.flip(&cleaned.world.disk.first_segment("orders-0"), 70);
    cleaned.world.pass(15 * SECOND);
    let events = cleaned.events();
    let failed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            BrokerEvent::CompactionFailed { partition, error, is_set_aside } => {
                assert!(matches!(error, Error::Corrupt { .. }) && event.to_string().contains("set aside"));
                Some((partition.partition(), *is_set_aside))
            }
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(0, true)]);
    assert_eq!(newest(&table(&cleaned.world.partition(1))), newest(&before));
    assert!(table(&cleaned.world.partition(1)).len() < 20);
    cleaned.world.pass(DAY);
    assert!(cleaned.events().is_empty(), "once is enough");
    let described = cleaned.broker().admin().describe_topic("orders").unwrap();
    let [damaged, whole] = &described.partitions[..] else { panic!("two partitions") };
    assert!(matches!(damaged.uncleanable, Some(Error::Corrupt { .. })) && whole.uncleanable.is_none());
    let error = cleaned.broker().admin().compact_now("orders").unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    put_many(&cleaned.world, 0, 5, 10);
}

#[test]
fn a_file_that_vanishes_is_told_of_and_everything_else_stays() {
    let cleaned = Cleaned::with(compacted().partitions(2));
    for number in 0..2 {
        put_many(&cleaned.world, number, 5, 60);
    }
    let cleaned = cleaned.reopened();
    let gone = cleaned.world.disk.files("orders-0", ".log")[1].clone();
    cleaned.world.disk.remove(&gone).unwrap();
    cleaned.world.pass(15 * SECOND);
    let events = cleaned.events();
    let failed = |event: &BrokerEvent| match event {
        BrokerEvent::CompactionFailed { partition, error, .. } => {
            partition.partition() == 0 && matches!(error, Error::Io { path, .. } if *path == gone)
        }
        _ => false,
    };
    assert_eq!(events.iter().filter(|event| failed(event)).count(), 1, "{events:?}");
    assert!(table(&cleaned.world.partition(1)).len() < 20, "the other is compacted");
    let logs = cleaned.world.disk.files("orders-0", ".log");
    assert!(logs.len() >= 5, "all other segments of the first are there: {logs:?}");
    assert!(cleaned.world.disk.files("orders-0", ".cleaned").is_empty());
}

#[test]
fn on_demand_everything_is_compacted_and_counted() {
    let world = World::with(compacted().partitions(2).min_compaction_lag(DAY).min_cleanable_dirty_ratio(1.0));
    put_many(&world, 1, 5, 60);
    let before = table(&world.partition(1));
    let [empty, full] = &world.broker.admin().compact_now("orders").unwrap()[..] else { panic!("two") };
    assert_eq!((empty.partition, empty.records_before, empty.compacted_to), (0, 0, 0));
    assert_eq!((full.partition, full.keys), (1, 5));
    assert_eq!((full.records_before, full.records_after, full.compacted_to), (60, 5, 60));
    assert!(full.segments_before > 5 && full.segments_after <= full.segments_before);
    assert!(full.bytes_after < full.bytes_before / 5, "{full:?}");
    assert_eq!(table(&world.partition(1)), newest(&before));
    let again = world.broker.admin().compact_now("orders").unwrap();
    assert_eq!((again[1].records_before, again[1].segments_before), (0, 0), "it is clean");
}

#[test]
fn tombstones_go_when_everybody_had_time_to_hear_of_them() {
    let world = World::with(compacted().delete_retention(DAY));
    let partition = world.partition(0);
    put(&partition, "gone", Some("value"));
    let tombstone = put(&partition, "gone", None);
    let compact = || world.broker.admin().compact_now("orders").unwrap()[0].clone();
    assert_eq!(compact().tombstones_dropped, 0);
    assert_eq!(table(&partition).get(&tombstone), Some(&("gone".into(), None)));
    for (after, dropped) in [(DAY - SECOND, 0), (SECOND, 1)] {
        world.clock.advance(after);
        put(&partition, "other", Some("value"));
        assert_eq!(compact().tombstones_dropped, dropped);
    }
    assert_eq!(table(&partition).len(), 1);
}

#[test]
fn on_demand_it_refuses_what_cannot_be_compacted() {
    let world = World::new();
    let admin = world.broker.admin();
    assert!(matches!(admin.compact_now("other"), Err(Error::UnknownTopic { .. })));
    let error = admin.compact_now("orders").unwrap_err();
    assert!(matches!(&error, Error::PolicyViolation { topic, .. } if topic == "orders"), "{error}");
    assert!(error.to_string().contains("cleanup.policy"), "{error}");
    world.broker.close().unwrap();
    assert!(matches!(admin.compact_now("orders"), Err(Error::Closed { .. })));
}

#[test]
fn a_full_disk_is_told_of_and_tried_again() {
    let cleaned = Cleaned::with(compacted());
    put_many(&cleaned.world, 0, 5, 60);
    let before = table(&cleaned.world.partition(0));
    cleaned.world.partition(0).flush().unwrap();
    cleaned.world.disk.set_full(true);
    cleaned.world.pass(15 * SECOND);
    let events = cleaned.events();
    let [BrokerEvent::CompactionFailed { error: Error::DiskFull { .. }, is_set_aside: false, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(table(&cleaned.world.partition(0)), before);
    cleaned.world.disk.set_full(false);
    cleaned.world.pass(MINUTE);
    assert!(cleaned.events().is_empty(), "it rests");
    cleaned.world.pass(5 * MINUTE);
    assert_eq!(compactions(&cleaned.events()), [0]);
}

#[test]
fn what_a_producer_numbered_last_is_known_though_nothing_of_it_is_left() {
    let world = World::with(compacted());
    let numbered = |value: &str| {
        let producer = world.broker.producer().idempotent(true).acks(Acks::Written).build().unwrap();
        for _ in 0..3 {
            producer.send(order(value).key("the only key")).unwrap().wait().unwrap();
        }
        producer.close().unwrap();
    };
    ["first", "second"].into_iter().for_each(numbered);
    let last = |world: &World| {
        let producers = world.partition(0).producers().unwrap();
        let last =
            |entry: &brooklet::partition::ProducerStateEntry| entry.last_batch().map(|it| it.last_sequence);
        producers.iter().map(|entry| (entry.producer_id, last(entry))).collect::<Vec<_>>()
    };
    let before = last(&world);
    assert!(before.len() == 2 && before.iter().all(|(_, last)| *last == Some(2)), "{before:?}");
    assert_eq!(world.broker.admin().compact_now("orders").unwrap()[0].records_after, 1);
    let world = world.reopened();
    for snapshot in world.disk.files("orders-0", ".snapshot") {
        world.disk.remove(&snapshot).unwrap();
    }
    assert_eq!(last(&world), before, "their batches say so, if nothing else does");
}

#[test]
fn appends_go_on_while_it_is_compacted() {
    let cleaned = Cleaned::with(compacted().min_cleanable_dirty_ratio(0.1).segment_bytes(20_000));
    let partition = cleaned.world.partition(0);
    let mut expected = BTreeMap::new();
    std::thread::scope(|scope| {
        // Some records for each step, so that a slow cleaner is not left with more and more to do.
        let (allow, allowed) = std::sync::mpsc::sync_channel(4);
        let cleaned = &cleaned;
        scope.spawn(move || {
            for _ in 0..100_000 {
                cleaned.world.clock.advance(15 * SECOND);
                cleaned.broker().maintain().unwrap();
                if cleaned.count() >= 5 {
                    break;
                }
                let _ = allow.try_send(());
            }
        });
        for number in (0_u64..).take_while(|number| number % 200 > 0 || allowed.recv().is_ok()) {
            let (key, value) = (format!("key {}", number * 7 % 31), number.to_string());
            put(&partition, &key, Some(&value));
            expected.insert(key, value);
        }
    });
    cleaned.world.settle();
    assert!(compactions(&cleaned.events()).len() >= 5);
    let found = newest(&table(&partition)).into_values().map(|(key, value)| (key, value.unwrap()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn a_listener_that_panics_harms_nobody() {
    let World { disk, clock, broker } = World::with(compacted());
    broker.close().unwrap();
    let builder = builder(&disk, &clock).cleaner_backoff(15 * SECOND);
    let broker = builder.on_event(|event| panic!("on purpose: {event}")).in_memory().unwrap();
    let world = World { disk, clock, broker };
    put_many(&world, 0, 5, 60);
    world.pass(15 * SECOND);
    assert!(table(&world.partition(0)).len() < 20);
    put_many(&world, 0, 5, 60);
    world.pass(15 * SECOND);
}

#[test]
fn a_record_without_a_key_is_refused_with_its_reason() {
    let world = World::with(compacted());
    let error = world.partition(0).append([NewRecord::new().value("v")], Acks::Written).unwrap_err();
    assert!(matches!(error, Error::InvalidRecord { .. }) && error.to_string().contains("key"), "{error}");
}

#[test]
fn settings_that_contradict_each_other_are_refused_and_nothing_changes() {
    let world = World::with(compacted());
    let admin = world.broker.admin();
    type Change = fn(TopicConfig) -> TopicConfig;
    let refused: [(&str, Change); 4] = [
        ("min.compaction.lag.ms", |config| config.min_compaction_lag(DAY).max_compaction_lag(DAY - SECOND)),
        ("max.compaction.lag.ms", |config| config.max_compaction_lag(Duration::ZERO)),
        ("min.cleanable.dirty.ratio", |config| config.min_cleanable_dirty_ratio(1.5)),
        ("min.cleanable.dirty.ratio", |config| config.min_cleanable_dirty_ratio(f64::NAN)),
    ];
    let before = admin.describe_topic("orders").unwrap().config;
    for (name, change) in refused {
        match admin.alter_topic("orders", change) {
            Err(Error::InvalidConfig { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
        assert!(matches!(
            world.broker.create_topic("other", change(TopicConfig::new())),
            Err(Error::InvalidConfig { .. })
        ));
    }
    assert_eq!(admin.describe_topic("orders").unwrap().config, before);
    // As Kafka takes it: then one segment is kept, however much that is.
    let taken = TopicConfig::new().segment_bytes(10_000).retention_bytes(0).retention(Duration::ZERO);
    world.broker.create_topic("tiny", taken).unwrap();
}
