//! Opening, locking, closing: one broker per directory, and what is there again afterwards.

use crate::own_process;
use crate::world::*;
use brooklet::clock::ManualClock;
use brooklet::{Acks, Broker, Error, NewRecord, Start, Timestamp, TopicConfig};
use std::path::Path;
use std::sync::Arc;

fn is_locked(path: &Path) -> bool {
    match Broker::open(path) {
        Ok(_) => false,
        Err(Error::Locked { path: named }) => {
            assert!(named.ends_with("data"), "{named:?} is not what was opened");
            true
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_directory_is_made_and_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    let broker = Broker::open(&path).unwrap();
    let topic = broker.create_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    let producer = broker.producer().build().unwrap();
    producer.send(NewRecord::to("orders").partition(1).value("kept")).unwrap().wait().unwrap();
    broker.close().unwrap();

    let again = Broker::open(&path).unwrap();
    assert_eq!(again.topic("orders").unwrap().id(), topic.id());
    let mut consumer = again.consumer().assign([("orders", 1)]).start(Start::Earliest).build().unwrap();
    assert_eq!(drain(&mut consumer), ["kept"]);
}

#[test]
fn a_second_open_is_refused_until_the_first_is_closed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    let broker = Broker::open(&path).unwrap();
    assert!(is_locked(&path));
    assert!(is_locked(&path), "and being refused frees nothing");
    broker.close().unwrap();
    assert!(!is_locked(&path));
}

#[test]
fn a_dropped_broker_frees_its_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    drop(Broker::open(&path).unwrap());
    assert!(!is_locked(&path));
}

#[cfg(unix)]
#[test]
fn a_link_to_the_directory_meets_the_same_lock() {
    let scratch = tempfile::tempdir().unwrap();
    let (path, link) = (scratch.path().join("data"), scratch.path().join("link to data"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let broker = Broker::open(&path).unwrap();
    assert!(matches!(Broker::open(&link), Err(Error::Locked { .. })));
    broker.close().unwrap();
    let through_link = Broker::open(&link).unwrap();
    assert!(is_locked(&path));
    drop(through_link);
}

#[test]
fn another_process_meets_the_lock_too() {
    if let Some(path) = own_process::argument() {
        print!("locked: {}", is_locked(Path::new(&path)));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    let ask = || own_process::run("lifecycle::another_process_meets_the_lock_too", path.to_str().unwrap());
    let broker = Broker::open(&path).unwrap();
    assert!(ask().contains("locked: true"));
    broker.close().unwrap();
    assert!(ask().contains("locked: false"));
    assert!(!is_locked(&path));
}

#[test]
fn a_client_keeps_the_broker_open_that_it_came_from() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    let broker = Broker::open(&path).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let producer = broker.producer().build().unwrap();
    drop(broker);
    assert!(is_locked(&path));
    assert_eq!(producer.send(order("still there")).unwrap().wait().unwrap().offset, 0);
    drop(producer);
    assert!(!is_locked(&path));
}

#[test]
fn closing_frees_the_directory_whoever_else_has_a_handle() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    let broker = Broker::open(&path).unwrap();
    let topic = broker.create_topic("orders", TopicConfig::new()).unwrap();
    let (other, producer, partition) =
        (broker.clone(), broker.producer().build().unwrap(), topic.partition(0).unwrap());
    let consumer = broker.consumer().assign([("orders", 0)]).build().unwrap();
    broker.close().unwrap();
    assert!(!is_locked(&path));
    drop((other, producer, partition, consumer));
}

#[test]
fn two_brokers_in_memory_have_nothing_in_common() {
    let (one, other) = (Broker::in_memory().unwrap(), Broker::in_memory().unwrap());
    one.create_topic("orders", TopicConfig::new()).unwrap();
    assert!(matches!(other.topic("orders"), Err(Error::UnknownTopic { .. })));
}

#[test]
fn what_was_written_outlives_a_broker_that_was_not_closed() {
    let world = World::of(2);
    world.fill_partition(1, 5);
    let world = world.crashed();
    assert_eq!(world.log_of(1), numbers(0..5));
    world.fill_partition(1, 2);
    let offsets: Vec<_> = {
        let mut consumer = world.consumer();
        consumer.poll(AT_ONCE).unwrap().iter().map(|record| record.offset()).collect()
    };
    assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "no offset comes twice: {offsets:?}");
    assert_eq!(world.crashed().log_of(1), ["0", "1", "2", "3", "4", "0", "1"]);
}

#[test]
fn closing_sends_what_still_lingers_and_makes_it_durable() {
    let world = World::new();
    let producer = world.broker.producer().linger(MINUTE).build().unwrap();
    drop(send(&producer, "late"));
    assert_eq!(world.log(), [""; 0]);
    let syncs = world.disk.log_syncs();
    let world = world.reopened();
    assert!(world.disk.log_syncs() > syncs);
    assert_eq!(world.log(), ["late"]);
    let marks = world.partition(0).watermarks();
    assert_eq!((marks.durable_end, marks.end), (1, 1));
}

