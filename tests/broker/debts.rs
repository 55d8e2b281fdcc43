//! What a producer owes when it is dropped: syncs that nobody waits for, and callbacks.

use crate::world::*;
use brooklet::partitioners::{Partitioner, TopicView};
use brooklet::{Acks, Compression, Error, NewRecord, Producer, Receipt, Result, TopicConfig, Visibility};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// What callbacks were told: offsets, or why not.
type Told = Arc<Mutex<Vec<Result<u64>>>>;

fn tell(told: &Told, receipt: Receipt) {
    let told = told.clone();
    receipt.on_ack(move |result| told.lock().push(result.map(|sent| sent.offset)));
}

/// Its records are to be durable, which is what is usual.
fn durable(world: &World) -> Producer {
    world.broker.producer().build().expect("valid settings")
}

#[test]
fn what_a_dropped_producer_has_written_is_made_durable_in_its_time() {
    let world = World::new();
    let durable_end = || world.partition(0).watermarks().durable_end;
    drop(send(&durable(&world), "v"));
    assert_eq!(durable_end(), 0);
    world.settle();
    assert_eq!(durable_end(), 0, "it is not due yet");
    world.pass(SECOND);
    assert_eq!(durable_end(), 1);
    assert_eq!(world.broker.maintain().unwrap(), None, "and no more is owed");
}

#[test]
fn callbacks_are_called_though_the_producer_is_dropped() {
    let (world, told) = (World::new(), Told::default());
    let producer = durable(&world);
    tell(&told, send(&producer, "v"));
    drop(producer);
    assert!(told.lock().is_empty());
    world.pass(SECOND);
    assert!(matches!(told.lock()[..], [Ok(0)]), "{told:?}");
    assert_eq!(world.partition(0).watermarks().durable_end, 1);
}

#[test]
fn whoever_waits_for_what_lingers_is_told_that_it_is_not_sent() {
    let (world, told) = (World::new(), Told::default());
    let producer = world.lingering();
    tell(&told, send(&producer, "v"));
    drop(producer);
    world.settle();
    assert!(matches!(told.lock()[..], [Err(Error::HandleClosed { handle: "producer" })]), "{told:?}");
    assert_eq!(world.log_len(), 0);
}

#[test]
fn closing_pays_all_debts() {
    let (world, told) = (World::new(), Told::default());
    let (producer, lingering) = (durable(&world), world.lingering());
    tell(&told, send(&producer, "v"));
    tell(&told, send(&lingering, "w"));
    drop((producer, lingering));
    world.broker.close().unwrap();
    assert!(matches!(told.lock()[..], [Ok(0), Err(Error::HandleClosed { .. })]), "{told:?}");
}

#[test]
fn what_is_sent_while_the_broker_closes_is_sent_or_its_sender_told() {
    let world = World::new();
    let producer = world.lingering();
    let second: Arc<Mutex<Option<Receipt>>> = Arc::default();
    let (slot, handle) = (second.clone(), producer.clone());
    send(&producer, "a").on_ack(move |_| *slot.lock() = Some(send(&handle, "b")));
    let World { disk, clock, broker } = world;
    broker.close().unwrap();
    let receipt = second.lock().take().expect("the callback was called");
    assert_eq!(pollster::block_on(async { receipt.await }).unwrap().offset, 1);
    let world = World { broker: builder(&disk, &clock).in_memory().unwrap(), disk, clock };
    assert_eq!(world.log(), ["a", "b"]);
}

#[test]
fn what_waits_for_a_deleted_topic_fails_when_another_is_met() {
    let (world, told) = (World::new(), Told::default());
    let producer = world.lingering();
    tell(&told, send(&producer, "v"));
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("users", TopicConfig::new()).unwrap();
    producer.send(NewRecord::to("users").value("v")).unwrap();
    assert!(matches!(told.lock()[..], [Err(Error::UnknownTopic { .. })]), "{told:?}");
}

/// Bytes that no codec makes shorter.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| draw()).collect()
}

#[test]
fn a_batch_that_its_codec_makes_too_large_goes_without() {
    let world = World::with(TopicConfig::new().max_message_bytes(1000));
    let mut sent = 0;
    for len in 90..130 {
        for linger in [SECOND, AT_ONCE] {
            let builder = world.broker.producer().acks(Acks::Written).compression(Compression::Lz4);
            let producer = builder.linger(linger).batch_bytes(1 << 20).build().unwrap();
            let values: Vec<_> = (0..20).map(|seed| noise(len, seed)).collect();
            let records = values.iter().map(|value| NewRecord::to("orders").partition(0).value(value));
            producer.send_batch(records).unwrap();
            producer.flush().unwrap();
            sent += 20;
        }
    }
    assert_eq!(world.log_len(), sent);
}

#[test]
fn what_is_shown_only_when_it_is_durable_is_shown_in_its_time() {
    let world = World::with(TopicConfig::new().visibility(Visibility::Durable));
    let (producer, mut consumer) = (world.producer(), world.consumer());
    send(&producer, "v").wait().unwrap();
    assert_eq!(drain(&mut consumer), [""; 0]);
    world.pass(SECOND);
    assert_eq!(drain(&mut consumer), ["v"]);
}

#[test]
fn a_partitioner_is_asked_once_for_a_record_that_has_to_wait_for_room() {
    #[derive(Debug, Clone, Default)]
    struct Counting(Arc<AtomicU32>);
    impl Partitioner for Counting {
        fn partition(&self, _record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
            self.0.fetch_add(1, SeqCst) % topic.partitions()
        }
    }
    let (world, counting) = (World::of(2), Counting::default());
    let builder = world.broker.producer().acks(Acks::Written).linger(MINUTE).buffer_memory(600);
    let producer = builder.partitioner(counting.clone()).build().unwrap();
    let (value, mut waited) = ([7; 200], 0);
    for number in 0..20 {
        let record = || NewRecord::to("orders").value(&value[..]);
        match number % 3 {
            0 => drop(producer.send(record()).unwrap()),
            1 => drop(producer.try_send(record()).unwrap()),
            _ => drop(pollster::block_on(producer.send_async(record())).unwrap()),
        }
        waited += u64::from(world.log_len() + world.partition(1).watermarks().end > 0);
    }
    producer.flush().unwrap();
    assert!(waited > 10, "there was room all the time");
    assert_eq!((counting.0.load(SeqCst), world.log_len()), (20, 10));
}
