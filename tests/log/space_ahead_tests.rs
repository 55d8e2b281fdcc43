//! A power cut that undoes a cut: the space behind a closed segment was given back, and is there again, as zeros behind
//! its last batch. Row F of the table in `segment/recover.rs`, on files made by hand.

use crate::reading::{Seen, read_on};
use crate::world::{World, open_dir, partition, small};
use brooklet::clock::ManualClock;
use brooklet::io::{File, Fs, MemFs};
use brooklet::log::{Log, LogDir};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// As much as nobody would take for the end of a batch.
const AHEAD: u64 = 4096;

/// A log whose process is gone, with all that was in it.
struct Left {
    fs: MemFs,
    clock: Arc<ManualClock>,
    bases: Vec<u64>,
    /// Where the last batch of the first segment begins: its offset, and its place in the file.
    last_batch: (u64, u64),
    durable_end: u64,
    seen: Vec<Seen>,
}

/// Thirty batches in many segments, of which so many were synced; then the process was killed.
fn left(synced: u64) -> Left {
    let world = World::new(small());
    world.append_batches(synced);
    world.log.flush().expect("memory does not fail");
    world.append_batches(30 - synced);
    let seen = read_on(&world.log, 0, 4096).expect("nothing is damaged").seen;
    let (bases, durable_end) = (world.log.segment_base_offsets(), world.log.watermarks().durable_end);
    assert!(bases.len() > 4 && durable_end < bases[1], "{bases:?}, durable below {durable_end}");
    let last_batch = last_batch_below(&world.log, bases[1]);
    let World { fs, clock, dir, log } = world;
    drop((log, dir));
    Left { fs, clock, bases, last_batch, durable_end, seen }
}

fn last_batch_below(log: &Log, end: u64) -> (u64, u64) {
    let chunk =
        log.read(&brooklet::log::Cursor::at(0), brooklet::ReadLimit::bytes(1 << 20)).expect("a whole log");
    let mut position = 0;
    for batch in chunk.batches() {
        let batch = batch.expect("a whole batch");
        if batch.header().next_offset() == end {
            return (batch.header().base_offset, position);
        }
        position += batch.bytes().len() as u64;
    }
    panic!("no batch ends at {end}");
}

impl Left {
    fn path(&self, base_offset: u64) -> PathBuf {
        PathBuf::from(format!("/orders-0/{base_offset:020}.log"))
    }

    fn file(&self, base_offset: u64) -> Arc<dyn File> {
        self.fs.open(&self.path(base_offset)).expect("a segment that was begun")
    }

    /// Puts the space ahead of the first segment back.
    fn undo_the_cut(&self) {
        let file = self.file(0);
        file.truncate(file.len().expect("memory does not fail") + AHEAD).expect("memory does not fail");
    }

    /// Opens it, and says what it holds.
    fn opened(&self) -> (LogDir, Arc<Log>, Vec<Seen>) {
        let dir = open_dir(Arc::new(self.fs.clone()), &self.clock).expect("our own directory");
        let log = dir.open_log(&partition(0), small()).expect("our own log");
        let seen = read_on(&log, 0, 4096).expect("nothing is damaged").seen;
        assert_eq!(log.damage(), []);
        (dir, log, seen)
    }

    fn exists(&self, base_offset: u64) -> bool {
        self.fs.metadata(&self.path(base_offset)).is_ok()
    }

    fn below(&self, offsets: Range<u64>) -> Vec<Seen> {
        self.seen.iter().filter(|seen| offsets.contains(&seen.offset)).cloned().collect()
    }
}

#[test]
fn a_segment_whose_space_ahead_is_back_is_cut_again_and_the_next_one_taken() {
    for synced in [0, 2] {
        let left = left(synced);
        let bytes = left.file(0).len().expect("memory does not fail");
        left.undo_the_cut();
        for opened in 0..2 {
            let (_dir, log, seen) = left.opened();
            assert_eq!(seen, left.seen, "{synced} synced, opened {opened} times before");
            assert_eq!(left.file(0).len().expect("memory does not fail"), bytes);
            assert_eq!(log.segment_base_offsets()[..left.bases.len()], left.bases);
        }
    }
}

#[test]
fn every_segment_may_have_its_space_back() {
    let left = left(2);
    for base_offset in &left.bases {
        let file = left.file(*base_offset);
        file.truncate(file.len().expect("memory does not fail") + AHEAD).expect("memory does not fail");
    }
    assert_eq!(left.opened().2, left.seen);
}

#[test]
fn where_a_batch_is_lost_too_the_later_segments_go() {
    for synced in [0, 2] {
        let left = left(synced);
        let (lost, position) = left.last_batch;
        assert!(lost >= left.durable_end, "a lost batch was never durable");
        left.undo_the_cut();
        let file = left.file(0);
        let len = file.len().expect("memory does not fail");
        file.write_all_at(position, &vec![0; (len - position) as usize]).expect("memory does not fail");

        let (_dir, log, seen) = left.opened();
        assert_eq!(seen, left.below(0..lost), "what survives is a prefix, with all that was durable");
        assert_eq!(file.len().expect("memory does not fail"), position);
        assert!(left.bases[1..].iter().all(|base| !left.exists(*base)), "they do not continue what is there");
        assert!(log.watermarks().end > left.seen.len() as u64, "no offset is given twice");
    }
}

#[test]
fn what_is_appended_behind_such_a_segment_stays() {
    let left = left(2);
    left.undo_the_cut();
    let (dir, log, _) = left.opened();
    let added = crate::batches::Spec::plain(9_000, &["added"]).append_to(&log).base_offset;
    log.flush().expect("memory does not fail");
    drop((log, dir));
    let (_dir, _log, seen) = left.opened();
    assert_eq!(seen[..left.seen.len()], left.seen);
    assert_eq!(seen[left.seen.len()..].iter().map(|seen| seen.offset).collect::<Vec<_>>(), [added]);
}
