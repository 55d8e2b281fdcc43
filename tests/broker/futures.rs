//! The same verbs as futures: on every runtime, dropped at any point, and left with nothing behind.

use crate::world::*;
use brooklet::{
    Acks, Admin, Broker, BrokerBuilder, Consumer, ConsumerBuilder, Error, NewRecord, Partition,
    PollEventFuture, PollFuture, Producer, ProducerBuilder, Receipt, ReceiptFuture, Record, RecordStream,
    Records, RevocationGuard, SendFuture, Start, Topic, TopicConfig, WakeupHandle,
};
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Handles go to other threads and are shared by them; futures go to other threads. Checked by the compiler.
#[test]
fn handles_are_send_and_sync_and_futures_are_send() {
    fn shared<T: Send + Sync + 'static>() {}
    fn moved<T: Send>() {}
    fn passed_on(future: impl Future + Send) {
        drop(future);
    }
    shared::<Broker>();
    shared::<BrokerBuilder>();
    shared::<Topic>();
    shared::<Partition>();
    shared::<Producer>();
    shared::<ProducerBuilder>();
    shared::<Receipt>();
    shared::<Consumer>();
    shared::<ConsumerBuilder>();
    shared::<WakeupHandle>();
    shared::<Admin>();
    shared::<Records>();
    shared::<Record>();
    shared::<Error>();
    shared::<TopicConfig>();
    moved::<ReceiptFuture>();
    moved::<SendFuture<'static>>();
    moved::<PollFuture<'static>>();
    moved::<RecordStream<'static>>();
    moved::<PollEventFuture<'static>>();
    moved::<RevocationGuard<'static>>();
    let world = World::new();
    passed_on(world.consumer().stream().next());
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a future by hand.
struct Hand {
    count: Arc<Count>,
    waker: Waker,
}

impl Hand {
    fn new() -> Hand {
        let count = Arc::<Count>::default();
        Hand { waker: count.clone().into(), count }
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&self.waker))
    }

    fn wakes(&self) -> usize {
        self.count.0.load(Ordering::SeqCst)
    }
}

/// What a future comes to that has nothing to wait for.
fn ready<F: Future>(future: F) -> F::Output {
    match Hand::new().poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits, and nothing will come"),
    }
}

/// Sends, awaits, polls and streams, on whichever runtime this is awaited.
async fn round_trip(broker: Broker) {
    let topic = broker.create_topic("orders", TopicConfig::new()).expect("a sound set-up");
    let producer = broker.producer().linger(Duration::from_millis(1)).build().expect("a sound set-up");
    let mut consumer =
        broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build().expect("a sound set-up");
    let receipt = producer.send_async(order("a")).await.expect("a sound set-up");
    assert_eq!(receipt.await.expect("a sound set-up").offset, 0);
    assert_eq!(topic.partition(0).expect("a sound set-up").watermarks().durable_end, 1);
    assert_eq!(values(&consumer.poll_async().await.expect("a sound set-up")), ["a"]);
    drop(producer.send_async(order("b")).await.expect("a sound set-up"));
    let mut stream = consumer.stream();
    let record = stream.next().await.expect("a sound set-up").expect("a sound set-up");
    assert_eq!((record.offset(), value(record.as_ref())), (1, "b".into()));
}

#[test]
fn pollster_smol_and_tokio_run_our_futures() {
    let broker = || Broker::in_memory().unwrap();
    pollster::block_on(round_trip(broker()));
    smol::block_on(async { smol::spawn(round_trip(broker())).await });
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    current.block_on(async { tokio::spawn(round_trip(broker())).await }).unwrap();
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    several.block_on(async { tokio::spawn(round_trip(broker())).await }).unwrap();
}

#[test]
fn tasks_hand_records_to_each_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let broker = Broker::in_memory().unwrap();
        broker.create_topic("orders", TopicConfig::new()).unwrap();
        let mut consumer = broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build().unwrap();
        let producer = broker.producer().acks(Acks::Written).build().unwrap();
        let sending = tokio::spawn(async move {
            for value in numbers(0..200) {
                producer.send_async(order(&value)).await.unwrap().await.unwrap();
            }
        });
        let mut stream = consumer.stream();
        for expected in numbers(0..200) {
            assert_eq!(value(stream.next().await.unwrap().unwrap().as_ref()), expected);
        }
        sending.await.unwrap();
    });
}

