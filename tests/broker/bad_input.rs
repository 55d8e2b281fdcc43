//! Bad input: typed errors that name what they are about, at once, and nothing changed by them.

use crate::world::*;
use brooklet::{Acks, Error, Isolation, NewRecord, ReadLimit, Start, Timestamp, TopicConfig, TopicPartition};
use std::time::Duration;

/// Names that no topic may have.
fn bad_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        ".",
        "..",
        "../../x",
        "a/b",
        "/etc/passwd",
        "a b",
        "a\0b",
        "a\nb",
        "C:\\x",
        "é",
        "名前",
        "a:b",
        "%2e",
    ]
    .map(str::to_owned)
    .into();
    names.extend(["x".repeat(250), "ü".repeat(150), "\u{10ffff}".repeat(75), "x".repeat(1 << 20)]);
    names
}

/// Says no more of a name than a line can hold.
fn is_readable(error: &Error) {
    let text = error.to_string();
    assert!((10..5_000).contains(&text.len()), "{} bytes of text", text.len());
}

#[test]
fn bad_names_make_no_topics() {
    let world = World::empty();
    let files = world.disk.names();
    for name in bad_names() {
        for made in [
            world.broker.create_topic(&name, TopicConfig::new()),
            world.broker.ensure_topic(&name, TopicConfig::new()),
            world.broker.admin().create_topic(&name, TopicConfig::new()),
        ] {
            let error = made.unwrap_err();
            assert!(matches!(&error, Error::InvalidName(_)), "{name:.30}: {error:.300?}");
            is_readable(&error);
        }
    }
    assert!(world.broker.admin().topics().unwrap().is_empty());
    assert_eq!(world.disk.names(), files);
}

#[test]
fn the_longest_name_is_good_for_everything() {
    let world = World::empty();
    let name = "x".repeat(249);
    world.broker.create_topic(&name, TopicConfig::new()).unwrap();
    world.producer().send(NewRecord::to(&name).value("v")).unwrap().wait().unwrap();
    let world = world.reopened();
    assert_eq!(world.broker.topic(&name).unwrap().partition(0).unwrap().watermarks().end, 1);
    world.broker.admin().delete_topic(&name).unwrap();
}

#[test]
fn names_that_only_look_odd_are_good() {
    let world = World::empty();
    for name in ["-", "_", "...", "a-0", "0", "CON", "orders-delete", ".lock", "__consumer"] {
        world.broker.create_topic(name, TopicConfig::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
        world.producer().send(NewRecord::to(name).value("v")).unwrap().wait().unwrap();
    }
    let world = world.reopened();
    assert_eq!(world.broker.admin().topics().unwrap().len(), 9);
}

#[test]
fn unknown_topics_are_named() {
    let world = World::new();
    let (broker, admin, producer) = (&world.broker, world.broker.admin(), world.producer());
    for name in bad_names().into_iter().chain(["none".into(), "order".into(), "Orders".into()]) {
        let errors = [
            broker.topic(&name).map(drop),
            admin.describe_topic(&name).map(drop),
            admin.delete_topic(&name),
            admin.add_partitions(&name, 9).map(drop),
            admin.alter_topic(&name, |config| config).map(drop),
            admin.delete_records(&name, 0, 0).map(drop),
            producer.send(NewRecord::to(&name)).map(drop),
            producer.try_send(NewRecord::to(&name)).map(drop).map_err(|refused| refused.error),
            pollster::block_on(producer.send_async(NewRecord::to(&name))).map(drop),
            producer.send_batch([NewRecord::to(&name)]).map(drop),
            producer.partitions_for(&name).map(drop),
            broker.consumer().assign([(&*name, 0)]).build().map(drop),
            broker.consumer().assign_topics([&*name]).build().map(drop),
            world.consumer().pause([&*name]),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_err();
            let is_named = match &error {
                Error::UnknownTopic { topic } => *topic == name,
                Error::InvalidName(invalid) => name.starts_with(&invalid.name),
                _ => false,
            };
            assert!(is_named && !error.is_retriable(), "call {number}: {error:.300?}");
        }
    }
    assert!(
        matches!(producer.send(NewRecord::new().value("to nobody")), Err(Error::UnknownTopic { topic }) if topic.is_empty())
    );
}

#[test]
fn unknown_partitions_are_named_with_how_many_there_are() {
    let world = World::of(3);
    for number in [3, 4, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX] {
        for error in [
            world.broker.topic("orders").unwrap().partition(number).unwrap_err(),
            world.producer().send(NewRecord::to("orders").partition(number)).unwrap_err(),
            world.broker.consumer().assign([("orders", number)]).build().unwrap_err(),
            world.broker.admin().delete_records("orders", number, 0).unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::UnknownPartition { topic, partition, partitions: 3 }
                    if topic == "orders" && *partition == number),
                "{number}: {error:?}"
            );
            assert!(error.to_string().contains("0 to 2"), "{error}");
        }
    }
    assert!(TopicPartition::new("orders", u32::MAX).is_err());
}