#[test]
fn closing_makes_written_records_durable() {
    let world = World::new();
    world.fill(3);
    assert_eq!(world.partition(0).watermarks().durable_end, 0);
    assert_eq!(world.reopened().partition(0).watermarks().durable_end, 3);
}

#[test]
fn a_receipt_that_is_pending_when_the_broker_closes_is_kept() {
    let world = World::new();
    let producer = world.lingering();
    let receipt = send(&producer, "pending");
    let world = world.reopened();
    assert_eq!(receipt.wait().unwrap().offset, 0);
    assert_eq!(world.log(), ["pending"]);
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("letters");
    let fs = brooklet::io::OsFs::new();
    use brooklet::io::Fs;
    fs.create_dir(&path).unwrap();
    fs.create(&path.join("to-mother.txt")).unwrap();
    let error = Broker::open(&path).unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error:?}");
    assert!(error.to_string().contains("letters"), "{error}");
    assert_eq!(fs.list(&path).unwrap().len(), 1);
}

#[test]
fn a_file_is_not_a_directory() {
    let scratch = tempfile::NamedTempFile::new().unwrap();
    let error = Broker::open(scratch.path()).unwrap_err();
    let name = scratch.path().file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name), "{error}");
    assert!(!error.is_retriable());
}

#[test]
fn there_is_one_thread_from_the_first_client_on_and_none_on_a_manual_clock() {
    #[expect(clippy::disallowed_methods, reason = "the system tells of its threads in a directory")]
    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }
    if own_process::argument().is_some() {
        let before = threads();
        let world = World::new();
        let producer = world.broker.producer().linger(MINUTE).build().unwrap();
        drop(send(&producer, "lingers"));
        let with_manual = threads();
        let running = Broker::in_memory().unwrap();
        let idle = threads();
        let _clients = [running.producer().build().unwrap(), running.producer().build().unwrap()];
        print!("manual: {} idle: {} used: {}", with_manual - before, idle - before, threads() - before);
        return;
    }
    if cfg!(target_os = "linux") {
        let test = "lifecycle::there_is_one_thread_from_the_first_client_on_and_none_on_a_manual_clock";
        let said = own_process::run(test, "go");
        assert!(said.contains("manual: 0 idle: 0 used: 1"), "{said}");
    }
}

#[test]
fn nothing_is_due_in_a_broker_at_rest() {
    let world = World::new();
    assert_eq!(world.broker.maintain().unwrap(), None);
    world.fill(1);
    let producer = world.broker.producer().build().unwrap();
    send(&producer, "durable").wait().unwrap();
    world.pass(MINUTE);
    assert_eq!(world.broker.maintain().unwrap(), None);
}

#[test]
fn maintenance_says_when_to_come_again_for_what_lingers() {
    let world = World::new();
    let producer = world.broker.producer().acks(Acks::Written).linger(10 * SECOND).build().unwrap();
    drop(send(&producer, "a"));
    assert_eq!(world.broker.maintain().unwrap(), Some(10 * SECOND));
    world.clock.advance(4 * SECOND);
    assert_eq!(world.broker.maintain().unwrap(), Some(6 * SECOND));
    assert_eq!(world.log(), [""; 0]);
    world.pass(6 * SECOND);
    assert_eq!(world.log(), ["a"]);
}

#[test]
fn a_jump_of_the_wall_clock_makes_nothing_due() {
    let world = World::new();
    let producer = world.lingering();
    drop(send(&producer, "a"));
    world.clock.set_wall(brooklet::Timestamp::from_millis(2 * NOW));
    world.settle();
    assert_eq!(world.log(), [""; 0]);
    world.clock.set_wall(brooklet::Timestamp::from_millis(0));
    world.pass(MINUTE);
    assert_eq!(world.log(), ["a"]);
}

#[test]
fn under_the_machines_clock_what_lingers_is_sent_without_anybody_doing_anything() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let producer = broker.producer().linger(std::time::Duration::from_millis(1)).build().unwrap();
    let mut consumer = broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build().unwrap();
    drop(send(&producer, "by itself"));
    assert_eq!(values(&consumer.poll(MINUTE).unwrap()), ["by itself"]);
}

#[test]
fn the_level_of_a_broker_is_that_of_producers_that_ask_for_none() {
    let durable_after = |builder: brooklet::BrokerBuilder, acks: Option<Acks>| {
        let broker = builder.in_memory().unwrap();
        broker.create_topic("orders", TopicConfig::new()).unwrap();
        let producer = broker.producer();
        let producer = acks.map_or(producer.clone(), |acks| producer.acks(acks)).build().unwrap();
        producer.send(NewRecord::to("orders").value("v")).unwrap().wait().unwrap();
        broker.topic("orders").unwrap().partition(0).unwrap().watermarks().durable_end
    };
    let clock = || Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let written = || Broker::builder().clock(clock()).acks(Acks::Written);
    assert_eq!(durable_after(Broker::builder().clock(clock()), None), 1);
    assert_eq!(durable_after(written(), None), 0);
    assert_eq!(durable_after(written(), Some(Acks::Durable)), 1);
}
