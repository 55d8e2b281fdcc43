//! Reading: from every offset, in chunks of every size.

use crate::batches::Spec;
use crate::reading::{Seen, read_on, records_from};
use crate::world::{World, small};
use brooklet::Error;
use brooklet::log::{Cursor, ReadLimit};
use brooklet::record::Compression;
use proptest::prelude::*;

#[test]
fn what_is_appended_is_read_back_from_every_offset_and_in_chunks_of_every_size() {
    let world = World::new(small());
    world.append_batches(40);
    assert!(world.log.segment_base_offsets().len() > 5);
    let end = world.log.watermarks().end;
    let all = read_on(&world.log, 0, 1 << 20).expect("nothing is damaged");
    assert_eq!(all.offsets(), (0..end).collect::<Vec<_>>());
    for bytes in [0, 1, 100, 150, 701, 10_000] {
        for from in 0..=end {
            let reading = read_on(&world.log, from, bytes).expect("nothing is damaged");
            assert_eq!(reading.seen, all.seen[from as usize..], "from {from} by {bytes}");
        }
    }
}

#[test]
fn a_chunk_keeps_to_its_limit_but_holds_one_batch_at_least() {
    let world = World::new(small());
    world.append_batches(20);
    let one = world.log.read(&Cursor::at(0), ReadLimit::bytes(0)).expect("in range");
    assert_eq!(one.batches().count(), 1);
    for limit in 0..500 {
        let chunk = world.log.read(&Cursor::at(0), ReadLimit::bytes(limit)).expect("in range");
        assert!(chunk.bytes().len() <= limit.max(one.bytes().len()), "limit {limit}");
    }
}

#[test]
fn no_batch_begins_at_or_behind_until() {
    let world = World::new(small());
    let begins = world.append_batches(20);
    let end = *begins.last().expect("it holds the end");
    for until in 0..=end + 3 {
        let mut cursor = Cursor::at(0);
        let mut seen = Vec::new();
        while cursor.offset() < until.min(end) {
            let chunk = world.log.read(&cursor, ReadLimit::bytes(250).until(until)).expect("in range");
            for batch in chunk.batches() {
                seen.push(batch.expect("nothing is damaged").header().base_offset);
            }
            assert!(chunk.next().offset() > cursor.offset());
            cursor = chunk.next().clone();
        }
        let expected: Vec<u64> = begins.iter().copied().filter(|&begin| begin < until.min(end)).collect();
        assert_eq!(seen, expected, "until {until}");
    }
}

#[test]
fn an_offset_that_the_log_does_not_hold_is_out_of_range() {
    let world = World::new(small());
    world.append_batches(3);
    world.log.advance_start(2).expect("it is in range");
    let end = world.log.watermarks().end;
    for requested in [0, 1, end + 1, u64::MAX] {
        let error =
            world.log.read(&Cursor::at(requested), ReadLimit::bytes(1)).map(drop).expect_err("out of range");
        let says = (2, end);
        assert!(
            matches!(error, Error::OffsetOutOfRange { start, end, .. } if (start, end) == says),
            "{error}"
        );
    }
    let chunk = world.log.read(&Cursor::at(end), ReadLimit::bytes(1)).expect("the end is in range");
    assert!(chunk.is_empty() && chunk.next().offset() == end);
}

#[test]
fn a_cursor_of_one_chunk_reads_what_is_appended_afterwards() {
    let world = World::new(small());
    let (mut cursor, mut seen) = (Cursor::at(0), Vec::new());
    for _ in 0..30 {
        world.append_batches(1);
        let before = cursor.offset();
        let chunk = world.log.read(&cursor, ReadLimit::bytes(1 << 20)).expect("in range");
        for batch in chunk.batches() {
            seen.extend(records_from(&batch.expect("nothing is damaged"), before).expect("records"));
        }
        cursor = chunk.next().clone();
    }
    assert_eq!(seen.iter().map(|record| record.offset).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
}

#[test]
fn one_clone_of_a_chunk_outlives_the_log() {
    let world = World::new(small());
    world.append_batches(3);
    let chunk = world.log.read(&Cursor::at(0), ReadLimit::bytes(1 << 20)).expect("in range");
    drop(world);
    assert_eq!(chunk.batches().filter(|batch| batch.is_ok()).count(), 3);
}

fn any_batch() -> impl Strategy<Value = Spec> {
    let record = (prop::option::of(0..5_000i64), "[a-z]{0,40}");
    let codec = prop::sample::select(vec![Compression::None, Compression::Lz4]);
    (prop::collection::vec(record, 1..6), codec).prop_map(|(records, compression)| Spec {
        compression,
        records,
        transaction: None,
    })
}

/// What a log with these batches must give back.
fn model(specs: &[Spec]) -> Vec<(Option<i64>, Vec<u8>)> {
    let records = specs.iter().flat_map(|spec| &spec.records);
    records.map(|(millis, value)| (*millis, value.clone().into_bytes())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_batches_come_back_as_they_went_in(
        specs in prop::collection::vec(any_batch(), 0..25),
        segment_bytes in 500u32..1500,
        chunk in 0usize..2000,
        crash in any::<bool>(),
    ) {
        let world = World::new(brooklet::LogConfig { segment_bytes, ..small() });
        specs.iter().for_each(|spec| { spec.append_to(&world.log); });
        let plain = |seen: Vec<Seen>| -> Vec<_> {
            seen.into_iter().map(|record| (record.timestamp, record.value.expect("all have one"))).collect()
        };
        let before = read_on(&world.log, 0, chunk).map_err(TestCaseError::fail)?;
        prop_assert_eq!(plain(before.seen), model(&specs));
        let world = if crash { world.crashed() } else { world.reopened() };
        let after = read_on(&world.log, 0, chunk).map_err(TestCaseError::fail)?;
        prop_assert_eq!(plain(after.seen), model(&specs));
    }
}