#[test]
fn a_pending_poll_is_woken_by_an_append() {
    let (world, hand) = (World::new(), Hand::new());
    let mut consumer = world.consumer();
    let mut polling = pin!(consumer.poll_async());
    assert!(hand.poll(polling.as_mut()).is_pending());
    assert_eq!(hand.wakes(), 0);
    world.fill(1);
    assert!(hand.wakes() > 0);
    let Poll::Ready(records) = hand.poll(polling) else { panic!("there is a record") };
    assert_eq!(values(&records.unwrap()), ["0"]);
}

#[test]
fn a_dropped_poll_has_taken_nothing() {
    let (world, hand) = (World::new(), Hand::new());
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut consumer = settings.fetch_min_bytes(1 << 20).fetch_max_wait(MINUTE).build().unwrap();
    world.fill(3);
    for _ in 0..3 {
        let mut polling = Box::pin(consumer.poll_async());
        assert!(hand.poll(polling.as_mut()).is_pending(), "it waits for more");
        drop(polling);
        assert_eq!(consumer.position("orders", 0).unwrap(), 0);
    }
    assert_eq!(drain(&mut consumer), numbers(0..3));
}

#[test]
fn a_dropped_poll_gives_back_a_partition_that_had_two_turns() {
    let (world, hand) = (World::of(2), Hand::new());
    let settings = world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let mut consumer = settings.fetch_min_bytes(1 << 20).fetch_max_wait(MINUTE).build().unwrap();
    (0..2).for_each(|number| world.fill_partition(number, 1));
    let mut polling = Box::pin(consumer.poll_async());
    assert!(hand.poll(polling.as_mut()).is_pending());
    world.fill_partition(0, 1);
    assert!(hand.poll(polling.as_mut()).is_pending());
    drop(polling);
    let positions = [0, 1].map(|number| consumer.position("orders", number).unwrap());
    assert_eq!((positions, drain(&mut consumer).len()), ([0, 0], 3));
}

#[test]
fn a_poll_that_waits_for_more_is_ready_when_its_time_has_come() {
    let (world, hand) = (World::new(), Hand::new());
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut consumer = settings.fetch_min_bytes(1 << 20).fetch_max_wait(MINUTE).build().unwrap();
    world.fill(3);
    let mut polling = pin!(consumer.poll_async());
    assert!(hand.poll(polling.as_mut()).is_pending());
    assert_eq!(world.broker.maintain().unwrap(), Some(MINUTE));
    world.pass(MINUTE);
    assert!(hand.wakes() > 0);
    assert!(matches!(hand.poll(polling), Poll::Ready(Ok(records)) if records.len() == 3));
    assert_eq!(world.broker.maintain().unwrap(), None, "no alarm is left behind");
}

#[test]
fn a_dropped_stream_gives_back_what_it_has_not_handed_out() {
    let world = World::of(2);
    world.fill_partition(0, 5);
    world.fill_partition(1, 5);
    let mut consumer = world.consumer();
    let mut seen = Vec::new();
    for count in [1, 3, 4, 2] {
        let mut stream = consumer.stream();
        for _ in 0..count {
            let record = ready(stream.next()).unwrap().unwrap();
            seen.push((record.partition(), record.offset()));
        }
    }
    seen.sort();
    let all: Vec<_> = (0..2).flat_map(|partition| (0..5).map(move |offset| (partition, offset))).collect();
    assert_eq!(seen, all, "each once");
    assert_eq!(drain(&mut consumer), [""; 0]);
}

#[test]
fn a_stream_tells_of_damage_after_what_is_before_it() {
    let world = World::new();
    world.fill(3);
    let path = world.disk.first_segment("orders-0");
    world.disk.flip(&path, world.partition(0).size_bytes() - 1);
    let mut consumer = world.consumer();
    let mut stream = consumer.stream();
    for expected in numbers(0..2) {
        assert_eq!(value(ready(stream.next()).unwrap().unwrap().as_ref()), expected);
    }
    for _ in 0..2 {
        assert!(matches!(ready(stream.next()), Some(Err(Error::Corrupt { .. }))));
    }
}

#[test]
fn a_wakeup_ends_a_pending_poll() {
    let (world, hand) = (World::new(), Hand::new());
    let mut consumer = world.consumer();
    let handle = consumer.wakeup_handle();
    let mut polling = pin!(consumer.poll_async());
    assert!(hand.poll(polling.as_mut()).is_pending());
    handle.wakeup();
    assert!(hand.wakes() > 0);
    assert!(matches!(hand.poll(polling), Poll::Ready(Err(Error::WokenUp))));
}

