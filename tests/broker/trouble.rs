//! Producers in trouble: no room in the buffer, no room on the disk, a disk that does not sync, and time running out.

use crate::world::*;
use brooklet::{Acks, Error, NewRecord, Producer, ReadLimit};
use std::time::Duration;

/// Room for two records of a thousand bytes, and not for a third.
fn small(world: &World) -> Producer {
    let settings = world.broker.producer().acks(Acks::Written).buffer_memory(3_000).max_block(5 * SECOND);
    settings.build().expect("a sound set-up")
}

fn large(value: u8) -> NewRecord<'static> {
    NewRecord::to("orders").partition(0).value(vec![value; 1_000])
}

/// Fills the buffer while nothing gets onto the disk, and says how many records that took.
fn fill_up(producer: &Producer) -> usize {
    (0..10).find(|_| producer.try_send(large(b'.')).is_err()).expect("a buffer of 3000 bytes gets full")
}

#[test]
fn a_full_disk_is_waited_out() {
    let world = World::new();
    world.fill(1);
    let producer = world.producer();
    world.disk.set_full(true);
    let receipt = send(&producer, "patient");
    world.pass(10 * SECOND);
    assert_eq!(world.log(), ["0"]);
    world.disk.set_full(false);
    world.pass(2 * SECOND);
    assert_eq!(world.log(), ["0", "patient"]);
    assert_eq!(receipt.wait().unwrap().offset, 1);
    producer.flush().unwrap();
}

#[test]
fn order_is_kept_through_a_full_disk() {
    let world = World::new();
    let producer = world.producer();
    let values = numbers(0..30);
    for (number, value) in values.iter().enumerate() {
        world.disk.set_full(number % 10 > 4);
        drop(send(&producer, value));
        world.pass(Duration::from_millis(70));
    }
    world.disk.set_full(false);
    producer.flush().unwrap();
    assert_eq!(world.log(), values);
}

#[test]
fn a_batch_is_given_up_after_the_delivery_timeout() {
    let world = World::new();
    let producer = world.broker.producer().acks(Acks::Written).delivery_timeout(10 * SECOND).build().unwrap();
    world.disk.set_full(true);
    let receipt = send(&producer, "given up");
    world.pass(9 * SECOND);
    let younger = send(&producer, "younger");
    world.pass(SECOND);
    world.disk.set_full(false);
    world.pass(MINUTE);
    let error = receipt.wait().unwrap_err();
    assert!(
        matches!(error, Error::Timeout { setting: "delivery_timeout", .. } | Error::DiskFull { .. }),
        "{error:?}"
    );
    assert_eq!(younger.wait().unwrap().offset, 0, "it had time left");
    assert_eq!(world.log(), ["younger"], "what was given up does not come back");
    assert!(producer.flush().is_err(), "and the flush tells");
    producer.flush().unwrap();
}

#[test]
fn the_delivery_timeout_runs_from_the_first_record_of_a_batch() {
    let world = World::new();
    let settings = world.broker.producer().acks(Acks::Written).linger(8 * SECOND);
    let producer = settings.delivery_timeout(10 * SECOND).build().unwrap();
    let first = send(&producer, "first");
    world.pass(7 * SECOND);
    let joined = send(&producer, "joined late");
    world.disk.set_full(true);
    assert!(first.wait().is_err() && joined.wait().is_err());
    assert_eq!(world.elapsed(), 10 * SECOND, "what it lingered is part of it");
    world.disk.set_full(false);
    world.pass(MINUTE);
    assert_eq!(world.log(), [""; 0], "what was given up does not come back");
}

#[test]
fn a_batch_that_lingered_all_its_time_is_tried_once() {
    let lingering = |world: &World| {
        let settings = world.broker.producer().acks(Acks::Written).linger(MINUTE);
        settings.delivery_timeout(MINUTE).build().unwrap()
    };
    let world = World::new();
    assert_eq!(send(&lingering(&world), "in time").wait().unwrap().offset, 0);

    let world = World::new();
    world.disk.set_full(true);
    assert!(matches!(send(&lingering(&world), "too late").wait(), Err(Error::DiskFull { .. })));
    assert_eq!(world.elapsed(), MINUTE);
}

#[test]
fn waiting_for_a_receipt_lets_the_time_pass_that_it_takes() {
    let world = World::new();
    let producer = world.broker.producer().acks(Acks::Written).delivery_timeout(10 * SECOND).build().unwrap();
    world.disk.set_full(true);
    assert!(send(&producer, "never").wait().is_err());
    assert_eq!(world.elapsed(), 10 * SECOND);
}

#[test]
fn waiting_for_what_lingers_takes_as_long_as_it_lingers() {
    let world = World::new();
    let producer = world.lingering();
    let (first, second) = (send(&producer, "a"), send(&producer, "b"));
    assert_eq!(first.wait().unwrap().offset, 0);
    assert_eq!(world.elapsed(), MINUTE);
    assert_eq!(second.wait().unwrap().offset, 1);
    assert_eq!((world.elapsed(), world.batches()), (MINUTE, 1));
}

