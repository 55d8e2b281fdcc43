//! Retention: what goes, what stays, who is not disturbed, and what the clock has to say.

use crate::reading::read_on;
use crate::world::{World, small};
use brooklet::clock::Clock;
use brooklet::io::Fs;
use brooklet::log::{Cursor, ReadLimit, RemovalReason, Removed, RetentionConfig};
use brooklet::{CleanupPolicy, Error, LogConfig, Timestamp};
use std::time::Duration;

/// Nothing goes by age or size.
fn keep_all() -> RetentionConfig {
    RetentionConfig { time: Duration::MAX, bytes: u64::MAX, policy: CleanupPolicy::Delete }
}

fn keep_bytes(bytes: u64) -> RetentionConfig {
    RetentionConfig { bytes, ..keep_all() }
}

fn keep_for(seconds: u64) -> RetentionConfig {
    RetentionConfig { time: Duration::from_secs(seconds), ..keep_all() }
}

/// A log with some segments, of records of the second second.
fn world() -> World {
    let world = World::new(small());
    world.append_batches(40);
    assert!(world.log.segment_base_offsets().len() > 5);
    world
}

fn enforce(world: &World, config: &RetentionConfig) -> Removed {
    world.log.enforce_retention(config).expect("memory does not fail")
}

fn offsets(world: &World) -> Vec<u64> {
    read_on(&world.log, world.log.watermarks().start, 400).expect("nothing is damaged").offsets()
}

#[test]
fn by_size_whole_segments_go_and_the_rest_is_as_it_was() {
    for reopen in [World::reopened as fn(World) -> World, World::crashed] {
        let world = world();
        let (bases, before, bytes) =
            (world.log.segment_base_offsets(), offsets(&world), world.log.size_bytes());
        let removed = enforce(&world, &keep_bytes(1_500));
        let gone = removed.segments.len();
        assert!(gone >= 2 && removed.segments.iter().all(|it| it.reason == RemovalReason::Size));
        assert_eq!(world.log.segment_base_offsets(), bases[gone..]);
        assert_eq!((removed.start, world.log.watermarks().start), (bases[gone], bases[gone]));
        assert!(world.log.size_bytes() >= 1_500 && world.log.size_bytes() + removed.bytes() == bytes);
        let left: Vec<u64> = before.iter().copied().filter(|offset| *offset >= bases[gone]).collect();
        assert_eq!(offsets(&world), left);
        assert_eq!(enforce(&world, &keep_bytes(1_500)).segments, []);
        let names: Vec<_> = world.fs_names().into_iter().filter(|name| name.ends_with(".log")).collect();
        assert_eq!(names.len(), bases.len() - gone, "{names:?}");

        let world = reopen(world);
        assert!(world.log.damage().is_empty(), "{:?}", world.log.damage());
        assert_eq!(world.log.watermarks().start, bases[gone]);
        assert_eq!(offsets(&world), left);
    }
}

#[test]
fn when_all_has_expired_the_log_is_empty_and_goes_on_where_it_was() {
    let world = world();
    let end = world.log.watermarks().end;
    world.clock.advance(Duration::from_secs(1_000_000));
    let removed = enforce(&world, &keep_for(1_000));
    assert!(removed.segments.iter().all(|it| it.reason == RemovalReason::Time));
    assert_eq!((removed.start, world.log.size_bytes()), (end, 0));
    assert_eq!(world.log.segment_base_offsets(), [end]);
    let world = world.crashed();
    assert_eq!(world.log.watermarks().start, end);
    assert!(world.append_batches(3)[0] >= end);
    assert_eq!(offsets(&world.reopened()).len(), 6);
}

#[test]
fn what_lies_before_the_start_goes_even_where_nothing_else_does() {
    let world = world();
    let bases = world.log.segment_base_offsets();
    world.log.advance_start(bases[3] + 1).expect("it is in range");
    let compacted = RetentionConfig { policy: CleanupPolicy::Compact, ..keep_bytes(0) };
    let removed = enforce(&world, &compacted);
    assert_eq!(removed.segments.iter().map(|it| it.reason).collect::<Vec<_>>(), [RemovalReason::Start; 3]);
    assert_eq!((removed.start, &world.log.segment_base_offsets()[..]), (bases[3] + 1, &bases[3..]));
    let world = world.crashed();
    assert_eq!(offsets(&world)[0], bases[3] + 1);
}

