//! Directories that Kafka closed in order: taken over as they are, opened again, and written to.

use crate::answers::{check, check_every_offset, check_marks};
use crate::disk::Disk;
use crate::expected::{CLEAN, Partition, State, UNCLEAN, states_of};
use crate::fixtures::{fixtures, say};
use crate::reading::records;
use brooklet::io::OsFs;
use brooklet::log::{Log, LogDir};
use brooklet::record::{BatchBuilder, BatchHeader, Compression, RecordParts};
use brooklet::{LogConfig, Timestamp, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Opens every partition of which something is known, and says whether this build has its codecs.
fn for_each_log(
    state: &State,
    disk: &Disk,
    dir: &LogDir,
    mut visit: impl FnMut(&Arc<Log>, &Partition, bool),
) {
    for partition in &state.partitions {
        let log = dir
            .open_log(&partition.id, partition.config.clone())
            .unwrap_or_else(|error| panic!("{} {}: {error}", state.name, partition.id));
        let readable = disk.is_readable(&partition.id.to_string());
        if !readable {
            say(&format!(
                "SKIPPED: records of {} {}, whose codec is not compiled in",
                state.name, partition.id
            ));
        }
        visit(&log, partition, readable);
    }
}

#[test]
fn an_adopted_log_gives_the_answers_of_kafka() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN) {
        let disk = Disk::copy_of(&state.folder);
        let dir = disk.adopt();
        for_each_log(&state, &disk, &dir, |log, kafka, readable| check(log, kafka, readable));
    }
}

#[test]
fn reading_may_begin_at_every_offset() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN[..1])) {
        let disk = Disk::copy_of(&state.folder);
        let dir = disk.adopt();
        for_each_log(&state, &disk, &dir, |log, kafka, readable| {
            if readable {
                check_every_offset(log, kafka);
            }
        });
    }
}

#[test]
fn opened_again_it_gives_the_same_answers_and_needs_no_adoption() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN)) {
        let disk = Disk::copy_of(&state.folder);
        let dir = disk.adopt();
        for_each_log(&state, &disk, &dir, |_, _, _| {});
        dir.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        let closed = disk.tree();

        let dir = disk.open().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        for_each_log(&state, &disk, &dir, |log, kafka, readable| check(log, kafka, readable));
        dir.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        assert!(disk.tree() == closed, "{}: looking at it has changed it", state.name);
    }
}

#[test]
fn not_closed_it_gives_the_same_answers_when_opened_again() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN)) {
        let disk = Disk::copy_of(&state.folder);
        let dir = disk.adopt();
        for_each_log(&state, &disk, &dir, |_, _, _| {});
        drop(dir);
        let dir = disk.open().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        for_each_log(&state, &disk, &dir, |log, kafka, readable| check(log, kafka, readable));
    }
}

#[test]
fn the_batches_of_kafka_stay_as_they_are() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN) {
        let disk = Disk::copy_of(&state.folder);
        let logs = |disk: &Disk| -> BTreeMap<_, _> {
            let is_log = |path: &std::path::Path| path.extension().is_some_and(|it| it == "log");
            disk.tree().into_iter().filter(|(path, _)| is_log(path)).collect()
        };
        let before = logs(&disk);
        let dir = disk.adopt();
        for id in dir.partitions().expect("it can be listed") {
            dir.open_log(&id, LogConfig::default()).unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        dir.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        assert!(logs(&disk) == before, "{}", state.name);
    }
}

/// Kafka's internal topics have no expected records; but where each log ended it noted itself.
#[test]
fn every_log_ends_where_the_checkpoint_of_kafka_says() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN) {
        let disk = Disk::copy_of(&state.folder);
        let checkpoint =
            String::from_utf8(disk.read("recovery-point-offset-checkpoint").expect("Kafka left one"));
        let checkpoint = checkpoint.expect("it is text");
        let dir = disk.adopt();
        let mut lines = 0;
        for line in checkpoint.lines().skip(2) {
            let words: Vec<&str> = line.split(' ').collect();
            let id = TopicPartition::new(words[0], words[1].parse().expect("a partition")).expect("a name");
            let log = dir.open_log(&id, LogConfig::default()).unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(log.watermarks().end.to_string(), words[2], "{} {id}", state.name);
            if disk.is_readable(&id.to_string()) {
                records(&log, log.watermarks().start, 1 << 20)
                    .unwrap_or_else(|error| panic!("{id}: {error}"));
            }
            lines += 1;
        }
        assert_eq!(dir.partitions().expect("it can be listed").len(), lines, "{}", state.name);
    }
}

