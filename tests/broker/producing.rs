//! Producers: which partition a record goes to, what it shares a batch with, how long it may wait, and for what room.

use crate::world::*;
use brooklet::partitioners::{self, Partitioner, TopicView, murmur2};
use brooklet::{
    Acks, Compression, Error, NewRecord, Producer, ProducerBuilder, Receipt, Timestamp, TimestampType,
    TopicConfig,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) fn with_partitioner(world: &World, partitioner: impl Partitioner) -> Producer {
    world.broker.producer().acks(Acks::Written).partitioner(partitioner).build().expect("a sound set-up")
}

fn partition_of(producer: &Producer, record: NewRecord<'_>) -> u32 {
    producer.send(record).expect("a sound set-up").wait().expect("a sound set-up").partition
}

pub(crate) fn keyless() -> NewRecord<'static> {
    NewRecord::to("orders").value("v")
}

#[derive(Debug)]
pub(crate) struct Chosen(pub(crate) fn(&NewRecord<'_>, &TopicView<'_>) -> u32);

impl Partitioner for Chosen {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        (self.0)(record, topic)
    }
}

#[test]
fn a_record_goes_where_it_says() {
    let world = World::of(3);
    let producer = with_partitioner(&world, Chosen(|_, _| panic!("it is not asked")));
    for partition in [2, 0, 1, 2] {
        let receipt = producer.send(keyless().partition(partition).key("k")).unwrap();
        assert_eq!((receipt.topic(), receipt.partition()), ("orders", partition));
        assert_eq!(receipt.wait().unwrap().partition, partition);
    }
    assert_eq!([0, 1, 2].map(|number| world.partition(number).watermarks().end), [1, 1, 2]);
}

#[test]
fn keys_go_where_javas_client_sends_them() {
    let world = World::of(12);
    let producer = world.producer();
    for key in ["", "a", "foobar", "alice", "abc"] {
        let expected = (murmur2(key.as_bytes()) & 0x7fff_ffff) % 12;
        assert_eq!(partition_of(&producer, keyless().key(key)), expected, "{key:?}");
    }
    assert_eq!(partition_of(&producer, keyless().key("abc")), 479_470_107 % 12);
}

#[test]
fn keys_go_where_librdkafka_sends_them() {
    let world = World::of(12);
    let crc32 = with_partitioner(&world, partitioners::Crc32);
    assert_eq!(partition_of(&crc32, keyless().key("kafka")), 0x5bbc_7517 % 12);
    let fnv1a = with_partitioner(&world, partitioners::Fnv1a);
    assert_eq!(partition_of(&fnv1a, keyless().key("kafka")), 0x0d33_c4e1 % 12);
}

#[test]
fn round_robin_takes_turns_and_skips_nobody() {
    let world = World::of(3);
    for linger in [AT_ONCE, MINUTE] {
        let settings = world.broker.producer().acks(Acks::Written).linger(linger).batch_bytes(100);
        let producer = settings.partitioner(partitioners::RoundRobin).build().unwrap();
        let receipts: Vec<_> =
            (0..7).map(|_| producer.send(keyless().key("k")).unwrap().partition()).collect();
        assert_eq!(receipts, [0, 1, 2, 0, 1, 2, 0]);
        producer.flush().unwrap();
    }
}

#[test]
fn records_without_keys_fill_one_batch_and_then_another() {
    let world = World::of(4);
    let producer =
        world.broker.producer().acks(Acks::Written).linger(MINUTE).batch_bytes(1_000).build().unwrap();
    let partitions: Vec<_> =
        (0..400).map(|_| producer.send(keyless().value([7; 50])).unwrap().partition()).collect();
    producer.flush().unwrap();
    let switches = partitions.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((4..=50).contains(&switches), "{switches} switches in 400 records, 15 or so a batch");
    let used: std::collections::BTreeSet<_> = partitions.into_iter().collect();
    assert_eq!(used.len(), 4);
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let run = || {
        let world = World::of(8);
        let producer = with_partitioner(&world, partitioners::Random);
        (0..40).map(|_| partition_of(&producer, keyless())).collect::<Vec<_>>()
    };
    let choices = run();
    assert_eq!(choices, run());
    assert!(choices.iter().any(|choice| *choice != choices[0]));
}

#[test]
fn ones_own_partitioner_sees_the_record_and_the_topic() {
    let world = World::of(5);
    let producer = with_partitioner(
        &world,
        Chosen(|record, topic| {
            assert_eq!((topic.name(), record.key_bytes()), ("orders", Some(&b"k"[..])));
            topic.partitions() - 1
        }),
    );
    assert_eq!(partition_of(&producer, keyless().key("k")), 4);
    world.broker.admin().add_partitions("orders", 7).unwrap();
    assert_eq!(partition_of(&producer, keyless().key("k")), 6);
    assert_eq!(producer.partitions_for("orders").unwrap(), 7);
    assert!(matches!(producer.partitions_for("none"), Err(Error::UnknownTopic { topic }) if topic == "none"));
}

