//! Many records at once: which batches they make, in which order they arrive, and what becomes of them in trouble.

use crate::producing::{Chosen, keyless, with_partitioner};
use crate::world::*;
use brooklet::{Acks, Error, NewRecord, Producer, Receipts, Timestamp, TimestampType, TopicConfig};
use std::time::Duration;

/// Sends values to partition 0.
fn send_all<'a>(producer: &Producer, values: impl IntoIterator<Item = &'a str>) -> Receipts {
    producer.send_batch(values.into_iter().map(order)).expect("good records")
}

fn offsets(receipts: Receipts) -> Vec<u64> {
    receipts.wait().expect("they are sent").iter().map(|sent| sent.offset).collect()
}

#[test]
fn many_records_sent_at_once_share_a_batch() {
    let world = World::of(2);
    let producer = world.producer();
    let values = numbers(0..10);
    let records =
        values.iter().enumerate().map(|(n, v)| NewRecord::to("orders").partition(n as u32 % 2).value(v));
    let receipts = producer.send_batch(records).unwrap();
    assert_eq!((world.log_of(0).len(), world.log_of(1).len(), world.batches()), (5, 5, 2));
    let places: Vec<_> = receipts.wait().unwrap().iter().map(|m| (m.partition, m.offset)).collect();
    assert_eq!(places, (0..10).map(|n| (n % 2, u64::from(n / 2))).collect::<Vec<_>>());
    assert!(producer.send_batch([]).unwrap().is_empty());

    let error = producer.send_batch([order("good"), NewRecord::to("none"), order("never")]).unwrap_err();
    assert!(matches!(error, Error::UnknownTopic { .. }));
    producer.flush().unwrap();
    assert_eq!(
        world.log_of(0).last().unwrap(),
        "good",
        "what was before it is sent, what was behind it is not"
    );
}

#[test]
fn a_record_that_its_topic_does_not_take_ends_a_batch_and_those_before_it_are_sent() {
    let world = World::of(2);
    let producer = world.producer();
    let old = Timestamp::from_millis(-1);
    let records = [order("good"), order("bad").timestamp(old), order("never")];
    assert!(matches!(producer.send_batch(records), Err(Error::InvalidRecord { .. })));
    assert_eq!(world.log(), ["good"]);
}

#[test]
fn a_topic_that_changes_while_many_are_sent_is_seen_by_those_that_follow() {
    let world = World::of(2);
    let producer = with_partitioner(&world, Chosen(|_, topic| topic.partitions() - 1));
    let admin = world.broker.admin();
    let records = (0..6).inspect(|number| match number {
        2 => drop(admin.add_partitions("orders", 4).unwrap()),
        4 => {
            admin.delete_topic("orders").unwrap();
            world.broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap();
        }
        _ => {}
    });
    let receipts = producer.send_batch(records.map(|_| keyless())).unwrap();
    let partitions: Vec<_> = receipts.iter().map(|receipt| receipt.partition()).collect();
    assert_eq!(partitions, [1, 1, 3, 3, 2, 2]);
    assert_eq!(world.log_of(2).len(), 2);
}

