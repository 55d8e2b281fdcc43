//! Reading back in order: from the log through a cursor, every checksum verified, every record looked at.
//!
//! | what | compared with |
//! |---|---|
//! | `Log::read` and its records, 64 KiB and 1 MiB at a time | the crate `commitlog` 0.2, which reads the same records in the same message sets through a buffer of the same size, and verifies its checksums too |
//! | the same without looking at the records: verified batches | the same |
//! | headers only, nothing verified | (nothing of the kind there) |
//! | `Log::read` alone | plain reads of the same file, as many bytes at a time |
//! | `Consumer::poll` and `Partition::read`, in memory, every record looked at | (each with the other) |
//!
//! Both logs lie on disk in one segment, 64 MiB of records of 100 bytes in batches of 100, and in the page cache. Both
//! have their default settings.

mod turns;

use brooklet::io::{Fs, OsFs};
use brooklet::log::{Chunk, Cursor, Log, LogDir, ReadLimit};
use brooklet::record::{Batch, BatchHeader};
use brooklet::{Acks, Broker, Isolation, LogConfig, NewRecord, Partition, Records, Start, TopicConfig};
use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use turns::{Side, VALUE_BYTES, compare, elapsed, filled, partition, scratch, value};

const BATCH_RECORDS: u64 = 100;
const RECORDS: u64 = (64 << 20) / (VALUE_BYTES as u64 * BATCH_RECORDS) * BATCH_RECORDS;
const BUFFERS: [(&str, usize); 2] = [("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];
/// Bytes of a round, which is short so that there are many.
const ROUND_BYTES: usize = 2 << 20;

fn main() {
    let logs = Logs::write();
    let mut criterion = turns::criterion();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(RECORDS));
    for (buffer, bytes) in BUFFERS {
        group.bench_function(format!("records, {buffer} at a time"), |bencher| {
            bencher.iter(|| all_of(logs.ours(bytes, sum_records)));
        });
        group.bench_function(format!("commitlog, {buffer} at a time"), |bencher| {
            bencher.iter(|| all_of(logs.theirs(bytes)));
        });
    }
    let bytes = BUFFERS[1].1;
    group.bench_function("verified batches", |bencher| {
        bencher.iter(|| all_of(logs.ours(bytes, sum_verified)));
    });
    group.bench_function("headers", |bencher| bencher.iter(|| all_of(logs.ours(bytes, sum_headers))));
    group.finish();
    in_memory(&mut criterion);
    polled(&mut criterion);
    criterion.final_summary();
    println!();
    logs.compare_all();
}

/// The parts of reading that are left when the bytes are there: one batch, which stays in the processor's cache.
fn in_memory(criterion: &mut Criterion) {
    let bytes = filled(BATCH_RECORDS as usize).build().expect("it has records").bytes().to_vec();
    let batch = Batch::decode(&bytes).expect("it was just built");
    let mut group = criterion.benchmark_group("one batch in memory");
    group.throughput(Throughput::Elements(BATCH_RECORDS));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| Batch::decode(black_box(&bytes)).expect("it was just built").bytes().len());
    });
    group.bench_function("iterate", |bencher| bencher.iter(|| sum_batch(black_box(&batch))));
    group.finish();
}

/// What a consumer adds to reading a log: in memory, where the bytes cost least.
fn polled(criterion: &mut Criterion) {
    const BATCHES: u64 = 1_000;
    const POLLED: u64 = BATCHES * BATCH_RECORDS;
    let broker = Broker::in_memory().expect("a new one");
    let topic = broker.create_topic("bench", TopicConfig::new()).expect("there is none yet");
    let partition = topic.partition(0).expect("it has one");
    let value = value();
    for _ in 0..BATCHES {
        let records = (0..BATCH_RECORDS).map(|_| NewRecord::new().value(value));
        partition.append(records, Acks::Written).expect("there is room");
    }
    let settings = broker.consumer().assign([("bench", 0)]).start(Start::Earliest);
    let mut consumer = settings.build().expect("the topic is there");
    let mut group = criterion.benchmark_group("from a broker in memory");
    group.throughput(Throughput::Elements(POLLED));
    group.bench_function("Consumer::poll, 500 at a time", |bencher| {
        bencher.iter(|| {
            consumer.seek("bench", 0, 0).expect("it is assigned");
            let mut records = 0;
            while records < POLLED {
                records += sum_polled(&consumer.poll(Duration::ZERO).expect("it is in the log"));
            }
        });
    });
    group.bench_function("Partition::read, 1 MiB at a time", |bencher| {
        bencher.iter(|| {
            let mut records = 0;
            while records < POLLED {
                records += sum_polled(&read_at(&partition, records));
            }
        });
    });
    group.finish();
}

fn read_at(partition: &Partition, offset: u64) -> Records {
    partition.read(offset, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted).expect("it is in the log")
}

/// As [`sum_records`].
fn sum_polled(records: &Records) -> u64 {
    let mut sum = 0;
    for record in records {
        let value = record.value().unwrap_or_default();
        sum += value.len() as u64 + u64::from(value[VALUE_BYTES / 2]);
    }
    black_box(sum);
    records.len() as u64
}

/// The same records in both logs.
struct Logs {
    ours: Arc<Log>,
    theirs: CommitLog,
    scratch: TempDir,
    _dir: LogDir,
}