#[test]
fn closing_the_broker_or_deleting_the_topic_ends_a_pending_poll() {
    for is_closed in [true, false] {
        let (world, hand) = (World::new(), Hand::new());
        let mut consumer = world.consumer();
        let mut polling = pin!(consumer.poll_async());
        assert!(hand.poll(polling.as_mut()).is_pending());
        match is_closed {
            true => world.broker.clone().close().unwrap(),
            false => world.broker.admin().delete_topic("orders").unwrap(),
        }
        assert!(hand.wakes() > 0, "closed: {is_closed}");
        assert!(matches!(hand.poll(polling), Poll::Ready(Err(_))));
    }
}

#[test]
fn a_dropped_send_has_sent_nothing() {
    let (world, hand) = (World::new(), Hand::new());
    let producer = world.broker.producer().acks(Acks::Written).buffer_memory(1_500).build().unwrap();
    let large = || order("x").value(vec![7; 1_000]);
    drop(producer.send_async(large()));
    world.disk.set_full(true);
    drop(producer.send(large()).unwrap());
    let mut sending = Box::pin(producer.send_async(large().key("dropped")));
    assert!(hand.poll(sending.as_mut()).is_pending());
    drop(sending);
    let mut sending = pin!(producer.send_async(large().key("kept")));
    assert!(hand.poll(sending.as_mut()).is_pending());
    world.disk.set_full(false);
    world.pass(2 * SECOND);
    assert!(hand.wakes() > 0);
    let Poll::Ready(receipt) = hand.poll(sending) else { panic!("there is room") };
    assert_eq!(receipt.unwrap().wait().unwrap().offset, 1);
    assert_eq!(world.log_len(), 2);
    world.settle();
    assert_eq!(world.broker.maintain().unwrap(), None, "no alarm is left behind");
}

#[test]
fn a_dropped_receipt_future_loses_nothing() {
    let (world, hand) = (World::new(), Hand::new());
    let producer = world.broker.producer().buffer_memory(1 << 20).build().unwrap();
    world.disk.set_full(true);
    let mut awaiting = Box::pin(send(&producer, "a").into_future());
    assert!(hand.poll(awaiting.as_mut()).is_pending());
    drop(awaiting);
    world.disk.set_full(false);
    producer.flush().unwrap();
    assert_eq!(world.log(), ["a"]);
}

#[test]
fn a_receipt_can_be_awaited_when_its_producer_is_gone() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    for (offset, linger) in [AT_ONCE, Duration::from_millis(1)].into_iter().enumerate() {
        let producer = broker.producer().linger(linger).build().unwrap();
        let receipt = send(&producer, "orphan");
        drop(producer);
        assert_eq!(pollster::block_on(receipt.into_future()).unwrap().offset, offset as u64);
    }
}

#[test]
fn a_failed_sync_reaches_those_who_await() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let receipts = [send(&producer, "a"), send(&producer, "b")];
    world.disk.set_syncs_fail(true);
    for receipt in receipts {
        let error = pollster::block_on(receipt.into_future()).unwrap_err();
        assert!(error.is_fatal(), "{error:?}");
    }
}

#[test]
fn nothing_is_left_behind_of_futures_and_callbacks() {
    let world = World::new();
    let hand = Hand::new();
    let mut consumer = world.consumer();
    let producer = world.lingering();
    drop(send(&producer, "dropped"));
    send(&producer, "called back").on_ack(|_| {});
    for _ in 0..3 {
        let _ = hand.poll(Box::pin(consumer.poll_async()).as_mut());
        let _ = hand.poll(Box::pin(consumer.stream().next()).as_mut());
        let _ = hand.poll(Box::pin(producer.send_async(order("x"))).as_mut());
    }
    drop((producer, consumer));
    let World { disk, clock, broker } = world;
    drop(broker);
    assert!(builder(&disk, &clock).in_memory().is_ok(), "somebody still holds the directory");
}

#[test]
fn a_record_sent_from_a_dropped_task_is_there_once_or_not_at_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = World::new();
    let producer = world.producer();
    runtime.block_on(async {
        for value in numbers(0..50) {
            let producer = producer.clone();
            let task = tokio::spawn(async move {
                producer.send_async(NewRecord::to("orders").value(value)).await.unwrap().await.unwrap();
            });
            tokio::task::yield_now().await;
            task.abort();
        }
    });
    let log = world.log();
    let mut once = log.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), log.len());
}
