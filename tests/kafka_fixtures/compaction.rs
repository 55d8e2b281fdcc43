//! Our cleaner, given what Kafka's was given: it leaves the same batches, byte for byte, in the same segments. (Where a
//! compressed batch had to be written anew, its records are compared as they are before compression.)
//!
//! Kafka's clock was read once for each log that it cleaned, and stands in the delete horizons that it stamped; ours is set
//! to that.

use crate::answers::check;
use crate::disk::Disk;
use crate::expected::{Partition, State, states};
use crate::fixtures::{fixtures, say};
use brooklet::log::{CompactionConfig, CompactionProgress, Log};
use brooklet::record::{Batch, BatchHeader, Compression};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What was given, and what came of it.
const PASSES: [(&str, &str); 2] = [("dir-before", "dir-pass1"), ("dir-before-pass2", "dir")];

fn stage(fixtures: &Path, name: &str) -> State {
    let stages = states(fixtures, "compacted");
    stages.into_iter().find(|state| state.folder.ends_with(name)).expect("the fixture has this stage")
}

/// The settings that the topic had.
fn config(partition: &Partition) -> CompactionConfig {
    let delete_retention = if partition.id.topic().ends_with("-long") { 10_000_000_000 } else { 100 };
    CompactionConfig {
        min_dirty_ratio: 0.01,
        delete_retention: Duration::from_millis(delete_retention),
        ..CompactionConfig::default()
    }
}

/// The headers of all batches of a log.
fn headers(disk: &Disk, log: &str) -> Vec<BatchHeader> {
    let mut all = Vec::new();
    for (_, bytes) in disk.files(log, ".log") {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let batch = Batch::decode(rest).expect("Kafka wrote it");
            all.push(*batch.header());
            rest = &rest[batch.bytes().len()..];
        }
    }
    all
}

/// Where the last records of each producer are, and the last epoch; as the leader's state has it.
fn last_batches(headers: &[BatchHeader]) -> BTreeMap<i64, (Option<u64>, i16)> {
    let mut last = BTreeMap::new();
    for header in headers.iter().filter(|header| header.has_producer_id()) {
        let entry = last.entry(header.producer_id).or_insert((None, header.producer_epoch));
        if header.producer_epoch != entry.1 {
            *entry = (None, header.producer_epoch);
        }
        if !header.is_control() {
            entry.0 = Some(header.last_offset());
        }
    }
    last
}

/// When Kafka cleaned this log: as the newest horizon says, if it stamped any.
fn cleaned_at(before: &[BatchHeader], after: &[BatchHeader], retention: Duration) -> i64 {
    let newest = |headers: &[BatchHeader]| headers.iter().filter_map(BatchHeader::delete_horizon).max();
    match newest(after) {
        Some(horizon) if newest(before) < Some(horizon) => {
            horizon.as_millis() - i64::try_from(retention.as_millis()).expect("it is short")
        }
        // Late enough for every horizon of the short kind, and too early for the others.
        _ => 1_795_229_500_000,
    }
}

/// Compacts in steps of about so many bytes; says how many there were.
fn compact(log: &Log, config: &CompactionConfig, before: &[BatchHeader], budget: u64) -> u64 {
    let last = last_batches(before);
    let is_last = |header: &BatchHeader| {
        last.get(&header.producer_id).is_some_and(|(data, epoch)| match data {
            Some(offset) => *offset == header.last_offset(),
            None => header.is_control() && header.producer_epoch == *epoch,
        })
    };
    for steps in 1.. {
        let done = log.compact(config, &is_last, budget).expect("memory does not fail");
        if done.progress != CompactionProgress::More {
            return steps;
        }
    }
    unreachable!("it ends")
}

