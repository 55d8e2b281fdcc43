//! Writing: records become batches, batches go to a log, and what was appended becomes durable.
//!
//! | what | compared with |
//! |---|---|
//! | records of 100 bytes into batches of 100 and 1000, checksum included | memcpy and CRC-32C of the same bytes |
//! | such a batch, and one of a single record, to a log on disk (`OsFs`) | the same bytes written to a file, at a position |
//! | the same to a log in memory (`MemFs`) | the same bytes appended to a `Vec` that has room for them |
//! | append and flush on 16 threads (group commit) | on one thread |
//!
//! The logs have had a million records before they are measured: a new one syncs its reservations of offsets more often.

mod turns;

use brooklet::LogConfig;
use brooklet::clock::SystemClock;
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::{Log, LogDir, LogDirOptions};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use turns::{BEGIN, Side, compare, elapsed, fill, filled, partition, scratch, value};

const BATCH_RECORDS: [usize; 2] = [100, 1000];
const APPEND_RECORDS: [usize; 3] = [1, 100, 1000];
/// A log that has taken so many bytes is thrown away: a loop fills memory and page cache in seconds.
const LOG_BYTES: u64 = 64 << 20;
const THREADS: u64 = 16;

fn main() {
    let mut criterion = turns::criterion();
    encode(&mut criterion);
    append(&mut criterion);
    flush(&mut criterion);
    criterion.final_summary();
    println!();
    compare_encoding();

    compare_appending();
    compare_flushing();
}

/// Records into a batch, in a builder that is used again and again.
fn encode_once(builder: &mut BatchBuilder, records: usize, value: &[u8]) {
    fill(builder, records, value);
    black_box(builder.build().expect("it has records").bytes());
}

/// What no encoder could avoid: to bring the bytes to where they go, and to sum them up.
struct Copy {
    source: Vec<u8>,
    buffer: Vec<u8>,
    start: usize,
}

impl Copy {
    /// The target lies half a page off the source, where copying is fast. Some processors copy at a thirtieth of their
    /// speed to a place that lies, within its page, a few bytes behind the source.
    fn new(source: Vec<u8>) -> Self {
        const PAGE: usize = 4096;
        let buffer = vec![0; source.len() + PAGE];
        let distance = (buffer.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
        let start = (PAGE / 2).wrapping_sub(distance) % PAGE;
        Self { source, buffer, start }
    }

    fn once(&mut self) {
        let target = &mut self.buffer[self.start..self.start + self.source.len()];
        target.copy_from_slice(black_box(&self.source));
        black_box(crc32c::crc32c(black_box(target)));
    }
}

fn batch_bytes(records: usize) -> Vec<u8> {
    filled(records).build().expect("it has records").bytes().to_vec()
}

fn encode(criterion: &mut Criterion) {
    let value = value();
    let mut group = criterion.benchmark_group("encode");
    for records in BATCH_RECORDS {
        group.throughput(Throughput::Elements(records as u64));
        let mut builder = BatchBuilder::new(Compression::None);
        group.bench_function(format!("batch of {records}"), |bencher| {
            bencher.iter(|| encode_once(&mut builder, records, black_box(&value)));
        });
        let mut copy = Copy::new(batch_bytes(records));
        group.bench_function(format!("memcpy and crc32c of a batch of {records}"), |bencher| {
            bencher.iter(|| copy.once());
        });
    }
    group.finish();
}

fn compare_encoding() {
    const RECORDS_PER_ROUND: usize = 10_000;
    let value = value();
    for records in BATCH_RECORDS {
        let batches = RECORDS_PER_ROUND / records;
        let mut builder = BatchBuilder::new(Compression::None);
        let mut copy = Copy::new(batch_bytes(records));
        compare(
            &format!("encode, {records} records a batch"),
            "record",
            Some(3.0),
            Side::new("BatchBuilder", || {
                let mut encode = || encode_once(&mut builder, records, black_box(&value));
                (elapsed(|| (0..batches).for_each(|_| encode())), RECORDS_PER_ROUND as u64)
            }),
            Side::new("memcpy + crc32c", || {
                (elapsed(|| (0..batches).for_each(|_| copy.once())), RECORDS_PER_ROUND as u64)
            }),
        );
    }
}

type MakeFs = fn() -> Arc<dyn Fs>;

/// The file systems to append on, by their names.
const FILE_SYSTEMS: [(&str, MakeFs); 2] =
    [("OsFs", || Arc::new(OsFs::new())), ("MemFs", || Arc::new(MemFs::new()))];

/// A new log, and what must not be dropped before it.
struct Fresh {
    log: Arc<Log>,
    _dir: LogDir,
    _scratch: TempDir,
}

impl Fresh {
    fn new(fs: Arc<dyn Fs>) -> Self {
        let scratch = scratch();
        let clock = Arc::new(SystemClock::new());
        let dir =
            LogDir::open_with(fs, clock, scratch.path(), LogDirOptions::default()).expect("it is empty");
        let log = dir.create_log(&partition(), LogConfig::default()).expect("there is none yet");
        Self { log, _dir: dir, _scratch: scratch }
    }

