//! What Kafka wrote, read by our readers: exactly what Kafka's own consumer got of it.
//!
//! Where the fixtures are: `tests/common/fixtures.rs`. Without them nothing is checked, and the tests there say so.

use super::*;
use crate::io::{EntryKind, OsFs, read_file};
use crate::partition::RecordRef;
use crate::record::TimestampType;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const FIXTURES: [&str; 7] =
    ["plain", "idempotent", "transactions", "transactions-v2", "groups", "compacted", "deleted"];

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("BROOKLET_KAFKA_FIXTURES").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/kafka"));
    OsFs::new().metadata(&folder).is_ok().then_some(folder)
}

/// Copies a directory into memory.
fn copy(source: &Path, fs: &MemFs, target: &Path) {
    fs.create_dir(target).unwrap();
    for entry in OsFs::new().list(source).unwrap() {
        let (source, target) = (source.join(&entry.name), target.join(&entry.name));
        if entry.kind == EntryKind::Directory {
            copy(&source, fs, &target);
        } else {
            let bytes = read_file(&OsFs::new(), &source, 64 << 20).unwrap().unwrap();
            fs.create(&target).unwrap().write_all_at(0, &bytes).unwrap();
        }
    }
}

/// As the fixtures say it.
fn json_of(record: RecordRef<'_>) -> Value {
    let headers: Vec<Value> =
        record.headers().map(|header| json!([header.key, base64(header.value)])).collect();
    json!({
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": record.timestamp().map_or(-1, Timestamp::as_millis),
        "timestamp_type": match record.timestamp_type() {
            TimestampType::Create => "CreateTime",
            TimestampType::LogAppend => "LogAppendTime",
        },
        "key": base64(record.key()),
        "value": base64(record.value()),
        "headers": headers,
    })
}

fn base64(bytes: Option<&[u8]>) -> Option<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(bytes.get(at).copied().unwrap_or(0)));
        let digit = |at: usize| match at <= bytes.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.map(|bytes| bytes.chunks(3).flat_map(group).collect())
}

/// All that a reader gets, record by record.
fn read_all(mut reader: PartitionReader, end: u64, records_max: usize, bytes_max: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut records = Records::new();
    let bound = reader.upper_bound(end);
    while reader.position() < bound {
        let before = reader.position();
        records.clear();
        reader.fetch(&mut records, records_max, bytes_max, end).unwrap();
        assert!(reader.position() > before, "stands still at {before}");
        all.extend(records.iter().map(json_of));
    }
    all
}

fn check(dir: &LogDir, topic: &Value, known: &Value, of: &Value) {
    let number = u32::try_from(of["partition"].as_u64().unwrap()).unwrap();
    let partition = Arc::new(TopicPartition::new(topic["topic"].as_str().unwrap(), number).unwrap());
    let log = dir.open_log(&partition, LogConfig::default()).unwrap();
    let of_partition = known.as_array().unwrap().iter().filter(|record| record["partition"] == number);
    let kept =
        |record: &&Value| of["record_offsets"].as_array().is_none_or(|kept| kept.contains(&record["offset"]));
    let all: Vec<Value> = of_partition.filter(kept).cloned().collect();
    let is_committed = |record: &&Value| {
        of["read_committed_offsets"].as_array().is_none_or(|offsets| offsets.contains(&record["offset"]))
    };
    let committed: Vec<Value> = all.iter().filter(is_committed).cloned().collect();
    let (start, end) = (log.watermarks().start, log.watermarks().end);
    assert_eq!(Some(end), of["end_offset"].as_u64());
    for (records_max, bytes_max) in [(1, 1), (7, 2000), (500, 1 << 20), (usize::MAX, 1 << 30)] {
        for (isolation, expected) in
            [(Isolation::ReadUncommitted, &all), (Isolation::ReadCommitted, &committed)]
        {
            let reader = PartitionReader::new(partition.clone(), log.clone(), isolation, start);
            let ours = read_all(reader, end, records_max, bytes_max);
            assert_eq!(&ours, expected, "{partition}, {isolation:?}, {records_max} records at a time");
        }
    }
}

#[test]
fn readers_get_what_kafkas_consumer_got() {
    let Some(folder) = fixtures() else { return };
    let load = |name: &str| -> Value {
        let path = folder.join(name).join("expected.json");
        serde_json::from_slice(&read_file(&OsFs::new(), &path, 64 << 20).unwrap().unwrap()).unwrap()
    };
    let mut partitions = 0;
    for name in FIXTURES {
        let expected = load(name);
        let stages: Vec<(String, Value)> = match expected["stages"].as_object() {
            Some(stages) => {
                stages.iter().map(|(dir, stage)| (dir.clone(), stage["topics"].clone())).collect()
            }
            None => vec![("dir".into(), expected["topics"].clone())],
        };
        for (dir, topics) in stages {
            let fs = MemFs::new();
            copy(&folder.join(name).join(dir), &fs, Path::new("/data"));
            let options = LogDirOptions { adopt: true, ..LogDirOptions::default() };
            let clock = Arc::new(crate::clock::ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
            let dir = LogDir::open_with(Arc::new(fs), clock, "/data", options).unwrap();
            for topic in topics.as_array().unwrap() {
                assert!(topic["records_are_in"].is_null());
                for of in topic["partitions"].as_array().unwrap() {
                    check(&dir, topic, &topic["records"], of);
                    partitions += 1;
                }
            }
        }
    }
    assert!(partitions > 30, "{partitions} partitions");
}
