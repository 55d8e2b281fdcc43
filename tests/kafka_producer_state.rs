//! The producer state that Kafka's own classes came to, case by case and byte by byte.
//!
//! Where the fixtures are, and what happens without them: `common/fixtures.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "fixtures are read from the real disk, past the doors under test"
)]

#[path = "common/fixtures.rs"]
mod fixtures;

use std::fs;
use std::path::{Path, PathBuf};

use brooklet::clock::SystemClock;
use brooklet::io::{Fs, OsFs};
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::partition::producer_snapshot::{decode, encode};
use brooklet::partition::{
    Append, CompletedTxn, EndTxnMarker, MarkerVerdict, Origin, ProducerStateEntry, Producers, Verdict,
    producers_of,
};
use brooklet::{LogConfig, Timestamp, TopicPartition};
use fixtures::{bytes, cases, fixtures, integer, say};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn narrow<T: TryFrom<i64>>(value: &Value, name: &str) -> T {
    T::try_from(integer(value, name)).unwrap_or_else(|_| panic!("{name} does not fit in {value}"))
}

/// What a step led to, in the words of the vectors.
struct Outcome {
    verdict: &'static str,
    /// Of a duplicate: the offsets of the first time.
    offsets: Option<(u64, u64)>,
    /// Of an append that was accepted: the offset after it.
    next_offset: Option<u64>,
    completed: Option<CompletedTxn>,
}

impl Outcome {
    fn refused(verdict: &'static str) -> Self {
        Outcome { verdict, offsets: None, next_offset: None, completed: None }
    }

    fn accepted(next_offset: u64, completed: Option<CompletedTxn>) -> Self {
        Outcome { verdict: "accept", offsets: None, next_offset: Some(next_offset), completed }
    }
}

/// One append of a data batch at the leader.
fn append(producers: &mut Producers, step: &Value, end: u64) -> Outcome {
    let append = Append {
        producer_id: integer(step, "pid"),
        producer_epoch: narrow(step, "epoch"),
        base_sequence: narrow(step, "base_sequence"),
        base_offset: end,
        last_offset_delta: narrow::<i32>(step, "records") - 1,
        timestamp: Timestamp::from_millis(integer(step, "timestamp")),
        transactional: step["transactional"].as_bool().expect("transactional is a boolean"),
        origin: Origin::Client,
        verified: true,
    };
    match producers.check(&append) {
        Verdict::Accept => {
            producers.apply(&append);
            Outcome::accepted(append.last_offset() + 1, None)
        }
        Verdict::Duplicate { first_offset, last_offset, .. } => {
            Outcome { offsets: Some((first_offset, last_offset)), ..Outcome::refused("duplicate") }
        }
        Verdict::OutOfOrderSequence { .. } => Outcome::refused("OutOfOrderSequence"),
        Verdict::InvalidProducerEpoch { .. } => Outcome::refused("InvalidProducerEpoch"),
        Verdict::InvalidTxnState { .. } => Outcome::refused("InvalidTxnState"),
    }
}

/// One append of a marker at the leader.
fn end_txn(producers: &mut Producers, step: &Value, end: u64) -> Outcome {
    let marker = EndTxnMarker {
        producer_id: integer(step, "pid"),
        producer_epoch: narrow(step, "epoch"),
        coordinator_epoch: narrow(step, "coordinator_epoch"),
        offset: end,
        timestamp: Timestamp::from_millis(integer(step, "timestamp")),
        aborted: step["marker"] == "ABORT",
    };
    match producers.check_marker(&marker) {
        MarkerVerdict::Accept => Outcome::accepted(end + 1, producers.apply_marker(&marker)),
        MarkerVerdict::InvalidProducerEpoch { .. } => Outcome::refused("InvalidProducerEpoch"),
        MarkerVerdict::TransactionCoordinatorFenced { .. } => {
            Outcome::refused("TransactionCoordinatorFenced")
        }
    }
}

