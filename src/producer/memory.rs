//! The budget of bytes that may wait in a producer.

use crate::partition::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes wait, and how many may.
#[derive(Debug)]
pub(super) struct BufferMemory {
    limit: usize,
    used: AtomicUsize,
    freed: Arc<Signal>,
}

impl BufferMemory {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0), freed: Arc::default() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Happens when bytes are given back.
    pub(super) fn freed(&self) -> &Arc<Signal> {
        &self.freed
    }

    /// Takes so many bytes, if they are there. One record is let in however large it is if nothing else waits.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let take = |used: usize| {
            let after = used.checked_add(bytes)?;
            (after <= self.limit || used == 0).then_some(after)
        };
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    /// Takes so many bytes though they may not be there: they are in use already.
    pub(super) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::AcqRel);
            self.freed.notify();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_but_one_always_fits() {
        let memory = BufferMemory::new(10);
        assert!(memory.try_take(4) && memory.try_take(6) && !memory.try_take(1));
        memory.give_back(4);
        assert!(!memory.try_take(5) && memory.try_take(4));
        memory.give_back(10);
        assert!(memory.try_take(100) && !memory.try_take(1));
    }
}