#[test]
fn a_topic_has_no_more_partitions_than_can_be() {
    let world = World::new();
    for total in [i32::MAX as u32 + 1, u32::MAX] {
        let error = world.broker.create_topic("payments", TopicConfig::new().partitions(total)).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
        let error = world.broker.admin().add_partitions("orders", total).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
    }
    assert_eq!(world.broker.topic("orders").unwrap().partitions().len(), 1);
}

#[test]
fn after_the_broker_is_closed_every_handle_says_so() {
    let world = World::new();
    world.fill(2);
    let (broker, admin, topic, partition) = (
        world.broker.clone(),
        world.broker.admin(),
        world.broker.topic("orders").unwrap(),
        world.partition(0),
    );
    let (producer, mut consumer) = (world.producer(), world.consumer());
    let mut seeker = world.consumer();
    world.broker.close().unwrap();
    let record = || NewRecord::new().value("v");
    let errors = [
        broker.create_topic("payments", TopicConfig::new()).map(drop),
        broker.ensure_topic("orders", TopicConfig::new()).map(drop),
        broker.topic("orders").map(drop),
        broker.producer().build().map(drop),
        broker.consumer().assign([("orders", 0)]).build().map(drop),
        broker.maintain().map(drop),
        admin.topics().map(drop),
        admin.describe_topic("orders").map(drop),
        admin.add_partitions("orders", 2).map(drop),
        admin.alter_topic("orders", |config| config).map(drop),
        admin.delete_topic("orders"),
        admin.delete_records("orders", 0, 1).map(drop),
        admin.verify().map(drop),
        partition.append([record()], Acks::Written).map(drop),
        partition.append([record()], Acks::Durable).map(drop),
        partition.delete_records(1).map(drop),
        topic.partition(0).and_then(|partition| partition.append([record()], Acks::None)).map(drop),
        producer.send(order("v")).map(drop),
        producer.try_send(order("v")).map(drop).map_err(|refused| refused.error),
        pollster::block_on(producer.send_async(order("v"))).map(drop),
        consumer.poll(MINUTE).map(drop),
        pollster::block_on(consumer.poll_async()).map(drop),
        pollster::block_on(consumer.stream().next()).unwrap().map(drop),
        broker.clone().close(),
    ];
    for (number, result) in errors.into_iter().enumerate() {
        let error = result.expect_err(&format!("call {number}"));
        assert!(
            matches!(error, Error::Closed { .. } | Error::HandleClosed { .. }),
            "call {number}: {error:?}"
        );
        assert!(error.is_fatal() && !error.is_retriable());
    }
    let _ = (seeker.seek("orders", 0, 1), seeker.position("orders", 0), seeker.lag());
    let _ = (partition.read(0, ReadLimit::bytes(9), Isolation::ReadUncommitted), partition.watermarks());
    let _ = (
        partition.flush(),
        partition.offset_for_time(Timestamp::default()),
        producer.flush(),
        producer.close(),
    );
    assert_eq!(world_again(&world.disk, &world.clock), numbers(0..2));
}

fn world_again(
    disk: &crate::disk::Disk,
    clock: &std::sync::Arc<brooklet::clock::ManualClock>,
) -> Vec<String> {
    let broker = builder(disk, clock).in_memory().expect("a sound set-up");
    let mut consumer =
        broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build().expect("a sound set-up");
    drain(&mut consumer)
}