/// Takes a step and compares what is known right after it. Answers the end of the log.
fn take_step(producers: &mut Producers, step: &Value, end: u64, place: &str) -> u64 {
    let is_marker = step.get("marker").is_some();
    let outcome = if is_marker { end_txn(producers, step, end) } else { append(producers, step, end) };
    assert_eq!(step["verdict"], outcome.verdict, "{place}: {step}");

    let offsets = outcome.offsets.map(|(first, last)| json!([first, last]));
    let expected = step.get("first_offset").map(|first| json!([first, step["last_offset"]]));
    assert_eq!(offsets, expected, "{place}: {step}");

    assert_eq!(
        outcome.next_offset.map(|next| json!(next)).as_ref(),
        step.get("next_offset"),
        "{place}: {step}"
    );
    if outcome.next_offset.is_some() {
        assert_eq!(step["base_offset"], end, "{place}: {step}");
    }
    let completed = outcome.completed.map(|txn| {
        assert_eq!(txn.producer_id, integer(step, "pid"), "{place}: {step}");
        json!({
            "first_offset": txn.first_offset, "last_offset": txn.last_offset,
            "aborted": txn.aborted, "last_stable_offset": txn.last_stable_offset,
        })
    });
    assert_eq!(completed.as_ref(), step.get("completed_txn"), "{place}: {step}");

    let end = outcome.next_offset.unwrap_or(end);
    producers.high_watermark_advanced(end);
    assert_eq!(json!(producers.first_unstable_offset()), step["first_unstable_offset"], "{place}: {step}");
    end
}

/// A producer in the words of the vectors, which say -1 where there is nothing.
fn describe(entry: &ProducerStateEntry) -> Value {
    let batches: Vec<_> = entry
        .batches()
        .map(|batch| {
            json!([batch.first_sequence, batch.last_sequence, batch.first_offset, batch.last_offset])
        })
        .collect();
    json!({
        "pid": entry.producer_id,
        "epoch": entry.producer_epoch,
        "first_seq": entry.batches().next().map_or(-1, |batch| batch.first_sequence),
        "last_seq": entry.last_batch().map_or(-1, |batch| batch.last_sequence),
        "last_offset": entry.last_batch().map_or(-1, |batch| batch.last_offset.cast_signed()),
        "last_timestamp": entry.last_timestamp.as_millis(),
        "coordinator_epoch": entry.coordinator_epoch.unwrap_or(-1),
        "txn_first_offset": entry.current_txn_first_offset,
        "batches": batches,
    })
}

#[test]
fn every_append_is_judged_as_kafka_judges_it() {
    let Some(folder) = fixtures() else { return };
    let cases = cases(&folder, "producer-state.json");
    for (number, case) in cases.iter().enumerate() {
        let mut producers = Producers::new();
        let mut end = integer(case, "start_offset").cast_unsigned();
        for (index, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
            end = take_step(&mut producers, step, end, &format!("case {number}, step {index}"));
        }
        assert_eq!(case["end_offset"], end, "case {number}");
        assert_eq!(
            json!(producers.iter().map(describe).collect::<Vec<_>>()),
            case["producers"],
            "case {number}"
        );

        // Kafka writes producers in the order of a hash map. The ids here are few and small, and so that order is
        // ours, which is sorted: the bytes can be compared as they are.
        let snapshot = bytes(case["snapshot_hex"].as_str().expect("snapshot_hex"));
        assert_eq!(encode(&producers), snapshot, "case {number}");
        let restored = decode(&snapshot).unwrap_or_else(|damage| panic!("case {number}: {damage}"));
        assert_eq!(restored.first_unstable_offset(), producers.first_unstable_offset(), "case {number}");
    }
    say(&format!("{} cases of Kafka hold", cases.len()));
}

#[test]
fn every_snapshot_that_kafka_left_is_read_and_written_back_to_the_byte() {
    let Some(folder) = fixtures() else { return };
    let mut snapshots = Vec::new();
    collect_snapshots(&folder, &mut snapshots);
    assert!(!snapshots.is_empty(), "no .snapshot below {}", folder.display());
    for path in &snapshots {
        let snapshot = fs::read(path).expect("the snapshot is readable");
        let producers = decode(&snapshot).unwrap_or_else(|damage| panic!("{}: {damage}", path.display()));
        assert_eq!(encode(&producers), snapshot, "{}", path.display());
    }
    say(&format!("{} snapshots of Kafka hold", snapshots.len()));
}

fn collect_snapshots(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            collect_snapshots(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "snapshot") {
            found.push(path);
        }
    }
}

/// The producers of each partition in the words of what Kafka answered, by partition. What Kafka said nothing of is not
/// among them.
type Described = BTreeMap<String, Vec<Value>>;