#[test]
fn what_is_appended_afterwards_is_there_beside_the_old() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN)) {
        let disk = Disk::copy_of(&state.folder);
        append_and_look_again(&state, &disk);
    }
}

#[test]
fn a_real_disk_serves_as_well_as_memory() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &["deleted", "unclean-flipped-middle"]) {
        let scratch = tempfile::tempdir().expect("there is room for a scratch directory");
        let disk = Disk::copy_to(Arc::new(OsFs::new()), scratch.path().join("data"), &state.folder);
        append_and_look_again(&state, &disk);
    }
}

/// Appends three records in two batches to every log, and looks at all of it before and after it is opened again.
fn append_and_look_again(state: &State, disk: &Disk) {
    let dir = disk.adopt();
    let mut extended = Vec::new();
    for_each_log(state, disk, &dir, |log, kafka, _| {
        let mut kafka = kafka.clone();
        append(log, &mut kafka, &[b"one", b"two"]);
        append(log, &mut kafka, &[b"three"]);
        assert_eq!(log.flush().unwrap_or_else(|error| panic!("{}: {error}", kafka.id)), kafka.end);
        extended.push(kafka);
    });
    let look = |dir: &LogDir| {
        for kafka in &extended {
            let log = dir.open_log(&kafka.id, kafka.config.clone()).expect("it was open before");
            check_marks(&log, kafka);
            if disk.is_readable(&kafka.id.to_string()) {
                check(&log, kafka, true);
            }
        }
    };
    look(&dir);
    dir.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
    let dir = disk.open().unwrap_or_else(|error| panic!("{}: {error}", state.name));
    look(&dir);
}

fn append(log: &Log, kafka: &mut Partition, values: &[&[u8]]) {
    let mut batch = BatchBuilder::new(Compression::None);
    for value in values {
        let timestamp = Some(Timestamp::from_millis(0));
        let record = RecordParts { timestamp, value: Some(value), ..RecordParts::default() };
        batch.push(&record).expect("it is a plain record");
        kafka.extend(value);
    }
    let appended = log
        .append(&mut batch.build().expect("it has records"))
        .unwrap_or_else(|error| panic!("{}: {error}", kafka.id));
    assert_eq!(appended.last_offset + 1, kafka.end, "{}", kafka.id);
}

/// The cleaner empties the last batch of a producer and keeps it for its sequence number; the marker behind it goes when
/// its time has come. Here it is cut off, which leaves the same picture.
#[test]
fn a_batch_that_the_cleaner_has_emptied_opens_no_transaction() {
    let Some(folder) = fixtures() else { return };
    let state = states_of(&folder, &["compacted"]).into_iter().find(|state| state.name == "compacted/dir");
    let state = state.expect("the last state");
    let is_it = |kafka: &&Partition| kafka.id.to_string() == "compact-txn-short-0";
    let kafka = state.partitions.iter().find(is_it).expect("it is there");
    let disk = Disk::copy_of(&state.folder);
    let emptied = |log: &[u8]| {
        let mut at = 0;
        while let Ok(header) = BatchHeader::read(&log[at..]) {
            at += header.size as usize;
            if header.is_transactional() && header.records_count == 0 {
                return Some((at, header.next_offset()));
            }
        }
        None
    };
    let mut end = None;
    for (name, log) in disk.files(&kafka.id.to_string(), ".log") {
        let path = format!("{}/{name}", kafka.id);
        match (end, emptied(&log)) {
            (Some(_), _) => disk.remove(&path),
            (None, Some((cut, next_offset))) => {
                disk.change(&path, |log| log.truncate(cut));
                end = Some(next_offset);
            }
            (None, None) => {}
        }
    }
    let end = end.expect("there is such a batch");
    disk.change("recovery-point-offset-checkpoint", |text| {
        let shorter = String::from_utf8_lossy(text)
            .replace("compact-txn-short 0 185", &format!("compact-txn-short 0 {end}"));
        *text = shorter.into_bytes();
    });
    let dir = disk.adopt();
    let log = dir.open_log(&kafka.id, kafka.config.clone()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((log.watermarks().last_stable, log.watermarks().end), (end, end));
}
