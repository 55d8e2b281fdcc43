//! Readers, flushers and a writer at the same time, with bounded work and without waiting for the clock.

use crate::batches::Spec;
use crate::reading::records_from;
use crate::world::{World, small};
use brooklet::Timestamp;
use brooklet::log::{Cursor, Log, ReadLimit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const BATCHES: u64 = 400;
const ROUNDS: u64 = 300;

/// Two records, whose values are their offsets.
fn append_numbered(log: &Log) -> u64 {
    let first = log.watermarks().end;
    let values = [first.to_string(), (first + 1).to_string()];
    let appended = Spec::plain(1, &[values[0].as_str(), values[1].as_str()]).append_to(log);
    assert_eq!(appended.base_offset, first, "one writer");
    appended.last_offset + 1
}

/// Reads a chunk, checks that each record is the one of its offset, and says which offsets there were.
fn read_numbered(log: &Log, cursor: &mut Cursor, bytes: usize) -> Vec<u64> {
    let from = cursor.offset();
    let chunk =
        log.read(cursor, ReadLimit::bytes(bytes)).unwrap_or_else(|error| panic!("at {from}: {error}"));
    let mut offsets = Vec::new();
    for batch in chunk.batches() {
        let batch = batch.unwrap_or_else(|error| panic!("behind {from}: {error}"));
        for record in records_from(&batch, from).expect("records") {
            assert_eq!(record.value, Some(record.offset.to_string().into_bytes()));
            offsets.push(record.offset);
        }
    }
    *cursor = chunk.next().clone();
    offsets
}

#[test]
fn every_reader_sees_every_record_once_and_in_order_while_it_is_written() {
    let World { log, dir: _dir, .. } = World::new(small());
    let log = &*log;
    thread::scope(|scope| {
        for bytes in [1, 300, 5_000] {
            scope.spawn(move || {
                let (mut cursor, mut next) = (Cursor::at(0), 0);
                while next < 2 * BATCHES {
                    for offset in read_numbered(log, &mut cursor, bytes) {
                        assert_eq!(offset, next, "a gap, or twice");
                        next += 1;
                    }
                    thread::yield_now();
                }
            });
        }
        scope.spawn(|| (0..BATCHES).map(|_| append_numbered(log)).for_each(|end| assert!(end > 0)));
    });
}

#[test]
fn many_wait_for_one_flush_and_none_wakes_too_early() {
    let World { log, dir: _dir, .. } = World::new(small());
    let log = &*log;
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(move || {
                for _ in 0..60 {
                    let end = Spec::plain(1, &["shared"]).append_to(log).last_offset + 1;
                    log.flush_to(end).expect("memory does not fail");
                    assert!(log.watermarks().durable_end >= end);
                }
            });
        }
    });
    let marks = log.watermarks();
    assert_eq!((marks.end, marks.durable_end), (360, 360));
}

#[test]
fn truncations_beside_readers_are_not_taken_for_damage() {
    let World { log, dir: _dir, .. } = World::new(small());
    let (log, done) = (&*log, &AtomicBool::new(false));
    thread::scope(|scope| {
        for bytes in [1, 900] {
            scope.spawn(move || {
                let mut last_round = false;
                while !last_round {
                    last_round = done.load(Ordering::Acquire);
                    let (mut cursor, mut before) = (Cursor::at(0), None);
                    let end = log.watermarks().end;
                    while cursor.offset() < end {
                        for offset in read_numbered(log, &mut cursor, bytes) {
                            assert!(before.is_none_or(|before| offset > before), "out of order");
                            before = Some(offset);
                        }
                    }
                }
            });
        }
        scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                let failed = |error| panic!("a search failed: {error}");
                log.offset_for_time(Timestamp::from_millis(1)).map_or_else(failed, drop);
                log.max_timestamp().map_or_else(failed, drop);
                log.aborted_transactions(0, u64::MAX).map_or_else(failed, drop);
            }
        });
        scope.spawn(move || {
            for round in 0..ROUNDS {
                (0..12).map(|_| append_numbered(log)).for_each(|end| assert!(end > 0));
                log.truncate(round * 7 % 20).expect("it is in range");
            }
            done.store(true, Ordering::Release);
        });
    });
}
