//! What a reader hands out and where it stands afterwards, rule by rule. `model` tries all of them at once.

mod damage;
mod model;

use super::*;
use crate::io::{Fs, MemFs};
use crate::log::{LogDir, LogDirOptions};
use crate::record::{BatchBuilder, Compression, ControlRecord, EncodedBatch, RecordParts, layout};
use crate::{Error, LogConfig, Timestamp};

const ALL: u64 = u64::MAX;
const MANY: usize = 1 << 20;
const NOTHING: [u64; 0] = [];

/// A log in memory, with its file within reach.
struct World {
    fs: MemFs,
    log: Arc<Log>,
    partition: Arc<TopicPartition>,
    _dir: LogDir,
}

impl World {
    fn new() -> World {
        Self::with(LogConfig::default())
    }

    fn with(config: LogConfig) -> World {
        let fs = MemFs::new();
        let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::from_millis(1_000_000)));
        let dir = LogDir::open_with(Arc::new(fs.clone()), clock, "/", LogDirOptions::default()).unwrap();
        let partition = Arc::new(TopicPartition::new("orders", 3).unwrap());
        let log = dir.create_log(&partition, config).unwrap();
        World { fs, log, partition, _dir: dir }
    }

    /// With batches of so many plain records.
    fn of(batches: &[usize]) -> World {
        let world = World::new();
        batches.iter().for_each(|records| world.append(*records));
        world
    }

    fn append(&self, records: usize) {
        self.append_bytes(&batch(Compression::None, None, self.end(), records));
    }

    fn write(&self, producer_id: i64, records: usize) {
        self.append_bytes(&batch(Compression::None, Some(producer_id), self.end(), records));
    }

    fn abort(&self, producer_id: i64) {
        self.append_bytes(&marker(producer_id, false));
    }

    fn commit(&self, producer_id: i64) {
        self.append_bytes(&marker(producer_id, true));
    }

    /// A batch that the cleaner has emptied and kept for its offsets.
    fn append_emptied(&self, records: usize) {
        let mut bytes = batch(Compression::Lz4, None, self.end(), records);
        bytes.truncate(layout::HEADER_LEN);
        bytes[layout::LENGTH..][..4].copy_from_slice(&49_i32.to_be_bytes());
        bytes[layout::RECORDS_COUNT..][..4].copy_from_slice(&0_i32.to_be_bytes());
        seal(&mut bytes);
        self.append_bytes(&bytes);
    }

    fn append_bytes(&self, bytes: &[u8]) {
        self.log.append(&mut EncodedBatch::from_bytes(&mut bytes.to_vec()).unwrap()).unwrap();
    }

    fn end(&self) -> u64 {
        self.log.watermarks().end
    }

    fn reader(&self, position: u64) -> PartitionReader {
        PartitionReader::new(self.partition.clone(), self.log.clone(), Isolation::ReadUncommitted, position)
    }

    fn committed_reader(&self, position: u64) -> PartitionReader {
        PartitionReader::new(self.partition.clone(), self.log.clone(), Isolation::ReadCommitted, position)
    }

    /// Changes the bytes of the log behind everybody's back.
    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.log.path().join("00000000000000000000.log");
        let file = self.fs.open(&path).unwrap();
        let mut bytes = crate::io::read_file(&self.fs, &path, MANY).unwrap().unwrap().to_vec();
        change(&mut bytes);
        file.write_all_at(0, &bytes).unwrap();
    }
}

/// Records whose values are their offsets.
fn batch(compression: Compression, transaction: Option<i64>, base_offset: u64, records: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    if let Some(producer_id) = transaction {
        builder.producer(producer_id, 0, 0).transactional(true);
    }
    for offset in base_offset..base_offset + records as u64 {
        let value = offset.to_string();
        builder.push(&RecordParts { value: Some(value.as_bytes()), ..RecordParts::default() }).unwrap();
    }
    builder.build().unwrap().bytes().to_vec()
}

fn marker(producer_id: i64, commit: bool) -> Vec<u8> {
    let marker = match commit {
        true => ControlRecord::Commit { coordinator_epoch: 0 },
        false => ControlRecord::Abort { coordinator_epoch: 0 },
    };
    marker.encode(producer_id, 0, Timestamp::from_millis(9)).unwrap()
}

/// Gives a batch the checksum of what stands in it now.
fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[layout::ATTRIBUTES..]);
    batch[layout::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
}

/// The offsets that a fetch gives; each record says the same of itself.
fn fetch(reader: &mut PartitionReader, records_max: usize, bytes_max: usize, until: u64) -> Vec<u64> {
    let mut records = Records::new();
    let fetched = reader.fetch(&mut records, records_max, bytes_max, until).unwrap();
    assert_eq!(fetched.records, records.len());
    offsets(&records)
}

