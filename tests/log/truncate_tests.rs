//! Truncation at every offset, and moving the start.

use crate::batches::Spec;
use crate::gated::GatedFs;
use crate::reading::{Seen, read_on};
use crate::world::{World, open_dir, partition, small};
use brooklet::clock::{ManualClock, SystemClock};
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::{CompactionConfig, Cursor, LogDir, LogDirOptions, ReadLimit};
use brooklet::{Error, LogConfig, Timestamp};
use std::sync::Arc;

fn all(world: &World, from: u64) -> Vec<Seen> {
    read_on(&world.log, from, 400).expect("nothing is damaged").seen
}

/// What is left of whole batches below an offset.
fn kept(begins: &[u64], offset: u64) -> u64 {
    begins.iter().copied().take_while(|begin| *begin <= offset).last().unwrap_or(0)
}

#[test]
fn truncation_at_any_offset_takes_whole_batches_and_gives_no_offset_twice() {
    let probe = World::new(small());
    let begins = probe.append_batches(24);
    let before = all(&probe, 0);
    let end = *begins.last().expect("it holds the end");
    for offset in 0..=end {
        for crash in [false, true] {
            let world = World::new(small());
            world.append_batches(24);
            let epoch = world.log.leader_epoch();
            world.log.truncate(offset).expect("it is in range");
            let kept = if offset == end { end } else { kept(&begins, offset) };
            let left: Vec<Seen> = before.iter().take_while(|record| record.offset < kept).cloned().collect();
            assert_eq!(all(&world, 0), left, "cut at {offset}");
            assert_eq!(world.log.watermarks().end, end);
            assert_eq!(world.log.leader_epoch(), epoch + i32::from(offset < end), "cut at {offset}");

            let world = if crash { world.crashed() } else { world.reopened() };
            assert_eq!(all(&world, 0), left, "cut at {offset}, reopened");
            let again = world.append_batches(3);
            assert!(again[0] >= end, "offset {} was given twice", again[0]);
            let world = if crash { world.reopened() } else { world.crashed() };
            assert_eq!(all(&world, 0)[..left.len()], left, "cut at {offset}, appended to, reopened");
            assert_eq!(
                all(&world, kept).iter().map(|record| record.offset).collect::<Vec<_>>(),
                offsets(again[0])
            );
        }
    }
}

/// Those of three batches that begin at `first`.
fn offsets(first: u64) -> Vec<u64> {
    (first..first + 6).collect()
}

#[test]
fn a_log_can_be_truncated_again_and_again() {
    let world = World::new(small());
    let mut ends = Vec::new();
    for round in 1..12 {
        world.append_batches(9);
        ends.push(world.log.watermarks().end);
        world.log.truncate(ends[ends.len() / 2] - 2).expect("it is in range");
        assert_eq!(world.log.leader_epoch(), round);
    }
    let left = all(&world, 0);
    let world = world.crashed();
    assert_eq!(all(&world, 0), left);
    world.log.truncate(0).expect("it is in range");
    assert_eq!(all(&world, 0), []);
    assert_eq!(world.log.size_bytes(), 0);
    assert_eq!(all(&world.reopened(), 0), []);
}

#[test]
fn what_a_log_does_not_hold_cannot_be_truncated() {
    let world = World::new(small());
    world.append_batches(9);
    world.log.advance_start(5).expect("it is in range");
    let end = world.log.watermarks().end;
    for offset in [4, end + 1] {
        let error = world.log.truncate(offset).expect_err("it is out of range");
        assert!(matches!(error, Error::OffsetOutOfRange { start: 5, .. }), "{error}");
    }
    assert_eq!(world.log.leader_epoch(), 0, "a refusal changes nothing");
}

#[test]
fn a_start_moves_forward_only_and_stays_where_it_was_moved() {
    let world = World::new(small());
    let begins = world.append_batches(24);
    let end = *begins.last().expect("it holds the end");
    let before = all(&world, 0);
    let mut world = world;
    for (round, start) in [3, 1, 17, 16, end].into_iter().enumerate() {
        let highest = world.log.watermarks().start.max(start);
        assert_eq!(world.log.advance_start(start).expect("it is in range"), highest);
        world = if round % 2 == 0 { world.crashed() } else { world.reopened() };
        assert_eq!(world.log.watermarks().start, highest);
        assert_eq!(all(&world, highest), before[highest as usize..]);
        let error =
            world.log.read(&Cursor::at(highest - 1), ReadLimit::bytes(1)).map(drop).expect_err("it is gone");
        assert!(matches!(error, Error::OffsetOutOfRange { .. }), "{error}");
    }
    let error = world.log.advance_start(u64::MAX).expect_err("it is behind the end");
    assert!(matches!(error, Error::OffsetOutOfRange { .. }), "{error}");
}

/// On a real file system, where what is read is the file itself, as memory.
#[test]
fn what_a_reader_holds_outlives_every_truncation() {
    let root = tempfile::tempdir().expect("room for a directory");
    let options = LogDirOptions::default();
    let dir = LogDir::open_with(Arc::new(OsFs::new()), Arc::new(SystemClock::new()), root.path(), options);
    let dir = dir.expect("an empty directory");
    let log = dir.create_log(&partition(0), LogConfig::default()).expect("a new log");
    let value = "v".repeat(1000);
    for number in 0..400 {
        Spec::plain(1_000 + number, &[&value]).append_to(&log);
    }
    let held = log.read(&Cursor::at(0), ReadLimit::bytes(1 << 20)).expect("nothing is damaged");
    let before = held.bytes().to_vec();
    for offset in [300, 200, 100, 0] {
        log.truncate(offset).expect("it is in range");
        assert!(held.bytes()[..] == before[..], "cut at {offset}");
        let first = OsFs::new().metadata(&log.path().join(format!("{:020}.log", 0)));
        assert_eq!(first.map_or(0, |file| file.len), log.size_bytes());
    }
    assert_eq!(held.batches().filter(Result::is_ok).count(), 400);
}

#[test]
fn a_truncation_and_a_round_of_compaction_do_not_get_into_each_others_files() {
    let fs = MemFs::new();
    let (gated, at_create) = GatedFs::new(fs.clone());
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let dir = open_dir(Arc::new(gated), &clock).expect("an empty disk");
    let log = dir.create_log(&partition(0), small()).expect("a new log");
    for number in 0..40 {
        // All of them have one key, and most are superseded.
        Spec::plain(1_000 + number, &["value"]).append_to(&log);
    }
    log.flush().expect("memory does not fail");
    let bases = log.segment_base_offsets();
    let to = bases[1] - 1;
    std::thread::scope(|scope| {
        let compaction = std::thread::Builder::new().name("compaction".into()).spawn_scoped(scope, || {
            let config = CompactionConfig { min_dirty_ratio: -1.0, ..CompactionConfig::default() };
            log.compact(&config, &|_| false, u64::MAX).map(drop)
        });
        at_create.recv().expect("there is something to be compacted");
        log.truncate(to).expect("it is in range");
        compaction.expect("a thread").join().expect("no panic").expect("it is given up without an error");
    });
    let left = read_on(&log, 0, 400).expect("nothing is damaged").offsets();
    assert_eq!(left, (0..to).collect::<Vec<_>>());
    drop(log);
    drop(dir);
    let dir = open_dir(Arc::new(fs), &clock).expect("our own directory");
    let log = dir.open_log(&partition(0), small()).expect("our own log");
    assert_eq!(read_on(&log, 0, 400).expect("nothing is damaged").offsets(), left);
}