#[test]
fn a_partitioner_that_misses_fails_that_record_only() {
    let world = World::of(2);
    let answer = Arc::new(AtomicU32::new(0));
    #[derive(Debug)]
    struct Shared(Arc<AtomicU32>);
    impl Partitioner for Shared {
        fn partition(&self, _: &NewRecord<'_>, _: &TopicView<'_>) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }
    let producer = with_partitioner(&world, Shared(answer.clone()));
    for (number, is_there) in [(1, true), (2, false), (u32::MAX, false), (0, true)] {
        answer.store(number, Ordering::SeqCst);
        match producer.send(keyless()) {
            Ok(receipt) => assert!(is_there && receipt.partition() == number),
            Err(error) => {
                assert!(!is_there);
                assert!(
                    matches!(&error, Error::UnknownPartition { topic, partition, partitions: 2 }
                        if topic == "orders" && *partition == number),
                    "{error:?}"
                );
            }
        }
    }
    producer.flush().unwrap();
}

#[test]
fn a_partitioner_is_told_of_the_records_that_it_was_asked_about() {
    #[derive(Debug)]
    struct Told(Arc<AtomicU32>);
    impl Partitioner for Told {
        fn partition(&self, _: &NewRecord<'_>, _: &TopicView<'_>) -> u32 {
            0
        }

        fn appended(&self, _: &TopicView<'_>, partition: u32, _: usize, _: bool) {
            assert_eq!(partition, 0);
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (world, told) = (World::of(2), Arc::new(AtomicU32::new(0)));
    let producer = with_partitioner(&world, Told(told.clone()));
    let records =
        || [keyless(), keyless().partition(1), keyless().partition(0), keyless().partition(0), keyless()];
    let partitions = records().map(|record| partition_of(&producer, record));
    assert_eq!((partitions, told.load(Ordering::SeqCst)), ([0, 1, 0, 0, 0], 2));
    producer.send_batch(records()).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 4);
    producer.flush().unwrap();
}

#[test]
fn a_partitioner_that_panics_fails_that_record_and_harms_no_other() {
    let world = World::new();
    let panics = |record: &NewRecord<'_>, _: &TopicView<'_>| match record.key_bytes() {
        Some(_) => panic!("no keys, please"),
        None => 0,
    };
    let producer = with_partitioner(&world, Chosen(panics));
    assert_eq!(partition_of(&producer, keyless().value("a")), 0);
    let error = producer.send(keyless().key("k")).unwrap_err();
    assert!(matches!(&error, Error::Panicked { message, .. } if message == "no keys, please"), "{error:?}");
    assert_eq!(partition_of(&producer, keyless().value("b")), 0);
    assert_eq!(world.log(), ["a", "b"]);
}

#[test]
fn without_linger_a_record_is_in_the_log_when_send_returns() {
    let world = World::new();
    for acks in [Acks::None, Acks::Written, Acks::Durable] {
        let producer = world.broker.producer().acks(acks).build().unwrap();
        drop(send(&producer, "at once"));
    }
    assert_eq!((world.log().len(), world.batches()), (3, 3));
}

#[test]
fn records_that_linger_share_a_batch() {
    let world = World::new();
    let producer = world.lingering();
    let receipts: Vec<Receipt> = numbers(0..10).iter().map(|value| send(&producer, value)).collect();
    assert_eq!(world.log(), [""; 0]);
    world.pass(MINUTE);
    assert_eq!((world.log(), world.batches()), (numbers(0..10), 1));
    let offsets: Vec<_> = receipts.into_iter().map(|receipt| receipt.wait().unwrap().offset).collect();
    assert_eq!(offsets, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_full_batch_does_not_linger() {
    let world = World::new();
    let producer =
        world.broker.producer().acks(Acks::Written).linger(MINUTE).batch_bytes(500).build().unwrap();
    for value in numbers(0..100) {
        drop(send(&producer, &value));
    }
    let written = world.log().len();
    assert!((50..100).contains(&written), "{written} records were written");
    assert!(world.batches() >= 2);
    drop(producer.send(order("x").value([7; 2_000])).unwrap());
    assert!(world.log_len() > 100, "a record larger than a batch does not wait, nor do those before it");
}

#[test]
fn order_is_kept_between_what_lingers_and_what_does_not() {
    let world = World::new();
    let producer =
        world.broker.producer().acks(Acks::Written).linger(MINUTE).batch_bytes(200).build().unwrap();
    let values: Vec<String> =
        (0..60).map(|n| format!("{n}{}", "x".repeat(if n % 7 == 0 { 300 } else { n % 5 }))).collect();
    for value in &values {
        drop(send(&producer, value));
    }
    producer.flush().unwrap();
    assert_eq!(world.log(), values);
}

#[test]
fn a_flush_sends_everything_and_waits_for_it() {
    let world = World::of(2);
    let producer = world.broker.producer().linger(MINUTE).build().unwrap();
    drop(send(&producer, "a"));
    drop(producer.send(NewRecord::to("orders").partition(1).value("b")).unwrap());
    producer.flush().unwrap();
    for number in [0, 1] {
        let marks = world.partition(number).watermarks();
        assert_eq!((marks.end, marks.durable_end), (1, 1));
    }
    assert_eq!(world.elapsed(), AT_ONCE, "nobody lingered");
}

#[test]
fn closing_a_producer_sends_what_it_has_and_closes_its_clones() {
    let world = World::new();
    let producer = world.lingering();
    let clone = producer.clone();
    let receipt = send(&producer, "last");
    producer.close().unwrap();
    assert_eq!(world.log(), ["last"]);
    assert_eq!(receipt.wait().unwrap().offset, 0);
    let error = clone.send(order("too late")).unwrap_err();
    assert!(matches!(error, Error::HandleClosed { handle: "producer" }) && error.is_fatal(), "{error:?}");
    send(&world.producer(), "of another").wait().unwrap();
    assert_eq!(world.log(), ["last", "of another"]);
}

#[test]
fn a_dropped_producer_still_keeps_its_receipts() {
    let world = World::new();
    let producer = world.lingering();
    let receipt = send(&producer, "waited for");
    drop(producer);
    assert_eq!(receipt.wait().unwrap().offset, 0);
    assert_eq!(world.log(), ["waited for"]);
}

#[test]
fn settings_that_are_altered_hold_for_the_next_record() {
    let world = World::new();
    let producer = world.producer();
    let alter = |name: &'static str, value: &'static str| {
        world.broker.admin().alter_topic("orders", |config| config.set(name, value).unwrap()).unwrap();
    };
    send(&producer, "x").wait().unwrap();
    alter("max.message.bytes", "100");
    assert!(matches!(producer.send(order("x").value([7; 200])), Err(Error::TooLarge { limit: 100, .. })));
    alter("cleanup.policy", "compact");
    assert!(matches!(producer.send(order("x")), Err(Error::InvalidRecord { .. })));
    alter("message.timestamp.type", "LogAppendTime");
    let long_ago = Timestamp::from_millis(1);
    let stamped = producer.send(order("x").key("k").timestamp(long_ago)).unwrap().wait().unwrap();
    assert_eq!(stamped.timestamp.as_millis(), NOW);
}

#[test]
fn a_receipt_tells_of_the_time() {
    let world = World::new();
    world.clock.advance(SECOND);
    let given = Timestamp::from_millis(NOW - 5);
    let producer = world.lingering();
    let receipts = [send(&producer, "now"), producer.send(order("then").timestamp(given)).unwrap()];
    world.pass(MINUTE);
    let times = receipts.map(|receipt| receipt.wait().unwrap().timestamp);
    assert_eq!(
        times,
        [Timestamp::from_millis(NOW + 1_000), given],
        "made when it was sent, not when it was written"
    );

    let world = World::with(TopicConfig::new().timestamp_type(TimestampType::LogAppend));
    world.clock.advance(SECOND);
    for linger in [AT_ONCE, MINUTE] {
        let producer = world.broker.producer().acks(Acks::Durable).linger(linger).build().unwrap();
        let sent = || producer.send(order("x").timestamp(given)).unwrap();
        let receipts = [sent(), sent()];
        producer.flush().unwrap();
        let [waited, awaited] = receipts;
        let stamped = Timestamp::from_millis(NOW + 1_000);
        assert_eq!(waited.wait().unwrap().timestamp, stamped);
        assert_eq!(pollster::block_on(awaited.into_future()).unwrap().timestamp, stamped);
    }
}

#[test]
fn every_codec_shrinks_batches_and_is_read_back() {
    for codec in Compression::ALL {
        let world = World::new();
        let settings = world.broker.producer().acks(Acks::Written).linger(MINUTE).compression(codec);
        let producer = settings.batch_bytes(1 << 20).build().unwrap();
        let values: Vec<String> =
            (0..200).map(|n| format!("{n} {}", "all work and no play ".repeat(5))).collect();
        for value in &values {
            drop(send(&producer, value));
        }
        producer.close().unwrap();
        assert_eq!(world.log(), values, "{codec:?}");
        let bytes = world.partition(0).size_bytes();
        assert_eq!(bytes < 8_000, codec != Compression::None, "{codec:?}: {bytes} bytes");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let world = World::new();
    let refused = |settings: ProducerBuilder| settings.build().map(|_| ()).unwrap_err();
    let producer = || world.broker.producer();
    for (settings, name) in [
        (producer().buffer_memory(0), "buffer_memory"),
        (producer().max_request_bytes(0), "max_request_bytes"),
        (producer().linger(MINUTE).delivery_timeout(SECOND), "delivery_timeout"),
        (producer().batch_bytes(usize::MAX), "batch_bytes"),
    ] {
        let error = refused(settings);
        assert!(
            matches!(error, Error::InvalidConfig { setting, .. } if setting == name),
            "{name}: {error:?}"
        );
    }
    for harmless in
        [producer().batch_bytes(0), producer().linger(Duration::MAX).delivery_timeout(Duration::MAX)]
    {
        drop(send(&harmless.build().unwrap(), "fine"));
    }
    world.broker.close().unwrap();
}
