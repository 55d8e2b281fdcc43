//! What all models have: a log that is a number, a clock that stands still, and a way to run a future to its end.

use crate::clock::Clock;
use crate::partition::Signal;
use brooklet::Timestamp;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Runs a model, and says how many ways it took: none left out may mean that nothing was tried at all.
pub(crate) fn explore(ways_min: usize, model: impl Fn() + Send + Sync + 'static) {
    let ways = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = ways.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let ways = ways.load(Ordering::Relaxed);
    println!("{ways} ways");
    assert!(ways >= ways_min, "only {ways} ways were tried");
}

/// Someone waits without an end, and so only for others.
#[derive(Debug)]
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wait_until(&self, until: Duration) -> Option<Duration> {
        Some(until)
    }
}

/// Where a log ends. It is published as the log does it, and looked at as readers do.
#[derive(Debug, Default)]
pub(crate) struct End(AtomicUsize);

impl End {
    pub(crate) fn publish(&self, end: usize) {
        self.0.store(end, Ordering::Release);
    }

    /// One more, where there are several writers.
    pub(crate) fn publish_next(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn reaches(&self, end: usize) -> Option<usize> {
        Some(self.get()).filter(|now| *now >= end)
    }
}

/// Waits in a thread until the end is there.
pub(crate) fn await_end(signal: &Signal, end: &End, wanted: usize) {
    let found = signal.wait(&StandingClock, Duration::MAX, || end.reaches(wanted));
    assert!(found.is_some_and(|found| found >= wanted));
}

/// A thread that runs a task, asleep until the task is woken.
#[derive(Debug, Default)]
struct Executor(Notify);

impl Wake for Executor {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let executor = Arc::<Executor>::default();
    let waker = Waker::from(executor.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        executor.0.wait();
    }
}
