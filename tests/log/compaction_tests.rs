//! Compaction against a model: the newest record of each key, by the history of appends; cleaned at any time, in steps of
//! any size, across reopenings, crashes and truncations.

use crate::batches::{append_bytes, marker};
use crate::world::World;
use brooklet::io::Fs;
use brooklet::log::{
    Compacted, CompactionConfig, CompactionProgress, Cursor, Log, ReadLimit, RetentionConfig,
};
use brooklet::record::{BatchBuilder, BatchHeader, Compression, RecordParts};
use brooklet::{Error, LogConfig, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What is read of a log: by offset, the key and the value.
type Contents = BTreeMap<u64, (Vec<u8>, Option<Vec<u8>>)>;

pub(crate) const RETENTION: Duration = Duration::from_secs(100);

pub(crate) fn small() -> LogConfig {
    LogConfig { segment_bytes: 900, index_interval_bytes: 200, ..LogConfig::default() }
}

pub(crate) fn eager() -> CompactionConfig {
    CompactionConfig { min_dirty_ratio: 0.0, delete_retention: RETENTION, ..CompactionConfig::default() }
}

pub(crate) fn nobody(_: &BatchHeader) -> bool {
    false
}

/// Compacts to the end of a round.
pub(crate) fn compact(log: &Log, config: &CompactionConfig, budget: u64) -> Compacted {
    loop {
        let done = log.compact(config, &nobody, budget).expect("memory does not fail");
        if done.progress != CompactionProgress::More {
            return done;
        }
    }
}

/// A number that follows from the one before.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Records and their offsets as a reader sees them, of all or of committed ones only.
fn contents(log: &Log, committed_only: bool) -> Contents {
    let marks = log.watermarks();
    let until = if committed_only { marks.last_stable } else { marks.end };
    let aborted = log.aborted_transactions(marks.start, until).expect("nothing is damaged");
    let mut found = Contents::new();
    let mut cursor = Cursor::at(marks.start);
    while cursor.offset() < until {
        let chunk = log.read(&cursor, ReadLimit::bytes(400).until(until)).expect("nothing is damaged");
        for batch in chunk.batches() {
            let batch = batch.expect("nothing is damaged");
            let header = *batch.header();
            let is_aborted = aborted.iter().any(|entry| {
                header.is_transactional()
                    && entry.producer_id == header.producer_id
                    && (entry.first_offset..=entry.last_offset).contains(&header.base_offset)
            });
            if header.is_control() || (committed_only && is_aborted) {
                continue;
            }
            for record in batch.records().expect("it was built").iter() {
                let record = record.expect("it was built");
                let key = record.key().unwrap_or_default().to_vec();
                found.insert(record.offset(), (key, record.value().map(<[u8]>::to_vec)));
            }
        }
        cursor = chunk.next().clone();
    }
    found
}

/// The value of each key in the end; a tombstone and nothing at all are the same.
fn values(contents: &Contents) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut values = BTreeMap::new();
    for (key, value) in contents.values() {
        match value {
            Some(value) => values.insert(key.clone(), value.clone()),
            None => values.remove(key),
        };
    }
    values
}

/// A log and everything that was appended to it.
struct History {
    world: World,
    state: u64,
    /// All records that are committed, or in no transaction.
    committed: Contents,
    /// What open transactions have written.
    open: BTreeMap<i64, Contents>,
}

impl History {
    fn new(seed: u64) -> Self {
        Self { world: World::new(small()), state: seed, committed: Contents::new(), open: BTreeMap::new() }
    }

    fn draw(&mut self, below: u64) -> u64 {
        draw(&mut self.state) % below
    }

