//! What allocates and what does not: a record costs no allocation on its way in or out, and a batch none of its own, but
//! for two where records wait for each other and somebody may wait for them.
//!
//! Counted per thread, so that the tests may run side by side. What is left and allowed: the memory of a file in memory
//! (a block of 64 KiB at a time), indexes that double, and the one buffer that a chunk is read into.

use brooklet::log::{Cursor, Log, LogDir, ReadLimit};
use brooklet::record::{BatchBuilder, Compression, Header, RecordParts};
use brooklet::{Acks, Broker, LogConfig, NewRecord, Result, Timestamp, TopicConfig, TopicPartition};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends frees what it has, and perhaps allocates once more; nobody counts then.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

#[expect(unsafe_code, reason = "there is no other way to stand between a program and its allocator")]
// SAFETY: every call is passed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates while something is done.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

/// Fills the builder with records that have everything a record can have.
fn fill(builder: &mut BatchBuilder, records: u64) -> Result<()> {
    let headers = [Header { key: "trace", value: Some(b"0af7651916cd43dd") }];
    builder.clear();
    for index in 0..records {
        let key = index.to_be_bytes();
        builder.push(&RecordParts {
            timestamp: Some(Timestamp::from_millis(1_700_000_000_000 + index as i64)),
            key: Some(&key),
            value: Some(&[7; 100]),
            headers: &headers,
        })?;
    }
    Ok(())
}

fn new_log(dir: &LogDir) -> Result<Arc<Log>> {
    dir.create_log(&TopicPartition::new("orders", 0)?, LogConfig::default())
}

/// Appends the same batch so many times, in a builder that is warm.
fn append(log: &Log, builder: &mut BatchBuilder, batches: u64) -> Result<()> {
    let mut batch = builder.build()?;
    (0..batches).try_for_each(|_| log.append(&mut batch).map(drop))
}

