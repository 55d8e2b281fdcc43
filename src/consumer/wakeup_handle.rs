//! Waking a consumer from another thread: what it shares with those who may.

use crate::partition::Signal;
use crate::partition::sync::{AtomicBool, Ordering};
use std::sync::Arc;

/// What others may reach of a consumer.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) signal: Arc<Signal>,
    is_woken: AtomicBool,
}

impl Shared {
    /// Whether it was woken since it was last asked. Each wake-up ends one poll.
    pub(crate) fn take_wakeup(&self) -> bool {
        self.is_woken.load(Ordering::Relaxed) && self.is_woken.swap(false, Ordering::AcqRel)
    }
}

/// Wakes a consumer that waits in a poll, from another thread.
#[derive(Debug, Clone)]
pub struct WakeupHandle {
    shared: Arc<Shared>,
}

impl WakeupHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Has the poll that is under way, or else the next one, return [`Error::WokenUp`](crate::Error::WokenUp).
    pub fn wakeup(&self) {
        self.shared.is_woken.store(true, Ordering::Release);
        self.shared.signal.notify();
    }
}
