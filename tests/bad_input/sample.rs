//! The directory that the sweeps damage: two partitions, many small segments, transactions of every fate, and two
//! lives with a crash between them; left closed in order, or not.

use crate::batches::{Spec, append_bytes, marker};
use brooklet::clock::ManualClock;
use brooklet::io::{Fs, MemFs, read_file};
use brooklet::log::{Log, LogDir, LogDirOptions};
use brooklet::record::{BatchHeader, Compression};
use brooklet::{LogConfig, Result, Timestamp, TopicPartition};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Every file below the root, by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// How the directory was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Closed,
    Crashed,
}

/// The directory as files, and what lies where in them.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) left: Left,
    pub(crate) files: Files,
    /// Each batch of the first partition: its file, the bytes it takes, and its offsets.
    pub(crate) batches: Vec<Place>,
    /// Offsets from here on were never synced.
    pub(crate) durable_end: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) bytes: Range<usize>,
    pub(crate) offsets: Range<u64>,
}

/// The producer whose transaction is open at the end.
pub(crate) const OPEN_PRODUCER: i64 = 11;

pub(crate) fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", number).expect("a valid name")
}

pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 640,
        index_interval_bytes: 150,
        max_message_bytes: 600,
        ..LogConfig::default()
    }
}

pub(crate) fn open_dir(fs: &MemFs) -> Result<LogDir> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(5_000)));
    LogDir::open_with(Arc::new(fs.clone()), clock, "/", LogDirOptions::default())
}

/// A disk with these files.
pub(crate) fn disk(files: &Files) -> MemFs {
    let fs = MemFs::new();
    for number in 0..2 {
        fs.create_dir(Path::new(&partition(number).to_string())).expect("an empty disk");
    }
    for (path, bytes) in files {
        fs.create(Path::new(path)).and_then(|file| file.write_all_at(0, bytes)).expect("room in memory");
    }
    fs
}

/// The files of a disk.
pub(crate) fn files(fs: &MemFs) -> Files {
    let mut files = Files::new();
    for dir in ["", "orders-0", "orders-1"] {
        for entry in fs.list(Path::new(dir)).unwrap_or_default() {
            let path = Path::new(dir).join(&entry.name);
            if entry.kind == brooklet::io::EntryKind::File {
                let bytes = read_file(fs, &path, 1 << 20).expect("memory").expect("it was listed");
                files.insert(path.to_str().expect("plain names").to_owned(), bytes.to_vec());
            }
        }
    }
    files
}

impl Sample {
    pub(crate) fn new(left: Left) -> Sample {
        let fs = MemFs::new();
        {
            let dir = open_dir(&fs).expect("an empty disk");
            for number in 0..2 {
                first_life(&dir.create_log(&partition(number), config()).expect("a new log"), number);
            }
        }
        let dir = open_dir(&fs).expect("our own directory");
        let logs = [0, 1].map(|number| dir.open_log(&partition(number), config()).expect("our own log"));
        second_life(&logs[0], 0);
        second_life(&logs[1], 1);
        let durable_end = logs[0].watermarks().durable_end;
        match left {
            Left::Closed => dir.close().expect("memory does not fail"),
            Left::Crashed => drop(dir),
        }
        let files = files(&fs);
        let durable_end = if left == Left::Closed { u64::MAX } else { durable_end };
        Sample { left, batches: places(&files), files, durable_end }
    }

    /// The batch of the first partition that holds a byte of a file.
    pub(crate) fn batch_at(&self, file: &str, position: usize) -> Option<&Place> {
        self.batches.iter().find(|place| place.file == file && place.bytes.contains(&position))
    }

    /// Its files of the first partition, and of the root.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.files.keys().filter(|path| !path.starts_with("orders-1") && *path != ".lock").cloned().collect()
    }
}

/// Batches and markers, as one string of steps: see [`step`].
fn first_life(log: &Log, seed: u32) {
    run(log, seed, 0, "p l 7 p 7 p a 8 P p 8 l c p P 9 f p l");
}

fn second_life(log: &Log, seed: u32) {
    run(log, seed, 100, "P l 9 p b p t P t s p p l T p T f P l");
}

/// Appends what each letter stands for: plain, lz4 and large batches, transactional ones, markers; and flushes.
fn run(log: &Log, seed: u32, first: u32, steps: &str) {
    for (index, letter) in steps.split_whitespace().enumerate() {
        let number = first + index as u32;
        let timestamp = 1_000 + i64::from(number * 7 % 40) * 10 + i64::from(number);
        let values =
            [0, 1, 2].map(|record| format!("{letter}{number}.{record}.{} ", "s".repeat(seed as usize)));
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let plain = Spec::plain(timestamp, &values[..1 + number as usize % 3]);
        match letter {
            "p" => _ = plain.append_to(log),
            "P" => _ = Spec::plain(timestamp, &[&values[0].repeat(12)]).append_to(log),
            "l" => {
                let records = vec![(None, "x".repeat(90)), (Some(timestamp), values[0].repeat(4))];
                let spec = Spec { compression: Compression::Lz4, records, transaction: None };
                spec.append_to(log);
            }
            "7" | "8" | "9" => _ = plain.by(letter.parse().expect("a digit")).append_to(log),
            "t" => _ = plain.by(10).append_to(log),
            "T" => _ = plain.by(OPEN_PRODUCER).append_to(log),
            "a" => _ = append_bytes(log, marker(7, false, timestamp)).expect("a marker"),
            "b" => _ = append_bytes(log, marker(9, false, timestamp)).expect("a marker"),
            "c" => _ = append_bytes(log, marker(8, true, timestamp)).expect("a marker"),
            "s" => _ = append_bytes(log, marker(10, true, timestamp)).expect("a marker"),
            "f" => _ = log.flush().expect("memory does not fail"),
            other => panic!("no such step: {other}"),
        }
    }
}

/// Where the batches of the first partition lie.
pub(crate) fn places(files: &Files) -> Vec<Place> {
    let mut places = Vec::new();
    for (path, bytes) in files.range("orders-0/".to_owned()..).filter(|(path, _)| path.ends_with(".log")) {
        if !path.starts_with("orders-0/") {
            break;
        }
        let mut at = 0;
        // What a crash leaves of the space that was set aside are zeros.
        while bytes[at..].iter().any(|byte| *byte != 0) {
            let header = BatchHeader::read(&bytes[at..]).expect("the sample is whole");
            let end = at + header.size as usize;
            let offsets = header.base_offset..header.next_offset();
            places.push(Place { file: path.clone(), bytes: at..end, offsets });
            at = end;
        }
    }
    places
}
