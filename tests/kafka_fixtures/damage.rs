//! What Kafka had synced and is not what it was. Kafka cuts the log there and throws the rest away, for it has replicas;
//! we have one copy, and so nothing of it is ever cut or passed over in silence.

use crate::answers::check;
use crate::disk::Disk;
use crate::expected::{Partition, State, states};
use crate::fixtures::fixtures;
use brooklet::Error;
use brooklet::log::{Cursor, Log, LogDir, ReadLimit};
use brooklet::record::layout::CRC;
use brooklet::record::{BatchBuilder, BatchHeader, Compression, RecordParts};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const MARKER: &str = ".kafka_cleanshutdown";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";

/// A directory in which one log will be damaged. Kafka closed it in order: its recovery point is the end of the log.
struct Case {
    state: State,
    kafka: Partition,
}

impl Case {
    fn new(folder: &Path) -> Case {
        let state = states(folder, "idempotent").pop().expect("it has one state");
        let kafka = state.partitions[0].clone();
        Case { state, kafka }
    }

    /// A fresh copy; as after a crash of Kafka if it was not closed in order.
    fn disk(&self, closed_in_order: bool) -> Disk {
        let disk = Disk::copy_of(&self.state.folder);
        if !closed_in_order {
            disk.remove(MARKER);
        }
        disk
    }

    fn log(&self, dir: &LogDir) -> Arc<Log> {
        let log = dir.open_log(&self.kafka.id, self.kafka.config.clone());
        log.unwrap_or_else(|error| panic!("{}: {error}", self.kafka.id))
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.kafka.id)
    }

    /// Every batch: its file, where it begins and ends there, and its offsets.
    fn batches(&self) -> Vec<(String, Range<usize>, Range<u64>)> {
        let mut batches = Vec::new();
        for (name, bytes) in self.disk(true).files(&self.kafka.id.to_string(), ".log") {
            let mut at = 0;
            while at < bytes.len() {
                let header = BatchHeader::read(&bytes[at..]).expect("the fixture is whole");
                let end = at + header.size as usize;
                batches.push((self.path(&name), at..end, header.base_offset..header.next_offset()));
                at = end;
            }
        }
        batches
    }
}

/// The offsets of all records that can be read, and those of which an error says that they cannot.
fn read_around(log: &Log) -> (Vec<u64>, Vec<Range<u64>>) {
    let (mut read, mut lost) = (Vec::new(), Vec::new());
    let mut cursor = Cursor::at(log.watermarks().start);
    while cursor.offset() < log.watermarks().end {
        let taken = log.read(&cursor, ReadLimit::bytes(1000)).and_then(|chunk| {
            for batch in chunk.batches() {
                for record in batch?.records()?.iter() {
                    read.push(record?.offset());
                }
            }
            Ok(chunk.next().clone())
        });
        cursor = match taken {
            Ok(next) => next,
            Err(Error::Corrupt { offsets, .. }) => {
                assert!(offsets.end > cursor.offset(), "an error for {offsets:?} leads nowhere");
                lost.push(offsets.clone());
                Cursor::at(offsets.end)
            }
            Err(error) => panic!("{error}"),
        };
    }
    (read, lost)
}

fn append(log: &Log) -> Result<u64, Error> {
    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(&RecordParts { value: Some(b"new"), ..RecordParts::default() })?;
    Ok(log.append(&mut batch.build()?)?.base_offset)
}

#[test]
fn a_flipped_bit_costs_one_batch_and_not_the_rest_of_the_log() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    let batches = case.batches();
    let (_, but_the_last) = batches.split_last().expect("there are batches");
    for closed_in_order in [true, false] {
        for (file, bytes, offsets) in but_the_last {
            let disk = case.disk(closed_in_order);
            disk.change(file, |log| log[bytes.end - 1] ^= 1);
            let damaged = disk.files(&case.kafka.id.to_string(), ".log");
            let dir = disk.adopt();
            let log = case.log(&dir);
            let all = case.kafka.records.iter().map(|record| record.offset);
            let expected = (all.filter(|offset| !offsets.contains(offset)).collect(), vec![offsets.clone()]);
            assert_eq!(read_around(&log), expected, "{file} at {bytes:?}");
            // A last segment with a gap is closed, and an empty one follows it.
            let mut kept = disk.files(&case.kafka.id.to_string(), ".log");
            kept.retain(|(_, bytes)| !bytes.is_empty());
            assert_eq!(kept, damaged, "{file} at {bytes:?}");
            assert_eq!(append(&log).expect("it can be written to"), case.kafka.end, "{file} at {bytes:?}");
        }
    }
}

/// Base offset, length, leader epoch and magic stand outside the checksum. What they must be is told by the batches
/// around; behind the last one there is none that could tell.
#[test]
fn a_flipped_bit_that_no_checksum_covers_costs_one_batch_too() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    let batches = case.batches();
    let (_, but_the_last) = batches.split_last().expect("there are batches");
    for closed_in_order in [true, false] {
        for (file, bytes, offsets) in but_the_last {
            for (byte, bit) in (0..CRC).flat_map(|byte| [(byte, byte % 8), (byte, (byte + 3) % 8)]) {
                let disk = case.disk(closed_in_order);
                disk.change(file, |log| log[bytes.start + byte] ^= 1 << bit);
                let place = format!("{file} at {bytes:?}, byte {byte}, bit {bit}");
                let dir = disk.adopt();
                let log = case.log(&dir);
                let all = case.kafka.records.iter().map(|record| record.offset);
                let expected =
                    (all.filter(|offset| !offsets.contains(offset)).collect(), vec![offsets.clone()]);
                assert_eq!(read_around(&log), expected, "{place}");
                assert_eq!((log.watermarks().end, log.damage()), (case.kafka.end, &[][..]), "{place}");
            }
        }
    }
}