    /// Appends a batch, of a transaction perhaps, or ends one.
    fn append(&mut self) {
        let producer = 1 + self.draw(2) as i64;
        if self.open.contains_key(&producer) && self.draw(4) == 0 {
            let commit = self.draw(2) == 0;
            append_bytes(&self.world.log, marker(producer, commit, 5)).expect("an ordinary marker");
            let written = self.open.remove(&producer).expect("it is open");
            if commit {
                self.committed.extend(written);
            }
            return;
        }
        let codec =
            if cfg!(feature = "lz4") && self.draw(4) == 0 { Compression::Lz4 } else { Compression::None };
        let mut builder = BatchBuilder::new(codec);
        let in_transaction = self.draw(3) == 0 && self.committed.len() > 20;
        if in_transaction {
            builder.producer(producer, 0, 0).transactional(true);
        }
        let base = self.world.log.watermarks().end;
        let mut written = Contents::new();
        for index in 0..1 + self.draw(4) {
            let key = format!("key {}", self.draw(12)).into_bytes();
            let value =
                (self.draw(6) > 0).then(|| format!("{base} {index} {}", "x".repeat(self.draw(60) as usize)));
            let value = value.map(String::into_bytes);
            let timestamp = Some(Timestamp::from_millis(base as i64));
            let parts = RecordParts { timestamp, key: Some(&key), value: value.as_deref(), headers: &[] };
            builder.push(&parts).expect("an ordinary record");
            written.insert(base + index, (key, value));
        }
        let bytes = builder.build().expect("an ordinary batch").bytes().to_vec();
        let appended = append_bytes(&self.world.log, bytes).expect("an ordinary append");
        assert_eq!(appended.base_offset, base);
        match in_transaction {
            true => self.open.entry(producer).or_default().extend(written),
            false => self.committed.extend(written),
        }
    }

    fn end_transactions(&mut self) {
        for (producer, _) in std::mem::take(&mut self.open) {
            append_bytes(&self.world.log, marker(producer, false, 5)).expect("an ordinary marker");
        }
    }

    /// Nothing that is read was never written or was aborted; and the newest of each key is there.
    fn check(&self) {
        let found = contents(&self.world.log, true);
        for (offset, record) in &found {
            assert_eq!(self.committed.get(offset), Some(record), "offset {offset}");
        }
        let last_stable = self.world.log.watermarks().last_stable;
        let decided: Contents = self
            .committed
            .iter()
            .filter(|(at, _)| **at < last_stable)
            .map(|(at, it)| (*at, it.clone()))
            .collect();
        assert_eq!(values(&found), values(&decided));
    }

    /// Below `until` each key is there once, at its newest offset below it.
    fn check_clean(&self, until: u64) {
        let mut newest: BTreeMap<&[u8], u64> = BTreeMap::new();
        for (offset, (key, _)) in self.committed.range(..until) {
            newest.insert(key, *offset);
        }
        for (offset, (key, _)) in contents(&self.world.log, false).range(..until) {
            assert_eq!(newest.get(&key[..]), Some(offset), "{:?}", String::from_utf8_lossy(key));
        }
    }

    fn reopened(self, crash: bool) -> Self {
        let world = if crash { self.world.crashed() } else { self.world.reopened() };
        assert!(world.log.damage().is_empty(), "{:?}", world.log.damage());
        Self { world, ..self }
    }
}

#[test]
fn whenever_it_is_cleaned_the_newest_of_each_key_stays_and_nothing_else_appears() {
    let (mut dropped, mut rounds) = (0, 0);
    for seed in 0..60 {
        let mut history = History::new(seed);
        for step in 0..120 {
            match history.draw(20) {
                0 => {
                    let budget = [1, 700, u64::MAX][history.draw(3) as usize];
                    let key_map_bytes = [0, 300, 1 << 20][history.draw(3) as usize];
                    let config = CompactionConfig { key_map_bytes, ..eager() };
                    let done = compact(&history.world.log, &config, budget);
                    dropped += done.records_dropped;
                    rounds += u64::from(done.progress == CompactionProgress::Finished);
                    history.check_clean(history.world.log.first_dirty_offset());
                }
                1 => history.world.clock.advance(RETENTION),
                2 if step % 3 == 0 => {
                    // A crash may take what was not flushed; here nothing is to be taken.
                    let crash = history.draw(2) == 0;
                    history.world.log.flush().expect("memory does not fail");
                    history = history.reopened(crash);
                }
                _ => history.append(),
            }
            history.check();
        }
        history.end_transactions();
        history.world.clock.advance(RETENTION);
        for _ in 0..3 {
            let _ = compact(&history.world.log, &eager(), u64::MAX);
            history.check();
        }
        history = history.reopened(seed % 2 == 0);
        history.check();
    }
    assert!(dropped > 1_000 && rounds > 100, "{dropped} records dropped in {rounds} rounds");
}