#[test]
fn extreme_numbers_are_only_numbers() {
    let world = World::new();
    world.fill(3);
    let partition = world.partition(0);
    for millis in [i64::MIN, -1, 0, i64::MAX] {
        let _ = partition.offset_for_time(Timestamp::from_millis(millis)).unwrap();
        let _ = world.producer().send(order("x").timestamp(Timestamp::from_millis(millis)));
    }
    let all =
        partition.read(0, ReadLimit::bytes(usize::MAX).until(u64::MAX), Isolation::ReadCommitted).unwrap();
    assert!(all.len() >= 3);
    assert!(partition.read(0, ReadLimit::bytes(1).until(0), Isolation::ReadCommitted).unwrap().is_empty());
    assert!(partition.delete_records(u64::MAX).is_err());
    let settings = world.broker.consumer().assign([("orders", 0)]);
    let mut consumer = settings
        .start(Start::ByDuration(Duration::MAX))
        .max_poll_records(usize::MAX)
        .fetch_max_bytes(usize::MAX)
        .max_partition_fetch_bytes(usize::MAX)
        .fetch_max_wait(Duration::MAX)
        .build()
        .unwrap();
    assert!(consumer.poll(Duration::MAX).unwrap().len() >= 3);
    consumer.seek("orders", 0, u64::MAX).unwrap();
    assert_eq!(consumer.position("orders", 0).unwrap(), u64::MAX);
    assert_eq!(consumer.lag().unwrap().into_values().sum::<u64>(), 0);
    let settings = world.broker.producer().linger(Duration::MAX).max_block(Duration::MAX);
    let settings = settings.delivery_timeout(Duration::MAX).retry_backoff(Duration::MAX, Duration::MAX);
    let producer = settings.batch_bytes(i32::MAX as usize).buffer_memory(usize::MAX).build().unwrap();
    drop(send(&producer, "for ever"));
    world.settle();
    producer.flush().unwrap();
    assert_eq!(world.log().last().unwrap(), "for ever");
}

#[test]
fn a_record_may_hold_anything() {
    let world = World::new();
    let every_byte: Vec<u8> = (0..=255).collect();
    let many_headers =
        (0..1_000).fold(NewRecord::to("orders"), |record, n| record.header(n.to_string(), [n as u8]));
    let producer = world.producer();
    for record in [
        NewRecord::to("orders"),
        NewRecord::to("orders")
            .key(&every_byte)
            .value(&every_byte)
            .header("", &every_byte)
            .header("ключ", "\0"),
        many_headers,
        NewRecord::to("orders").value(vec![0; 1_000_000]),
    ] {
        producer.send(record).unwrap().wait().unwrap();
    }
    let mut consumer = world.consumer();
    let records = consumer.poll(AT_ONCE).unwrap();
    assert_eq!(records.get(1).unwrap().key(), Some(&every_byte[..]));
    assert_eq!(records.get(2).unwrap().headers().count(), 1_000);
}

#[test]
fn every_error_is_a_sentence_and_says_what_to_do() {
    let world = World::of(2);
    let admin = world.broker.admin();
    let mut consumer = world.broker.consumer().assign([("orders", 0)]).start(Start::None).build().unwrap();
    for error in [
        world.broker.topic("none").unwrap_err(),
        world.broker.create_topic("orders", TopicConfig::new()).unwrap_err(),
        world.broker.create_topic("a b", TopicConfig::new()).unwrap_err(),
        admin.add_partitions("orders", 1).unwrap_err(),
        world.producer().send(order("x").partition(7)).unwrap_err(),
        world.producer().send(order("x").value(vec![0; 2 << 20])).unwrap_err(),
        world.partition(0).read(7, ReadLimit::bytes(1), Isolation::ReadUncommitted).unwrap_err(),
        consumer.poll(AT_ONCE).unwrap_err(),
        consumer.seek("orders", 1, 0).unwrap_err(),
    ] {
        let (text, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!text.contains(" {") && !debug.contains(&text), "{text} is no sentence");
        is_readable(&error);
    }
}
