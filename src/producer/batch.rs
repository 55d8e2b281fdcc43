//! A batch whose records wait to be sent together: what became of it, and who wants to know.

use crate::error::{Error, Result};
use crate::partition::{AppendInfo, Signal};
use parking_lot::Mutex;
use std::sync::OnceLock;

/// Called with the offset of a record, or with why there is none.
pub(super) type Callback = Box<dyn FnOnce(Result<AppendInfo>) + Send>;

/// A batch on its way. It is settled once: written, or given up.
#[derive(Default)]
pub(super) struct ProducerBatch {
    outcome: OnceLock<Result<AppendInfo>>,
    settled: Signal,
    /// Each with the number of its record, in the order in which they were given.
    callbacks: Mutex<Vec<(u64, Callback)>>,
}

impl std::fmt::Debug for ProducerBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProducerBatch({:?})", self.outcome.get())
    }
}

impl ProducerBatch {
    /// What became of it, if that is known.
    pub(super) fn outcome(&self) -> Option<Result<AppendInfo>> {
        self.outcome.get().cloned()
    }

    /// Happens when it is settled.
    pub(super) fn settled(&self) -> &Signal {
        &self.settled
    }

    pub(super) fn settle(&self, outcome: Result<AppendInfo>) {
        let first = self.outcome.set(outcome).is_ok();
        assert!(first, "a batch is settled once");
        self.settled.notify();
    }

    /// Adds a callback for one of its records.
    pub(super) fn add_callback(&self, index: u64, callback: Callback) {
        self.callbacks.lock().push((index, callback));
    }

    /// The callbacks that wait, in the order of their records.
    pub(super) fn take_callbacks(&self) -> Vec<(u64, Callback)> {
        let mut callbacks = std::mem::take(&mut *self.callbacks.lock());
        callbacks.sort_by_key(|(index, _)| *index);
        callbacks
    }
}

/// What a panic said.
pub(super) fn panicked(what: &'static str, panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "something that is no text".into());
    Error::Panicked { what, message }
}