#[test]
fn without_room_a_record_comes_back() {
    let world = World::new();
    let producer = small(&world);
    world.disk.set_full(true);
    assert_eq!(fill_up(&producer), 2);
    let refused = producer.try_send(large(b'x').key("k").header("h", "v")).unwrap_err();
    assert!(matches!(refused.error, Error::BufferFull { limit: 3_000 }) && refused.error.is_retriable());
    assert_eq!(refused.record.key_bytes(), Some(&b"k"[..]));
    assert_eq!(
        (refused.record.value_bytes(), refused.record.header_list().count()),
        (Some(&[b'x'; 1_000][..]), 1)
    );
    assert_eq!(world.elapsed(), AT_ONCE);
    world.disk.set_full(false);
    world.pass(2 * SECOND);
    let receipt = producer.try_send(refused.record).unwrap();
    assert_eq!(receipt.wait().unwrap().offset, 2);
}

#[test]
fn every_refusal_hands_the_record_back() {
    let world = World::new();
    let producer = world.producer();
    for record in [NewRecord::to("none"), order("x").partition(7), order("x").value(vec![0; 2 << 20])] {
        let refused = producer.try_send(record.clone()).unwrap_err();
        assert_eq!(format!("{:?}", refused.record), format!("{record:?}"));
    }
}

#[test]
fn sending_waits_for_room_no_longer_than_allowed() {
    let world = World::new();
    let producer = small(&world);
    world.disk.set_full(true);
    fill_up(&producer);
    let error = producer.send(large(b'x')).unwrap_err();
    assert!(
        matches!(error, Error::Timeout { setting: "max_block", .. } | Error::BufferFull { .. }),
        "{error:?}"
    );
    assert!(error.is_retriable());
    assert_eq!(world.elapsed(), 5 * SECOND);
    world.disk.set_full(false);
    assert_eq!(producer.send(large(b'y')).unwrap().wait().unwrap().offset, 2);
}

#[test]
fn a_buffer_of_lingering_records_makes_room_by_itself() {
    let world = World::new();
    let settings = world.broker.producer().acks(Acks::Written).buffer_memory(3_000);
    let producer = settings.linger(MINUTE).batch_bytes(1 << 20).max_block(AT_ONCE).build().unwrap();
    for _ in 0..20 {
        drop(producer.send(large(b'x')).unwrap());
    }
    producer.flush().unwrap();
    assert_eq!((world.log_len(), world.elapsed()), (20, AT_ONCE));
}

#[test]
fn what_is_sent_frees_its_room() {
    let world = World::new();
    let producer = small(&world);
    for _ in 0..100 {
        drop(producer.try_send(large(b'x')).unwrap());
    }
    assert_eq!(world.log_len(), 100);
}

#[test]
fn what_is_given_up_frees_its_room() {
    let world = World::new();
    let settings = world.broker.producer().acks(Acks::Written).buffer_memory(3_000);
    let producer = settings.delivery_timeout(SECOND).build().unwrap();
    world.disk.set_full(true);
    for _ in 0..10 {
        assert_eq!(fill_up(&producer), 2);
        world.pass(2 * SECOND);
    }
    world.disk.set_full(false);
    assert!(producer.flush().is_err());
    producer.send(large(b'x')).unwrap().wait().unwrap();
    assert_eq!(world.log_len(), 1);
}

#[test]
fn what_lingered_for_a_topic_that_is_gone_frees_its_room() {
    let world = World::new();
    let settings = world.broker.producer().acks(Acks::Written).linger(MINUTE).max_block(AT_ONCE);
    let producer = settings.buffer_memory(3_000).batch_bytes(1 << 20).build().unwrap();
    for _ in 0..5 {
        drop(producer.send(large(b'x')).unwrap());
        world.broker.admin().delete_topic("orders").unwrap();
        world.broker.create_topic("orders", brooklet::TopicConfig::new()).unwrap();
    }
    world.disk.set_full(true);
    assert_eq!(fill_up(&producer), 2, "as many as ever");
    world.disk.set_full(false);
    let error = producer.flush().unwrap_err();
    assert!(matches!(&error, Error::UnknownTopic { topic } if topic == "orders"), "{error:?}");
    assert_eq!(world.log_len(), 2);
}

#[test]
fn a_record_larger_than_the_buffer_is_refused_and_not_waited_for() {
    let world = World::new();
    let producer = small(&world);
    let error = producer.send(order("x").value(vec![7; 4_000])).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 3_000, setting: "buffer_memory", .. }), "{error:?}");
    assert_eq!(world.elapsed(), AT_ONCE);
}

#[test]
fn a_request_is_measured_before_it_is_compressed() {
    let world = World::new();
    let settings = world.broker.producer().max_request_bytes(1_000).compression(brooklet::Compression::Lz4);
    let producer = settings.build().unwrap();
    producer.send(order("x").value(vec![7; 900])).unwrap().wait().unwrap();
    let error = producer.send(order("x").value(vec![7; 1_000])).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 1_000, setting: "max_request_bytes", bytes } if bytes > 1_000)
    );
}

