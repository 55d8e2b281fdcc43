//! What a consumer of Kafka saw: the `expected.json` of a fixture.

use crate::fixtures::integer;
use brooklet::{LogConfig, TopicPartition};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The fixtures that Kafka closed in order.
pub(crate) const CLEAN: [&str; 7] =
    ["plain", "idempotent", "transactions", "transactions-v2", "groups", "compacted", "deleted"];

/// The fixtures that a killed broker left.
pub(crate) const UNCLEAN: [&str; 6] = [
    "unclean-killed",
    "unclean-truncated",
    "unclean-flipped-last",
    "unclean-flipped-middle",
    "unclean-flipped-early",
    "unclean-no-index",
];

/// A record, with everything that a consumer gets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: u64,
    /// -1 for none.
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: &'static str,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// An offset and its timestamp, where there is one.
pub(crate) type Found = Option<(u64, i64)>;

/// What Kafka answers about one partition.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) id: TopicPartition,
    pub(crate) config: LogConfig,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) last_stable: u64,
    pub(crate) records: Vec<Record>,
    /// Offsets of the records that a reader of committed ones gets.
    pub(crate) committed: Vec<u64>,
    /// Unknown for the older states of a fixture that has several.
    pub(crate) max_timestamp: Option<Found>,
    pub(crate) times: Vec<(i64, Found)>,
    pub(crate) times_committed: Option<Vec<(i64, Found)>>,
    /// Names and sizes of the log files, where Kafka recovered them.
    pub(crate) recovered_files: Option<Vec<(String, usize)>>,
}

impl Partition {
    /// Takes note of a record with this value that was appended behind the others. Its timestamp is 0: so it changes no
    /// answer about times, but where there was none at all.
    pub(crate) fn extend(&mut self, value: &[u8]) {
        let decided = self.last_stable == self.end;
        self.records.push(Record {
            offset: self.end,
            timestamp: 0,
            timestamp_type: "CreateTime",
            key: None,
            value: Some(value.to_vec()),
            headers: Vec::new(),
        });
        let it = Some((self.end, 0));
        self.max_timestamp = self.max_timestamp.map(|known| known.or(it));
        for (_, found) in self.times.iter_mut().filter(|(asked, _)| *asked <= 0) {
            *found = found.or(it);
        }
        if decided {
            self.committed.push(self.end);
            self.last_stable += 1;
        }
        self.end += 1;
    }
}

/// One log directory.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) partitions: Vec<Partition>,
}

/// All states of a fixture: one, or one for each directory that it has.
pub(crate) fn states(fixtures: &Path, name: &str) -> Vec<State> {
    let expected = load(fixtures, name);
    let state = |dir: &str, topics: &Value| State {
        name: format!("{name}/{dir}"),
        folder: fixtures.join(name).join(dir),
        partitions: list(topics).iter().flat_map(|topic| partitions(fixtures, &expected, topic)).collect(),
    };
    match expected["stages"].as_object() {
        Some(stages) => stages.iter().map(|(dir, stage)| state(dir, &stage["topics"])).collect(),
        None => vec![state("dir", &expected["topics"])],
    }
}

/// All of several fixtures.
pub(crate) fn states_of(fixtures: &Path, names: &[&str]) -> Vec<State> {
    names.iter().flat_map(|name| states(fixtures, name)).collect()
}