fn offsets(records: &Records) -> Vec<u64> {
    for record in records {
        assert_eq!(record.value(), Some(record.offset().to_string().as_bytes()));
    }
    records.iter().map(|record| record.offset()).collect()
}

#[test]
fn everything_comes_in_order_and_the_position_is_behind_it() {
    let world = World::of(&[3, 1, 2]);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0, 1, 2, 3, 4, 5]);
    assert_eq!(reader.position(), 6);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), NOTHING);
    world.append(2);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [6, 7]);
}

#[test]
fn earlier_records_of_the_first_batch_are_passed_over() {
    let world = World::of(&[3, 3]);
    let mut reader = world.reader(4);
    assert_eq!(fetch(&mut reader, 1, MANY, ALL), [4]);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [5]);
}

#[test]
fn a_batch_that_is_cut_through_is_neither_read_nor_verified_again() {
    let world = World::of(&[5, 3]);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 2, MANY, ALL), [0, 1]);
    assert_eq!(reader.position(), 2);
    world.change(|bytes| bytes.fill(0xee));
    assert_eq!(fetch(&mut reader, 2, MANY, ALL), [2, 3]);
    assert_eq!(fetch(&mut reader, 2, MANY, ALL), [4, 5], "of two batches of one chunk");
    assert_eq!(fetch(&mut reader, 2, MANY, ALL), [6, 7]);
    assert_eq!(reader.position(), 8);
}

#[test]
fn a_fetch_of_no_records_changes_nothing() {
    let world = World::of(&[2]);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 0, MANY, ALL), NOTHING);
    assert_eq!(reader.position(), 0);
}

#[test]
fn bytes_are_bounded_but_for_one_batch() {
    let world = World::of(&[2, 2, 2, 2]);
    let size = batch(Compression::None, None, 0, 2).len();
    for (bytes_max, expected) in [(0, 2), (1, 2), (2 * size - 1, 2), (2 * size, 4), (3 * size + 1, 6)] {
        assert_eq!(fetch(&mut world.reader(0), MANY, bytes_max, ALL).len(), expected, "{bytes_max} bytes");
    }
    // A chunk that was read for one who wanted much is handed out as slowly as the next one wants.
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 1, MANY, ALL), [0]);
    assert_eq!(fetch(&mut reader, MANY, 1, ALL), [1, 2, 3]);
    assert_eq!(fetch(&mut reader, MANY, 1, ALL), [4, 5]);
}

#[test]
fn nothing_is_handed_out_at_or_above_until() {
    let world = World::of(&[3, 4]);
    let mut reader = world.reader(1);
    for (until, expected) in [
        (0, vec![]),
        (1, vec![]),
        (2, vec![1]),
        (2, vec![]),
        (4, vec![2]),
        (4, vec![3]),
        (6, vec![4, 5]),
        (7, vec![6]),
    ] {
        assert_eq!(fetch(&mut reader, MANY, MANY, until), expected, "until {until}");
    }
    assert_eq!(reader.position(), 7);
}

#[test]
fn the_position_does_not_pass_what_is_visible() {
    let world = World::of(&[2]);
    world.write(7, 1);
    world.commit(7);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 1, MANY, ALL), [0]);
    assert_eq!(fetch(&mut reader, MANY, MANY, 3), [1, 2]);
    assert_eq!(reader.position(), 3, "the marker is in the chunk, and not visible yet");
}

#[test]
fn markers_take_offsets_and_are_never_handed_out() {
    let world = World::of(&[1]);
    world.write(7, 1);
    world.commit(7);
    for mut reader in [world.reader(0), world.committed_reader(0)] {
        assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0, 1]);
        assert_eq!(reader.position(), 3, "behind the marker");
    }
    let mut records = Records::new();
    let mut reader = world.reader(2);
    assert_eq!(
        reader.fetch(&mut records, 9, MANY, ALL).unwrap(),
        Fetched { bytes: 78, ..Fetched::default() }
    );
    assert!(records.is_empty());
    assert_eq!(records.next_offset(&world.partition), Some(3));
}

#[test]
fn emptied_batches_and_gaps_are_stepped_over() {
    let world = World::of(&[2]);
    world.append_emptied(3);
    world.append(1);
    world.append_emptied(2);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0, 1, 5]);
    assert_eq!(reader.position(), 8);
    world.log.truncate(5).unwrap();
    let mut reader = world.reader(4);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), NOTHING);
    assert_eq!(reader.position(), 8, "over the gap, to the end");
    world.append(1);
    assert_eq!(fetch(&mut world.reader(3), MANY, MANY, ALL), [8]);
}

#[test]
fn a_reader_at_the_end_keeps_its_place_in_the_file() {
    let world = World::of(&[1]);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0]);
    let place = format!("{:?}", reader.cursor);
    assert!(place.contains("Some"), "{place}");
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), NOTHING);
    assert_eq!(format!("{:?}", reader.cursor), place);
}