/// What Kafka said, in all that outlives a restart with no help but that of the log: it keeps no other times than those of
/// the records.
fn expected_producers(expected: &Value) -> Described {
    let mut described = Described::new();
    for topic in expected["topics"].as_array().into_iter().flatten() {
        for partition in topic["partitions"].as_array().expect("partitions") {
            let name = format!("{}-{}", topic["topic"].as_str().expect("topic"), partition["partition"]);
            described.insert(name, Vec::new());
        }
    }
    for producer in expected["producers"].as_array().expect("producers") {
        let name = format!("{}-{}", producer["topic"].as_str().expect("topic"), producer["partition"]);
        let mut producer = producer.clone();
        let fields = producer.as_object_mut().expect("an object");
        fields.remove("topic");
        fields.remove("partition");
        described.entry(name).or_default().push(producer);
    }
    described
}

fn found_producers(producers: &Producers) -> Vec<Value> {
    let found = producers.iter().map(|entry| {
        json!({
            "producer_id": entry.producer_id,
            "producer_epoch": entry.producer_epoch,
            "last_sequence": entry.last_batch().map_or(-1, |batch| batch.last_sequence),
            "last_timestamp": entry.last_timestamp.as_millis(),
            "txn_start_offset": entry.current_txn_first_offset,
            "coordinator_epoch": entry.coordinator_epoch,
        })
    });
    found.collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the directory is new");
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let source = entry.expect("the entry is readable").path();
        let target = to.join(source.file_name().expect("an entry has a name"));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::write(&target, fs::read(&source).expect("the file is readable")).expect("there is room");
        }
    }
}

/// Takes a copy of a directory over, and says who writes to each of these partitions.
fn adopted_producers(folder: &Path, partitions: &Described, keeps: impl Fn(&Path) -> bool) -> Described {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (disk, root): (Arc<dyn Fs>, _) = (Arc::new(OsFs::new()), scratch.path().join("data"));
    copy(folder, &root);
    let mut snapshots = Vec::new();
    collect_snapshots(&root, &mut snapshots);
    for path in snapshots.iter().filter(|path| !keeps(path)) {
        fs::remove_file(path).expect("it was found");
    }
    let options = LogDirOptions { adopt: true, ..LogDirOptions::default() };
    let dir = LogDir::open_with(disk.clone(), Arc::new(SystemClock::new()), &root, options).expect("adopted");
    let describe = |name: &String| {
        let partition = TopicPartition::from_dir_name(name).expect("a partition");
        let log = dir.open_log(&partition, LogConfig::default()).expect("a log of Kafka's");
        (name.clone(), found_producers(&producers_of(&log, disk.clone()).expect("it is readable")))
    };
    partitions.keys().map(describe).collect()
}

#[test]
fn an_adopted_log_knows_the_producers_that_kafka_knew() {
    let Some(folder) = fixtures() else { return };
    let mut count = 0;
    for (fixture, dir) in [
        ("idempotent", "dir"),
        ("transactions", "dir"),
        ("transactions-v2", "dir"),
        ("unclean-killed", "dir"),
        ("unclean-killed", "recovered"),
    ] {
        let text = fs::read_to_string(folder.join(fixture).join("expected.json")).expect("it is readable");
        let expected = expected_producers(&serde_json::from_str(&text).expect("it is JSON"));
        let folder = folder.join(fixture).join(dir);
        assert_eq!(adopted_producers(&folder, &expected, |_| true), expected, "{fixture}/{dir}");
        let found = adopted_producers(&folder, &expected, |_| false);
        assert_eq!(found, expected, "{fixture}/{dir} without its snapshots");
        count += expected.values().map(Vec::len).sum::<usize>();
    }
    assert!(count > 0, "no producers are expected below {}", folder.display());
    say(&format!("{count} producers that Kafka knew are known"));
}

#[test]
fn a_compacted_log_knows_the_producers_that_kafka_knew() {
    let Some(folder) = fixtures().map(|folder| folder.join("compacted")) else { return };
    let text = fs::read_to_string(folder.join("expected.json")).expect("it is readable");
    let expected: Value = serde_json::from_str(&text).expect("it is JSON");
    for (stage, expected) in expected["stages"].as_object().expect("stages") {
        if expected.get("producers").is_some() {
            let expected = expected_producers(expected);
            assert_eq!(adopted_producers(&folder.join(stage), &expected, |_| true), expected, "{stage}");
        }
    }
}