#[test]
fn an_iterator_that_promises_too_much_is_not_believed() {
    struct Endless(Option<&'static str>);
    impl Iterator for Endless {
        type Item = NewRecord<'static>;

        fn next(&mut self) -> Option<Self::Item> {
            self.0.take().map(order)
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    let world = World::new();
    assert_eq!(world.producer().send_batch(Endless(Some("one"))).unwrap().len(), 1);
}

#[test]
fn a_batch_takes_what_fits_and_not_a_byte_more() {
    let world = World::new();
    // 61 of header, then 7 and the value each.
    let with_room = |bytes| world.broker.producer().acks(Acks::Written).batch_bytes(bytes).build().unwrap();
    for (batch_bytes, batches) in [(61 + 3 * 17, 2), (61 + 3 * 17 - 1, 3), (61, 6), (0, 6)] {
        let before = world.batches();
        drop(send_all(&with_room(batch_bytes), ["0123456789"; 6]));
        assert_eq!(world.batches() - before, batches, "{batch_bytes}");
    }
    assert_eq!(world.log_len(), 24);
}

#[test]
fn topics_in_turns_make_no_more_batches_than_one_each() {
    let world = World::new();
    let producer = world.producer();
    world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    for expected in [2, 4] {
        let records = (0..20).map(|n| NewRecord::to(["orders", "payments"][n % 2]).value("v"));
        assert_eq!(producer.send_batch(records).unwrap().len(), 20);
        assert!(world.batches() <= expected + 1, "{} batches", world.batches());
    }
    assert_eq!(world.log_len(), 20);
}

#[test]
fn topics_whose_records_name_the_same_partition_are_kept_apart() {
    let world = World::new();
    let payments = world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    let records = (0..20).map(|n| NewRecord::to(["orders", "payments"][n % 2]).partition(0).value("v"));
    let receipts = world.producer().send_batch(records).unwrap().wait().unwrap();
    assert!(receipts.iter().enumerate().all(|(n, sent)| *sent.topic == *["orders", "payments"][n % 2]));
    assert_eq!((world.log_len(), payments.partition(0).unwrap().watermarks().end), (10, 10));
}

#[test]
fn those_of_a_lingering_producer_wait_for_others() {
    let world = World::new();
    let producer = world.lingering();
    let receipts = send_all(&producer, ["a", "b"]);
    let alone = send(&producer, "c");
    assert_eq!(world.log(), [""; 0]);
    producer.flush().unwrap();
    assert_eq!((offsets(receipts), alone.wait().unwrap().offset, world.batches()), (vec![0, 1], 2, 1));
}

#[test]
fn an_iterator_may_send_itself() {
    let world = World::new();
    let producer = world.producer();
    let records = ["a", "b"].into_iter().inspect(|_| drop(send(&producer, "in between"))).map(order);
    assert_eq!(offsets(producer.send_batch(records).unwrap()), [2, 3]);
    assert_eq!(world.log(), ["in between", "in between", "a", "b"]);
}

#[test]
fn receipts_say_when_the_log_took_their_records() {
    let world = World::with(TopicConfig::new().timestamp_type(TimestampType::LogAppend));
    let old = order("old").timestamp(Timestamp::from_millis(5));
    let sent = world.producer().send_batch([old, order("new")]).unwrap().wait().unwrap();
    assert!(sent.iter().all(|sent| sent.timestamp.as_millis() == NOW), "{sent:?}");
}

#[test]
fn durable_records_are_durable_when_they_were_waited_for() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let before = world.disk.log_syncs();
    assert_eq!(offsets(send_all(&producer, ["a", "b", "c"])), [0, 1, 2]);
    assert_eq!((world.partition(0).watermarks().durable_end, world.disk.log_syncs() - before), (3, 1));
}

#[test]
fn a_full_disk_is_waited_out_in_order_with_numbers_and_without() {
    for numbers in [false, true] {
        let world = World::new();
        let producer = world.broker.producer().acks(Acks::Written).idempotent(numbers).build().unwrap();
        world.disk.set_full(true);
        let first = send_all(&producer, ["a", "b"]);
        let (second, last) = (send_all(&producer, ["c"]), send(&producer, "d"));
        world.pass(10 * SECOND);
        assert_eq!(world.log(), [""; 0]);
        world.disk.set_full(false);
        world.pass(2 * SECOND);
        assert_eq!(world.log(), ["a", "b", "c", "d"]);
        assert_eq!((offsets(first), offsets(second), last.wait().unwrap().offset), (vec![0, 1], vec![2], 3));
        producer.flush().unwrap();
    }
}

#[test]
fn callbacks_come_in_the_order_of_the_records() {
    let world = World::new();
    let producer = world.producer();
    world.disk.set_full(true);
    let (say, said) = std::sync::mpsc::channel();
    for receipt in send_all(&producer, ["a", "b", "c"]) {
        let say = say.clone();
        receipt.on_ack(move |sent| say.send(sent.unwrap().offset).unwrap());
    }
    world.disk.set_full(false);
    producer.flush().unwrap();
    assert_eq!(said.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn what_cannot_be_written_is_told_by_receipts_and_by_the_flush() {
    let world = World::of(2);
    let producer = world.producer();
    world.disk.set_syncs_fail(true);
    world.fill(1);
    assert!(world.partition(0).flush().is_err(), "the partition takes no more");
    world.disk.set_syncs_fail(false);
    let record = |partition| NewRecord::to("orders").partition(partition).value("v");
    let receipts = producer.send_batch([record(0), record(1)]).unwrap();
    let sent: Vec<bool> = receipts.into_iter().map(|receipt| receipt.wait().is_ok()).collect();
    assert_eq!(sent, [false, true]);
    assert!(producer.flush().is_err());
    producer.flush().unwrap();
}

#[test]
fn room_is_waited_for_once_however_many_partitions_want_it() {
    let world = World::of(3);
    let settings = world.broker.producer().acks(Acks::Written).buffer_memory(3_000);
    let producer = settings.max_block(5 * SECOND).build().unwrap();
    let record = |partition| NewRecord::to("orders").partition(partition).value(vec![b'x'; 2_000]);
    world.disk.set_full(true);
    let first = producer.send_batch([record(0)]).unwrap();
    let error = producer.send_batch([record(0), record(1), record(2)]).unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "max_block", .. }), "{error:?}");
    assert_eq!(world.elapsed(), 5 * SECOND);
    world.disk.set_full(false);
    assert_eq!(offsets(first), [0]);
    assert_eq!(offsets(producer.send_batch([record(0), record(2)]).unwrap()), [1, 0]);
}

#[test]
fn more_than_the_buffer_holds_is_sent_in_pieces() {
    let world = World::of(2);
    let settings = world.broker.producer().acks(Acks::Written).buffer_memory(3_000);
    let producer = settings.batch_bytes(1 << 20).max_block(Duration::ZERO).build().unwrap();
    let records = (0..20).map(|n| NewRecord::to("orders").partition(n % 2).value(vec![b'x'; 1_000]));
    let written = std::cell::Cell::new(0);
    let records = records.inspect(|_| written.set(world.log_len()));
    assert_eq!(producer.send_batch(records).unwrap().len(), 20);
    assert!(written.get() > 5, "most were written before the last was made: {}", written.get());
    assert_eq!((world.log_len(), world.partition(1).watermarks().end), (10, 10));
}

#[test]
fn numbered_batches_follow_each_other_from_many_threads() {
    const THREADS: usize = 4;
    let world = World::new();
    let producer = world.broker.producer().acks(Acks::Written).idempotent(true).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let producer = &producer;
            scope.spawn(move || {
                for round in 0..50 {
                    let values: Vec<String> =
                        (0..5).map(|n| format!("{thread} {:03}", round * 5 + n)).collect();
                    drop(send_all(producer, values.iter().map(String::as_str)));
                }
            });
        }
    });
    producer.flush().unwrap();
    let log = world.log();
    for thread in 0..THREADS {
        let own: Vec<_> = log.iter().filter(|value| value.starts_with(&format!("{thread} "))).collect();
        assert!(own.is_sorted() && own.len() == 250, "{own:?}");
    }
    let known = world.partition(0).producers().unwrap();
    assert_eq!(known[0].last_batch().unwrap().last_sequence, 999);
}
