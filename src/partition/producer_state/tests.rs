//! Who may write to a log in memory: judged, written down, killed, and loaded again.

mod crash;
mod files;
mod model;

use super::*;
use crate::LogConfig;
use crate::clock::ManualClock;
use crate::io::{Fs, MemFs};
use crate::log::{Cursor, LogDir, LogDirOptions, ReadLimit};
use crate::record::{BatchBuilder, Compression, RecordParts, increment_sequence};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

const RECORD: RecordParts<'static> =
    RecordParts { timestamp: None, key: None, value: Some(b"value"), headers: &[] };

/// What of a producer survives in a snapshot: epoch, last sequence and offset, coordinator's epoch, open transaction.
type Kept = (i64, i16, Option<(i32, u64)>, Option<i32>, Option<u64>);

struct World {
    fs: MemFs,
    clock: Arc<ManualClock>,
    dir: LogDir,
    log: Arc<Log>,
    state: ProducerState,
}

fn partition() -> TopicPartition {
    TopicPartition::new("orders", 0).unwrap()
}

/// Small segments, so that a few batches fill several.
fn config() -> LogConfig {
    LogConfig { segment_bytes: 400, ..LogConfig::default() }
}

fn data(producer: (i64, i16, i32), records: u32, transactional: bool, at: Timestamp) -> Vec<u8> {
    let (id, epoch, sequence) = producer;
    let mut builder = BatchBuilder::new(Compression::None);
    builder.producer(id, epoch, sequence).transactional(transactional);
    (0..records).for_each(|_| builder.push(&RecordParts { timestamp: Some(at), ..RECORD }).unwrap());
    builder.build().unwrap().bytes().to_vec()
}

impl World {
    fn new() -> World {
        let (fs, clock) = (MemFs::new(), Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000))));
        World::with(fs.clone(), clock, Arc::new(fs.clone()), Arc::new(fs))
    }

    /// A log and a state that see the disk through file systems of their own.
    fn with(fs: MemFs, clock: Arc<ManualClock>, logs: Arc<dyn Fs>, snapshots: Arc<dyn Fs>) -> World {
        let dir = LogDir::open_with(logs, clock.clone(), "/", LogDirOptions::default()).unwrap();
        let is_new = dir.partitions().unwrap().is_empty();
        let open = if is_new { LogDir::create_log } else { LogDir::open_log };
        let log = open(&dir, &partition(), config()).unwrap();
        let state = ProducerState::new(Arc::new(partition()), log.clone(), snapshots, clock.clone());
        World { fs, clock, dir, log, state }
    }

    fn again(fs: MemFs, clock: Arc<ManualClock>) -> World {
        World::with(fs.clone(), clock, Arc::new(fs.clone()), Arc::new(fs))
    }

    /// Closed in order and opened again; the state is not saved.
    fn closed(self) -> World {
        let World { fs, clock, dir, log, state } = self;
        drop((log, state));
        dir.close().unwrap();
        World::again(fs, clock)
    }

    /// Dropped as a crash would, and opened again.
    fn killed(self) -> World {
        let World { fs, clock, dir, log, state } = self;
        drop((log, state, dir));
        World::again(fs, clock)
    }

    fn send(&self, id: i64, epoch: i16, sequence: i32, records: u32) -> Result<AppendedBatch> {
        let mut bytes = data((id, epoch, sequence), records, false, self.clock.now());
        self.state.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap(), Origin::Client, false)
    }

    fn send_transactional(
        &self,
        id: i64,
        epoch: i16,
        sequence: i32,
        verified: bool,
    ) -> Result<AppendedBatch> {
        let mut bytes = data((id, epoch, sequence), 1, true, self.clock.now());
        self.state.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap(), Origin::Client, verified)
    }

    fn send_plain(&self, records: u32) -> Appended {
        let mut bytes = data((-1, -1, -1), records, false, self.clock.now());
        self.log.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap()).unwrap()
    }

    fn end(&self) -> u64 {
        self.log.watermarks().end
    }

    fn kept(&self) -> Vec<Kept> {
        self.state.producers().unwrap().iter().map(kept).collect()
    }

    /// The offsets of the snapshots on the disk, and what else is named like one.
    fn snapshots(&self) -> Vec<String> {
        let names = self.fs.list(self.log.path()).unwrap().into_iter().map(|entry| entry.name);
        let found = names.filter_map(|name| {
            name.split_once(".snapshot").map(|(digits, rest)| {
                format!(
                    "{}{rest}",
                    digits.parse().map_or(digits.to_owned(), |offset: u64| offset.to_string())
                )
            })
        });
        found.collect()
    }

    fn snapshot_path(&self, offset: u64) -> PathBuf {
        self.log.path().join(format!("{offset:020}.snapshot"))
    }

    /// A little of everything: a transaction that was committed, one that is open, and a snapshot in between.
    fn lived_in() -> World {
        let world = World::new();
        world.send(1, 0, 0, 3).unwrap();
        world.send_transactional(2, 5, 0, true).unwrap();
        let commit = ControlRecord::Commit { coordinator_epoch: 3 };
        world.state.append_marker(2, 5, commit).unwrap();
        world.state.save().unwrap();
        world.send_plain(2);
        world.send(1, 0, 3, 2).unwrap();
        world.send_transactional(2, 5, 1, true).unwrap();
        world
    }
}

