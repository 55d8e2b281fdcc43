//! What operators do: describe, delete, verify.

use crate::world::*;
use brooklet::{Acks, Error, NewRecord, TopicConfig, TopicPartition};

#[test]
fn a_description_says_how_a_topic_stands() {
    let world =
        World::with(TopicConfig::new().partitions(2).segment_bytes(200).set("retention.ms", "1000").unwrap());
    world.fill_partition(1, 5);
    world.partition(1).flush().unwrap();
    world.fill_partition(1, 1);
    world.partition(1).delete_records(2).unwrap();
    let described = world.broker.admin().describe_topic("orders").unwrap();
    assert_eq!(
        (described.name.as_str(), described.id),
        ("orders", world.broker.topic("orders").unwrap().id())
    );
    assert_eq!(described.config.get("retention.ms").as_deref(), Some("1000"));
    let [empty, used] = &described.partitions[..] else { panic!("two partitions") };
    assert_eq!((empty.partition, empty.watermarks.end, empty.segments, empty.size_bytes), (0, 0, 1, 0));
    let marks = used.watermarks;
    assert_eq!((used.partition, marks.start, marks.durable_end, marks.end), (1, 2, 5, 6));
    assert!(used.segments >= 3 && used.damage.is_empty());
    assert_eq!(used.size_bytes, world.partition(1).size_bytes());
    let text = described.to_string();
    for part in ["orders", &described.id.to_string(), "retention.ms=1000", "segment.bytes=200"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(text.lines().count(), 2 + 1 + 2);
}

#[test]
fn records_are_deleted_by_the_name_of_their_partition() {
    let world = World::of(2);
    world.fill_partition(1, 5);
    let admin = world.broker.admin();
    assert_eq!(admin.delete_records("orders", 1, 3).unwrap(), 3);
    assert_eq!(world.log_of(1), numbers(3..5));
    assert!(matches!(
        admin.delete_records("orders", 1, 6),
        Err(Error::OffsetOutOfRange { requested: 6, start: 3, end: 5 })
    ));
    assert!(matches!(admin.delete_records("orders", 2, 0), Err(Error::UnknownPartition { .. })));
}

#[test]
fn verification_counts_what_is_good() {
    let world = World::with(TopicConfig::new().partitions(2).segment_bytes(300));
    world.fill_partition(0, 7);
    world.partition(1).append(["a", "b"].map(|v| NewRecord::new().value(v)), Acks::Written).unwrap();
    let report = world.broker.admin().verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.partitions, report.batches, report.records), (2, 8, 9));
    assert_eq!(report.bytes, world.partition(0).size_bytes() + world.partition(1).size_bytes());
}

#[test]
fn verification_finds_every_damaged_batch_and_changes_nothing() {
    let world = World::of(2);
    world.fill_partition(0, 6);
    world.fill_partition(1, 2);
    let path = world.disk.first_segment("orders-0");
    let batch = world.partition(0).size_bytes() / 6;
    for damaged in [1, 4] {
        world.disk.flip(&path, damaged * batch + 65);
    }
    for _ in 0..2 {
        let report = world.broker.admin().verify().unwrap();
        assert!(!report.is_clean());
        assert_eq!((report.batches, report.partitions), (6, 2));
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|finding| match &finding.error {
                Error::Corrupt { position, offsets, .. } => {
                    (finding.partition.clone(), *position, offsets.clone())
                }
                error => panic!("{error}"),
            })
            .collect();
        let orders = TopicPartition::new("orders", 0).unwrap();
        assert_eq!(found, [(orders.clone(), batch, 1..2), (orders, 4 * batch, 4..5)]);
        assert_eq!(report.to_string().lines().count(), 3);
    }
    world.fill_partition(0, 1);
}

#[test]
fn verification_is_not_stopped_by_a_topic_that_is_deleted_beside_it() {
    let world = World::new();
    world.fill(3);
    let admin = world.broker.admin();
    std::thread::scope(|scope| {
        let churning = scope.spawn(|| {
            for number in 0..30 {
                let topic = world.broker.create_topic("short-lived", TopicConfig::new()).unwrap();
                topic.partition(0).unwrap().append([NewRecord::new().value("v")], Acks::Written).unwrap();
                world
                    .broker
                    .admin()
                    .delete_topic("short-lived")
                    .unwrap_or_else(|error| panic!("{number}: {error}"));
            }
        });
        while !churning.is_finished() {
            let report = admin.verify().unwrap();
            assert!(report.is_clean(), "{report}");
        }
    });
}