impl Logs {
    fn write() -> Self {
        let scratch = scratch();
        let dir = LogDir::open(scratch.path().join("ours")).expect("a new directory");
        let ours = dir.create_log(&partition(), LogConfig::default()).expect("there is none yet");
        let options = LogOptions::new(scratch.path().join("theirs"));
        let mut theirs = CommitLog::new(options).expect("a new directory");

        let mut batch = filled(BATCH_RECORDS as usize);
        let mut batch = batch.build().expect("it has records");
        let mut messages: MessageBuf = (0..BATCH_RECORDS).map(|_| value()).collect();
        for _ in 0..RECORDS / BATCH_RECORDS {
            ours.append(&mut batch).expect("there is room");
            theirs.append(&mut messages).expect("there is room");
        }
        ours.flush().expect("the disk works");
        theirs.flush().expect("the disk works");
        assert_eq!(ours.segment_base_offsets().len(), 1);
        Self { ours, theirs, scratch, _dir: dir }
    }

    fn ours(&self, buffer: usize, look: fn(&Chunk) -> u64) -> impl FnMut() -> u64 {
        let mut cursor = Cursor::at(0);
        move || {
            if cursor.offset() == RECORDS {
                cursor = Cursor::at(0);
            }
            let chunk = self.ours.read(&cursor, ReadLimit::bytes(buffer)).expect("it is in the log");
            cursor = chunk.next().clone();
            look(&chunk)
        }
    }

    /// The same with theirs, which has no cursor and asks its index each time.
    fn theirs(&self, buffer: usize) -> impl FnMut() -> u64 {
        let mut offset = 0;
        move || {
            if offset == RECORDS {
                offset = 0;
            }
            let limit = commitlog::ReadLimit::max_bytes(buffer);
            let records = sum_messages(&self.theirs.read(offset, limit).expect("it is in the log"));
            offset += records;
            records
        }
    }

    /// The same with our file as a file, through the same door and without looking at anything. It begins half-way, lest
    /// one of the two sides read what the other has just brought into the processor's cache.
    fn plain(&self, buffer: usize) -> impl FnMut() -> u64 {
        let path = self.scratch.path().join("ours/bench-0/00000000000000000000.log");
        let file = OsFs::new().open(&path).expect("it was written");
        let end = self.ours.size_bytes();
        let mut position = end / 2;
        move || {
            if position == end {
                position = 0;
            }
            // The file is longer than its batches: behind them lies space that was set aside.
            let len = buffer.min((end - position) as usize);
            let bytes = black_box(file.read_up_to(position, len).expect("the disk works")).len() as u64;
            position += bytes;
            bytes * RECORDS / end
        }
    }

    fn compare_all(&self) {
        for (buffer, bytes) in BUFFERS {
            let records = ("records", sum_records as fn(&Chunk) -> u64, Some(1.0));
            for (what, look, goal) in [records, ("verified batches", sum_verified, None)] {
                compare(
                    &format!("read {what}, {buffer} at a time"),
                    "record",
                    goal,
                    Side::new("brooklet", round_of(bytes, self.ours(bytes, look))),
                    Side::new("commitlog", round_of(bytes, self.theirs(bytes))),
                );
            }
        }
        let bytes = BUFFERS[1].1;
        for (what, look) in [("headers", sum_headers as fn(&Chunk) -> u64), ("records", sum_records)] {
            compare(
                &format!("read {what}, 1 MiB at a time"),
                "record",
                None,
                Side::new("Log::read", round_of(bytes, self.ours(bytes, look))),
                Side::new("plain reads", round_of(bytes, self.plain(bytes))),
            );
        }
    }
}

/// As many reads as make a round, which goes on where the last one ended.
fn round_of(buffer: usize, mut read: impl FnMut() -> u64) -> impl FnMut() -> (Duration, u64) {
    move || {
        let mut records = 0;
        let time = elapsed(|| records = (0..ROUND_BYTES / buffer).map(|_| read()).sum());
        (time, records)
    }
}

/// As many reads as it takes to come to the end.
fn all_of(mut read: impl FnMut() -> u64) {
    let mut records = 0;
    while records < RECORDS {
        records += read();
    }
}

/// Looks at the value of every record: at its length and one byte, which has to be loaded for that.
fn sum_records(chunk: &Chunk) -> u64 {
    chunk.batches().map(|batch| sum_batch(&batch.expect("its checksum holds"))).sum()
}

fn sum_batch(batch: &Batch<'_>) -> u64 {
    let (mut records, mut sum) = (0, 0);
    for record in batch.records().expect("it is not compressed").iter() {
        let value = record.expect("it was checked").value().unwrap_or_default();
        sum += value.len() as u64 + u64::from(value[VALUE_BYTES / 2]);
        records += 1;
    }
    black_box(sum);
    records
}

/// As [`sum_records`].
fn sum_messages(messages: &MessageBuf) -> u64 {
    let (mut records, mut sum) = (0, 0);
    for message in messages.iter() {
        let value = message.payload();
        sum += value.len() as u64 + u64::from(value[VALUE_BYTES / 2]);
        records += 1;
    }
    black_box(sum);
    records
}

fn sum_verified(chunk: &Chunk) -> u64 {
    chunk.batches().map(|batch| u64::from(batch.expect("its checksum holds").header().records_count)).sum()
}

fn sum_headers(chunk: &Chunk) -> u64 {
    let (mut rest, mut records) = (&chunk.bytes()[..], 0);
    while !rest.is_empty() {
        let header = BatchHeader::read(rest).expect("a chunk is whole batches");
        records += u64::from(header.records_count);
        rest = &rest[header.size as usize..];
    }
    records
}