    /// One that has had a million records. A log reserves offsets, which costs a sync; at first often, and from then on
    /// once in a million.
    fn in_its_stride(fs: Arc<dyn Fs>) -> Self {
        const EMPTY_RECORDS: u32 = 100_000;
        let fresh = Self::new(fs);
        let mut builder = BatchBuilder::new(Compression::None);
        // Without a timestamp in its first batch, a log would ask the clock at every append.
        let empty = RecordParts { timestamp: Some(BEGIN), ..RecordParts::default() };
        for _ in 0..EMPTY_RECORDS {
            builder.push(&empty).expect("it is a plain record");
        }
        let mut batch = builder.build().expect("it has records");
        while fresh.log.watermarks().end <= 1 << 20 {
            fresh.log.append(&mut batch).expect("there is room");
        }
        fresh
    }
}

/// Appends a batch as often as it is told, to one new log after the other, and says how long the appending took.
fn appender(fs: MakeFs, records: usize) -> impl FnMut(u64) -> Duration {
    let mut builder = filled(records);
    let (mut fresh, mut room) = (None, 0);
    move |mut times| {
        let mut batch = builder.build().expect("it has records");
        let mut sum = Duration::ZERO;
        while times > 0 {
            if room == 0 {
                drop(fresh.take());
                room = LOG_BYTES / batch.bytes().len() as u64;
            }
            let log = &fresh.get_or_insert_with(|| Fresh::in_its_stride(fs())).log;
            let now = times.min(room);
            sum += elapsed(|| {
                for _ in 0..now {
                    black_box(log.append(&mut batch).expect("there is room"));
                }
            });
            (times, room) = (times - now, room - now);
        }
        sum
    }
}

fn append(criterion: &mut Criterion) {
    for (fs_name, fs) in FILE_SYSTEMS {
        let mut group = criterion.benchmark_group(format!("append to {fs_name}"));
        for records in APPEND_RECORDS {
            group.throughput(Throughput::Elements(records as u64));
            let mut append = appender(fs, records);
            group.bench_function(format!("batch of {records}"), |bencher| bencher.iter_custom(&mut append));
        }
        group.finish();
    }
}

/// Something that writes the same bytes so many times and says how long that took.
type Writer<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

/// Writes the same bytes behind each other, to a file and nothing else.
fn file_writer(bytes: &[u8]) -> impl FnMut(u64) -> Duration {
    let scratch = scratch();
    let file = OsFs::new().create(&scratch.path().join("plain")).expect("the directory is empty");
    let mut end = 0;
    move |times| {
        if end > LOG_BYTES {
            file.truncate(0).expect("a file can be emptied");
            end = 0;
        }
        let _alive = &scratch;
        elapsed(|| {
            for _ in 0..times {
                file.write_all_at(end, bytes).expect("there is room");
                end += bytes.len() as u64;
            }
        })
    }
}

/// The same to memory that is as new as that of a file in memory.
fn memory_writer(bytes: &[u8]) -> impl FnMut(u64) -> Duration {
    let mut target = Vec::new();
    move |times| {
        if target.len() + bytes.len() * times as usize > target.capacity() {
            target = Vec::with_capacity(LOG_BYTES as usize);
        }
        elapsed(|| {
            for _ in 0..times {
                target.extend_from_slice(black_box(bytes));
            }
        })
    }
}

fn compare_appending() {
    const ROUND_BYTES: usize = 1 << 20;
    for records in APPEND_RECORDS {
        let bytes = batch_bytes(records);
        let times = (ROUND_BYTES / bytes.len()) as u64;
        for (fs_name, fs) in FILE_SYSTEMS {
            let (plain_name, mut plain): (_, Writer<'_>) = match fs_name {
                "OsFs" => ("pwrite", Box::new(file_writer(&bytes))),
                _ => ("Vec::extend", Box::new(memory_writer(&bytes))),
            };
            let mut append = appender(fs, records);
            compare(
                &format!("append to {fs_name}, {records} records a batch"),
                "batch",
                None,
                Side::new("Log::append", || (append(times), times)),
                Side::new(plain_name, || (plain(times), times)),
            );
        }
    }
}

/// Appends a record and waits until it is durable, again and again, on so many threads.
fn flush_times(log: &Log, threads: u64, times: u64) -> Duration {
    let each = times.div_ceil(threads);
    elapsed(|| {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut builder = filled(1);
                    let mut batch = builder.build().expect("it has a record");
                    for _ in 0..each {
                        let appended = log.append(&mut batch).expect("there is room");
                        log.flush_to(appended.last_offset + 1).expect("the disk works");
                    }
                });
            }
        });
    })
}

fn flush(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append and flush to OsFs");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for threads in [1, THREADS] {
        let fresh = Fresh::new(Arc::new(OsFs::new()));
        group.bench_function(format!("one record, threads: {threads}"), |bencher| {
            bencher.iter_custom(|times| flush_times(&fresh.log, threads, times));
        });
    }
    group.finish();
}

fn compare_flushing() {
    const TIMES: u64 = 96;
    let fresh = Fresh::new(Arc::new(OsFs::new()));
    compare(
        "append and flush, one record",
        "record",
        None,
        Side::new("16 threads", || (flush_times(&fresh.log, THREADS, TIMES), TIMES)),
        Side::new("1 thread", || (flush_times(&fresh.log, 1, TIMES), TIMES)),
    );
}
