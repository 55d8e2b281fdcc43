//! What a poll has read and not returned yet is nobody's loss; what lies here already is not waited for; and what nobody
//! gets to see keeps nobody from what lies behind it.

use crate::world::*;
use brooklet::clock::{Clock, ManualClock};
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::record::{ControlRecord, EncodedBatch};
use brooklet::{Acks, Broker, Error, LogConfig, NewRecord, Start, Timestamp, TopicConfig, TopicPartition};
use brooklet::{Consumer, ConsumerBuilder, WakeupHandle};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A clock on which somebody wakes a consumer as soon as that waits.
#[derive(Debug)]
struct Interrupting {
    inner: ManualClock,
    handle: Mutex<Option<WakeupHandle>>,
}

impl Clock for Interrupting {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn runs_by_itself(&self) -> bool {
        false
    }

    fn wait_until(&self, until: Duration) -> Option<Duration> {
        match self.handle.lock().take() {
            Some(handle) => {
                handle.wakeup();
                Some(until)
            }
            None => self.inner.wait_until(until),
        }
    }
}

/// Reads "orders" from its beginning, and waits a minute for a mebibyte.
fn patient(broker: &Broker) -> Consumer {
    let builder = broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    builder.fetch_min_bytes(1 << 20).fetch_max_wait(MINUTE).build().expect("orders is there")
}

#[test]
fn what_a_poll_had_read_when_it_was_woken_comes_with_the_next() {
    let inner = ManualClock::new(Timestamp::from_millis(NOW));
    let clock = Arc::new(Interrupting { inner, handle: Mutex::default() });
    let broker = Broker::builder().clock(clock.clone()).in_memory().unwrap();
    let topic = broker.create_topic("orders", TopicConfig::new()).unwrap();
    let to = topic.partition(0).unwrap();
    for value in ["a", "b"] {
        to.append([NewRecord::new().value(value)], Acks::Written).unwrap();
    }
    let mut consumer = patient(&broker);
    *clock.handle.lock() = Some(consumer.wakeup_handle());
    assert!(matches!(consumer.poll(MINUTE), Err(Error::WokenUp)));
    assert_eq!(consumer.position("orders", 0).unwrap(), 0);
    assert_eq!(values(&consumer.poll(MINUTE).unwrap()), ["a", "b"]);
}

fn one_batch(world: &World, records: u64) {
    let builder = world.broker.producer().acks(Acks::Written).batch_bytes(1 << 20);
    let producer = builder.build().expect("valid settings");
    let all = (0..records).map(|_| NewRecord::to("orders").partition(0).value("v"));
    producer.send_batch(all).expect("room for a batch");
    assert_eq!(world.batches(), 1);
}

#[test]
fn the_rest_of_a_batch_is_not_waited_for() {
    let world = World::new();
    one_batch(&world, 600);
    let builder = || world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    for mut consumer in [builder().build().unwrap(), patient(&world.broker)] {
        let polled = [500, 100].map(|_| consumer.poll(MINUTE).unwrap().len());
        assert_eq!((polled, world.elapsed()), ([500, 100], Duration::ZERO));
    }
}

#[test]
fn what_was_read_ahead_is_not_waited_for() {
    let world = World::new();
    world.fill(700);
    let mut consumer = patient(&world.broker);
    let polled = [500, 200].map(|_| consumer.poll(MINUTE).unwrap().len());
    assert_eq!((polled, world.elapsed()), ([500, 200], Duration::ZERO));
}

/// "orders" with forty markers, and one record behind them.
fn behind_markers() -> World {
    let World { disk, clock, broker } = World::new();
    broker.close().expect("a whole disk");
    let options = LogDirOptions::default();
    let dir = LogDir::open_with(Arc::new(disk.clone()), clock.clone(), "/", options).expect("our own disk");
    let log = dir
        .open_log(&TopicPartition::new("orders", 0).expect("a valid name"), LogConfig::default())
        .expect("it is there");
    for _ in 0..40 {
        let commit = ControlRecord::Commit { coordinator_epoch: 0 };
        let mut marker = commit.encode(7, 0, Timestamp::from_millis(NOW)).expect("a good marker");
        let mut batch = EncodedBatch::from_bytes(&mut marker).expect("it was encoded");
        log.append(&mut batch).expect("room for a batch");
    }
    drop(log);
    dir.close().expect("a whole disk");
    let broker = builder(&disk, &clock).in_memory().expect("our own disk");
    let world = World { broker, disk, clock };
    assert_eq!(world.partition(0).watermarks().end, 40);
    world.fill(1);
    world
}

#[test]
fn a_poll_gets_past_what_nobody_sees() {
    let world = behind_markers();
    let builder = || world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let little: [fn(ConsumerBuilder) -> ConsumerBuilder; 2] =
        [|builder| builder.max_partition_fetch_bytes(1), |builder| builder.fetch_max_bytes(100)];
    for settings in little {
        let polled = settings(builder()).build().unwrap().poll(MINUTE).unwrap();
        assert_eq!((values(&polled), world.elapsed()), (vec!["0".to_owned()], Duration::ZERO));
        let mut consumer = settings(builder()).build().unwrap();
        let mut polling = std::pin::pin!(consumer.poll_async());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(polling.as_mut().poll(&mut context).is_ready(), "nobody would ever wake it");
    }
}

#[test]
fn who_unsubscribes_gives_up_what_it_was_assigned_by_hand() {
    let world = World::of(2);
    let builder = world.broker.consumer().group("billing").assign([("orders", 1)]);
    let mut consumer = builder.build().unwrap();
    consumer.unsubscribe().unwrap();
    assert_eq!(consumer.assignment(), []);
    consumer.subscribe(["orders"]).unwrap();
    consumer.poll(AT_ONCE).unwrap();
    assert_eq!(consumer.assignment().len(), 2);
}
