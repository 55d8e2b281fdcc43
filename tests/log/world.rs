//! One log in memory under a clock that the test holds, and plain batches for it.

use crate::batches::Spec;
use brooklet::clock::ManualClock;
use brooklet::io::{Fs, MemFs};
use brooklet::log::{Log, LogDir, LogDirOptions};
use brooklet::{LogConfig, Result, Timestamp, TopicPartition};
use std::sync::Arc;

pub(crate) struct World {
    pub(crate) fs: MemFs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: LogDir,
    pub(crate) log: Arc<Log>,
}

pub(crate) fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", number).expect("a valid name")
}

/// Small segments with many index entries.
pub(crate) fn small() -> LogConfig {
    LogConfig { segment_bytes: 700, index_interval_bytes: 150, ..LogConfig::default() }
}

pub(crate) fn open_dir(fs: Arc<dyn Fs>, clock: &Arc<ManualClock>) -> Result<LogDir> {
    LogDir::open_with(fs, clock.clone(), "/", LogDirOptions::default())
}

impl World {
    pub(crate) fn new(config: LogConfig) -> World {
        let (fs, clock) = (MemFs::new(), Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000))));
        let dir = open_dir(Arc::new(fs.clone()), &clock).expect("an empty disk");
        let log = dir.create_log(&partition(0), config).expect("a new log");
        World { fs, clock, dir, log }
    }

    /// The names of the log's files.
    pub(crate) fn fs_names(&self) -> Vec<String> {
        let entries = self.fs.list(self.log.path()).expect("memory does not fail");
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// Closed in order, and opened again.
    pub(crate) fn reopened(self) -> World {
        let World { fs, clock, dir, log } = self;
        let config = log.config().as_ref().clone();
        drop(log);
        dir.close().expect("memory does not fail");
        World::open(fs, clock, config)
    }

    /// Dropped as a crash would, and opened again.
    pub(crate) fn crashed(self) -> World {
        let World { fs, clock, dir, log } = self;
        let config = log.config().as_ref().clone();
        drop((log, dir));
        World::open(fs, clock, config)
    }

    fn open(fs: MemFs, clock: Arc<ManualClock>, config: LogConfig) -> World {
        let dir = open_dir(Arc::new(fs.clone()), &clock).expect("our own directory");
        let log = dir.open_log(&partition(0), config).expect("our own log");
        World { fs, clock, dir, log }
    }

    /// Appends as many batches of one to three records, and says where each begins; behind them is where the log ends.
    pub(crate) fn append_batches(&self, count: u64) -> Vec<u64> {
        let mut offsets = Vec::new();
        for number in 0..count {
            let value = format!("{number} of {count}");
            let values = [value.as_str(), "second", "third"];
            let spec = Spec::plain(1_000 + number as i64, &values[..1 + number as usize % 3]);
            offsets.push(spec.append_to(&self.log).base_offset);
        }
        offsets.push(self.log.watermarks().end);
        offsets
    }
}
