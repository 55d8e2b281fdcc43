//! No allocation per record, neither on the way in nor on the way out: counted.

#![expect(unsafe_code, reason = "an allocator that counts is the only witness, and its trait is unsafe")]

use brooklet::log::{Cursor, LogDir, ReadLimit};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use brooklet::{LogConfig, TopicPartition};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

const RECORDS: usize = 100;
const BATCHES: usize = 1_000;

fn build<'a>(builder: &'a mut BatchBuilder, value: &[u8]) -> brooklet::record::EncodedBatch<'a> {
    builder.clear();
    for _ in 0..RECORDS {
        builder
            .push(&RecordParts { key: Some(b"key"), value: Some(value), ..Default::default() })
            .expect("a good record");
    }
    builder.build().expect("it has records")
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn encoding_into_a_warm_builder_allocates_nothing() {
    let mut builder = BatchBuilder::new(Compression::None);
    build(&mut builder, &[7; 100]);
    let counted = allocations(|| {
        (0..BATCHES)
            .for_each(|_| assert_eq!(build(&mut builder, &[7; 100]).header().records_count, RECORDS as u32))
    });
    assert_eq!(counted, 0);
}

#[test]
fn appending_and_reading_allocate_nothing_per_record_or_batch() {
    let dir = LogDir::in_memory().expect("memory does not fail");
    let log = dir.create_log(&TopicPartition::new("t", 0).expect("a good name"), LogConfig::default());
    let log = log.expect("memory does not fail");
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..10 {
        log.append(&mut build(&mut builder, &[7; 100])).expect("memory does not fail");
    }
    let counted = allocations(|| {
        for _ in 0..BATCHES {
            log.append(&mut build(&mut builder, &[7; 100])).expect("memory does not fail");
        }
    });
    // The file itself grows by blocks of 64 KiB, and the index by an entry per 4 KiB.
    let blocks = BATCHES * RECORDS * 115 / (64 << 10);
    assert!(
        counted as usize <= 4 * blocks + 40,
        "{counted} allocations for {BATCHES} batches in {blocks} blocks"
    );

    let mut read = 0;
    let mut chunks = 0;
    let counted = allocations(|| {
        let mut cursor = Cursor::at(0);
        loop {
            let chunk = log.read(&cursor, ReadLimit::bytes(1 << 20)).expect("it is all there");
            if chunk.is_empty() {
                break;
            }
            chunks += 1;
            for batch in chunk.batches() {
                for record in batch.expect("it is whole").records().expect("it is not compressed").iter() {
                    read += usize::from(record.expect("it is whole").value().is_some());
                }
            }
            cursor = chunk.next().clone();
        }
    });
    assert_eq!(read, (BATCHES + 10) * RECORDS);
    // Memory hands out its blocks one by one, and a chunk is put together from them.
    assert!(
        counted as usize <= 2 * blocks + 8 * chunks,
        "{counted} allocations for {chunks} chunks in {blocks} blocks"
    );
}
