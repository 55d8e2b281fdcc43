//! Retention and compaction: how fast, and what whoever appends meanwhile feels of them.
//!
//! | what | compared with | goal |
//! |---|---|---|
//! | compacting a log of many keys | a copy of the same bytes from file to file, and a sync | half as fast |
//! | the slowest hundredth of appends while the log is compacted | the same while it is not | twice |
//! | removing 10,000 segments that are too old: the longest that an append waits | | 10 ms |
//!
//! `BROOKLET_BENCH_MIB` (16), `BROOKLET_BENCH_KEYS` (50,000), `BROOKLET_BENCH_APPENDS` (100,000) and
//! `BROOKLET_BENCH_SEGMENTS` (10,000) say how much. All is in the page cache. `BROOKLET_BENCH_DIR` names another place for
//! the files: on a file system in memory, what is left is what the disk has no part in.

#[expect(dead_code, reason = "nothing is counted here")]
mod counting;
mod turns;

use brooklet::clock::{Clock, ManualClock, SystemClock};
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::{CompactionConfig, CompactionProgress, Log, LogDir, LogDirOptions, RetentionConfig};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use brooklet::{LogConfig, Timestamp};
use bytes::Bytes;
use counting::{files_in, write_files};
use criterion::{Criterion, Throughput};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use turns::{BEGIN, Side, compare, elapsed, filled, is_measuring, partition, value};

const KEYS: u64 = 50_000;
const BATCH_RECORDS: u64 = 100;
const SEGMENT_BYTES: u32 = 4 << 20;

