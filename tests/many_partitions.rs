//! More partitions than the process may have files open: they share a bounded number of descriptors.
//!
//! Three hundred partitions under a limit of 96 by default; `BROOKLET_PARTITIONS=10000` makes it ten thousand under 1,024.
//! A test binary of its own, because the limit holds for the whole process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use brooklet::clock::SystemClock;
use brooklet::io::OsFs;
use brooklet::log::{Cursor, LogDir, LogDirOptions, ReadLimit};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use brooklet::{LogConfig, TopicPartition};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path, open_files: usize) -> LogDir {
    let options = LogDirOptions { open_files, ..LogDirOptions::default() };
    LogDir::open_with(Arc::new(OsFs::new()), Arc::new(SystemClock::new()), path, options).unwrap()
}

fn append(log: &brooklet::log::Log, value: &[u8]) {
    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(&RecordParts { value: Some(value), ..Default::default() }).unwrap();
    log.append(&mut batch.build().unwrap()).unwrap();
}

#[test]
fn partitions_share_a_bounded_number_of_open_files() {
    let partitions: u32 = std::env::var("BROOKLET_PARTITIONS").map_or(300, |text| text.parse().unwrap());
    let (limit, open_files) = if partitions > 1_000 { (1024, 512) } else { (96, 32) };
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..before }).unwrap();

    let scratch = tempfile::tempdir().unwrap();
    let dir = open(scratch.path(), open_files);
    let names: Vec<_> = (0..partitions).map(|number| TopicPartition::new("many", number).unwrap()).collect();
    let logs: Vec<_> = names.iter().map(|name| dir.create_log(name, LogConfig::default()).unwrap()).collect();
    for round in 0..3 {
        for (number, log) in logs.iter().enumerate() {
            append(log, format!("{number} {round}").as_bytes());
        }
    }
    logs.iter().step_by(50).for_each(|log| assert!(log.flush().unwrap() > 0));
    drop(logs);
    dir.close().unwrap();

    let dir = open(scratch.path(), open_files);
    assert_eq!(dir.partitions().unwrap().len(), names.len());
    let logs: Vec<_> = names.iter().map(|name| dir.open_log(name, LogConfig::default()).unwrap()).collect();
    for (number, log) in logs.iter().enumerate() {
        let chunk = log.read(&Cursor::at(0), ReadLimit::bytes(4096)).unwrap();
        let last = chunk.batches().last().unwrap().unwrap();
        let value = last.records().unwrap().iter().next().unwrap().unwrap().value().unwrap().to_vec();
        assert_eq!(value, format!("{number} 2").into_bytes());
    }
    setrlimit(Resource::Nofile, before).unwrap();
}
