//! Topics: made, found, grown, altered, described, deleted, and made again.

use crate::world::*;
use brooklet::{
    Acks, Broker, CleanupPolicy, Compression, Error, NewRecord, Start, TimestampType, Topic, TopicConfig,
    Visibility,
};
use std::sync::Barrier;
use std::time::Duration;

fn names(world: &World) -> Vec<String> {
    world
        .broker
        .admin()
        .topics()
        .expect("a sound set-up")
        .iter()
        .map(|topic| topic.name().to_owned())
        .collect()
}

#[test]
fn a_new_topic_has_what_was_asked_for() {
    let world = World::empty();
    let topic = world.broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap();
    assert_eq!((topic.name(), topic.partitions().len()), ("orders", 3));
    let numbers: Vec<_> = topic.partitions().iter().map(|partition| partition.number()).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(topic.partition(2).unwrap().topic(), "orders");
    assert_eq!(world.broker.topic("orders").unwrap().id(), topic.id());
}

#[test]
fn a_name_is_taken_once() {
    let world = World::new();
    let id = world.broker.topic("orders").unwrap().id();
    let error = world.broker.create_topic("orders", TopicConfig::new().partitions(9)).unwrap_err();
    assert!(
        matches!(&error, Error::TopicExists { topic, existing } if topic == "orders" && existing == "orders")
    );
    let topic = world.broker.topic("orders").unwrap();
    assert_eq!((topic.id(), topic.partitions().len()), (id, 1));
}

#[test]
fn a_topic_that_is_ensured_again_keeps_its_settings() {
    let world = World::empty();
    let first =
        world.broker.ensure_topic("orders", TopicConfig::new().partitions(3).segment_bytes(512)).unwrap();
    let again = world.broker.ensure_topic("orders", TopicConfig::new().partitions(7)).unwrap();
    assert_eq!((again.id(), again.partitions().len()), (first.id(), 3));
    assert_eq!(again.config().segment_bytes, 512);
}

#[test]
fn dots_and_underscores_collide() {
    let world = World::empty();
    world.broker.create_topic("a.b_c", TopicConfig::new()).unwrap();
    for other in ["a_b_c", "a.b.c", "a_b.c"] {
        for made in [
            world.broker.create_topic(other, TopicConfig::new()),
            world.broker.ensure_topic(other, TopicConfig::new()),
        ] {
            let error = made.unwrap_err();
            assert!(
                matches!(&error, Error::TopicExists { topic, existing } if topic == other && existing == "a.b_c"),
                "{other}: {error:?}"
            );
        }
    }
    world.broker.create_topic("a-b-c", TopicConfig::new()).unwrap();
    world.broker.admin().delete_topic("a.b_c").unwrap();
    world.broker.create_topic("a_b.c", TopicConfig::new()).unwrap();
    assert_eq!(names(&world), ["a-b-c", "a_b.c"]);
}

#[test]
fn topics_are_listed_by_name() {
    let world = World::empty();
    for name in ["b", "a", "B", "a-1"] {
        world.broker.admin().create_topic(name, TopicConfig::new()).unwrap();
    }
    assert_eq!(names(&world), ["B", "a", "a-1", "b"]);
    assert_eq!(names(&world.reopened()), ["B", "a", "a-1", "b"]);
}