fn kept(entry: &ProducerStateEntry) -> Kept {
    let last = entry.last_batch().map(|batch| (batch.last_sequence, batch.last_offset));
    let ProducerStateEntry {
        producer_id, producer_epoch, coordinator_epoch, current_txn_first_offset, ..
    } = *entry;
    (producer_id, producer_epoch, last, coordinator_epoch, current_txn_first_offset)
}

fn write(fs: &MemFs, path: &Path, bytes: &[u8]) {
    let _ = fs.remove(path);
    fs.create(path).unwrap().write_all_at(0, bytes).unwrap();
}

#[test]
fn a_duplicate_among_the_last_five_gets_the_first_answer_and_nothing_is_appended() {
    let world = World::new();
    let first: Vec<_> = (0..6).map(|number| world.send(7, 0, number * 2, 2).unwrap()).collect();
    world.clock.advance(Duration::from_secs(1));
    let end = world.end();
    for number in 1..6 {
        let again = world.send(7, 0, number * 2, 2).unwrap();
        assert_eq!(again, AppendedBatch { is_duplicate: true, ..first[number as usize] });
    }
    let sixth = world.send(7, 0, 0, 2);
    assert!(
        matches!(sixth, Err(Error::OutOfOrderSequence { expected: 12, found: 0, producer_id: 7, .. })),
        "{sixth:?}"
    );
    assert_eq!(world.end(), end);
}

#[test]
fn a_gap_is_refused_and_leaves_no_trace() {
    let world = World::new();
    world.send(7, 0, 0, 2).unwrap();
    let (end, before) = (world.end(), world.kept());
    for sequence in [3, 1] {
        let gap = world.send(7, 0, sequence, 2).unwrap_err();
        assert!(matches!(gap, Error::OutOfOrderSequence { expected: 2, .. }), "{gap}");
    }
    assert_eq!((world.end(), world.kept()), (end, before));
    assert_eq!(world.send(7, 0, 2, 1).unwrap().base_offset, end);
}

#[test]
fn a_newer_epoch_fences_the_older_one_and_counts_from_zero() {
    let world = World::new();
    world.send(7, 0, 0, 2).unwrap();
    assert!(matches!(world.send(7, 1, 2, 1), Err(Error::OutOfOrderSequence { expected: 0, found: 2, .. })));
    world.send(7, 1, 0, 1).unwrap();
    let fenced = world.send(7, 0, 2, 1).unwrap_err();
    assert!(matches!(fenced, Error::ProducerFenced { current: 1, found: 0, .. }) && fenced.is_fatal());
}

#[test]
fn behind_the_largest_sequence_comes_zero() {
    let world = World::new();
    world.send(7, 0, i32::MAX - 1, 3).unwrap();
    assert!(matches!(world.send(7, 0, 0, 1), Err(Error::OutOfOrderSequence { expected: 1, .. })));
    let world = world.killed();
    assert!(world.send(7, 0, i32::MAX - 1, 3).unwrap().is_duplicate);
    assert!(!world.send(7, 0, 1, 1).unwrap().is_duplicate);
}

