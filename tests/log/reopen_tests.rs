//! What is there after a log was closed and opened, or dropped and opened.

use crate::batches::{Spec, append_bytes};
use crate::reading::read_on;
use crate::watched::WatchedFs;
use crate::world::{World, open_dir, partition, small};
use brooklet::io::Fs;
use brooklet::{Error, LogConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_log_that_was_closed_goes_on_where_it_stopped() {
    let mut world = World::new(small());
    for round in 1..6 {
        world.append_batches(7);
        let (marks, epoch) = (world.log.watermarks(), world.log.leader_epoch());
        let bases = world.log.segment_base_offsets();
        world = world.reopened();
        assert_eq!(
            (world.log.watermarks().end, world.log.leader_epoch()),
            (marks.end, epoch),
            "round {round}"
        );
        assert_eq!(world.log.watermarks().durable_end, marks.end);
        assert_eq!(world.log.segment_base_offsets(), bases);
    }
    assert_eq!(
        read_on(&world.log, 0, 200).expect("nothing is damaged").offsets(),
        (0..65).collect::<Vec<_>>()
    );
}

#[test]
fn a_log_that_was_dropped_keeps_all_and_goes_on_behind_it_in_a_new_epoch() {
    let mut world = World::new(small());
    let mut kept = Vec::new();
    for round in 1..6 {
        world.append_batches(7);
        let before = world.log.watermarks();
        kept = read_on(&world.log, 0, 300).expect("nothing is damaged").seen;
        world = world.crashed();
        assert!(world.log.watermarks().end >= before.end);
        assert_eq!(world.log.leader_epoch(), round);
        assert_eq!(world.log.epoch_end_offset(round - 1).map(|(epoch, _)| epoch), Some(round - 1));
        assert_eq!(read_on(&world.log, 0, 300).expect("nothing is damaged").seen, kept, "round {round}");
    }
    assert_eq!(kept.len(), 65);
    assert_eq!(world.log.damage(), []);
}

#[test]
fn epochs_end_where_the_next_one_begins() {
    let world = World::new(small());
    let first_end = *world.append_batches(5).last().expect("it holds the end");
    world.log.truncate(first_end - 1).expect("it is in range");
    world.append_batches(1);
    let end = world.log.watermarks().end;
    let world = world.reopened();
    assert_eq!(world.log.epoch_end_offset(0), Some((0, first_end)));
    assert_eq!(world.log.epoch_end_offset(1), Some((1, end)));
    assert_eq!(world.log.leader_epoch(), 1);
}

#[test]
fn appends_after_a_close_are_refused_and_reads_are_not() {
    for flushed in [false, true] {
        let World { dir, log, .. } = World::new(small());
        Spec::plain(1, &["kept"]).append_to(&log);
        if flushed {
            log.flush().expect("memory does not fail");
        }
        dir.close().expect("memory does not fail");
        let error = append_bytes(&log, Spec::plain(1, &["late"]).encode()).expect_err("it is closed");
        assert!(matches!(error, Error::Closed { .. }) && error.is_fatal(), "{error}");
        assert!(matches!(log.truncate(0), Err(Error::Closed { .. })));
        assert_eq!(log.watermarks().durable_end, 1);
        assert_eq!(read_on(&log, 0, 1).expect("nothing is damaged").offsets(), [0]);
    }
}

#[test]
fn after_an_orderly_end_opening_and_closing_reads_no_batch() {
    let world = World::new(small());
    world.append_batches(60);
    let World { fs, clock, dir, log } = world;
    drop(log);
    dir.close().expect("memory does not fail");

    let read = Arc::new(AtomicU64::new(0));
    let counter = read.clone();
    let fs = WatchedFs::new(fs, move |bytes| {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    });
    for opened in 0..3 {
        let dir = open_dir(Arc::new(fs.clone()), &clock).expect("our own directory");
        let log = dir.open_log(&partition(0), small()).expect("our own log");
        assert_eq!(log.watermarks().end, 120);
        drop(log);
        dir.close().expect("memory does not fail");
        assert_eq!(read.load(Ordering::Relaxed), 0, "opening number {opened} read batches");
    }
    let dir = open_dir(Arc::new(fs.clone()), &clock).expect("our own directory");
    let log = dir.open_log(&partition(0), small()).expect("our own log");
    assert_eq!(read_on(&log, 0, 1 << 20).expect("nothing is damaged").seen.len(), 120);
    assert!(read.load(Ordering::Relaxed) > 0, "the counter counts");
}

#[test]
fn what_lies_beside_a_log_that_was_closed_in_order_is_none_of_it() {
    let world = World::new(small());
    world.append_batches(30);
    let (bases, end) = (world.log.segment_base_offsets(), world.log.watermarks().end);
    let path = world.log.path().join("00000000000000000001.log");
    drop(world.fs.create(&path).expect("no segment begins there"));
    let world = world.reopened();
    assert_eq!(world.log.segment_base_offsets(), bases);
    assert!(world.log.damage().is_empty() && world.fs.metadata(&path).is_ok());
    assert_eq!(Spec::plain(1, &["next"]).append_to(&world.log).base_offset, end);
}

/// A name that was made for a segment that never came, in the middle of another one.
#[test]
fn an_empty_file_hides_no_records() {
    let world = World::new(small());
    world.append_batches(30);
    world.log.flush().expect("memory does not fail");
    let before = read_on(&world.log, 0, 400).expect("nothing is damaged").seen;
    let bases = world.log.segment_base_offsets();
    let stray = world.log.path().join(format!("{:020}.log", bases[1] + 1));
    world.fs.create(&stray).expect("memory does not fail");
    let world = world.crashed();
    assert_eq!(read_on(&world.log, 0, 400).expect("nothing is damaged").seen, before);
    assert!(world.fs.metadata(&stray).is_err(), "it is gone");
    let world = world.reopened();
    assert_eq!(read_on(&world.log, 0, 400).expect("nothing is damaged").seen, before);
}

#[test]
fn a_damaged_first_batch_keeps_nobody_from_appending() {
    let world = World::new(LogConfig::default());
    world.append_batches(3);
    let World { fs, clock, dir, log } = world;
    let path = log.path().join(format!("{:020}.log", 0));
    drop(log);
    dir.close().expect("memory does not fail");
    fs.open(&path).and_then(|file| file.write_at(16, &[9])).expect("memory does not fail");
    let dir = open_dir(Arc::new(fs.clone()), &clock).expect("our own directory");
    let log = dir.open_log(&partition(0), LogConfig::default()).expect("our own log");
    World { fs, clock, dir, log }.append_batches(3);
}