/// What somebody does to the bytes of a file.
type Shorten = Box<dyn Fn(&mut Vec<u8>)>;

/// Ways to make the log end too early.
fn shortenings(case: &Case) -> Vec<(&'static str, String, Shorten)> {
    let (last, bytes, _) = case.batches().pop().expect("there are batches");
    let start = bytes.start;
    vec![
        ("flipped in the last batch", last.clone(), Box::new(|log| *log.last_mut().expect("bytes") ^= 1)),
        ("cut in the last batch", last.clone(), Box::new(|log| log.truncate(log.len() - 1))),
        ("cut before the last batch", last.clone(), Box::new(move |log| log.truncate(start))),
        ("emptied", last.clone(), Box::new(Vec::clear)),
        ("cut and filled with zeros", last, Box::new(move |log| log[start..].fill(0))),
    ]
}

#[test]
fn a_log_that_ends_before_the_recovery_point_is_read_only_until_it_is_restored() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    for closed_in_order in [true, false] {
        for (what, file, shorten) in shortenings(&case) {
            let disk = case.disk(closed_in_order);
            let whole = disk.read(&file).expect("it is there");
            disk.change(&file, &shorten);
            let damaged = disk.files(&case.kafka.id.to_string(), "");
            // Opened more than once, closed or not: what is known of the loss is not forgotten.
            for round in 0..3 {
                let dir = disk.adopt();
                let log = case.log(&dir);
                let [damage] = log.damage() else { panic!("{what}: {:?}", log.damage()) };
                assert_eq!(damage.offsets.end, case.kafka.end, "{what}");
                assert!(damage.offsets.start < damage.offsets.end, "{what}");
                let all = case.kafka.records.iter().map(|record| record.offset);
                let expected = (
                    all.filter(|offset| !damage.offsets.contains(offset)).collect(),
                    vec![damage.offsets.clone()],
                );
                assert_eq!(read_around(&log), expected, "{what}");
                assert!(matches!(append(&log), Err(Error::ReadOnly { .. })), "{what}");
                if round == 1 {
                    dir.close().unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                assert!(
                    disk.files(&case.kafka.id.to_string(), "") == damaged,
                    "{what}: its files were touched"
                );
            }
            disk.change(&file, |log| log.clone_from(&whole));
            let dir = disk.adopt();
            let log = case.log(&dir);
            check(&log, &case.kafka, true);
            assert_eq!(append(&log).expect("it can be written to"), case.kafka.end, "{what}");
        }
    }
}

#[test]
fn a_last_segment_that_is_missing_is_missed() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    let (last, ..) = case.batches().pop().expect("there are batches");
    let disk = case.disk(true);
    disk.remove(&last);
    let dir = disk.adopt();
    let log = case.log(&dir);
    assert_eq!(log.watermarks().end, case.kafka.end);
    assert_eq!(log.damage()[0].offsets.end, case.kafka.end);
    assert!(matches!(append(&log), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_torn_tail_behind_the_recovery_point_is_cut_though_damage_before_it_is_not() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    let batches = case.batches();
    let (last, torn, lost) = batches.last().expect("there are batches").clone();
    let in_the_same: Vec<_> = batches.iter().filter(|(file, ..)| *file == last).collect();
    let (_, damaged, stepped_over) = in_the_same[0];
    assert!(in_the_same.len() > 2, "there is something between the two");

    let disk = case.disk(false);
    let (old, new) = (case.kafka.end, lost.start);
    let id = format!("{} {}", case.kafka.id.topic(), case.kafka.id.partition());
    disk.change(RECOVERY_POINTS, |text| {
        let lowered = String::from_utf8(text.clone()).expect("text");
        *text = lowered.replace(&format!("{id} {old}"), &format!("{id} {new}")).into_bytes();
    });
    disk.change(&last, |log| {
        log[damaged.end - 1] ^= 1;
        log[torn.end - 1] ^= 1;
    });
    let dir = disk.adopt();
    let log = case.log(&dir);
    assert_eq!((log.watermarks().end, log.damage()), (new, &[][..]));
    assert_eq!(disk.read(&last).expect("it is there").len(), torn.start);
    assert_eq!(read_around(&log).1, vec![stepped_over.clone()]);
}

#[test]
fn a_compaction_that_a_crash_cut_short_is_left_to_kafka() {
    let Some(folder) = fixtures() else { return };
    let case = Case::new(&folder);
    let disk = case.disk(false);
    disk.create(&case.path("00000000000000000000.log.swap"), b"anything");
    let before = disk.files(&case.kafka.id.to_string(), "");
    let dir = disk.adopt();
    let refused = dir.open_log(&case.kafka.id, case.kafka.config.clone());
    assert!(matches!(refused, Err(Error::NotOurs { .. })), "{refused:?}");
    assert!(disk.files(&case.kafka.id.to_string(), "") == before);
}