/// Reads a log from its beginning to its end: how many chunks, and how many records.
fn read_all(log: &Log, bytes_max: usize) -> Result<(u64, u64)> {
    let (mut cursor, mut chunks, mut records) = (Cursor::at(0), 0, 0);
    while cursor.offset() < log.watermarks().end {
        let chunk = log.read(&cursor, ReadLimit::bytes(bytes_max))?;
        for batch in chunk.batches() {
            let batch = batch?.records().expect("it is not compressed");
            records += batch.iter().flatten().filter(|record| black_box(record.value()).is_some()).count();
        }
        cursor = chunk.next().clone();
        chunks += 1;
    }
    Ok((chunks, records as u64))
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1_u8)))), 1);
    assert_eq!(allocations(|| drop(black_box(vec![0_u8; 10]))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn a_warm_builder_allocates_nothing() {
    let mut builder = BatchBuilder::new(Compression::None);
    fill(&mut builder, 1000).unwrap();
    let made = allocations(|| {
        for records in [1, 100, 1000] {
            fill(&mut builder, records).unwrap();
            black_box(builder.build().unwrap().bytes());
        }
    });
    assert_eq!(made, 0);
}

#[test]
fn appending_to_memory_allocates_the_blocks_of_the_file_and_nothing_per_batch() {
    const BLOCK: u64 = 64 << 10;
    let dir = LogDir::in_memory().unwrap();
    let log = new_log(&dir).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    for (records, batches) in [(1, 4000), (100, 400), (1000, 40)] {
        fill(&mut builder, records).unwrap();
        append(&log, &mut builder, batches).unwrap();
        let before = log.size_bytes();
        let made = allocations(|| append(&log, &mut builder, batches).unwrap());
        let blocks = (log.size_bytes() - before).div_ceil(BLOCK);
        println!("{records} records a batch: {made} allocations for {batches} batches, {blocks} blocks");
        assert!(made <= blocks + blocks / 4 + 8, "{made} allocations for {batches} batches of {records}");
    }
}

#[test]
fn appending_to_disk_allocates_nothing_but_the_growth_of_the_indexes() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = LogDir::open(scratch.path()).unwrap();
    let log = new_log(&dir).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    fill(&mut builder, 100).unwrap();
    append(&log, &mut builder, 400).unwrap();
    let made = allocations(|| append(&log, &mut builder, 400).unwrap());
    println!("{made} allocations for 400 batches of 100 records");
    assert!(made <= 4, "{made} allocations for 400 batches");
}

#[test]
fn a_chunk_costs_a_few_allocations_however_many_batches_and_records_it_has() {
    for (records, batches) in [(1, 40_000), (100, 400), (1000, 40)] {
        let dir = LogDir::in_memory().unwrap();
        let log = new_log(&dir).unwrap();
        let mut builder = BatchBuilder::new(Compression::None);
        fill(&mut builder, records).unwrap();
        append(&log, &mut builder, batches).unwrap();
        for bytes_max in [64 << 10, 1 << 20] {
            let mut read = read_all(&log, bytes_max).unwrap();
            let made = allocations(|| read = read_all(&log, bytes_max).unwrap());
            let (chunks, records_read) = read;
            println!("{records} records a batch, {bytes_max} bytes: {made} allocations for {chunks} chunks");
            assert_eq!(records_read, records * batches);
            assert!(made <= 3 * chunks, "{made} allocations for {chunks} chunks");
        }
    }
}

#[test]
fn iterating_allocates_nothing() {
    let dir = LogDir::in_memory().unwrap();
    let log = new_log(&dir).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    fill(&mut builder, 100).unwrap();
    append(&log, &mut builder, 5).unwrap();
    let chunk = log.read(&Cursor::at(0), ReadLimit::bytes(1 << 20)).unwrap();
    let mut bytes = 0;
    let made = allocations(|| {
        for batch in chunk.batches() {
            for record in batch.unwrap().records().unwrap().iter() {
                let record = record.unwrap();
                let names: usize = record.headers().map(|header| header.key.len()).sum();
                bytes += record.key().unwrap().len() + names;
            }
        }
    });
    assert_eq!((made, bytes), (0, 500 * 13));
}

/// A topic on a real file system, where a file takes no memory.
fn on_disk() -> (tempfile::TempDir, Broker) {
    let scratch = tempfile::tempdir().expect("there is room");
    let broker = Broker::open(scratch.path()).expect("it is empty");
    broker.create_topic("orders", TopicConfig::new().partitions(3)).expect("it is new");
    (scratch, broker)
}

/// Records with all there is to one, so many, each handed to whoever sends it. Says how often that allocated; what it
/// costs to clone a record, the list of its headers, is not counted.
fn sending(count: u64, send: impl FnOnce(&mut dyn Iterator<Item = NewRecord<'_>>)) -> u64 {
    let record = NewRecord::to("orders").key("alice").value(b"created").header("trace", "1").null_header("x");
    allocations(|| send(&mut (0..count).map(|_| record.clone()))) - count
}

#[test]
fn a_record_that_is_sent_alone_allocates_nothing() {
    let (_scratch, broker) = on_disk();
    let producer = broker.producer().acks(Acks::Written).build().unwrap();
    let send = || sending(2_000, |records| records.for_each(|record| drop(producer.send(record).unwrap())));
    send();
    let made = send();
    println!("{made} allocations for 2000 records");
    assert!(made <= 4, "{made} allocations for 2000 records, the growth of the indexes included");
}

#[test]
fn a_record_that_lingers_allocates_nothing_but_its_share_of_a_batch() {
    let (_scratch, broker) = on_disk();
    let settings = broker.producer().acks(Acks::Written).linger(Duration::from_secs(60));
    let producer = settings.batch_bytes(4_000).build().unwrap();
    let send = || sending(10_000, |records| records.for_each(|record| drop(producer.send(record).unwrap())));
    send();
    let made = send();
    println!("{made} allocations for 10000 records, about 120 a batch");
    assert!(
        made <= 2 * 90,
        "{made} allocations for 10000 records, about 120 a batch, and two for each batch"
    );
    producer.close().unwrap();
}

#[test]
fn many_records_at_once_allocate_a_few_times_in_all() {
    let (_scratch, broker) = on_disk();
    let producer = broker.producer().acks(Acks::Written).batch_bytes(1 << 20).build().unwrap();
    let partition = broker.topic("orders").unwrap().partition(0).unwrap();
    let sent = || sending(1_000, |records| drop(producer.send_batch(records).unwrap()));
    let appended = || {
        sending(1_000, |records| {
            partition.append(records, Acks::Written).unwrap();
        })
    };
    for (what, act, most) in [("sent", &sent as &dyn Fn() -> u64, 8), ("appended", &appended, 1)] {
        act();
        let made = act();
        println!("{made} allocations for 1000 records that are {what} at once");
        assert!(made <= most, "{made} allocations for 1000 records that are {what} at once");
    }
}