#[test]
fn a_transaction_begins_verified_and_ends_with_its_marker() {
    let world = World::new();
    let unverified = world.send_transactional(2, 0, 0, false);
    assert!(matches!(unverified, Err(Error::InvalidTxnState { .. })), "{unverified:?}");
    let first = world.send_transactional(2, 0, 0, true).unwrap();
    let outside = world.send(2, 0, 1, 1);
    assert!(matches!(&outside, Err(Error::InvalidTxnState { why, .. }) if why.contains("offset 0")));
    world.send_transactional(2, 0, 1, false).unwrap();

    let abort = ControlRecord::Abort { coordinator_epoch: 4 };
    let marker = world.state.append_marker(2, 1, abort).unwrap();
    let completed = marker.completed.unwrap();
    assert_eq!((completed.first_offset, completed.last_offset), (first.base_offset, marker.offset));
    assert!(completed.aborted);
    let marks = world.log.watermarks();
    assert_eq!((marks.last_stable, marks.end), (marker.offset + 1, marker.offset + 1));
    assert_eq!(world.state.append_marker(2, 1, abort).unwrap().completed, None);
    assert_eq!(world.state.loaded().unwrap().producers().first_unstable_offset(), None);
}

#[test]
fn markers_of_older_epochs_and_coordinators_are_fenced() {
    let world = World::new();
    let commit = |coordinator_epoch| ControlRecord::Commit { coordinator_epoch };
    world.state.append_marker(2, 1, commit(4)).unwrap();
    let end = world.end();
    let older = world.state.append_marker(2, 0, commit(4)).unwrap_err();
    assert!(matches!(older, Error::ProducerFenced { current: 1, found: 0, .. }), "{older}");
    let coordinator = world.state.append_marker(2, 1, commit(3)).unwrap_err();
    assert!(matches!(coordinator, Error::CoordinatorFenced { current: 4, found: 3, .. }), "{coordinator}");
    assert!(world.state.append_marker(2, 1, ControlRecord::Other(2)).is_err());
    assert_eq!(world.end(), end);
    let world = world.killed();
    assert_eq!(world.kept(), [(2, 1, None, Some(4), None)]);
}

#[test]
fn what_no_producer_would_write_is_refused() {
    let world = World::new();
    let mut plain = data((-1, -1, -1), 1, false, world.clock.now());
    let commit = ControlRecord::Commit { coordinator_epoch: 0 };
    let mut marker = commit.encode(2, 0, world.clock.now()).unwrap();
    for bytes in [&mut plain, &mut marker] {
        let mut batch = EncodedBatch::from_bytes(bytes).unwrap();
        for origin in [Origin::Client, Origin::Coordinator] {
            let refused = world.state.append(&mut batch, origin, true);
            assert!(matches!(refused, Err(Error::InvalidBatch { .. })), "{refused:?}");
        }
    }
    assert_eq!(world.end(), 0);
}

#[test]
fn the_state_survives_with_a_snapshot_and_without_one() {
    for saves in [true, false] {
        for reopen in [World::closed, World::killed] {
            let world = World::lived_in();
            let before = world.kept();
            assert_eq!(before.len(), 2);
            if saves {
                world.state.save().unwrap();
                assert_eq!(world.snapshots(), ["5", "10"]);
            }
            let world = reopen(world);
            assert_eq!(world.kept(), before);
            assert!(world.send(1, 0, 3, 2).unwrap().is_duplicate);
            assert!(!world.send(1, 0, 5, 1).unwrap().is_duplicate);
        }
    }
}

#[test]
fn nobody_loads_what_nobody_asks_for() {
    let world = World::lived_in().killed();
    world.send_plain(1);
    world.state.save().unwrap();
    assert_eq!(world.state.expire(Duration::ZERO), 0);
    assert!(world.state.state.lock().known.is_none());
    assert_eq!(world.snapshots(), ["5"]);
}

#[test]
fn whoever_is_silent_is_forgotten_by_the_time_that_passes_and_not_by_the_wall_clock() {
    let day = Duration::from_secs(24 * 60 * 60);
    for jump in [0, i64::MAX / 2] {
        let world = World::new();
        world.send(1, 0, 0, 1).unwrap();
        world.send_transactional(2, 0, 0, true).unwrap();
        world.clock.advance(day / 2);
        world.clock.set_wall(Timestamp::from_millis(jump));
        world.send(3, 0, 0, 1).unwrap();
        assert_eq!(world.state.expire(day), 0, "nobody was silent for a day");
        world.clock.advance(day / 2);
        assert_eq!(world.state.expire(day), 1);
        let left: Vec<_> = world.kept().iter().map(|kept| kept.0).collect();
        assert_eq!(left, [2, 3]);
        assert!(!world.send(1, 0, 9, 1).unwrap().is_duplicate, "any sequence will do now");
    }
}