#[test]
fn an_offset_that_the_log_does_not_hold_is_said_until_a_seek() {
    let world = World::of(&[2]);
    let mut reader = world.committed_reader(0);
    reader.seek(5);
    for _ in 0..2 {
        let error = reader.fetch(&mut Records::new(), MANY, MANY, ALL).unwrap_err();
        assert!(matches!(error, Error::OffsetOutOfRange { requested: 5, start: 0, end: 2 }), "{error}");
    }
    reader.seek(1);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [1]);
    // An end that is not visible yet is no reason to reset.
    reader.seek(2);
    assert_eq!(fetch(&mut reader, MANY, MANY, 1), NOTHING);
}

#[test]
fn a_seek_drops_what_was_read_ahead_but_not_one_to_where_the_reader_stands() {
    let world = World::of(&[4, 4]);
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 2, MANY, ALL), [0, 1]);
    reader.seek(2);
    assert!(!reader.rest.is_empty() && reader.chunk.is_some());
    for (offset, expected) in [(6, vec![6]), (1, vec![1]), (0, vec![0])] {
        reader.seek(offset);
        assert!(reader.rest.is_empty() && reader.chunk.is_none());
        assert_eq!(fetch(&mut reader, 1, MANY, ALL), expected);
    }
}

#[test]
fn an_open_transaction_holds_up_everything_behind_it() {
    let world = World::of(&[1]);
    world.write(7, 2);
    world.append(1);
    let mut reader = world.committed_reader(0);
    assert_eq!(reader.upper_bound(world.end()), 1);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0]);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), NOTHING);
    assert_eq!((fetch(&mut world.reader(0), MANY, MANY, ALL), reader.position()), (vec![0, 1, 2, 3], 1));
    world.commit(7);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [1, 2, 3]);
    assert_eq!((reader.position(), reader.upper_bound(4)), (5, 4));
}

#[test]
fn aborted_transactions_are_left_out_and_the_position_goes_over_them() {
    let world = World::new();
    world.write(7, 2);
    world.write(8, 1);
    world.append(1);
    world.abort(7);
    world.commit(8);
    world.write(7, 1);
    world.commit(7);
    assert_eq!(fetch(&mut world.committed_reader(0), MANY, MANY, ALL), [2, 3, 6]);
    assert_eq!(fetch(&mut world.reader(0), MANY, MANY, ALL), [0, 1, 2, 3, 6]);
    // One batch at a time, so that the marker is never in the chunk of what it aborts.
    let mut reader = world.committed_reader(1);
    let mut found = Vec::new();
    while reader.position() < world.end() {
        found.extend(fetch(&mut reader, MANY, 1, ALL));
    }
    assert_eq!(found, [2, 3, 6]);
}

#[test]
fn a_fetch_goes_on_over_what_nobody_sees_as_far_as_its_bytes_allow() {
    let world = World::with(LogConfig { segment_bytes: 300, ..LogConfig::default() });
    for _ in 0..20 {
        world.write(7, 1);
    }
    world.abort(7);
    world.append(1);
    assert!(world.log.segment_base_offsets().len() > 3);
    let mut reader = world.committed_reader(0);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [21], "one chunk is a segment at most");
    reader.seek(0);
    let (mut records, before) = (Records::new(), reader.position());
    let fetched = reader.fetch(&mut records, MANY, 500, ALL).unwrap();
    assert_eq!((fetched.records, before), (0, 0));
    assert!((500..600).contains(&fetched.bytes), "{fetched:?}");
    assert_eq!(records.next_offset(&world.partition), Some(reader.position()));
}

#[test]
fn a_single_read_takes_what_its_limit_allows() {
    let world = World::of(&[3, 3, 3]);
    let read =
        |offset, limit, isolation| read_records(&world.log, &world.partition, offset, limit, isolation);
    let size = batch(Compression::None, None, 0, 3).len();
    let records = read(1, ReadLimit::bytes(2 * size), Isolation::ReadUncommitted).unwrap();
    assert_eq!((offsets(&records), records.next_offset(&world.partition)), (vec![1, 2, 3, 4, 5], Some(6)));
    let records = read(1, ReadLimit::bytes(MANY).until(5), Isolation::ReadUncommitted).unwrap();
    assert_eq!((offsets(&records), records.next_offset(&world.partition)), (vec![1, 2, 3, 4], Some(5)));
    let records = read(9, ReadLimit::bytes(MANY), Isolation::ReadCommitted).unwrap();
    assert_eq!((offsets(&records), records.next_offset(&world.partition)), (vec![], None));
    assert!(read(10, ReadLimit::bytes(MANY), Isolation::ReadCommitted).is_err());
}
