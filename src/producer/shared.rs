//! What all lanes of a producer share, and the work that comes back from time to time.

use super::config::ProducerConfig;
use super::memory::BufferMemory;
use crate::clock::Clock;
use crate::engine::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: ProducerConfig,
    pub(super) memory: BufferMemory,
    /// Whose batches these are, if they are numbered.
    pub(super) producer_id: Option<i64>,
    /// The earliest moment at which any lane has something to do, in nanoseconds; perhaps too early, never too late.
    due: AtomicU64,
}

/// Nothing is due.
const NEVER: u64 = u64::MAX;

impl Shared {
    pub(super) fn new(engine: Arc<Engine>, config: ProducerConfig, producer_id: Option<i64>) -> Self {
        let (clock, memory) = (engine.clock().clone(), BufferMemory::new(config.buffer_memory));
        Self { engine, clock, config, memory, producer_id, due: AtomicU64::new(NEVER) }
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

    /// Forgets what was due. Each lane is then to be asked anew.
    pub(super) fn forget_due(&self) {
        self.due.store(NEVER, Ordering::Release);
    }
}

/// Some 584 years; what comes later comes never.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}
