//! Producers that number their batches: what is remembered of them, and for how long. And what is taken back of a log.

use crate::world::*;
use brooklet::log::ReadLimit;
use brooklet::partition::ProducerStateEntry;
use brooklet::{Acks, Error, Isolation, NewRecord, Producer, RecordRef};

fn numbering(world: &World) -> Producer {
    world.broker.producer().idempotent(true).build().expect("its settings are good")
}

fn known(world: &World) -> Vec<ProducerStateEntry> {
    world.partition(0).producers().expect("a whole disk")
}

fn last_sequence(entry: &ProducerStateEntry) -> i32 {
    entry.last_batch().expect("it has sent something").last_sequence
}

/// The snapshots of the producers of "orders-0", by name.
fn snapshots(world: &World) -> Vec<String> {
    let names = brooklet::io::Fs::list(&world.disk, "/orders-0".as_ref()).expect("it is there");
    names.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".snapshot")).collect()
}

#[test]
fn each_producer_counts_its_batches_from_zero_under_an_id_of_its_own() {
    let world = World::new();
    let (one, other) = (numbering(&world), numbering(&world));
    for producer in [&one, &other, &one] {
        send(producer, "v").wait().unwrap();
    }
    let known = known(&world);
    let mut lasts: Vec<_> = known.iter().map(last_sequence).collect();
    lasts.sort_unstable();
    assert_eq!((known.len(), lasts), (2, vec![0, 1]));
    assert_ne!(known[0].producer_id, known[1].producer_id);
}

#[test]
fn no_id_is_given_twice_though_the_broker_is_killed_in_between() {
    let mut world = World::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        send(&numbering(&world), "v").wait().unwrap();
        ids = known(&world).iter().map(|entry| entry.producer_id).collect();
        world = world.crashed();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn what_is_known_of_producers_is_saved_once_a_minute_and_at_the_close() {
    let world = World::new();
    let producer = numbering(&world);
    send(&producer, "v").wait().unwrap();
    assert_eq!(snapshots(&world), [""; 0]);
    world.clock.advance(MINUTE);
    world.broker.maintain().unwrap();
    assert_eq!(snapshots(&world), ["00000000000000000001.snapshot"]);
    send(&producer, "v").wait().unwrap();
    drop(producer);
    let world = world.reopened();
    assert!(snapshots(&world).contains(&"00000000000000000002.snapshot".to_owned()));
    assert_eq!(last_sequence(&known(&world)[0]), 1);
}

#[test]
fn who_was_not_heard_of_for_a_day_is_forgotten() {
    let world = World::new();
    send(&numbering(&world), "v").wait().unwrap();
    world.clock.advance(24 * 60 * MINUTE);
    world.broker.maintain().unwrap();
    assert_eq!(known(&world), []);
}

#[test]
fn what_is_truncated_is_gone_and_its_offsets_are_not_given_again() {
    let world = World::new();
    let producer = numbering(&world);
    for value in ["a", "b", "c"] {
        send(&producer, value).wait().unwrap();
    }
    let partition = world.partition(0);
    partition.truncate(1).unwrap();
    assert!(matches!(partition.truncate(9), Err(Error::OffsetOutOfRange { .. })));
    assert_eq!(last_sequence(&known(&world)[0]), 0, "the numbers of what is gone are free again");
    let at = partition.append([NewRecord::new().value("d")], Acks::Durable).unwrap();
    assert_eq!(at.first_offset, 3);
    let read =
        |offset| partition.read(offset, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted).unwrap();
    let mut found: Vec<_> = read(0).iter().map(RecordRef::offset).collect();
    found.extend(read(1).iter().chain(read(3).iter()).map(RecordRef::offset));
    found.dedup();
    assert_eq!(found.first().zip(found.last()), Some((&0, &3)));
    assert!(!found.contains(&1) && !found.contains(&2), "{found:?}");
}
