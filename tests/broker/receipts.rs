//! Receipts: waited for, awaited, called back with, or dropped.

use crate::world::*;
use brooklet::{Acks, Error, NewRecord, Receipt, RecordMetadata, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;

/// What callbacks were told, in their order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Result<RecordMetadata>>>>);

impl Told {
    fn of(&self, receipt: Receipt) {
        let told = self.clone();
        receipt.on_ack(move |result| told.0.lock().push(result));
    }

    fn offsets(&self) -> Vec<u64> {
        self.0.lock().iter().map(|result| result.as_ref().expect("a sound set-up").offset).collect()
    }
}

#[test]
fn all_three_ways_tell_the_same() {
    let world = World::of(2);
    let producer = world.producer();
    let to = || producer.send(NewRecord::to("orders").partition(1).value("v")).unwrap();
    let told = Told::default();
    let waited = to().wait().unwrap();
    let awaited = pollster::block_on(async { to().await }).unwrap();
    told.of(to());
    let called = told.0.lock()[0].clone().unwrap();
    for (offset, meta) in [waited, awaited, called].into_iter().enumerate() {
        assert_eq!((&*meta.topic, meta.partition, meta.offset), ("orders", 1, offset as u64));
        assert_eq!(meta.timestamp.as_millis(), NOW);
    }
}

#[test]
fn callbacks_come_in_the_order_of_their_records() {
    let world = World::new();
    let producer =
        world.broker.producer().acks(Acks::Written).linger(MINUTE).batch_bytes(150).build().unwrap();
    let told = Told::default();
    for value in numbers(0..20) {
        told.of(send(&producer, &value));
    }
    assert!(told.offsets().len() < 20, "some still linger");
    producer.flush().unwrap();
    assert_eq!(told.offsets(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_callback_set_late_is_called_at_once_and_once() {
    let world = World::new();
    let producer = world.producer();
    let receipt = send(&producer, "v");
    producer.flush().unwrap();
    let told = Told::default();
    told.of(receipt);
    producer.flush().unwrap();
    assert_eq!(told.offsets(), [0]);
}

#[test]
fn a_callback_of_a_durable_record_comes_after_its_sync() {
    let world = World::new();
    let producer = world.broker.producer().linger(MINUTE).build().unwrap();
    let (told, partition) = (Told::default(), world.partition(0));
    let seen = Arc::new(Mutex::new(None));
    let slot = seen.clone();
    send(&producer, "a").on_ack(move |_| *slot.lock() = Some(partition.watermarks().durable_end));
    told.of(send(&producer, "b"));
    producer.flush().unwrap();
    assert_eq!((*seen.lock(), told.offsets()), (Some(1).map(|_: u64| 2), vec![1]));
}

#[test]
fn a_failure_is_told_to_the_callback() {
    let world = World::new();
    let producer = world.broker.producer().delivery_timeout(SECOND).build().unwrap();
    world.disk.set_full(true);
    let told = Told::default();
    told.of(send(&producer, "a"));
    assert!(told.0.lock().is_empty());
    world.pass(2 * SECOND);
    assert!(matches!(told.0.lock()[..], [Err(_)]));
}

#[test]
fn a_callback_that_panics_is_told_by_flush_and_harms_no_other() {
    let world = World::of(2);
    let producer = world.lingering();
    let told = Told::default();
    told.of(send(&producer, "a"));
    send(&producer, "b").on_ack(|_| panic!("not my day"));
    told.of(send(&producer, "c"));
    let other = producer.send(NewRecord::to("orders").partition(1).value("d")).unwrap();
    let error = producer.flush().unwrap_err();
    assert!(matches!(&error, Error::Panicked { message, .. } if message == "not my day"), "{error:?}");
    assert_eq!(told.offsets(), [0, 2]);
    assert_eq!(other.wait().unwrap().offset, 0);
    producer.flush().unwrap();
    assert_eq!(world.log(), ["a", "b", "c"]);
    assert_eq!(send(&world.producer(), "e").wait().unwrap().offset, 3);
}

#[test]
fn a_callback_that_panics_does_so_in_nobody_elses_thread() {
    let world = World::new();
    let producer = world.lingering();
    send(&producer, "a").on_ack(|_| panic!("{}", "formatted"));
    world.pass(MINUTE);
    assert!(matches!(producer.flush(), Err(Error::Panicked { message, .. }) if message == "formatted"));

    let at_once = world.producer();
    let receipt = send(&at_once, "b");
    receipt.on_ack(|_| std::panic::panic_any(7));
    assert!(matches!(at_once.flush(), Err(Error::Panicked { .. })));
}

#[test]
fn a_flush_tells_of_the_callbacks_that_its_own_sync_calls() {
    let world = World::new();
    let producer = world.broker.producer().linger(MINUTE).build().unwrap();
    send(&producer, "a").on_ack(|_| panic!("after the sync"));
    assert!(matches!(producer.flush(), Err(Error::Panicked { message, .. }) if message == "after the sync"));
    send(&producer, "b").on_ack(|_| panic!("at the end"));
    assert!(matches!(producer.close(), Err(Error::Panicked { message, .. }) if message == "at the end"));
}

/// It finds nothing to write, and still has to know whether the callback panics.
#[test]
fn a_flush_returns_after_the_callbacks_that_another_thread_calls() {
    let world = World::new();
    let producer = world.lingering();
    let is_flushed = Arc::new(AtomicBool::new(false));
    let (begin, has_begun) = mpsc::channel();
    let seen = is_flushed.clone();
    send(&producer, "a").on_ack(move |_| {
        begin.send(()).unwrap();
        // Long enough for a flush that does not wait; it ends by itself, so that one that waits gets on.
        (0..100_000).take_while(|_| !seen.load(SeqCst)).for_each(|_| std::thread::yield_now());
        panic!("flushed: {}", seen.load(SeqCst));
    });
    std::thread::scope(|scope| {
        scope.spawn(|| world.pass(MINUTE));
        has_begun.recv().unwrap();
        let flushed = producer.flush();
        is_flushed.store(true, SeqCst);
        assert!(matches!(flushed, Err(Error::Panicked { message, .. }) if message == "flushed: false"));
    });
}

#[test]
fn a_callback_may_send_more() {
    let world = World::new();
    let producer = world.lingering();
    let (again, told) = (producer.clone(), Told::default());
    let inner = told.clone();
    send(&producer, "a").on_ack(move |_| {
        inner.of(again.send(order("b")).unwrap());
    });
    producer.flush().unwrap();
    producer.flush().unwrap();
    assert_eq!((world.log(), told.offsets()), (vec!["a".into(), "b".into()], vec![1]));
}

#[test]
fn a_callback_may_flush_and_close() {
    let world = World::new();
    let producer = world.lingering();
    let inner = producer.clone();
    let (sender, receiver) = mpsc::channel();
    send(&producer, "a").on_ack(move |_| {
        let flushed = inner.flush();
        let closed = inner.close();
        sender.send((flushed.is_ok(), closed.is_ok())).unwrap();
    });
    world.pass(MINUTE);
    receiver.try_recv().expect("it returned");
    assert!(producer.send(order("b")).is_err());
    assert_eq!(world.log(), ["a"]);
}

#[test]
fn a_dropped_receipt_changes_nothing() {
    let world = World::new();
    let producer = world.lingering();
    drop(send(&producer, "a"));
    let kept = send(&producer, "b");
    drop(send(&producer, "c"));
    assert_eq!(kept.wait().unwrap().offset, 1);
    assert_eq!(world.log(), ["a", "b", "c"]);
}

#[test]
fn many_who_wait_share_one_sync() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let receipts: Vec<_> = numbers(0..50).iter().map(|value| send(&producer, value)).collect();
    let before = world.disk.log_syncs();
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    assert_eq!(world.disk.log_syncs() - before, 1);
}

#[test]
fn a_written_record_waits_for_no_sync() {
    let world = World::new();
    let syncs = world.disk.log_syncs();
    let producer = world.producer();
    send(&producer, "a").wait().unwrap();
    producer.flush().unwrap();
    assert_eq!((world.disk.log_syncs(), world.partition(0).watermarks().durable_end), (syncs, 0));
}

#[test]
fn a_durable_record_is_durable_when_its_receipt_says_so() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let receipt = send(&producer, "a");
    assert_eq!(world.partition(0).watermarks().durable_end, 0);
    receipt.wait().unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 1);
}

#[test]
fn durable_records_that_nobody_waits_for_are_synced_within_the_interval() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    drop(send(&producer, "a"));
    let rest = world.broker.maintain().unwrap().expect("a sync is due");
    assert!(rest <= SECOND, "{rest:?}");
    assert_eq!(world.partition(0).watermarks().durable_end, 0);
    world.pass(SECOND);
    assert_eq!(world.partition(0).watermarks().durable_end, 1);
    assert_eq!(world.broker.maintain().unwrap(), None);
}

