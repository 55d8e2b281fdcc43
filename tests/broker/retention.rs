//! Retention by itself and on demand: what goes, when, and what everybody is told of it.

use crate::cleaned::{Cleaned, put};
use crate::world::*;
use brooklet::clock::{Clock, ManualClock};
use brooklet::io::Fs;
use brooklet::log::RemovalReason;
use brooklet::{Broker, BrokerEvent, Error, Start, Timestamp, TopicConfig};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Some five batches a segment.
fn hourly() -> TopicConfig {
    TopicConfig::new().segment_bytes(400).retention(HOUR)
}

#[test]
fn what_is_too_old_goes_by_itself_and_not_before() {
    let cleaned = Cleaned::with(hourly());
    cleaned.world.fill(20);
    assert_eq!(cleaned.broker().maintain().unwrap(), Some(15 * SECOND), "compaction is looked for first");
    cleaned.world.pass(HOUR);
    assert_eq!(cleaned.world.log(), numbers(0..20));
    assert!(cleaned.events().is_empty());

    cleaned.world.pass(4 * MINUTE);
    assert_eq!(cleaned.world.log(), numbers(0..20), "the next check is not due");
    cleaned.world.pass(MINUTE);
    let marks = cleaned.world.partition(0).watermarks();
    assert_eq!((marks.start, marks.end), (20, 20));
    assert_eq!(cleaned.world.disk.files("orders-0", ".log").len(), 1);
    let events = cleaned.events();
    let [event @ BrokerEvent::Retained { partition, removed }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((partition.to_string().as_str(), removed.start), ("orders-0", 20));
    assert!(removed.segments.len() >= 3);
    assert!(removed.segments.iter().all(|gone| gone.reason == RemovalReason::Time));
    assert!(event.to_string().contains("orders-0: removed"), "{event}");
}

#[test]
fn what_is_young_stays_and_a_reader_goes_on_behind_what_went() {
    let cleaned = Cleaned::with(hourly());
    let mut consumer = cleaned.world.consumer();
    cleaned.world.fill(20);
    cleaned.world.pass(40 * MINUTE);
    cleaned.world.fill(20);
    cleaned.world.pass(30 * MINUTE);
    let start = cleaned.world.partition(0).watermarks().start;
    assert!((10..=20).contains(&start), "{start}");
    assert_eq!(drain(&mut consumer).len() as u64, 40 - start);
}

#[test]
fn a_partition_never_holds_more_than_its_limit_and_two_segments() {
    const LIMIT: u64 = 200_000;
    const SEGMENT: u32 = 50_000;
    let config = TopicConfig::new().partitions(2).segment_bytes(SEGMENT).retention_bytes(LIMIT);
    let cleaned = Cleaned::with(config);
    let value = "v".repeat(1_000);
    let [before, most] = [0, 2 * (LIMIT + 2 * u64::from(SEGMENT))];
    let mut had = before;
    for minute in 0..600 {
        for number in 0..2 {
            put(&cleaned.world.partition(number), "key", Some(&value));
        }
        cleaned.world.pass(MINUTE);
        let found = cleaned.world.disk.bytes_under(Path::new("/"));
        assert!(
            found <= most + 30_000,
            "after {minute} minutes there are {found} bytes, indexes and notes included"
        );
        had = had.max(found);
    }
    for number in 0..2 {
        let bytes = cleaned.world.partition(number).size_bytes();
        assert!((LIMIT..=LIMIT + 2 * u64::from(SEGMENT)).contains(&bytes), "{bytes} bytes of batches");
    }
    assert!(had > LIMIT, "as much is kept as was asked for: {had}");
}

#[test]
fn a_clock_that_jumped_deletes_nothing_and_everybody_hears_of_it() {
    let cleaned = Cleaned::with(hourly());
    cleaned.world.fill(20);
    cleaned.world.pass(MINUTE);
    let now = cleaned.world.clock.now().as_millis();
    cleaned.world.clock.set_wall(Timestamp::from_millis(now + 365 * 86_400_000));
    cleaned.world.pass(5 * MINUTE);
    assert_eq!(cleaned.world.log(), numbers(0..20));
    let events = cleaned.events();
    assert!(matches!(&events[..], [BrokerEvent::ClockDoubted { .. }]), "{events:?}");
    assert!(events[0].to_string().contains("wall clock"));
    cleaned.world.pass(DAY);
    cleaned.world.pass(5 * MINUTE);
    assert!(cleaned.world.log().is_empty(), "it has proven itself");
}

#[test]
fn one_partition_that_fails_is_told_of_and_keeps_no_other_from_it() {
    let cleaned = Cleaned::with(hourly().partitions(3));
    cleaned.world.fill_partition(0, 20);
    cleaned.world.fill_partition(2, 20);
    // The second is flushed already, so only the first meets the disk.
    cleaned.world.partition(2).flush().unwrap();
    let syncs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let disk = cleaned.world.disk.clone();
    let seen = syncs.clone();
    cleaned.world.disk.before_sync(move || {
        let first = seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        disk.set_syncs_fail(first);
    });
    cleaned.world.pass(2 * HOUR);
    let events = cleaned.events();
    let [failed @ BrokerEvent::RetentionFailed { partition, error }, BrokerEvent::Retained { .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(partition.to_string(), "orders-0");
    assert!(matches!(error, Error::Indeterminate { .. }) && failed.to_string().contains("not enforced"));
    assert_eq!(cleaned.world.log_of(0), numbers(0..20), "nothing is lost");
    assert_eq!(cleaned.world.partition(2).watermarks().start, 20);
}

#[test]
fn on_demand_it_says_what_it_did_in_each_partition() {
    let world = World::with(hourly().partitions(2));
    world.fill_partition(1, 20);
    let admin = world.broker.admin();
    let bytes = world.partition(1).size_bytes();
    let nothing = admin.enforce_retention_now("orders").unwrap();
    assert!(nothing.iter().all(|each| each.segments_removed.is_empty() && each.bytes_freed == 0));
    world.clock.advance(2 * HOUR);
    let [empty, full] = &admin.enforce_retention_now("orders").unwrap()[..] else { panic!("two partitions") };
    assert_eq!((empty.partition, empty.start, empty.bytes_freed), (0, 0, 0));
    assert_eq!((full.partition, full.start, full.bytes_freed), (1, 20, bytes));
    assert_eq!(full.segments_removed[0].base_offset, 0);
    assert!(full.doubt.is_none());
    assert_eq!(world.log_of(1), numbers(0..0));
}

#[test]
fn on_demand_it_refuses_what_is_not_there() {
    let world = World::with(hourly());
    let admin = world.broker.admin();
    assert!(matches!(admin.enforce_retention_now("other"), Err(Error::UnknownTopic { .. })));
    admin.delete_topic("orders").unwrap();
    assert!(matches!(admin.enforce_retention_now("orders"), Err(Error::UnknownTopic { .. })));
    world.broker.close().unwrap();
    assert!(matches!(admin.enforce_retention_now("orders"), Err(Error::Closed { .. })));
}

#[test]
fn records_deleted_by_an_operator_give_their_space_back() {
    let cleaned = Cleaned::with(TopicConfig::new().segment_bytes(400));
    cleaned.world.fill(20);
    let admin = cleaned.broker().admin();
    let before = cleaned.world.partition(0).size_bytes();
    assert_eq!(admin.delete_records("orders", 0, 12).unwrap(), 12);
    assert!(matches!(
        admin.delete_records("orders", 0, 21),
        Err(Error::OffsetOutOfRange { requested: 21, start: 12, end: 20 })
    ));
    cleaned.world.pass(5 * MINUTE);
    assert!(cleaned.world.partition(0).size_bytes() < before / 2 + 100);
    assert_eq!(cleaned.world.log(), numbers(12..20));
    let events = cleaned.events();
    let [BrokerEvent::Retained { removed, .. }] = &events[..] else { panic!("{events:?}") };
    assert!(removed.segments.iter().all(|gone| gone.reason == RemovalReason::Start));
}

#[test]
fn a_deleted_topic_gives_all_its_space_back() {
    let cleaned = Cleaned::with(TopicConfig::new());
    let root = Path::new("/");
    let before = cleaned.world.disk.bytes_under(root);
    for round in 0..10 {
        let topic = cleaned.broker().create_topic("short-lived", hourly().partitions(3)).unwrap();
        for number in 0..3 {
            for value in 0..50 {
                put(&topic.partition(number).unwrap(), "key", Some(&value.to_string()));
            }
        }
        cleaned.world.pass(MINUTE);
        cleaned.broker().admin().delete_topic("short-lived").unwrap();
        cleaned.world.pass(MINUTE);
        let left = cleaned.world.disk.bytes_under(root);
        assert!(left <= before + 100, "round {round}: {left} bytes where there were {before}");
    }
    assert!(cleaned.events().is_empty(), "nobody is told of trouble");
}

#[test]
fn what_is_none_of_ours_is_left_alone() {
    let cleaned = Cleaned::with(hourly());
    cleaned.world.fill(20);
    let strays = ["notes.txt", "00000000000000000000.log.bak", "x.log", "5.log", "copy.cleaned", "a.swap"];
    let path = |name: &str| Path::new("/orders-0").join(name);
    for name in strays {
        cleaned.world.disk.create(&path(name)).unwrap().write_at(0, b"mine").unwrap();
    }
    cleaned.world.disk.create_dir(Path::new("/orders-1")).unwrap();
    let cleaned = cleaned.reopened();
    cleaned.world.pass(2 * HOUR);
    assert!(cleaned.world.log().is_empty());
    let cleaned = cleaned.reopened();
    let report = cleaned.broker().admin().verify().unwrap();
    let mut expected = strays.map(path).to_vec();
    expected.push("/orders-1".into());
    expected.sort();
    let mut found = report.strays.clone();
    found.sort();
    assert_eq!(found, expected);
    assert!(report.is_clean() && report.to_string().contains("notes.txt: none of ours"), "{report}");
    for name in strays {
        let file = cleaned.world.disk.open(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&file.read_at(0, 4).unwrap()[..], b"mine");
    }
}

#[test]
fn an_interval_of_nothing_is_refused_and_never_is_never() {
    let clock = || Arc::new(ManualClock::new(Timestamp::from_millis(NOW)));
    let builder = || Broker::builder().clock(clock());
    for (builder, name) in [
        (builder().retention_check_interval(Duration::ZERO), "retention_check_interval"),
        (builder().cleaner_backoff(Duration::ZERO), "cleaner_backoff"),
    ] {
        match builder.in_memory() {
            Err(Error::InvalidConfig { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{other:?}"),
        }
    }
    let world = World::with(hourly());
    world.fill(20);
    assert_eq!(world.broker.maintain().unwrap(), None);
    world.pass(100 * DAY);
    assert_eq!(world.log(), numbers(0..20));
}

#[test]
fn a_consumer_that_waits_under_a_manual_clock_lets_retention_happen() {
    let cleaned = Cleaned::with(hourly());
    cleaned.world.fill(20);
    let consumer = cleaned.broker().consumer().assign([("orders", 0)]).start(Start::Latest);
    assert!(consumer.build().unwrap().poll(2 * HOUR).unwrap().is_empty());
    assert!(cleaned.world.log().is_empty());
}

#[test]
fn who_waits_without_end_lets_no_time_pass() {
    let cleaned = Cleaned::with(hourly());
    let mut consumer = cleaned.world.consumer();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drain_one(&mut consumer));
        // Time enough for it to begin to wait, on most machines.
        (0..10_000).for_each(|_| std::thread::yield_now());
        cleaned.world.fill(1);
        assert_eq!(waiting.join().expect("it reads"), numbers(0..1));
    });
    assert_eq!(cleaned.world.elapsed(), AT_ONCE);
}

fn drain_one(consumer: &mut brooklet::Consumer) -> Vec<String> {
    values(&consumer.poll(Duration::MAX).expect("a readable log"))
}

/// A clock that runs by itself, and is set by hand all the same.
#[derive(Debug)]
struct Running(ManualClock);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

#[test]
fn threads_of_the_broker_do_it_when_nobody_else_does() {
    let clock = Arc::new(Running(ManualClock::new(Timestamp::from_millis(NOW))));
    let (sender, receiver) = mpsc::channel();
    let builder = Broker::builder().clock(clock.clone());
    let broker = builder.on_event(move |event| drop(sender.send(event.to_string()))).in_memory().unwrap();
    let topic = broker.create_topic("orders", hourly()).unwrap();
    let producer = broker.producer().build().unwrap();
    producer.send(order("old")).unwrap().wait().unwrap();
    clock.0.advance(2 * HOUR);
    // It wakes the thread, which then finds what time it is.
    broker.create_topic("other", hourly()).unwrap();
    let told = receiver.recv_timeout(30 * SECOND).expect("somebody cleans");
    assert!(told.contains("orders-0: removed 1 segments"), "{told}");
    assert_eq!(topic.partition(0).unwrap().watermarks().start, 1);
    broker.close().unwrap();
    assert!(receiver.try_iter().all(|told| !told.contains("not")), "and it ends in order");
}
