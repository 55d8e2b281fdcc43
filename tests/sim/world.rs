//! brooklet on a simulated disk: one log in one directory, opened, crashed and opened again.

use crate::disk::{Rng, SimDisk};
use crate::plant::{Bug, Planted};
use brooklet::clock::ManualClock;
use brooklet::io::Fs;
use brooklet::log::{Log, LogDir, LogDirOptions};
use brooklet::{Error, LogConfig, Timestamp, TopicPartition};
use std::sync::Arc;
use std::time::Duration;

/// What a run is made of, all of it drawn from its seed.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) config: LogConfig,
    pub(crate) open_files: usize,
    /// How long compaction leaves tombstones.
    pub(crate) delete_retention: Duration,
    pub(crate) bug: Option<Bug>,
}

impl Setup {
    pub(crate) fn drawn(seed: u64, bug: Option<Bug>) -> Setup {
        let mut rng = Rng::new(seed);
        let config = LogConfig {
            segment_bytes: [620, 900, 2500][rng.index(3)],
            segment_age: Duration::from_secs([1, 3600][rng.index(2)]),
            index_interval_bytes: [0, 150, 4096][rng.index(3)],
            segment_index_bytes: [48, 4096][rng.index(2)],
            max_message_bytes: 2000,
        };
        let open_files = [2, 512][rng.index(2)];
        Setup { config, open_files, delete_retention: Duration::from_secs([0, 4][rng.index(2)]), bug }
    }
}

/// The library, running.
pub(crate) struct World {
    pub(crate) dir: LogDir,
    pub(crate) log: Arc<Log>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("sim", 0).expect("a good name")
}

impl World {
    /// Opens what is on the disk, or makes it.
    pub(crate) fn open(disk: &SimDisk, setup: &Setup) -> Result<World, Error> {
        World::open_at(disk, setup, Timestamp::from_millis(1_000_000))
    }

    /// The same at some time.
    pub(crate) fn open_at(disk: &SimDisk, setup: &Setup, now: Timestamp) -> Result<World, Error> {
        let fs: Arc<dyn Fs> = match setup.bug {
            None => Arc::new(disk.clone()),
            Some(bug) => Arc::new(Planted::new(disk.clone(), bug)),
        };
        let clock = Arc::new(ManualClock::new(now));
        let options = LogDirOptions { open_files: setup.open_files, ..LogDirOptions::default() };
        let dir = LogDir::open_with(fs, clock.clone(), "/data", options)?;
        let log = match dir.open_log(&partition(), setup.config.clone()) {
            Err(Error::NotFound { .. }) => dir.create_log(&partition(), setup.config.clone())?,
            other => other?,
        };
        Ok(World { dir, log, clock })
    }
}
