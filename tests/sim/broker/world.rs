//! A broker on a simulated disk, with a clock that a test holds in its hand.

use super::plant::{BrokerBug, PlantedBroker};
use crate::disk::{Rng, SimDisk};
use crate::plant::{Bug, Planted};
use brooklet::clock::{Clock, ManualClock};
use brooklet::io::Fs;
use brooklet::{Broker, Error, Timestamp};
use std::sync::Arc;
use std::time::Duration;

pub(super) const ROOT: &str = "/data";

/// A mistake that the library makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    OfTheLog(Bug),
    OfTheBroker(BrokerBug),
}

/// What a run is made of, all of it drawn from its seed.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) open_files: usize,
    pub(super) mistake: Option<Mistake>,
}

impl Setup {
    pub(super) fn drawn(seed: u64, mistake: Option<Mistake>) -> Setup {
        Setup { seed, open_files: [3, 512][Rng::new(seed ^ 0xF11E).index(2)], mistake }
    }
}

/// The library, running.
pub(super) struct World {
    pub(super) broker: Broker,
    pub(super) clock: Arc<ManualClock>,
}

impl World {
    pub(super) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Opens what is on the disk, or makes it. Time goes on where `now` says.
    pub(super) fn open(disk: &SimDisk, setup: &Setup, now: Timestamp) -> Result<World, Error> {
        let fs: Arc<dyn Fs> = match setup.mistake {
            None => Arc::new(disk.clone()),
            Some(Mistake::OfTheLog(bug)) => Arc::new(Planted::new(disk.clone(), bug)),
            Some(Mistake::OfTheBroker(bug)) => Arc::new(PlantedBroker::new(disk.clone(), bug)),
        };
        let clock = Arc::new(ManualClock::new(now));
        let builder =
            Broker::builder().fs(fs).clock(clock.clone()).seed(setup.seed).open_files(setup.open_files);
        // What time does to records has steps of its own.
        let builder = builder.retention_check_interval(Duration::MAX).cleaner_backoff(Duration::MAX);
        Ok(World { broker: builder.open(ROOT)?, clock })
    }
}