#[test]
fn a_round_in_steps_ends_where_one_in_one_go_does() {
    let files = |world: &World| -> BTreeMap<String, Vec<u8>> {
        let logs = world.fs_names().into_iter().filter(|name| name.ends_with(".log"));
        logs.map(|name| {
            let file = world.fs.open(&world.log.path().join(&name)).expect("it was listed");
            let len = file.len().expect("memory does not fail") as usize;
            (name, file.read_up_to(0, len).expect("memory does not fail").to_vec())
        })
        .collect()
    };
    let cleaned = |budget| {
        let mut history = History::new(7);
        (0..150).for_each(|_| history.append());
        history.end_transactions();
        let done = compact(&history.world.log, &eager(), budget);
        (files(&history.world), done.first_dirty)
    };
    assert_eq!(cleaned(1), cleaned(u64::MAX));
}

#[test]
fn appends_and_reads_go_on_between_steps_and_a_truncation_ends_the_round() {
    let mut history = History::new(3);
    (0..150).for_each(|_| history.append());
    let log = history.world.log.clone();
    let mut steps = 0;
    let reader = log.read(&Cursor::at(0), ReadLimit::bytes(1)).expect("it is there").next().clone();
    while log.compact(&eager(), &nobody, 1).expect("memory does not fail").progress
        == CompactionProgress::More
    {
        history.append();
        history.check();
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
    assert!(log.read(&reader, ReadLimit::bytes(1)).is_ok(), "an old cursor finds its way");

    let config = CompactionConfig { min_dirty_ratio: -1.0, ..eager() };
    (0..60).for_each(|_| history.append());
    let before = log.first_dirty_offset();
    let done = log.compact(&config, &nobody, 1).expect("memory does not fail");
    assert_eq!(done.progress, CompactionProgress::More);
    log.truncate(before + 3).expect("it is in range");
    let done = log.compact(&config, &nobody, u64::MAX).expect("memory does not fail");
    assert_eq!((done.progress, done.segments_in), (CompactionProgress::More, 0), "its keys may be gone");
}

#[test]
fn a_round_that_is_overtaken_while_it_reads_is_given_up_without_a_complaint() {
    let truncate = |log: &Log| log.truncate(20).expect("it is in range");
    let retain = |log: &Log| {
        let bytes = RetentionConfig { time: Duration::MAX, bytes: 0, ..RetentionConfig::default() };
        assert!(log.enforce_retention(&bytes).expect("memory does not fail").segments.len() > 5);
    };
    for overtake in [&truncate as &dyn Fn(&Log), &retain] {
        let mut history = History::new(4);
        (0..150).for_each(|_| history.append());
        history.end_transactions();
        // Opened anew, a segment opens its file when it is first read.
        let world = history.world.reopened();
        let log = &world.log;
        let done = std::cell::Cell::new(Compacted::default());
        let overtaken = std::cell::Cell::new(false);
        // The cleaner asks about producers while it is in the middle of a group.
        let while_it_writes = |_: &BatchHeader| {
            if !overtaken.replace(true) {
                overtake(log);
            }
            false
        };
        for _ in 0..100 {
            let step = log.compact(&eager(), &while_it_writes, 1).expect("nothing is wrong");
            done.set(step);
            if step.progress != CompactionProgress::More {
                break;
            }
        }
        assert!(overtaken.get() && log.uncleanable().is_none());
        assert_ne!(done.get().progress, CompactionProgress::More);
        let names = world.fs_names();
        assert!(!names.iter().any(|name| name.ends_with(".cleaned") || name.ends_with(".swap")), "{names:?}");
    }
}

/// Appends a record of its own.
pub(crate) fn put(world: &World, key: &str, value: Option<&str>) {
    let mut builder = BatchBuilder::new(Compression::None);
    let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
    builder.push(&RecordParts { key, value, ..RecordParts::default() }).expect("an ordinary record");
    world.log.append(&mut builder.build().expect("an ordinary batch")).expect("an ordinary append");
}

#[test]
fn a_tombstone_outlives_the_pass_that_first_sees_it_by_its_retention() {
    let world = World::new(small());
    put(&world, "kept", Some("value"));
    put(&world, "gone", Some("value"));
    put(&world, "gone", None);
    let pass = || {
        // Something has to be dirty, or there is no pass.
        (0..40).for_each(|number| put(&world, "other", Some(&number.to_string())));
        let done = compact(&world.log, &eager(), u64::MAX);
        assert_eq!(done.progress, CompactionProgress::Finished);
        (
            contents(&world.log, false).range(..3).map(|(offset, _)| *offset).collect::<Vec<_>>(),
            done.tombstones_dropped,
        )
    };
    assert_eq!(pass(), (vec![0, 2], 0));
    world.clock.advance(RETENTION - Duration::from_millis(1));
    assert_eq!(pass(), (vec![0, 2], 0));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(pass(), (vec![0], 1));
    let world = world.crashed();
    assert_eq!(contents(&world.log, false).keys().next(), Some(&0));
}

#[test]
fn a_wall_clock_that_jumps_ahead_drops_no_tombstone() {
    let world = World::new(small());
    put(&world, "gone", None);
    for wall in [1_000_000, 1_000_000_000_000] {
        (0..40).for_each(|number| put(&world, "other", Some(&number.to_string())));
        world.clock.set_wall(Timestamp::from_millis(wall));
        assert_eq!(compact(&world.log, &eager(), u64::MAX).tombstones_dropped, 0);
    }
    assert_eq!(contents(&world.log, false).keys().next(), Some(&0));
}

#[test]
fn what_is_below_the_share_or_too_young_or_undecided_is_left() {
    let world = World::new(small());
    (0..60).for_each(|number| put(&world, "key", Some(&number.to_string())));
    let idle = |config: CompactionConfig| {
        let done = world.log.compact(&config, &nobody, u64::MAX).expect("memory does not fail");
        done.progress == CompactionProgress::Idle
    };
    assert!(idle(CompactionConfig { min_dirty_ratio: 1.0, ..eager() }));
    assert!(idle(CompactionConfig { min_lag: Duration::from_secs(2_000_000), ..eager() }));
    let cleanable = world.log.cleanable(&eager()).expect("memory does not fail");
    assert!(cleanable.is_due(&eager()) && cleanable.dirty_ratio() == 1.0);
    let done = compact(&world.log, &eager(), u64::MAX);
    assert!(done.bytes_out < done.bytes_in && done.keys == 1 && done.records_dropped > 40, "{done:?}");
    assert_eq!(done.first_dirty, cleanable.first_uncleanable);
    assert!(idle(eager()), "there is nothing dirty any more");
}

#[test]
fn damage_in_the_way_sets_the_log_aside_and_touches_nothing() {
    let mut history = History::new(5);
    (0..150).for_each(|_| history.append());
    history.end_transactions();
    history.world.log.flush().expect("memory does not fail");
    let log = history.world.log.clone();
    let second = log.segment_base_offsets()[1];
    let path = log.path().join(format!("{second:020}.log"));
    let file = history.world.fs.open(&path).expect("it is there");
    let byte = file.read_exact_at(100, 1).expect("it is there")[0];
    file.write_all_at(100, &[byte ^ 1]).expect("memory does not fail");
    let (names, bytes) = (history.world.fs_names(), log.size_bytes());
    for _ in 0..2 {
        let error = log.compact(&eager(), &nobody, u64::MAX).map(drop).expect_err("it is damaged");
        assert!(matches!(&error, Error::Corrupt { path: told, .. } if *told == path), "{error}");
    }
    assert!(log.uncleanable().is_some());
    assert_eq!((history.world.fs_names(), log.size_bytes()), (names, bytes));
    file.write_all_at(100, &[byte]).expect("memory does not fail");
    drop((log, file));
    let history = history.reopened(false);
    assert!(
        compact(&history.world.log, &eager(), u64::MAX).records_dropped > 0,
        "opened anew it is tried anew"
    );
    history.check();
}

#[test]
fn what_compaction_left_unfinished_is_removed_and_what_it_did_not_make_is_not() {
    let history = {
        let mut history = History::new(2);
        (0..60).for_each(|_| history.append());
        history.world.log.flush().expect("memory does not fail");
        history
    };
    let dir = history.world.log.path().to_owned();
    let ours = [
        "00000000000000000000.log.cleaned",
        "00000000000000000000.index.swap",
        "00000000000000000777.log.swap",
    ];
    let others = ["00000000000000000000.log.deleted", "notes.swap", "0.log.cleaned"];
    for name in ours.iter().chain(&others) {
        history.world.fs.create(&dir.join(name)).expect("there is room");
    }
    let history = history.reopened(true);
    let left: BTreeSet<String> = history.world.fs_names().into_iter().collect();
    assert!(ours.iter().all(|name| !left.contains(*name)), "{left:?}");
    assert!(others.iter().all(|name| left.contains(*name)), "{left:?}");
    history.check();
}

#[test]
fn readers_and_a_writer_go_on_beside_compaction_and_retention() {
    let world = World::new(small());
    let log = &*world.log;
    let (is_over, dropped) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // Until the others had their turn, and no faster than they can follow, on however busy a machine.
        let writer = scope.spawn(|| {
            for number in 0..1_000_000_u32 {
                let is_ahead = |_: &u32| log.size_bytes() > 40_000;
                (0..1_000_000).take_while(is_ahead).for_each(|_| std::thread::yield_now());
                put(&world, &format!("key {}", number % 7), Some(&number.to_string()));
                if number > 4_000 && dropped.load(Ordering::Acquire) > 100 {
                    break;
                }
            }
            is_over.store(true, Ordering::Release);
        });
        let cleaner = scope.spawn(|| {
            let bytes = RetentionConfig { time: Duration::MAX, bytes: 3_000, ..RetentionConfig::default() };
            while !is_over.load(Ordering::Acquire) {
                let done = log.compact(&eager(), &nobody, u64::MAX).expect("nothing is damaged");
                dropped.fetch_add(done.records_dropped, Ordering::AcqRel);
                let _ = log.enforce_retention(&bytes).expect("memory does not fail");
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    read_ascending(log);
                }
            });
        }
        writer.join().expect("it appends");
        cleaner.join().expect("it cleans");
    });
    assert!(dropped.into_inner() > 100);
    read_ascending(log);
    let last: BTreeMap<_, _> = contents(log, false).into_values().collect();
    assert_eq!(last.len(), 7);
}

/// Reads to the end; what it is told of is that the start has passed it by, and nothing else.
fn read_ascending(log: &Log) {
    let mut cursor = Cursor::at(log.watermarks().start);
    let (end, mut next) = (log.watermarks().end, 0);
    while cursor.offset() < end {
        match log.read(&cursor, ReadLimit::bytes(500)) {
            Ok(chunk) => {
                for batch in chunk.batches() {
                    let header = *batch.expect("nothing is damaged").header();
                    assert!(header.base_offset >= next, "{} behind {next}", header.base_offset);
                    next = header.next_offset();
                }
                cursor = chunk.next().clone();
            }
            Err(Error::OffsetOutOfRange { start, .. }) => cursor = Cursor::at(start),
            Err(error) => panic!("{error}"),
        }
    }
}
