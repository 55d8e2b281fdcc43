//! What all lanes of a producer share, and the work that comes back from time to time.

use super::config::ProducerConfig;
use super::lane::Lane;
use super::memory::BufferMemory;
use crate::clock::Clock;
use crate::engine::{Engine, Task};
use crate::error::Result;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: ProducerConfig,
    pub(super) memory: BufferMemory,
    /// Whose batches these are, if they are numbered.
    pub(super) producer_id: Option<i64>,
    /// All lanes that there are: those of the producer, and those that only a receipt keeps.
    lanes: Mutex<Vec<Weak<Lane>>>,
    /// The earliest moment at which any lane has something to do, in nanoseconds; perhaps too early, never too late.
    due: AtomicU64,
}

/// Nothing is due.
const NEVER: u64 = u64::MAX;

impl Shared {
    pub(super) fn new(engine: Arc<Engine>, config: ProducerConfig, producer_id: Option<i64>) -> Self {
        let (clock, memory) = (engine.clock().clone(), BufferMemory::new(config.buffer_memory));
        let (lanes, due) = (Mutex::default(), AtomicU64::new(NEVER));
        Self { engine, clock, config, memory, producer_id, lanes, due }
    }

    /// Looks after a lane from now on, as long as anybody has it.
    pub(super) fn add_lane(&self, lane: &Arc<Lane>) {
        let mut lanes = self.lanes.lock();
        lanes.retain(|known| known.strong_count() > 0);
        lanes.push(Arc::downgrade(lane));
    }

    fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Writes what waits in all lanes, and makes durable what has to be. Says what failed for good since the last time.
    pub(super) fn flush(&self) -> Result<()> {
        let lanes = self.lanes();
        lanes.iter().for_each(|lane| lane.write_all());
        let durable = lanes.iter().filter(|lane| lane.needs_sync());
        let synced = durable.map(|lane| lane.sync()).fold(Ok(()), Result::and);
        // Asked last: callbacks come after what they wait for, on any thread, and may panic.
        lanes.iter().for_each(|lane| lane.finish_calls());
        lanes.iter().map(|lane| lane.take_failure()).fold(Ok(()), Result::and).and(synced)
    }

    /// Tries once to make room, without waiting for what fails.
    pub(super) fn make_room(&self) {
        self.lanes().iter().for_each(|lane| lane.make_room());
    }

    /// A lane has something to do at a moment.
    pub(super) fn schedule(&self, at: Duration) {
        let at = nanos(at);
        if self.due.load(Ordering::Acquire) > at && self.due.fetch_min(at, Ordering::AcqRel) > at {
            self.engine.wake();
        }
    }

    /// When a lane has something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        Some(self.due.load(Ordering::Acquire)).filter(|due| *due != NEVER).map(Duration::from_nanos)
    }
}

/// It lives as long as any lane: what somebody waits for is looked after though its producer is gone.
impl Task for Shared {
    fn due(&self) -> Option<Duration> {
        Shared::due(self)
    }

    fn run(&self, now: Duration) {
        // Each lane is asked anew.
        self.due.store(NEVER, Ordering::Release);
        for lane in self.lanes() {
            lane.run_due(now);
            if let Some(due) = lane.next_due() {
                self.schedule(due);
            }
        }
    }

    fn finish(&self) -> Result<()> {
        self.flush()
    }
}

/// Some 584 years; what comes later comes never.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}