#[test]
fn after_a_truncation_what_was_taken_is_unknown_also_to_the_snapshots() {
    let world = World::lived_in();
    let before_second = world.kept();
    world.state.save().unwrap();
    let cut = world.send(1, 0, 5, 1).unwrap();
    world.state.save().unwrap();
    assert_eq!(world.snapshots(), ["10", "11"]);
    world.state.truncate(cut.base_offset).unwrap();
    assert_eq!((world.kept(), world.snapshots()), (before_second.clone(), vec!["10".to_owned()]));
    let world = world.killed();
    assert_eq!(world.kept(), before_second);
    assert!(!world.send(1, 0, 5, 1).unwrap().is_duplicate);
}

#[test]
fn a_truncation_that_is_refused_removes_nothing() {
    let world = World::lived_in();
    let (before, end) = (world.kept(), world.end());
    assert!(matches!(world.state.truncate(end + 1), Err(Error::OffsetOutOfRange { .. })));
    assert_eq!((world.kept(), world.snapshots()), (before, vec!["5".to_owned()]));
}

#[test]
fn a_snapshot_of_what_was_truncated_past_us_is_not_borne_out_by_the_log() {
    let world = World::lived_in();
    world.state.save().unwrap();
    world.log.truncate(5).unwrap();
    world.state.reload();
    assert_eq!(world.kept(), [(1, 0, Some((2, 2)), None, None), (2, 5, Some((0, 3)), Some(3), None)]);
}

/// A clock in which, whenever it is asked, somebody without a producer id appends a batch.
#[derive(Debug)]
struct Meddling(Arc<Log>);

impl Clock for Meddling {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        let mut bytes = data((-1, -1, -1), 3, false, self.now());
        self.0.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap()).unwrap();
        Duration::ZERO
    }
}

#[test]
fn who_is_overtaken_by_a_plain_batch_is_remembered_where_the_log_has_put_it() {
    let World { fs, log, .. } = World::new();
    let clock = Arc::new(Meddling(log.clone()));
    let state = ProducerState::new(Arc::new(partition()), log.clone(), Arc::new(fs), clock);
    let mut bytes = data((7, 0, 0), 2, false, Timestamp::from_millis(0));
    let sent =
        state.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap(), Origin::Client, false).unwrap();
    assert_eq!((sent.base_offset, sent.last_offset), (6, 7));
    let batch = *state.producers().unwrap()[0].last_batch().unwrap();
    assert_eq!((batch.first_offset, batch.last_offset), (6, 7));
}

#[test]
fn many_threads_agree_on_sequences_and_offsets() {
    const BATCHES: i32 = 60;
    let world = World::new();
    std::thread::scope(|scope| {
        for id in [1, 2] {
            let world = &world;
            scope.spawn(move || {
                for number in 0..BATCHES {
                    assert!(!world.send(id, 0, number * 2, 2).unwrap().is_duplicate);
                }
            });
            scope.spawn(move || (0..BATCHES).for_each(|_| _ = world.send_plain(1)));
        }
        scope.spawn(|| (0..20).for_each(|_| world.state.save().unwrap()));
    });
    assert_eq!(world.end(), 6 * BATCHES as u64);
    let mut next = [0, 0, 0];
    let chunks = std::iter::successors(Some(Cursor::at(0)), |cursor| {
        let chunk = world.log.read(cursor, ReadLimit::bytes(1)).unwrap();
        chunk.batches().map(|batch| *batch.unwrap().header()).filter(BatchHeader::has_producer_id).for_each(
            |header| {
                let expected = &mut next[header.producer_id as usize];
                assert_eq!(header.base_sequence, *expected);
                *expected = increment_sequence(header.last_sequence(), 1);
            },
        );
        (!chunk.is_empty()).then(|| chunk.next().clone())
    });
    assert_eq!(chunks.last().unwrap().offset(), world.end());
    assert_eq!(next, [0, 2 * BATCHES, 2 * BATCHES]);
    let before = world.state.producers().unwrap();
    let world = world.killed();
    assert_eq!(world.kept(), before.iter().map(kept).collect::<Vec<_>>());
}

#[test]
fn of_one_batch_that_four_threads_send_there_is_one() {
    let world = World::new();
    let (together, appended) = (Barrier::new(4), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..50_u64 {
                    together.wait();
                    let sent = world.send(7, 0, 2 * number as i32, 2).unwrap();
                    assert_eq!((sent.base_offset, sent.last_offset), (2 * number, 2 * number + 1));
                    appended.fetch_add(usize::from(!sent.is_duplicate), Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((appended.into_inner(), world.end()), (50, 100));
}