#[test]
fn who_reads_a_segment_that_goes_reads_it_to_its_end_or_is_told() {
    let world = world();
    let bases = world.log.segment_base_offsets();
    let chunk = world.log.read(&Cursor::at(0), ReadLimit::bytes(300)).expect("it is there");
    let _ = enforce(&world, &keep_bytes(1_500));
    assert!(chunk.batches().all(|batch| batch.is_ok()), "what was handed out stays");
    let error = world.log.read(chunk.next(), ReadLimit::bytes(300)).map(drop).expect_err("it is gone");
    assert!(matches!(error, Error::OffsetOutOfRange { start, .. } if start > bases[1]), "{error}");
}

#[test]
fn a_wall_clock_that_jumps_ahead_deletes_nothing_until_it_has_proven_itself() {
    let world = world();
    let year = 365 * 86_400;
    world.clock.set_wall(Timestamp::from_millis(year * 1_000));
    let removed = enforce(&world, &keep_for(7 * 86_400));
    let doubt = removed.doubt.expect("it has jumped");
    assert_eq!(removed.segments, []);
    assert_eq!(doubt.remaining, Duration::from_secs(86_400));
    assert!(doubt.expected < doubt.wall);
    world.clock.advance(Duration::from_secs(86_399));
    assert_eq!(enforce(&world, &keep_for(7 * 86_400)).segments, []);
    assert!(!enforce(&world, &keep_bytes(1_500)).segments.is_empty(), "size asks no clock");
    world.clock.advance(Duration::from_secs(1));
    let removed = enforce(&world, &keep_for(7 * 86_400));
    assert!(removed.doubt.is_none() && !removed.segments.is_empty());
}

#[test]
fn a_second_jump_of_the_clock_is_not_believed_when_the_doubt_of_the_first_ends() {
    let world = world();
    let start = world.clock.now().as_millis();
    let (hour, year) = (3_600, 365 * 86_400);
    world.clock.set_wall(Timestamp::from_millis(start + 2 * hour * 1_000));
    assert!(enforce(&world, &keep_for(86_400)).doubt.is_some());
    world.clock.advance(Duration::from_secs(2 * 3_600 - 1));
    world.clock.set_wall(Timestamp::from_millis(start + (2 * hour + 10 * year) * 1_000));
    assert_eq!(enforce(&world, &keep_for(86_400)).segments, []);
    world.clock.advance(Duration::from_secs(1));
    let removed = enforce(&world, &keep_for(86_400));
    assert!(removed.doubt.is_some() && removed.segments.is_empty(), "{removed:?}");
    // If it is right after all, a day is enough.
    world.clock.advance(Duration::from_secs(86_400));
    assert!(!enforce(&world, &keep_for(86_400)).segments.is_empty());
}

#[test]
fn a_segment_without_timestamps_is_as_old_as_its_file() {
    let world = World::new(small());
    for _ in 0..40 {
        let records = vec![(None, "without a time".to_owned())];
        let spec = crate::batches::Spec { records, ..crate::batches::Spec::plain(0, &[]) };
        spec.append_to(&world.log);
    }
    // The files of this disk were written to when its clock began; that of the log has gone on for 1,000 seconds since.
    world.clock.advance(Duration::from_secs(5_000));
    assert_eq!(enforce(&world, &keep_for(6_000)).segments, []);
    assert!(enforce(&world, &keep_for(5_999)).segments.len() > 3);
    assert_eq!(world.log.size_bytes(), 0);
}

#[test]
fn a_log_that_is_closed_or_read_only_is_left_alone() {
    let world = world();
    let log = world.log.clone();
    world.dir.close().expect("memory does not fail");
    assert!(matches!(log.enforce_retention(&keep_bytes(0)), Err(Error::Closed { .. })));
    assert_eq!(log.enforce_retention(&keep_all()).expect("there is nothing to do").segments, []);
}

#[test]
fn the_manifest_does_not_grow_with_the_segments_that_come_and_go() {
    let world = World::new(LogConfig { segment_bytes: 130, ..LogConfig::default() });
    let (mut largest, mut removed) = (0, 0);
    for _ in 0..100 {
        world.append_batches(6);
        removed += enforce(&world, &keep_bytes(500)).segments.len();
        let manifest = world.log.path().join("segment-manifest");
        largest = largest.max(world.fs.metadata(&manifest).expect("it is there").len);
    }
    assert!(removed > 300 && largest < 100 * 72, "{removed} segments, {largest} bytes");
    let left = offsets(&world);
    let world = world.crashed();
    assert!(world.log.damage().is_empty());
    assert_eq!(offsets(&world), left);
}
