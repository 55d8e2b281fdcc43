//! What a producer owes when it is dropped: syncs that nobody waits for, and callbacks.

use crate::world::*;
use brooklet::{Acks, Compression, Error, NewRecord, Producer, Receipt, Result, TopicConfig};
use parking_lot::Mutex;
use std::sync::Arc;

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