fn load(fixtures: &Path, name: &str) -> Value {
    let path = fixtures.join(name).join("expected.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

fn partitions(fixtures: &Path, expected: &Value, topic: &Value) -> Vec<Partition> {
    let name = text(&topic["topic"]);
    let records = match topic["records_are_in"].as_str() {
        None => list(&topic["records"]).clone(),
        Some(other) => {
            let other = load(fixtures, other);
            let same = list(&other["topics"]).iter().find(|topic| topic["topic"] == name);
            list(&same.expect("it names this topic")["records"]).clone()
        }
    };
    let files = expected["recovered_log_files"].get(name);
    let config = config(&expected["configs"][name]);
    list(&topic["partitions"])
        .iter()
        .map(|of| {
            let mut partition = partition(name, of, &records, &config);
            partition.recovered_files = files.map(|files| list(files).iter().map(file).collect());
            partition
        })
        .collect()
}

fn partition(topic: &str, of: &Value, records: &[Value], config: &LogConfig) -> Partition {
    let number = u32::try_from(integer(of, "partition")).expect("a partition");
    let kept: Option<BTreeSet<u64>> = of.get("record_offsets").map(|of| offsets(of).into_iter().collect());
    let records: Vec<Record> = records
        .iter()
        .filter(|record| record["partition"] == number)
        .map(record)
        .filter(|record| kept.as_ref().is_none_or(|kept| kept.contains(&record.offset)))
        .collect();
    let all = || records.iter().map(|record| record.offset).collect();
    Partition {
        id: TopicPartition::new(topic, number).expect("Kafka took the name"),
        config: config.clone(),
        start: unsigned(&of["beginning_offset"]),
        end: unsigned(&of["end_offset"]),
        last_stable: unsigned(&of["last_stable_offset"]),
        committed: of.get("read_committed_offsets").map_or_else(all, offsets),
        max_timestamp: of.get("max_timestamp").map(|pair| found(&pair[1], &pair[0])),
        times: of.get("offsets_for_times").map_or(Vec::new(), times),
        times_committed: of.get("offsets_for_times_read_committed").map(times),
        recovered_files: None,
        records,
    }
}

fn record(of: &Value) -> Record {
    let header = |header: &Value| (text(&header[0]).to_owned(), base64(&header[1]));
    Record {
        offset: unsigned(&of["offset"]),
        timestamp: integer(of, "timestamp"),
        timestamp_type: match text(&of["timestamp_type"]) {
            "CreateTime" => "CreateTime",
            "LogAppendTime" => "LogAppendTime",
            other => panic!("a timestamp of type {other}"),
        },
        key: base64(&of["key"]),
        value: base64(&of["value"]),
        headers: list(&of["headers"]).iter().map(header).collect(),
    }
}

fn config(of: &Value) -> LogConfig {
    let setting = |name: &str, default: u32| of[name].as_str().map_or(default, |it| it.parse().expect(name));
    let default = LogConfig::default();
    LogConfig {
        segment_bytes: setting("segment.bytes", default.segment_bytes),
        index_interval_bytes: setting("index.interval.bytes", default.index_interval_bytes),
        segment_index_bytes: setting("segment.index.bytes", default.segment_index_bytes),
        ..default
    }
}

fn times(of: &Value) -> Vec<(i64, Found)> {
    list(of).iter().map(|it| (it[0].as_i64().expect("a time"), found(&it[1], &it[2]))).collect()
}

/// Kafka says `null` or -1 for nothing.
fn found(offset: &Value, timestamp: &Value) -> Found {
    let offset = u64::try_from(offset.as_i64()?).ok()?;
    Some((offset, timestamp.as_i64().expect("what is found has a timestamp")))
}

fn file(of: &Value) -> (String, usize) {
    (text(&of[0]).to_owned(), usize::try_from(unsigned(&of[1])).expect("a size"))
}

fn offsets(of: &Value) -> Vec<u64> {
    list(of).iter().map(unsigned).collect()
}

fn unsigned(of: &Value) -> u64 {
    of.as_u64().unwrap_or_else(|| panic!("{of} is no offset"))
}

fn list(of: &Value) -> &Vec<Value> {
    of.as_array().unwrap_or_else(|| panic!("{of} is no list"))
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_else(|| panic!("{of} is no text"))
}

/// The bytes of base64; none for `null`.
fn base64(of: &Value) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in of.as_str()?.bytes().take_while(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|it| *it == digit).expect("a digit of base64");
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}
