//! Waiting with real threads and real wakers. Every order of the steps is tried in `tests/models/`.

use super::wakeup::{Signal, Waiting, Watchers};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::types::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_once(signal: &Signal, waiting: &mut Waiting, count: &Arc<Count>) -> Poll<()> {
    let waker = Waker::from(count.clone());
    signal.poll(waiting, &mut Context::from_waker(&waker), || None)
}

#[test]
fn a_wait_with_nothing_to_come_ends_when_its_time_has_passed() {
    let clock = ManualClock::new(Timestamp::from_millis(0));
    let found: Option<()> = Signal::default().wait(&clock, Duration::from_secs(3), || None);
    assert_eq!((found, clock.monotonic()), (None, Duration::from_secs(3)));
    let clock = SystemClock::new();
    let deadline = clock.monotonic() + Duration::from_millis(5);
    let found: Option<()> = Signal::default().wait(&clock, deadline, || None);
    assert!(found.is_none() && clock.monotonic() >= deadline);
}

#[test]
fn what_happens_in_any_look_before_sleep_is_not_missed() {
    let clock = SystemClock::new();
    for happens_in in 1..=10 {
        let signal = Signal::default();
        let mut looks = 0;
        let found = signal.wait(&clock, Duration::MAX, || {
            looks += 1;
            if looks == happens_in {
                signal.notify(); // and it was just too late to be seen
            }
            (looks > happens_in).then_some(looks)
        });
        assert_eq!(found, Some(happens_in + 1));
    }
}

#[test]
fn threads_that_wait_see_every_step_of_another() {
    const STEPS: u64 = 20_000;
    const READERS: usize = 3;
    let (watchers, published) = (Watchers::default(), AtomicU64::new(0));
    let clock = SystemClock::new();
    let ready = Barrier::new(READERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let signal = Arc::new(Signal::default());
                watchers.add(&signal);
                ready.wait();
                let mut seen = 0;
                while seen < STEPS {
                    let now = signal.wait(&clock, Duration::MAX, || {
                        Some(published.load(Ordering::Acquire)).filter(|now| *now > seen)
                    });
                    seen = now.expect("it waits without end");
                }
                watchers.remove(&signal);
            });
        }
        ready.wait();
        for step in 1..=STEPS {
            published.store(step, Ordering::Release);
            watchers.notify();
        }
    });
}

#[test]
fn all_who_wait_on_one_signal_are_woken() {
    let (signal, clock, done) = (Signal::default(), SystemClock::new(), AtomicBool::new(false));
    let (asleep, count) = (AtomicUsize::new(0), Arc::<Count>::default());
    let mut waiting = Waiting::default();
    assert!(poll_once(&signal, &mut waiting, &count).is_pending());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                asleep.fetch_add(1, Ordering::SeqCst);
                signal.wait(&clock, Duration::MAX, || done.load(Ordering::Acquire).then_some(()))
            });
        }
        while asleep.load(Ordering::SeqCst) < 3 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
        signal.notify();
    });
    assert_eq!(count.wakes(), 1);
}

#[test]
fn a_task_is_woken_once_until_it_looks_again() {
    let (signal, count) = (Signal::default(), Arc::<Count>::default());
    let mut waiting = Waiting::default();
    signal.notify();
    assert!(poll_once(&signal, &mut waiting, &count).is_pending());
    assert!(poll_once(&signal, &mut waiting, &count).is_pending(), "it is registered once");
    (0..5).for_each(|_| signal.notify());
    assert_eq!(count.wakes(), 1);
    assert!(poll_once(&signal, &mut waiting, &count).is_pending());
    signal.notify();
    assert_eq!(count.wakes(), 2);
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    let (signal, [first, last]) = (Signal::default(), [(); 2].map(|()| Arc::<Count>::default()));
    let mut waiting = Waiting::default();
    assert!(poll_once(&signal, &mut waiting, &first).is_pending());
    assert!(poll_once(&signal, &mut waiting, &last).is_pending());
    signal.notify();
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1, "nobody holds on to it");
}

#[test]
fn a_registration_that_is_dropped_leaves_no_trace() {
    let (signal, count) = (Signal::default(), Arc::<Count>::default());
    for _ in 0..3 {
        let mut waiting = Waiting::default();
        assert!(poll_once(&signal, &mut waiting, &count).is_pending());
        assert_eq!(Arc::strong_count(&count), 2);
        drop(waiting);
        assert_eq!(Arc::strong_count(&count), 1);
    }
    signal.notify();
    assert_eq!(count.wakes(), 0);
}

/// Stops watching as soon as it is woken, as a task does that is dropped by its waker.
struct Leaves(Arc<Watchers>, Arc<Signal>);

impl Wake for Leaves {
    fn wake(self: Arc<Self>) {
        self.0.remove(&self.1);
    }
}

#[test]
fn whoever_is_woken_may_stop_watching_at_once() {
    let (watchers, signal) = (Arc::new(Watchers::default()), Arc::new(Signal::default()));
    watchers.add(&signal);
    let waker = Waker::from(Arc::new(Leaves(watchers.clone(), signal.clone())));
    let mut waiting = Waiting::default();
    let polled: Poll<()> = signal.poll(&mut waiting, &mut Context::from_waker(&waker), || None);
    assert!(polled.is_pending());
    watchers.notify();
    drop((waiting, waker));
    assert_eq!(Arc::strong_count(&signal), 1, "nobody watches any more");
}

#[test]
fn who_watches_twice_is_told_once_and_who_has_gone_is_not() {
    let (watchers, count) = (Watchers::default(), Arc::<Count>::default());
    let (stays, goes) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
    [&stays, &stays, &goes].into_iter().for_each(|signal| watchers.add(signal));
    watchers.remove(&goes);
    assert_eq!((Arc::strong_count(&stays), Arc::strong_count(&goes)), (2, 1));
    let (mut of_stays, mut of_goes) = (Waiting::default(), Waiting::default());
    assert!(poll_once(&stays, &mut of_stays, &count).is_pending());
    assert!(poll_once(&goes, &mut of_goes, &count).is_pending());
    watchers.notify();
    assert_eq!(count.wakes(), 1);
}
