//! Topics that are deleted with something in the way: it concerns nobody but them, and whoever wants their name.

use crate::disk::Disk;
use crate::world::*;
use brooklet::clock::ManualClock;
use brooklet::io::Fs;
use brooklet::{Acks, Broker, BrokerEvent, Error, NewRecord, ReadLimit, Timestamp, TopicConfig};
use parking_lot::Mutex;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

const OPEN_FILES: usize = 8;

/// With few open files, and what it tells.
fn open(disk: &Disk, clock: &Arc<ManualClock>) -> (Broker, Arc<Mutex<Vec<BrokerEvent>>>) {
    let events = Arc::<Mutex<Vec<BrokerEvent>>>::default();
    let told = events.clone();
    let builder =
        builder(disk, clock).open_files(OPEN_FILES).on_event(move |event| told.lock().push(event.clone()));
    (builder.in_memory().expect("our own disk"), events)
}

fn empty() -> (Disk, Arc<ManualClock>) {
    (Disk::default(), Arc::new(ManualClock::new(Timestamp::from_millis(NOW))))
}

#[test]
fn a_deleted_topic_of_hundreds_of_segments_and_partitions_keeps_few_files_open() {
    let (disk, clock) = empty();
    let (broker, _) = open(&disk, &clock);
    let config = TopicConfig::new().partitions(100).segment_bytes(1 << 10);
    let topic = broker.create_topic("orders", config).unwrap();
    let value = vec![b'x'; 900];
    for number in 0..100 {
        let partition = topic.partition(number).unwrap();
        for offset in 0..4 {
            partition.append([NewRecord::new().value(&value[..])], Acks::Written).unwrap();
            partition.read(offset, ReadLimit::bytes(1), Default::default()).unwrap();
        }
        partition.flush().unwrap();
    }
    let (reader, kept) = (topic.partition(7).unwrap(), topic);
    let read = reader.read(0, ReadLimit::bytes(1), Default::default()).unwrap();
    let open = disk.open_most(|| broker.admin().delete_topic("orders").unwrap());
    assert!(open <= OPEN_FILES + 4, "{open} files were open");
    assert_eq!(disk.names().iter().filter(|name| name.starts_with("orders")).count(), 0);

    assert_eq!(read.iter().count(), 1, "what was read stays");
    let gone = reader.read(1, ReadLimit::bytes(1), Default::default());
    assert!(matches!(gone, Err(Error::UnknownTopic { .. })));
    drop(kept);
}

/// The topic "orders" with a directory of somebody else's in its second partition, and another topic.
fn with_foreign_directory() -> (Disk, Arc<ManualClock>, Broker) {
    let (disk, clock) = empty();
    let (broker, _) = open(&disk, &clock);
    broker.create_topic("orders", TopicConfig::new().partitions(3)).expect("a new topic");
    broker.create_topic("other", TopicConfig::new()).expect("a new topic");
    disk.create_dir(Path::new("/orders-1/backup")).expect("a partition");
    disk.create(Path::new("/orders-1/backup/notes.txt")).expect("a directory");
    (disk, clock, broker)
}

fn assert_in_the_way(error: &Error, at: &str) {
    assert!(
        matches!(error, Error::DeletionUnfinished { topic, path, .. } if topic == "orders" && path == Path::new(at)),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains(at) && text.contains("move"), "{text}");
}

fn is_there(disk: &Disk, path: &str) -> bool {
    disk.metadata(Path::new(path)).is_ok()
}

