//! When a new segment is begun, end to end: by bytes, by age, by full indexes.

use crate::batches::{Spec, append_bytes};
use crate::reading::read_on;
use crate::world::{World, small};
use brooklet::io::Fs;
use brooklet::record::Compression;
use brooklet::{Error, LogConfig};
use std::time::Duration;

fn spec(timestamp: Option<i64>) -> Spec {
    Spec { compression: Compression::None, records: vec![(timestamp, "value".into())], transaction: None }
}

#[test]
fn a_segment_never_grows_beyond_its_bytes() {
    let bytes = spec(Some(1)).encode().len() as u32;
    for more in [0, 1, bytes - 1] {
        let world = World::new(LogConfig { segment_bytes: 3 * bytes + more, ..LogConfig::default() });
        for _ in 0..10 {
            spec(Some(1)).append_to(&world.log);
        }
        assert_eq!(world.log.segment_base_offsets(), [0, 3, 6, 9]);
        assert_eq!(world.log.size_bytes(), 10 * u64::from(bytes));
    }
}

#[test]
fn a_segment_is_closed_when_a_record_is_too_much_younger_than_its_first() {
    let age = Duration::from_millis(100);
    let world = World::new(LogConfig { segment_age: age, ..LogConfig::default() });
    for millis in [1_000, 1_100, 500, 1_101, 1_200, 1_202] {
        spec(Some(millis)).append_to(&world.log);
    }
    assert_eq!(world.log.segment_base_offsets(), [0, 3, 5]);
    let world = world.reopened();
    spec(Some(1_302)).append_to(&world.log);
    assert_eq!(
        world.log.segment_base_offsets(),
        [0, 3, 5],
        "the age is that of the first record, not of the opening"
    );
    spec(Some(1_303)).append_to(&world.log);
    assert_eq!(world.log.segment_base_offsets(), [0, 3, 5, 7]);
}

#[test]
fn without_timestamps_the_wall_clock_counts() {
    let age = Duration::from_millis(100);
    let world = World::new(LogConfig { segment_age: age, ..LogConfig::default() });
    for (advance, segments) in [(0, 1), (100, 1), (1, 2), (100, 2), (1, 3)] {
        world.clock.advance(Duration::from_millis(advance));
        spec(None).append_to(&world.log);
        assert_eq!(world.log.segment_base_offsets().len(), segments);
    }
}

#[test]
fn a_log_that_nothing_is_appended_to_does_not_age() {
    let world = World::new(LogConfig { segment_age: Duration::from_millis(1), ..LogConfig::default() });
    world.clock.advance(Duration::from_secs(1 << 30));
    spec(Some(0)).append_to(&world.log);
    assert_eq!(world.log.segment_base_offsets(), [0]);
}

#[test]
fn a_full_index_closes_a_segment() {
    let config = LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..LogConfig::default() };
    let world = World::new(config);
    for millis in 0..30 {
        spec(Some(millis)).append_to(&world.log);
    }
    let bases = world.log.segment_base_offsets();
    assert!(bases.len() >= 8, "{bases:?}");
    let world = world.reopened();
    assert_eq!(world.log.segment_base_offsets(), bases);
    assert_eq!(read_on(&world.log, 0, 100).expect("nothing is damaged").offsets().len(), 30);
}

#[test]
fn an_entry_of_the_index_stands_after_so_many_bytes_however_alike_the_batches_are() {
    let bytes = spec(Some(1)).encode().len() as u32;
    let world = World::new(LogConfig { index_interval_bytes: 2 * bytes, ..LogConfig::default() });
    for _ in 0..11 {
        spec(Some(1)).append_to(&world.log);
    }
    let path = world.log.path().join("00000000000000000000.index");
    let index = world.reopened().fs.open(&path).and_then(|file| file.read_up_to(0, 100));
    let entries: Vec<u32> = [3, 6, 9].into_iter().flat_map(|offset| [offset, offset * bytes]).collect();
    let expected: Vec<u8> = entries.into_iter().flat_map(u32::to_be_bytes).collect();
    assert_eq!(index.expect("memory does not fail"), expected);
}

#[test]
fn a_batch_that_could_never_fit_is_refused_and_costs_nothing() {
    for config in
        [LogConfig { max_message_bytes: 100, ..small() }, LogConfig { segment_bytes: 130, ..small() }]
    {
        let setting = if config.max_message_bytes == 100 { "max_message_bytes" } else { "segment_bytes" };
        let world = World::new(config);
        spec(Some(1)).append_to(&world.log);
        let large = Spec::plain(1, &[&"x".repeat(200)]).encode();
        let size = large.len() as u64;
        let error = append_bytes(&world.log, large).expect_err("it does not fit");
        assert!(
            matches!(error, Error::TooLarge { bytes, setting: named, .. } if bytes == size && named == setting),
            "{error}"
        );
        assert_eq!(spec(Some(1)).append_to(&world.log).base_offset, 1);
        assert_eq!(read_on(&world.log, 0, 1).expect("nothing is damaged").offsets(), [0, 1]);
    }
}
