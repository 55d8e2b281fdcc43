//! What our log answers, held against what Kafka answered.

use crate::expected::{Found, Partition};
use crate::reading::{committed_offsets, records};
use brooklet::log::{Cursor, Log, ReadLimit, Watermarks};
use brooklet::{Error, Timestamp};

/// One batch at a time, a few, and as many as there are in a segment.
const CHUNKS: [usize; 3] = [1, 1500, 1 << 20];

/// Everything that there is an answer to.
pub(crate) fn check(log: &Log, kafka: &Partition, readable: bool) {
    check_marks(log, kafka);
    if readable {
        check_records(log, kafka, &CHUNKS);
        check_times(log, kafka);
    }
}

/// As above, but reads everything only once.
pub(crate) fn check_once(log: &Log, kafka: &Partition, readable: bool) {
    check_marks(log, kafka);
    if readable {
        check_records(log, kafka, &CHUNKS[2..]);
    }
}

/// Where the log stands, and that nothing is read outside of it.
pub(crate) fn check_marks(log: &Log, kafka: &Partition) {
    let Partition { id, start, end, last_stable, .. } = kafka;
    let expected = Watermarks { start: *start, durable_end: *end, last_stable: *last_stable, end: *end };
    assert_eq!(log.watermarks(), expected, "{id}");
    assert_eq!(log.damage(), [], "{id}");
    for outside in (0..*start).chain([end + 1, u64::MAX]) {
        match log.read(&Cursor::at(outside), ReadLimit::bytes(1)) {
            Err(Error::OffsetOutOfRange { requested, start: from, end: to }) => {
                assert_eq!((requested, from, to), (outside, *start, *end), "{id}");
            }
            other => panic!("{id}: reading at {outside} gave {other:?}"),
        }
    }
    assert!(log.read(&Cursor::at(*end), ReadLimit::bytes(1)).expect("the end can be read").is_empty());
}

fn check_records(log: &Log, kafka: &Partition, chunks: &[usize]) {
    let id = &kafka.id;
    for &bytes_max in chunks {
        let ours = records(log, kafka.start, bytes_max).unwrap_or_else(|error| panic!("{id}: {error}"));
        for (ours, kafka) in ours.iter().zip(&kafka.records) {
            assert_eq!(ours, kafka, "{id}, {bytes_max} bytes at a time");
        }
        assert_eq!(ours.len(), kafka.records.len(), "{id}, {bytes_max} bytes at a time");
        let ours = committed_offsets(log, kafka.start, bytes_max).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!(ours, kafka.committed, "{id}, {bytes_max} bytes at a time");
    }
}

/// Wherever a reader begins, it gets what lies there and behind.
pub(crate) fn check_every_offset(log: &Log, kafka: &Partition) {
    let id = &kafka.id;
    for from in kafka.start..=kafka.end {
        for bytes_max in [CHUNKS[0], CHUNKS[2]] {
            let ours =
                records(log, from, bytes_max).unwrap_or_else(|error| panic!("{id} at {from}: {error}"));
            let skipped = kafka.records.partition_point(|record| record.offset < from);
            assert!(ours == kafka.records[skipped..], "{id} from {from} on, {bytes_max} bytes at a time");
            let ours =
                committed_offsets(log, from, bytes_max).unwrap_or_else(|e| panic!("{id} at {from}: {e}"));
            let skipped = kafka.committed.partition_point(|offset| *offset < from);
            assert_eq!(ours, kafka.committed[skipped..], "{id} from {from} on, {bytes_max} bytes at a time");
        }
    }
}

fn check_times(log: &Log, kafka: &Partition) {
    let id = &kafka.id;
    if let Some(expected) = kafka.max_timestamp {
        assert_eq!(plain(log.max_timestamp()), expected, "{id}");
    }
    for (asked, expected) in &kafka.times {
        assert_eq!(for_time(log, *asked), *expected, "{id} at {asked}");
    }
    // Kafka answers a reader of committed records only what lies below the last stable offset.
    for (asked, expected) in kafka.times_committed.iter().flatten() {
        let stable = for_time(log, *asked).filter(|(offset, _)| *offset < kafka.last_stable);
        assert_eq!(stable, *expected, "{id} at {asked}");
    }
}

fn for_time(log: &Log, asked: i64) -> Found {
    plain(log.offset_for_time(Timestamp::from_millis(asked)))
}

fn plain(found: Result<Option<(u64, Timestamp)>, Error>) -> Found {
    let found = found.unwrap_or_else(|error| panic!("asked for a time: {error}"));
    found.map(|(offset, timestamp)| (offset, timestamp.as_millis()))
}