#[test]
fn a_directory_in_the_way_of_a_deletion_is_left_alone_and_all_else_goes_on() {
    let (disk, clock, broker) = with_foreign_directory();
    let admin = broker.admin();
    assert_in_the_way(&admin.delete_topic("orders").unwrap_err(), "/orders-1/backup");
    assert!(matches!(admin.delete_topic("orders"), Err(Error::UnknownTopic { .. })), "it is told once");
    assert!(is_there(&disk, "/orders-1/backup/notes.txt"));
    assert!(!is_there(&disk, "/orders-0") && !is_there(&disk, "/orders-2"), "the others went");
    assert_eq!(disk.list(Path::new("/orders-1")).unwrap().len(), 1, "and what else was in there");

    broker.create_topic("new", TopicConfig::new()).unwrap();
    broker.admin().delete_topic("new").unwrap();
    assert_in_the_way(&broker.create_topic("orders", TopicConfig::new()).unwrap_err(), "/orders-1/backup");
    assert_eq!(broker.admin().verify().unwrap().strays, [Path::new("/orders-1")]);
    drop((admin, broker));

    for closed_in_order in [false, true] {
        let (broker, events) = open(&disk, &clock);
        let told = std::mem::take(&mut *events.lock());
        match &told[..] {
            [BrokerEvent::DeletionUnfinished { error, .. }] => assert_in_the_way(error, "/orders-1/backup"),
            other => panic!("{other:?}"),
        }
        broker
            .topic("other")
            .unwrap()
            .partition(0)
            .unwrap()
            .append([NewRecord::new()], Acks::Durable)
            .unwrap();
        assert_in_the_way(
            &broker.create_topic("orders", TopicConfig::new()).unwrap_err(),
            "/orders-1/backup",
        );
        if closed_in_order {
            broker.close().unwrap();
        }
    }
    assert!(is_there(&disk, "/orders-1/backup/notes.txt"));
}

#[test]
fn the_name_is_free_again_once_the_directory_was_taken_away() {
    for reopens in [false, true] {
        let (disk, clock, mut broker) = with_foreign_directory();
        assert!(broker.admin().delete_topic("orders").is_err());
        disk.remove(Path::new("/orders-1/backup/notes.txt")).unwrap();
        disk.remove_dir(Path::new("/orders-1/backup")).unwrap();
        if reopens {
            drop(broker);
            let (opened, events) = open(&disk, &clock);
            assert!(events.lock().is_empty());
            assert!(!is_there(&disk, "/orders-1"));
            broker = opened;
        }
        let topic = broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap();
        assert_eq!(topic.partition(1).unwrap().watermarks().end, 0);
        broker.close().unwrap();
        let (broker, events) = open(&disk, &clock);
        assert!(events.lock().is_empty());
        assert_eq!(broker.topic("orders").unwrap().id(), topic.id());
    }
}

#[test]
fn a_file_that_cannot_be_unlinked_concerns_nobody_but_its_topic() {
    let (disk, clock) = empty();
    let (broker, _) = open(&disk, &clock);
    for name in ["orders", "other"] {
        broker.create_topic(name, TopicConfig::new()).unwrap();
    }
    disk.refuse_to_remove(Some("/orders-0/durable-end"));
    let error = broker.admin().delete_topic("orders").unwrap_err();
    assert_in_the_way(&error, "/orders-0/durable-end");
    assert!(
        matches!(&error, Error::DeletionUnfinished { source, .. } if source.kind() == ErrorKind::PermissionDenied)
    );
    broker.create_topic("new", TopicConfig::new()).unwrap();
    drop(broker);
    let (broker, events) = open(&disk, &clock);
    assert_eq!(events.lock().len(), 1);
    disk.refuse_to_remove(None);
    broker.create_topic("third", TopicConfig::new()).unwrap();
    assert!(!is_there(&disk, "/orders-0"), "each new topic is an occasion to try again");
    assert_eq!(disk.removed_and_not_synced(), 0);
    broker.create_topic("orders", TopicConfig::new()).unwrap();
}

#[test]
fn checkpoints_say_nothing_of_a_topic_that_is_deleted() {
    let world = World::new();
    world.broker.create_topic("users", TopicConfig::new()).expect("a new topic");
    world.fill(3);
    let world = world.reopened();
    world.broker.admin().delete_topic("orders").expect("nothing is in the way");
    let World { disk, broker, .. } = world.reopened();
    broker.close().expect("a whole disk");
    let path = Path::new("/recovery-point-offset-checkpoint");
    let text = disk.open(path).and_then(|file| file.read_up_to(0, 1000)).expect("it was closed in order");
    assert_eq!(std::str::from_utf8(&text), Ok("0\n1\nusers 0 0\n"));
}