#[test]
fn kafkas_names_set_what_our_methods_set() {
    let ours = TopicConfig::new()
        .retention(Duration::from_secs(1))
        .retention_bytes(10)
        .segment_bytes(512)
        .segment_age(Duration::from_secs(2))
        .cleanup_policy(CleanupPolicy::CompactDelete)
        .min_cleanable_dirty_ratio(0.25)
        .min_compaction_lag(Duration::from_secs(3))
        .max_compaction_lag(Duration::from_secs(4))
        .delete_retention(Duration::from_secs(5))
        .index_interval_bytes(64)
        .max_message_bytes(400)
        .timestamp_type(TimestampType::LogAppend)
        .compression(Some(Compression::Lz4))
        .min_acks(Acks::Written)
        .visibility(Visibility::Durable);
    let mut kafkas = TopicConfig::new();
    for (name, value) in [
        ("retention.ms", "1000"),
        ("retention.bytes", "10"),
        ("segment.bytes", "512"),
        ("segment.ms", "2000"),
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("min.compaction.lag.ms", "3000"),
        ("max.compaction.lag.ms", "4000"),
        ("delete.retention.ms", "5000"),
        ("index.interval.bytes", "64"),
        ("max.message.bytes", "400"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "lz4"),
        ("min.acks", "written"),
        ("visibility", "durable"),
    ] {
        kafkas = kafkas.set(name, value).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(kafkas, ours);
    let world = World::with(ours.clone());
    assert_eq!(*world.reopened().broker.topic("orders").unwrap().config(), ours);
}

#[test]
fn never_is_minus_one_in_kafkas_words() {
    let config = TopicConfig::new().set("retention.ms", "-1").unwrap();
    assert_eq!(config.retention, Duration::MAX);
    assert_eq!(TopicConfig::new().retention(Duration::MAX).get("retention.ms").as_deref(), Some("-1"));
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (name, value) in [
        ("retention.ms", "-2"),
        ("retention.ms", "soon"),
        ("segment.bytes", "0"),
        ("cleanup.policy", "burn"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("compression.type", "rar"),
        ("max.message.bytes", "99999999999999999999"),
        ("no.such.setting", "1"),
        ("", ""),
    ] {
        let error = TopicConfig::new().set(name, value).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{name}={value}: {error:?}");
        assert!(error.to_string().contains(if name.is_empty() { "cannot be" } else { name }), "{error}");
    }
    let world = World::empty();
    for config in [
        TopicConfig::new().partitions(0),
        TopicConfig::new().segment_bytes(1),
        TopicConfig::new().min_cleanable_dirty_ratio(f64::NAN),
        TopicConfig::new().min_cleanable_dirty_ratio(-0.1),
        TopicConfig::new().max_message_bytes(0),
    ] {
        let error = world.broker.create_topic("orders", config.clone()).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{config:?}: {error:?}");
    }
    assert_eq!(names(&world), [""; 0]);
    assert!(!world.disk.names().iter().any(|name| name.starts_with("orders")));
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let world = World::of(2);
    world.fill_partition(1, 3);
    let (admin, topic) = (world.broker.admin(), world.broker.topic("orders").unwrap());
    for total in [0, 1, 2] {
        let error = admin.add_partitions("orders", total).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{total}: {error:?}");
    }
    assert_eq!(admin.add_partitions("orders", 5).unwrap().partitions().len(), 5);
    assert_eq!(topic.partitions().len(), 5, "whoever has the topic sees them");
    assert_eq!(topic.config().partitions, 5);
    world.fill_partition(4, 2);
    drop(topic);
    let world = world.reopened();
    assert_eq!((world.log_of(1), world.log_of(4)), (numbers(0..3), numbers(0..2)));
    assert!(matches!(
        world.broker.admin().add_partitions("payments", 5),
        Err(Error::UnknownTopic { topic }) if topic == "payments"
    ));
}

#[test]
fn settings_are_altered_for_good_or_not_at_all() {
    let world = World::with(TopicConfig::new().partitions(2).segment_bytes(4096));
    let admin = world.broker.admin();
    let topic = admin.alter_topic("orders", |config| config.max_message_bytes(300)).unwrap();
    assert_eq!((topic.config().max_message_bytes, topic.config().segment_bytes), (300, 4096));
    let error =
        admin.alter_topic("orders", |config| config.max_message_bytes(200).segment_bytes(1)).unwrap_err();
    assert!(matches!(error, Error::InvalidConfig { .. }));
    let too_large = world.partition(0).append([NewRecord::new().value([7; 400])], Acks::Written);
    assert!(matches!(too_large, Err(Error::TooLarge { limit: 300, .. })), "{too_large:?}");
    let world = world.reopened();
    let config = world.broker.topic("orders").unwrap().config();
    assert_eq!((config.max_message_bytes, config.segment_bytes, config.partitions), (300, 4096, 2));
    assert!(matches!(
        world.broker.admin().alter_topic("payments", |config| config),
        Err(Error::UnknownTopic { .. })
    ));
}

#[test]
fn altering_does_not_change_the_number_of_partitions() {
    let world = World::of(2);
    let _ = world.broker.admin().alter_topic("orders", |config| config.partitions(5));
    let topic = world.broker.topic("orders").unwrap();
    assert_eq!((topic.partitions().len(), topic.config().partitions), (2, 2));
}

#[test]
fn new_settings_hold_for_the_logs_at_once() {
    let world = World::new();
    world.fill(4);
    let segments = || world.broker.admin().describe_topic("orders").unwrap().partitions[0].segments;
    assert_eq!(segments(), 1);
    world.broker.admin().alter_topic("orders", |config| config.segment_bytes(150)).unwrap();
    world.fill(4);
    assert!(segments() > 2, "{} segments", segments());
}

#[test]
fn a_deleted_topic_is_gone_with_its_files() {
    let world = World::of(2);
    world.fill(3);
    world.broker.create_topic("orders-0", TopicConfig::new()).unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    assert!(matches!(world.broker.topic("orders"), Err(Error::UnknownTopic { topic }) if topic == "orders"));
    assert_eq!(names(&world), ["orders-0"]);
    let left = world.disk.names();
    assert!(
        !left.iter().any(|name| name == "orders-0" || name == "orders-1" || name.contains("delete")),
        "{left:?}"
    );
    assert!(left.contains(&"orders-0-0".to_owned()));
    assert!(matches!(world.broker.admin().delete_topic("orders"), Err(Error::UnknownTopic { .. })));
    assert_eq!(names(&world.reopened()), ["orders-0"]);
}

#[test]
fn a_topic_made_again_is_another_one() {
    let world = World::of(3);
    world.fill(3);
    let old = world.broker.topic("orders").unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    let new = world.broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_ne!(old.id(), new.id());
    assert_eq!(new.partitions().len(), 1);
    let at = new.partition(0).unwrap().append([NewRecord::new().value("first")], Acks::Durable).unwrap();
    assert_eq!(at.first_offset, 0);
    let (id, world) = (new.id(), {
        drop((old, new));
        world.crashed()
    });
    assert_eq!(world.broker.topic("orders").unwrap().id(), id);
    assert_eq!(world.log(), ["first"]);
}

#[test]
fn handles_of_a_deleted_topic_say_so_though_its_name_is_taken_again() {
    let world = World::new();
    world.fill(2);
    let (topic, partition) = (world.broker.topic("orders").unwrap(), world.partition(0));
    let mut consumer = world.consumer();
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("orders", TopicConfig::new()).unwrap();

    let unknown = |error: Error| matches!(&error, Error::UnknownTopic { topic } if topic == "orders");
    assert!(unknown(partition.append([NewRecord::new().value("x")], Acks::Written).unwrap_err()));
    assert!(unknown(partition.read(0, brooklet::ReadLimit::bytes(100), Default::default()).unwrap_err()));
    assert!(unknown(partition.delete_records(0).unwrap_err()));
    assert!(unknown(consumer.poll(AT_ONCE).unwrap_err()));
    assert!(unknown(topic.partition(0).unwrap_err()), "it has no partitions to offer any more");
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_producer_sends_to_the_topic_that_has_the_name_now() {
    let world = World::new();
    let producer = world.producer();
    send(&producer, "old").wait().unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    let error = producer.send(order("lost")).unwrap_err();
    assert!(matches!(error, Error::UnknownTopic { topic } if topic == "orders"));
    world.broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_eq!(send(&producer, "new").wait().unwrap().offset, 0);
    assert_eq!(world.log(), ["new"]);
}

#[test]
fn records_that_linger_for_a_topic_that_goes_fail_and_harm_no_others() {
    let world = World::new();
    world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    let producer = world.lingering();
    let (lost, kept) =
        (send(&producer, "lost"), producer.send(NewRecord::to("payments").value("kept")).unwrap());
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert!(producer.flush().is_err());
    assert!(matches!(lost.wait(), Err(Error::UnknownTopic { topic }) if topic == "orders"));
    assert_eq!(kept.wait().unwrap().offset, 0);
    assert_eq!(world.log(), [""; 0], "nothing meant for the old topic gets into the new one");
}

#[test]
fn of_many_who_make_a_topic_at_once_one_does() {
    let broker = Broker::in_memory().unwrap();
    let together = Barrier::new(4);
    let make = |ensure: bool| -> Vec<Result<Topic, Error>> {
        std::thread::scope(|scope| {
            let one = || {
                together.wait();
                match ensure {
                    true => broker.ensure_topic("ensured", TopicConfig::new()),
                    false => broker.create_topic("created", TopicConfig::new()),
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    assert_eq!(make(false).iter().filter(|made| made.is_ok()).count(), 1);
    let ensured = make(true);
    let ids: Vec<_> = ensured.iter().map(|made| made.as_ref().unwrap().id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn a_topic_that_found_no_space_was_not_made() {
    let world = World::empty();
    world.disk.set_full(true);
    let error = world.broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }) && error.is_retriable(), "{error:?}");
    assert!(world.broker.topic("orders").is_err());
    world.disk.set_full(false);
    world.broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap();
    world.fill_partition(2, 1);
    assert_eq!(world.reopened().log_of(2), ["0"]);
}

#[test]
fn consumers_of_a_topic_read_new_partitions_once_they_are_assigned() {
    let world = World::new();
    let mut consumer = world.consumer();
    world.broker.admin().add_partitions("orders", 2).unwrap();
    world.fill_partition(1, 2);
    assert_eq!(drain(&mut consumer), [""; 0]);
    consumer.assign([0, 1].map(|number| brooklet::TopicPartition::new("orders", number).unwrap())).unwrap();
    consumer.seek_to("orders", 1, Start::Earliest).unwrap();
    assert_eq!(drain(&mut consumer), numbers(0..2));
}
