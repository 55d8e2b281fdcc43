//! What this simulation found once, each as short as it can be told.

use super::world::{ROOT, Setup, World};
use crate::disk::{Crash, Errno, Fault, Op, SimDisk};
use brooklet::{Acks, Broker, Error, NewRecord, Timestamp, TopicConfig};
use std::path::Path;
use std::time::Duration;

/// A broker with the topic `orders` of one partition, on a disk of its own.
fn with_orders() -> (SimDisk, Broker) {
    let disk = SimDisk::new();
    let broker = open(&disk);
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    (disk, broker)
}

fn open(disk: &SimDisk) -> Broker {
    World::open(disk, &Setup { seed: 1, open_files: 512, mistake: None }, Timestamp::from_millis(0))
        .unwrap()
        .broker
}

fn end_of_orders(broker: &Broker) -> u64 {
    broker.topic("orders").unwrap().partition(0).unwrap().watermarks().end
}

fn append(broker: &Broker) -> Result<u64, Error> {
    let partition = broker.topic("orders")?.partition(0)?;
    Ok(partition.append([NewRecord::new().value("v")], Acks::Durable)?.first_offset)
}

#[test]
fn a_topic_that_could_not_grow_is_not_deleted_by_a_call_to_create_it() {
    let (disk, broker) = with_orders();
    append(&broker).unwrap();
    disk.inject(Fault::fail(Errno::NoSpace).on(Op::CreateDir));
    broker.admin().add_partitions("orders", 2).unwrap_err();
    assert!(matches!(broker.create_topic("orders", TopicConfig::new()), Err(Error::TopicExists { .. })));
    assert_eq!(end_of_orders(&broker), 1);
    broker.admin().alter_topic("orders", |config| config.retention_bytes(1 << 20)).unwrap();
    assert_eq!(broker.admin().add_partitions("orders", 2).unwrap().partitions().len(), 2);
}

#[test]
fn a_growth_that_is_refused_does_not_finish_an_earlier_one() {
    let (disk, broker) = with_orders();
    disk.inject(Fault::fail(Errno::NoSpace).on(Op::CreateDir));
    broker.admin().add_partitions("orders", 4).unwrap_err();
    // The catalog wants four by now, and a topic never gets fewer.
    let refused = broker.admin().add_partitions("orders", 2);
    assert!(matches!(refused, Err(Error::InvalidConfig { .. })), "{refused:?}");
    assert_eq!(broker.topic("orders").unwrap().partitions().len(), 1);
    assert_eq!(broker.admin().add_partitions("orders", 4).unwrap().partitions().len(), 4);
}

#[test]
fn a_deletion_that_failed_takes_nothing_that_was_acknowledged_later() {
    for persists in [false, true] {
        let (disk, broker) = with_orders();
        let fault = Fault::fail(Errno::Io).on(Op::SyncDir).path(ROOT);
        disk.inject(if persists { fault.forever() } else { fault });
        broker.admin().delete_topic("orders").unwrap_err();
        let appended = append(&broker);
        assert_eq!(appended.is_err(), persists, "{appended:?}");
        disk.heal();
        disk.crash(Crash::Kill);
        let broker = open(&disk);
        // Where not even the old catalog could be put back, nobody was promised anything, and either is right.
        assert!(persists || end_of_orders(&broker) >= 1);
    }
}

#[test]
fn a_send_that_waits_for_room_on_a_full_disk_gives_up_in_time() {
    let (disk, broker) = with_orders();
    let builder = broker.producer().acks(Acks::Written).linger(Duration::from_millis(20));
    let producer = builder.batch_bytes(300).buffer_memory(1000).build().unwrap();
    disk.set_capacity(Some(0));
    let value = [b'v'; 200];
    let sent = (0..20).map(|_| producer.send(NewRecord::to("orders").value(&value[..])).map(drop));
    let error = sent.collect::<Result<(), Error>>().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn what_a_flush_within_close_could_not_file_is_filed_by_the_close() {
    let (disk, broker) = with_orders();
    broker.admin().alter_topic("orders", |config| config.segment_bytes(128)).unwrap();
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    for _ in 0..2 {
        partition.append([NewRecord::new().value("v")], Acks::Written).unwrap();
    }
    disk.inject(Fault::fail(Errno::Io).on(Op::Write).path("segment-manifest"));
    broker.close().unwrap();
    disk.number_reads();
    disk.keep_trace();
    let _broker = open(&disk);
    let trace = disk.trace();
    let reads_batches = |line: &&String| line.contains(" Read ") && line.contains(".log ");
    assert_eq!(trace.iter().find(reads_batches), None);
    assert!(disk.peek(Path::new("/data/orders-0/segment-manifest")).is_ok());
}

#[test]
fn a_handle_of_a_deleted_topic_writes_nothing_into_the_directory_of_its_successor() {
    let (disk, broker) = with_orders();
    broker.admin().alter_topic("orders", |config| config.segment_bytes(128)).unwrap();
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    for _ in 0..3 {
        partition.append([NewRecord::new().value("v")], Acks::Written).unwrap();
    }
    broker.admin().delete_topic("orders").unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let dir = Path::new("/data/orders-0");
    let files = |disk: &SimDisk| -> Vec<(String, Vec<u8>)> {
        let names = disk.peek_list(dir).unwrap().into_iter().map(|entry| entry.name);
        names.map(|name| (name.clone(), disk.peek(&dir.join(name)).unwrap())).collect()
    };
    let before = files(&disk);
    assert!(matches!(partition.flush(), Err(Error::UnknownTopic { .. })));
    assert_eq!(files(&disk), before);
}

#[test]
fn the_callbacks_of_a_deleted_topic_are_called_though_it_was_made_anew() {
    let (_disk, broker) = with_orders();
    let producer = broker.producer().linger(Duration::from_secs(1)).build().unwrap();
    let told = std::sync::Arc::new(parking_lot::Mutex::new(None));
    let tell = told.clone();
    let receipt = producer.send(NewRecord::to("orders").value("v")).unwrap();
    receipt.on_ack(move |result| *tell.lock() = Some(result));
    broker.admin().delete_topic("orders").unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    producer.send(NewRecord::to("orders").value("v")).unwrap();
    // The flush tells too what was lost, to those who dropped their receipts.
    assert!(matches!(producer.flush(), Err(Error::UnknownTopic { .. })));
    assert!(matches!(*told.lock(), Some(Err(Error::UnknownTopic { .. }))), "{told:?}");
}

#[test]
fn a_callback_that_waits_for_a_sync_is_called_though_its_topic_does_not_ask_for_one_any_more() {
    let (_disk, broker) = with_orders();
    broker.admin().alter_topic("orders", |config| config.min_acks(Acks::Durable)).unwrap();
    let producer = broker.producer().acks(Acks::Written).build().unwrap();
    let told = std::sync::Arc::new(parking_lot::Mutex::new(None));
    let tell = told.clone();
    let receipt = producer.send(NewRecord::to("orders").value("v")).unwrap();
    receipt.on_ack(move |result| *tell.lock() = Some(result.is_ok()));
    broker.admin().alter_topic("orders", |config| config.min_acks(Acks::Written)).unwrap();
    producer.flush().unwrap();
    assert_eq!(*told.lock(), Some(true));
}
