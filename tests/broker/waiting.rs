//! Polls that wait: for how long, for how much, and what ends them. A poll by a thread of its own is known to wait when
//! it has asked the clock how long.

use crate::world::*;
use brooklet::clock::{Clock, ManualClock};
use brooklet::{Acks, Broker, Consumer, Error, NewRecord, Partition, Start, Timestamp, TopicConfig};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// A clock that stands still for those who wait, and tells of each.
#[derive(Debug)]
struct Watched {
    inner: ManualClock,
    waits: parking_lot::Mutex<Sender<()>>,
}

impl Clock for Watched {
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
        let rest = until.saturating_sub(self.inner.monotonic());
        let _ = self.waits.lock().send(());
        (!rest.is_zero()).then_some(Duration::MAX)
    }
}

struct Threads {
    broker: Broker,
    partition: Partition,
    waits: Receiver<()>,
    clock: Arc<Watched>,
}

impl Threads {
    fn new() -> Threads {
        let (sender, waits) = channel();
        let inner = ManualClock::new(Timestamp::from_millis(NOW));
        let clock = Arc::new(Watched { inner, waits: parking_lot::Mutex::new(sender) });
        let broker = Broker::builder().clock(clock.clone()).in_memory().expect("a sound set-up");
        let partition = broker
            .create_topic("orders", TopicConfig::new())
            .expect("a sound set-up")
            .partition(0)
            .expect("a sound set-up");
        Threads { broker, partition, waits, clock }
    }

    fn consumer(&self) -> Consumer {
        self.broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build().expect("a sound set-up")
    }

    fn append(&self, value: &str) {
        self.partition.append([NewRecord::new().value(value)], Acks::Written).expect("a sound set-up");
    }

    /// Polls in a thread, does something once that waits, and says what the poll came to.
    fn while_polling(&self, consumer: &mut Consumer, act: impl FnOnce()) -> Result<Vec<String>, Error> {
        std::thread::scope(|scope| {
            let polling = scope.spawn(|| consumer.poll(MINUTE).map(|records| values(&records)));
            self.waits.recv().expect("a sound set-up");
            act();
            polling.join().expect("a sound set-up")
        })
    }
}

#[test]
fn a_poll_of_no_time_never_waits() {
    let world = World::new();
    let mut consumer = world.consumer();
    assert!(consumer.poll(AT_ONCE).unwrap().is_empty());
    assert_eq!(world.elapsed(), AT_ONCE);
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut greedy = settings.fetch_min_bytes(1 << 20).fetch_max_wait(MINUTE).build().unwrap();
    world.fill(2);
    let got = greedy.poll(AT_ONCE).unwrap();
    assert_eq!((world.elapsed(), values(&got)), (AT_ONCE, numbers(0..2)), "nor for more");
}

#[test]
fn a_poll_with_nothing_to_read_lets_its_time_pass() {
    let world = World::new();
    let mut consumer = world.consumer();
    assert!(consumer.poll(3 * SECOND).unwrap().is_empty());
    assert_eq!(world.elapsed(), 3 * SECOND);
    assert!(consumer.poll(SECOND).unwrap().is_empty());
    assert_eq!(world.elapsed(), 4 * SECOND);
}

#[test]
fn a_poll_with_something_to_read_does_not_wait() {
    let world = World::new();
    world.fill(1);
    assert_eq!(values(&world.consumer().poll(MINUTE).unwrap()), ["0"]);
    assert_eq!(world.elapsed(), AT_ONCE);
}

#[test]
fn a_poll_waits_for_more_but_no_longer_than_it_was_told() {
    let world = World::new();
    world.fill(2);
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut consumer = settings.fetch_min_bytes(1 << 20).fetch_max_wait(2 * SECOND).build().unwrap();
    assert_eq!(values(&consumer.poll(MINUTE).unwrap()), numbers(0..2));
    assert_eq!(world.elapsed(), 2 * SECOND);
    world.fill(1);
    assert_eq!(values(&consumer.poll(SECOND).unwrap()), ["0"], "nor longer than the poll itself");
    assert_eq!(world.elapsed(), 3 * SECOND);
    world.partition(0).append([NewRecord::new().value(vec![b'x'; 1 << 20])], Acks::Written).err();
    let mut sated = world
        .broker
        .consumer()
        .assign([("orders", 0)])
        .start(Start::Earliest)
        .fetch_min_bytes(100)
        .build()
        .unwrap();
    assert!(sated.poll(MINUTE).unwrap().len() >= 2);
    assert_eq!(world.elapsed(), 3 * SECOND, "enough is enough");
}

#[test]
fn a_record_that_lingers_comes_to_a_poll_that_waits_for_it() {
    let world = World::new();
    let producer = world.broker.producer().acks(Acks::Written).linger(10 * SECOND).build().unwrap();
    drop(send(&producer, "a"));
    let mut consumer = world.consumer();
    assert!(consumer.poll(9 * SECOND).unwrap().is_empty());
    assert_eq!(values(&consumer.poll(MINUTE).unwrap()), ["a"]);
    assert_eq!(world.elapsed(), 10 * SECOND);
}

#[test]
fn an_append_ends_a_poll() {
    let threads = Threads::new();
    let got = threads.while_polling(&mut threads.consumer(), || threads.append("a"));
    assert_eq!(got.unwrap(), ["a"]);
}