fn main() {
    let mut criterion = turns::criterion().sample_size(10);
    let small = Dirty::of_bytes(8 << 20, KEYS);
    small.bench(&mut criterion);
    criterion.final_summary();
    if is_measuring() {
        println!();
        let (mib, keys) = (number_from("BROOKLET_BENCH_MIB", 16), number_from("BROOKLET_BENCH_KEYS", KEYS));
        Dirty::of_bytes(mib << 20, keys).compare_with_copy();
        print_appends_beside_compaction(number_from("BROOKLET_BENCH_APPENDS", 100_000));
        print_appends_beside_retention(number_from("BROOKLET_BENCH_SEGMENTS", 10_000));
    }
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn scratch() -> TempDir {
    match std::env::var("BROOKLET_BENCH_DIR") {
        Ok(dir) => tempfile::tempdir_in(dir).expect("there is such a directory"),
        Err(_) => turns::scratch(),
    }
}

fn eager() -> CompactionConfig {
    CompactionConfig { min_dirty_ratio: -1.0, ..CompactionConfig::default() }
}

/// Round after round until a round gets nowhere: where not all keys fit in memory, one is not enough.
fn compact(log: &Log) {
    loop {
        let before = log.first_dirty_offset();
        let is_more = || log.compact(&eager(), &|_| false, u64::MAX).expect("the disk works").progress;
        while is_more() == CompactionProgress::More {}
        if log.first_dirty_offset() <= before {
            return;
        }
    }
}

/// Appends batches of keyed records until there are so many bytes, or as long as somebody wants.
fn append_keyed(
    log: &Log,
    keys: u64,
    mut is_wanted: impl FnMut(u64) -> bool,
    mut took: impl FnMut(Duration),
) {
    let (value, clock) = (value(), SystemClock::new());
    let mut builder = BatchBuilder::new(Compression::None);
    let mut number = 0_u64;
    while is_wanted(number) {
        builder.clear();
        for _ in 0..BATCH_RECORDS {
            // Scattered, and each key as often as any other.
            let key = (number.wrapping_mul(2_654_435_761) % keys).to_be_bytes();
            let record = RecordParts {
                timestamp: Some(BEGIN),
                key: Some(&key),
                value: Some(&value),
                ..RecordParts::default()
            };
            builder.push(&record).expect("it is a plain record");
            number += 1;
        }
        let mut batch = builder.build().expect("it has records");
        let before = clock.monotonic();
        log.append(&mut batch).expect("there is room");
        took(clock.monotonic() - before);
    }
}

fn create(fs: Arc<dyn Fs>, root: &Path, config: LogConfig) -> (LogDir, Arc<Log>) {
    let clock = Arc::new(SystemClock::new());
    let dir = LogDir::open_with(fs, clock, root, LogDirOptions::default()).expect("it is new");
    let log = dir.create_log(&partition(), config).expect("there is none yet");
    (dir, log)
}

/// The files of a log, by directory, to be put on a disk as often as somebody wants to change them.
struct Stored {
    root: Vec<(String, Bytes)>,
    log: Vec<(String, Bytes)>,
}

impl Stored {
    fn of(memory: &MemFs, root: &Path) -> Self {
        Self { root: files_in(memory, root), log: files_in(memory, &root.join(partition().to_string())) }
    }

    fn put(&self) -> TempDir {
        let (scratch, disk) = (scratch(), OsFs::new());
        let log_dir = scratch.path().join(partition().to_string());
        write_files(&disk, scratch.path(), &self.root);
        disk.create_dir(&log_dir).expect("it is new");
        write_files(&disk, &log_dir, &self.log);
        scratch
    }
}

/// A log that was never compacted.
struct Dirty {
    stored: Stored,
    bytes: u64,
    keys: u64,
}

impl Dirty {
    fn config() -> LogConfig {
        LogConfig { segment_bytes: SEGMENT_BYTES, ..LogConfig::default() }
    }

    fn of_bytes(bytes: u64, keys: u64) -> Self {
        let (memory, root) = (Arc::new(MemFs::new()), Path::new("/made"));
        let (dir, log) = create(memory.clone(), root, Self::config());
        append_keyed(&log, keys, |_| log.size_bytes() < bytes, |_| {});
        log.begin_segment().expect("nothing fails in memory");
        let bytes = log.size_bytes();
        dir.close().expect("nothing fails in memory");
        Self { stored: Stored::of(&memory, root), bytes, keys }
    }

    /// Compacts it on a disk; only the compaction counts.
    fn compact(&self) -> Duration {
        let scratch = self.stored.put();
        let dir = LogDir::open(scratch.path());
        let dir = dir.expect("it was closed in order");
        let log = dir.open_log(&partition(), Self::config()).expect("it is there");
        let time = elapsed(|| compact(&log));
        assert!(log.size_bytes() < self.bytes, "something was superseded");
        dir.close().expect("the disk works");
        time
    }

    /// Copies the files of its batches, one after the other, a mebibyte at a time.
    #[expect(clippy::disallowed_methods, reason = "the other side goes its own way to the disk")]
    fn copy(&self) -> Duration {
        let scratch = self.stored.put();
        let log_dir = scratch.path().join(partition().to_string());
        let logs: Vec<_> = self.stored.log.iter().filter(|(name, _)| name.ends_with(".log")).collect();
        let mut buffer = vec![0; 1 << 20];
        elapsed(|| {
            for (name, _) in &logs {
                let mut from = File::open(log_dir.join(name)).expect("it was just written");
                let mut to = File::create(log_dir.join(format!("{name}.copy"))).expect("the name is free");
                loop {
                    match from.read(&mut buffer).expect("the disk works") {
                        0 => break,
                        read => to.write_all(&buffer[..read]).expect("there is room"),
                    }
                }
                to.sync_data().expect("the disk works");
            }
        })
    }

    fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("compaction");
        group.throughput(Throughput::Bytes(self.bytes));
        group.bench_function("of eight mebibytes, hardly two records a key", |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| self.compact()).sum());
        });
        group.finish();
    }

    fn compare_with_copy(&self) {
        const GOAL: f64 = 2.0;
        let kibibytes = self.bytes >> 10;
        let ours = Side::new("compaction", || (self.compact(), kibibytes));
        let theirs = Side::new("a copy", || (self.copy(), kibibytes));
        compare(
            &format!("compact {} MiB of {} keys", self.bytes >> 20, self.keys),
            "KiB",
            Some(GOAL),
            ours,
            theirs,
        );
    }
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Blocks of appends, of which every other one is made while the log is compacted without a pause.
fn print_appends_beside_compaction(appends: u64) {
    const GOAL: f64 = 2.0;
    const BLOCKS: u64 = 20;
    let scratch = scratch();
    let (dir, log) = create(Arc::new(OsFs::new()), scratch.path(), Dirty::config());
    let mut took = [Vec::new(), Vec::new()];
    let mut bytes = 0;
    for block in 0..BLOCKS {
        let (is_compacting, is_over) = (block % 2 == 1, AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while is_compacting && !is_over.load(Ordering::Relaxed) {
                    log.begin_segment().expect("there is room");
                    let done = log.compact(&eager(), &|_| false, 8 << 20).expect("the disk works");
                    bytes += done.bytes_in;
                }
            });
            let block_records = appends / BLOCKS * BATCH_RECORDS;
            append_keyed(
                &log,
                KEYS,
                |number| number < block_records,
                |time| took[usize::from(is_compacting)].push(time),
            );
            is_over.store(true, Ordering::Relaxed);
        });
    }
    drop(dir);
    took.iter_mut().for_each(|times| times.sort_unstable());
    let [without, with] = &took;
    let ratio = at(with, 0.99).as_secs_f64() / at(without, 0.99).as_secs_f64();
    println!(
        "append of {BATCH_RECORDS} records, the slowest hundredth: with compaction {:?} / without {:?} = {ratio:.2}; \
         goal: at most {GOAL:.2}, {}",
        at(with, 0.99),
        at(without, 0.99),
        verdict(ratio <= GOAL)
    );
    println!(
        "    medians {:?} / {:?}, the longest {:?} / {:?}; {} MiB were compacted meanwhile",
        at(with, 0.5),
        at(without, 0.5),
        at(with, 1.0),
        at(without, 1.0),
        bytes >> 20
    );
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn print_appends_beside_retention(segments: u64) {
    const GOAL: Duration = Duration::from_millis(10);
    let (memory, root) = (Arc::new(MemFs::new()), Path::new("/made"));
    let (dir, log) = create(memory.clone(), root, LogConfig { segment_bytes: 1024, ..LogConfig::default() });
    let mut builder = filled(5);
    let mut batch = builder.build().expect("it has records");
    for _ in 0..segments {
        log.append(&mut batch).expect("there is room");
    }
    log.begin_segment().expect("nothing fails in memory");
    dir.close().expect("nothing fails in memory");

    let scratch = Stored::of(&memory, root).put();
    // All that was written is older than a day, and what is appended now is not.
    let now = Timestamp::from_millis(BEGIN.as_millis() + 2 * 86_400_000);
    let clock = Arc::new(ManualClock::new(now));
    let dir = LogDir::open_with(Arc::new(OsFs::new()), clock, scratch.path(), LogDirOptions::default());
    let dir = dir.expect("it was closed in order");
    let log = dir.open_log(&partition(), LogConfig::default()).expect("it is there");
    let config = RetentionConfig { time: Duration::from_secs(86_400), ..RetentionConfig::default() };
    let (mut longest, mut appends, is_over) = (Duration::ZERO, 0_u64, AtomicBool::new(false));
    let (mut whole, mut removed) = (Duration::ZERO, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut builder = BatchBuilder::new(Compression::None);
            let record = RecordParts { timestamp: Some(now), value: Some(b"v"), ..RecordParts::default() };
            builder.push(&record).expect("it is a plain record");
            let clock = SystemClock::new();
            while !is_over.load(Ordering::Relaxed) {
                let mut batch = builder.build().expect("it has a record");
                let before = clock.monotonic();
                log.append(&mut batch).expect("there is room");
                longest = longest.max(clock.monotonic() - before);
                appends += 1;
            }
        });
        whole = elapsed(|| {
            removed = log.enforce_retention(&config).expect("the disk works").segments.len();
        });
        is_over.store(true, Ordering::Relaxed);
    });
    println!(
        "remove {removed} segments that are too old: the longest append waited {longest:?}; goal: at most {GOAL:?}, {}",
        verdict(longest <= GOAL && removed as u64 >= segments)
    );
    println!("    all of it took {whole:?}, and {appends} appends went on meanwhile");
}
