//! Callbacks whose time has come: called one after the other, in order, on whichever thread comes by.
//!
//! A callback may send more and so come by here again: then whoever is at it already goes on with what it added. A flush
//! waits for those that others call; one that is asked for by a callback does not, for it could wait for itself.

use super::batch::{Callback, panicked};
use crate::error::{Error, Result};
use crate::partition::AppendInfo;
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// Whether this thread is in a callback.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// A callback and what it is to be told.
pub(super) struct Job(pub(super) Callback, pub(super) Result<AppendInfo>);

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({:?})", self.1)
    }
}

/// The callbacks of one lane.
#[derive(Debug, Default)]
pub(super) struct Calls {
    queue: Mutex<Queue>,
    /// Whether there may be any: most records are sent without a callback, and are not to pay for a lock.
    has_jobs: AtomicBool,
    /// Notified after each.
    called: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_running: bool,
    /// How many have ever been added, and how many of these are over: their panics reported too.
    added: u64,
    over: u64,
}

impl Calls {
    /// Adds some behind the others.
    pub(super) fn extend(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut queue = self.queue.lock();
        let waiting = queue.jobs.len();
        queue.jobs.extend(jobs);
        queue.added += (queue.jobs.len() - waiting) as u64;
        self.has_jobs.store(!queue.jobs.is_empty(), Ordering::Release);
    }

    /// Calls them all, unless somebody is at it; nobody's panic harms another. `report` is told of panics.
    #[inline]
    pub(super) fn run(&self, report: impl Fn(Error)) {
        if self.has_jobs.load(Ordering::Acquire) {
            self.run_all(report);
        }
    }

    #[cold]
    fn run_all(&self, report: impl Fn(Error)) {
        while self.has_jobs.load(Ordering::Acquire) {
            let Job(callback, outcome) = {
                let mut queue = self.queue.lock();
                if queue.is_running {
                    return;
                }
                let Some(job) = queue.jobs.pop_front() else { return };
                self.has_jobs.store(!queue.jobs.is_empty(), Ordering::Release);
                queue.is_running = true;
                job
            };
            let was_calling = IS_CALLING.replace(true);
            let called = catch_unwind(AssertUnwindSafe(|| callback(outcome)));
            IS_CALLING.set(was_calling);
            if let Err(panic) = called {
                report(panicked("a callback", panic.as_ref()));
            }
            let mut queue = self.queue.lock();
            queue.is_running = false;
            queue.over += 1;
            self.called.notify_all();
        }
    }

    /// Returns when all that have been added by now are over, whoever calls them; in a callback at once.
    pub(super) fn finish(&self, report: impl Fn(Error)) {
        self.run(report);
        if IS_CALLING.get() {
            return;
        }
        let mut queue = self.queue.lock();
        let added = queue.added;
        while queue.over < added {
            self.called.wait(&mut queue);
        }
    }
}
