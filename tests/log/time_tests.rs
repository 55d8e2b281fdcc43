//! Finding offsets by time, held against a plain search.

use crate::batches::Spec;
use crate::world::{World, small};
use brooklet::record::Compression;
use brooklet::{LogConfig, Timestamp};
use proptest::prelude::*;

/// Records as batches of these sizes in turn.
fn append(world: &World, timestamps: &[Option<i64>], sizes: &[usize]) {
    let (mut rest, mut sizes) = (timestamps, sizes.iter().cycle());
    while !rest.is_empty() {
        let (batch, behind) = rest.split_at((*sizes.next().expect("it cycles")).min(rest.len()));
        let records = batch.iter().map(|millis| (*millis, "value".to_owned())).collect();
        Spec { compression: Compression::None, records, transaction: None }.append_to(&world.log);
        rest = behind;
    }
}

/// The first record from `start` on that is not older.
fn first_not_older(timestamps: &[Option<i64>], start: usize, wanted: i64) -> Option<(u64, Timestamp)> {
    let qualifies = |(_, millis): &(usize, &Option<i64>)| millis.is_some_and(|millis| millis >= wanted);
    let found = timestamps.iter().enumerate().skip(start).find(qualifies);
    found.map(|(offset, millis)| (offset as u64, Timestamp::from_millis(millis.expect("it qualified"))))
}

fn check(world: &World, timestamps: &[Option<i64>], start: usize) {
    for wanted in -2..60 {
        let found = world.log.offset_for_time(Timestamp::from_millis(wanted)).expect("nothing is damaged");
        assert_eq!(
            found,
            first_not_older(timestamps, start, wanted),
            "{wanted} from {start} in {timestamps:?}"
        );
    }
    let largest = timestamps[start..].iter().copied().max().flatten();
    let expected = largest.and_then(|largest| first_not_older(timestamps, start, largest));
    assert_eq!(world.log.max_timestamp().expect("nothing is damaged"), expected, "{start} in {timestamps:?}");
}

#[test]
fn ordered_timestamps_are_found() {
    let world = World::new(small());
    let timestamps: Vec<_> = (0..50).map(Some).collect();
    append(&world, &timestamps, &[1, 2, 3]);
    assert!(world.log.segment_base_offsets().len() > 3);
    check(&world, &timestamps, 0);
    check(&world.reopened(), &timestamps, 0);
}

#[test]
fn a_log_without_timestamps_has_no_offset_for_any_time() {
    let world = World::new(small());
    check(&world, &[], 0);
    append(&world, &[None; 30], &[2]);
    check(&world, &[None; 30], 0);
    check(&world.crashed(), &[None; 30], 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn jumbled_timestamps_give_the_first_that_qualifies(
        timestamps in prop::collection::vec(prop::option::weighted(0.8, 0..58i64), 1..50),
        sizes in prop::collection::vec(1usize..5, 1..4),
        (segment_bytes, index_interval_bytes) in (300u32..900, 0u32..300),
        start in 0usize..50,
        crash in any::<bool>(),
    ) {
        let world = World::new(LogConfig { segment_bytes, index_interval_bytes, ..small() });
        append(&world, &timestamps, &sizes);
        check(&world, &timestamps, 0);
        let start = start.min(timestamps.len());
        world.log.advance_start(start as u64).expect("it is in range");
        check(&world, &timestamps, start);
        let world = if crash { world.crashed() } else { world.reopened() };
        check(&world, &timestamps, start);
    }
}