#[test]
fn our_cleaner_leaves_what_kafkas_left_byte_for_byte() {
    let Some(folder) = fixtures() else { return };
    let mut compared = 0;
    for (given, came) in PASSES {
        let (given, came) = (stage(&folder, given), stage(&folder, came));
        let kafka = Disk::copy_of(&came.folder);
        for partition in &came.partitions {
            let name = partition.id.to_string();
            for budget in [1, u64::MAX] {
                let ours = Disk::copy_of(&given.folder);
                if !ours.is_readable(&name) {
                    say(&format!("SKIPPED: {name}, whose codec is not compiled in"));
                    continue;
                }
                let (before, after) = (headers(&ours, &name), headers(&kafka, &name));
                let config = config(partition);
                let dir = ours.adopt_at(cleaned_at(&before, &after, config.delete_retention));
                let log = dir.open_log(&partition.id, partition.config.clone()).expect("Kafka closed it");
                let steps = compact(&log, &config, &before, budget);
                assert!(budget == 1 || steps == 1, "all at once, and it took {steps} steps");
                compare(&ours, &kafka, &name, &came.name);
                check(&log, partition, true);
                dir.close().expect("memory does not fail");
                let dir = ours.open().expect("it is ours");
                let log = dir.open_log(&partition.id, partition.config.clone()).expect("it is ours");
                assert!(log.damage().is_empty(), "{name}: {:?}", log.damage());
                check(&log, partition, true);
                compared += 1;
            }
        }
    }
    assert!(compared >= 24, "{compared}");
}

/// Segment by segment, batch by batch.
fn compare(ours: &Disk, kafka: &Disk, name: &str, stage: &str) {
    let is_there = |(_, bytes): &(String, Vec<u8>)| !bytes.is_empty();
    let ours: Vec<_> = ours.files(name, ".log").into_iter().filter(is_there).collect();
    let kafka: Vec<_> = kafka.files(name, ".log").into_iter().filter(is_there).collect();
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&kafka), "{stage} {name}");
    for ((file, ours), (_, kafka)) in ours.iter().zip(&kafka) {
        let (mut ours, mut kafka) = (&ours[..], &kafka[..]);
        while !kafka.is_empty() {
            let theirs = Batch::decode(kafka).expect("Kafka wrote it");
            let found = Batch::decode(ours).unwrap_or_else(|error| {
                panic!("{stage} {name} {file}: {error} instead of {:?}", theirs.header())
            });
            let (our_records, their_records) = (found.records(), theirs.records());
            let payloads = (our_records.expect("we wrote them"), their_records.expect("Kafka wrote them"));
            assert_eq!(payloads.0.payload(), payloads.1.payload(), "{stage} {name} {file}");
            // Two compressors make different bytes of the same; the sizes and checksums differ with them.
            let is_compressed = found.header().compression() != Compression::None;
            let comparable = |header: &BatchHeader| match is_compressed {
                true => BatchHeader { size: 0, crc: 0, ..*header },
                false => *header,
            };
            assert_eq!(comparable(found.header()), comparable(theirs.header()), "{stage} {name} {file}");
            (ours, kafka) = (&ours[found.bytes().len()..], &kafka[theirs.bytes().len()..]);
        }
        assert!(ours.is_empty(), "{stage} {name} {file}: {} bytes more", ours.len());
    }
}

#[test]
fn where_kafka_left_off_is_where_we_begin_and_what_we_write_kafka_reads() {
    let Some(folder) = fixtures() else { return };
    let before = stage(&folder, "dir-before-pass2");
    let disk = Disk::copy_of(&before.folder);
    let dir = disk.adopt();
    let checkpoint = String::from_utf8(disk.read("cleaner-offset-checkpoint").expect("Kafka left one"));
    let checkpoint = checkpoint.expect("it is text");
    for partition in &before.partitions {
        let log = dir.open_log(&partition.id, partition.config.clone()).expect("Kafka closed it");
        let line =
            format!("{} {} {}", partition.id.topic(), partition.id.partition(), log.first_dirty_offset());
        assert!(checkpoint.lines().any(|it| it == line), "{line}");
        let _ = log.compact(&config(partition), &|_| false, u64::MAX).expect("memory does not fail");
    }
    dir.close().expect("memory does not fail");
    let ours = String::from_utf8(disk.read("cleaner-offset-checkpoint").expect("we left one")).expect("text");
    let after = stage(&folder, "dir");
    let theirs =
        std::fs::read_to_string(after.folder.join("cleaner-offset-checkpoint")).expect("Kafka left one");
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ours), sorted(&theirs));
}