#[test]
fn a_callback_of_a_durable_record_needs_nobody_to_wait() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let told = Told::default();
    told.of(send(&producer, "a"));
    world.pass(SECOND);
    assert_eq!(told.offsets(), [0]);
}

#[test]
fn nobody_waits_for_anything_at_the_lowest_level() {
    let world = World::new();
    let syncs = world.disk.log_syncs();
    let producer = world.broker.producer().acks(Acks::None).linger(MINUTE).build().unwrap();
    let told = Told::default();
    told.of(send(&producer, "a"));
    world.disk.set_full(true);
    drop(send(&producer, "b"));
    assert_eq!(world.elapsed(), AT_ONCE);
    world.disk.set_full(false);
    world.pass(MINUTE);
    assert_eq!((world.log(), world.disk.log_syncs()), (vec!["a".into(), "b".into()], syncs));
    assert_eq!(told.0.lock().len(), 1);
}

#[test]
fn a_receipt_that_covers_later_records_acknowledges_none_that_the_sync_did_not_see() {
    let world = World::new();
    let partition = world.partition(0);
    let producer = world.broker.producer().build().unwrap();
    let (first, later) = (send(&producer, "a"), world.producer());
    let marks = Arc::new(Mutex::new(Vec::new()));
    let (seen, inside) = (marks.clone(), partition.clone());
    world.disk.before_sync(move || {
        drop(later.send(order("b")).unwrap());
        seen.lock().push(inside.watermarks().durable_end);
    });
    first.wait().unwrap();
    assert_eq!(marks.lock().first(), Some(&0), "nothing is durable before its sync");
    let durable = partition.watermarks().durable_end;
    assert!(durable >= 1);
    assert!(
        durable < partition.watermarks().end,
        "what was written during the last sync is not covered by it"
    );
}

#[test]
fn who_waits_after_the_topic_asks_for_more_gets_more() {
    let world = World::new();
    let [waited, awaited] = ["a", "b"].map(|value| send(&world.lingering(), value));
    world.broker.admin().alter_topic("orders", |config| config.min_acks(Acks::Durable)).unwrap();
    waited.wait().unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 1);
    pollster::block_on(awaited).unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 2);
}