#[test]
fn time_ends_a_poll() {
    let threads = Threads::new();
    let got = threads.while_polling(&mut threads.consumer(), || {
        threads.clock.inner.advance(MINUTE);
        threads.broker.maintain().unwrap();
        // Whoever waits looks again when anything happens, if only elsewhere.
        threads.append("late");
    });
    assert!(got.unwrap().len() <= 1);
}

#[test]
fn another_thread_wakes_a_poll_once() {
    let threads = Threads::new();
    let mut consumer = threads.consumer();
    let handle = consumer.wakeup_handle();
    let got = threads.while_polling(&mut consumer, || handle.wakeup());
    assert!(matches!(got, Err(Error::WokenUp)));
    threads.append("a");
    assert_eq!(values(&consumer.poll(AT_ONCE).unwrap()), ["a"]);
}

#[test]
fn a_wakeup_between_polls_is_for_the_next_one() {
    let world = World::new();
    world.fill(1);
    let mut consumer = world.consumer();
    let handle = consumer.wakeup_handle();
    handle.wakeup();
    handle.clone().wakeup();
    let error = consumer.poll(AT_ONCE).unwrap_err();
    assert!(matches!(error, Error::WokenUp) && error.is_retriable());
    assert_eq!(values(&consumer.poll(AT_ONCE).unwrap()), ["0"], "nothing was lost by it");
    drop(consumer);
    handle.wakeup();
}

#[test]
fn closing_the_broker_ends_a_poll() {
    let threads = Threads::new();
    let got = threads.while_polling(&mut threads.consumer(), || threads.broker.clone().close().unwrap());
    assert!(got.unwrap_err().is_fatal());
}

#[test]
fn deleting_the_topic_ends_a_poll() {
    let threads = Threads::new();
    let admin = threads.broker.admin();
    let got = threads.while_polling(&mut threads.consumer(), || admin.delete_topic("orders").unwrap());
    assert!(matches!(got, Err(Error::UnknownTopic { topic }) if topic == "orders"));
}

#[test]
fn a_paused_topic_does_not_end_a_poll() {
    let threads = Threads::new();
    threads.append("unread");
    let mut consumer = threads.consumer();
    consumer.pause(["orders"]).unwrap();
    let handle = consumer.wakeup_handle();
    let got = threads.while_polling(&mut consumer, || {
        threads.append("unread too");
        handle.wakeup();
    });
    assert!(matches!(got, Err(Error::WokenUp)));
}

#[test]
fn nobody_spins_by_a_clock_that_stands_still() {
    let world = World::new();
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut consumer = settings.spin(MINUTE).build().unwrap();
    assert!(consumer.poll(SECOND).unwrap().is_empty());
    assert_eq!(world.elapsed(), SECOND);
}

/// On the machine's own clock, by which one can spin.
fn spinning() -> (Broker, Consumer) {
    let broker = Broker::in_memory().expect("a sound set-up");
    broker.create_topic("orders", TopicConfig::new()).expect("a sound set-up");
    let settings = broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let consumer = settings.spin(MINUTE).build().expect("a sound set-up");
    (broker, consumer)
}

#[test]
fn a_poll_that_spins_returns_when_its_time_has_passed() {
    let (_broker, mut consumer) = spinning();
    assert!(consumer.poll(Duration::from_millis(5)).unwrap().is_empty());
    assert!(consumer.poll(AT_ONCE).unwrap().is_empty());
}

#[test]
fn a_poll_that_spins_gets_what_comes_and_can_be_woken() {
    let (broker, mut consumer) = spinning();
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    let handle = consumer.wakeup_handle();
    std::thread::scope(|scope| {
        let (polled, seen) = channel();
        let polling = scope.spawn(move || {
            let first = consumer.poll(MINUTE).map(|records| values(&records));
            polled.send(()).unwrap();
            (first, consumer.poll(MINUTE).map(|records| values(&records)))
        });
        partition.append([NewRecord::new().value("a")], Acks::Written).unwrap();
        seen.recv().unwrap();
        handle.wakeup();
        let (first, second) = polling.join().unwrap();
        assert_eq!(first.unwrap(), ["a"]);
        assert!(matches!(second, Err(Error::WokenUp)));
    });
}

#[test]
fn room_in_the_buffer_ends_the_wait_of_a_sender() {
    let (sender, waits) = channel();
    let inner = ManualClock::new(Timestamp::from_millis(NOW));
    let clock = Arc::new(Watched { inner, waits: parking_lot::Mutex::new(sender) });
    let disk = crate::disk::Disk::default();
    let broker = Broker::builder().fs(Arc::new(disk.clone())).clock(clock.clone()).in_memory().unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let producer = broker.producer().acks(Acks::Written).buffer_memory(1_500).build().unwrap();
    let large = || order("x").value([7; 1_000]);
    disk.set_full(true);
    drop(producer.send(large()).unwrap());
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| producer.send(large()).and_then(|receipt| receipt.wait()));
        waits.recv().unwrap();
        disk.set_full(false);
        clock.inner.advance(SECOND);
        broker.maintain().unwrap();
        assert_eq!(sending.join().unwrap().unwrap().offset, 1);
    });
}