#[test]
fn a_batch_too_large_for_its_topic_is_split() {
    let world = World::with(brooklet::TopicConfig::new().max_message_bytes(400));
    let producer = world.lingering();
    let values = numbers(0..100);
    let receipts: Vec<_> = values.iter().map(|value| send(&producer, value)).collect();
    producer.flush().unwrap();
    assert_eq!(world.log(), values);
    for (offset, receipt) in receipts.into_iter().enumerate() {
        assert_eq!(receipt.wait().unwrap().offset, offset as u64);
    }
}

#[test]
fn a_bad_record_does_not_harm_those_that_linger_with_it() {
    let world = World::with(brooklet::TopicConfig::new().max_message_bytes(400));
    let producer = world.lingering();
    let good = send(&producer, "good");
    let bad = producer.send(order("x").value([7; 500])).and_then(|receipt| {
        let _ = producer.flush();
        receipt.wait()
    });
    assert!(matches!(bad, Err(Error::TooLarge { limit: 400, setting: "max_message_bytes", .. })), "{bad:?}");
    let also = send(&producer, "also");
    producer.flush().unwrap();
    assert_eq!((good.wait().unwrap().offset, also.wait().unwrap().offset), (0, 1));
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_poisons_the_partition() {
    let world = World::of(2);
    world.fill(2);
    world.partition(0).flush().unwrap();
    let producer = world.broker.producer().build().unwrap();
    world.disk.set_syncs_fail(true);
    let receipts = [send(&producer, "a"), send(&producer, "b")];
    let errors = receipts.map(|receipt| receipt.wait().unwrap_err());
    for error in &errors {
        let is_named = error.to_string().contains("orders-0");
        assert!(
            matches!(error, Error::Indeterminate { .. } | Error::Poisoned { .. }) && is_named,
            "{error:?}"
        );
        assert!(error.is_fatal() && !error.is_retriable());
    }
    world.disk.set_syncs_fail(false);

    let refused = world.partition(0).append([NewRecord::new().value("c")], Acks::Written).unwrap_err();
    assert!(
        matches!(&refused, Error::Poisoned { .. }) && refused.to_string().contains("orders-0"),
        "{refused:?}"
    );
    assert!(matches!(producer.send(order("d")).and_then(|r| r.wait()), Err(Error::Poisoned { .. })));
    assert!(world.partition(0).flush().is_err(), "a sync that succeeds now proves nothing");
    assert_eq!(world.log()[..2], numbers(0..2), "reads go on");
    let elsewhere = producer.send(NewRecord::to("orders").partition(1).value("e")).unwrap();
    assert_eq!(elsewhere.wait().unwrap().offset, 0, "the other partition is not harmed");
    assert_eq!(world.elapsed(), AT_ONCE, "and nobody waited for what does not pass");

    drop((elsewhere_of(&producer), producer));
    let world = world.crashed();
    world.partition(0).append([NewRecord::new().value("again")], Acks::Durable).unwrap();
    assert_eq!(world.log().last().unwrap(), "again");
}

fn elsewhere_of(producer: &Producer) -> Producer {
    producer.clone()
}

#[test]
fn closing_tells_of_what_could_not_be_made_durable() {
    let world = World::new();
    world.fill(1);
    world.disk.set_syncs_fail(true);
    assert!(world.broker.clone().close().is_err());
    world.disk.set_syncs_fail(false);
    assert_eq!(world.crashed().log(), ["0"]);
}

#[test]
fn a_full_disk_stops_appends_and_nothing_else() {
    let world = World::new();
    world.fill(2);
    world.disk.set_full(true);
    let error = world.partition(0).append([NewRecord::new().value("x")], Acks::Written).unwrap_err();
    assert!(matches!(&error, Error::DiskFull { path, .. } if path.to_string_lossy().contains("orders-0")));
    assert!(error.is_retriable() && !error.is_fatal());
    assert_eq!(world.log(), numbers(0..2));
    world.partition(0).read(0, ReadLimit::bytes(100), Default::default()).unwrap();
    world.disk.set_full(false);
    let info = world.partition(0).append([NewRecord::new().value("2")], Acks::Durable).unwrap();
    assert_eq!(info.first_offset, 2);
    assert_eq!(world.crashed().log(), numbers(0..3));
}

#[test]
fn closing_on_a_full_disk_does_not_hang() {
    let world = World::new();
    let producer = world.broker.producer().delivery_timeout(10 * SECOND).build().unwrap();
    world.fill(1);
    world.disk.set_full(true);
    let receipt = send(&producer, "no room");
    let _ = world.broker.clone().close();
    assert!(receipt.wait().is_err());
    world.disk.set_full(false);
    drop(producer);
    assert_eq!(world.crashed().log(), ["0"]);
}
