//! A poll that another thread may wake, beside appends.

use crate::consumer::{Shared, WakeupHandle};
use crate::partition::Watchers;
use crate::world::{End, StandingClock, explore};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// What a poll may come to.
#[derive(Debug, PartialEq, Eq)]
enum Polled {
    Records(usize),
    WokenUp,
}

/// A poll without a limit: as `Consumer::poll` looks, so does this.
fn poll(shared: &Shared, end: &End, position: usize) -> Polled {
    let look = || match shared.take_wakeup() {
        true => Some(Polled::WokenUp),
        false => Some(end.get()).filter(|end| *end > position).map(Polled::Records),
    };
    shared.signal.wait(&StandingClock, Duration::MAX, look).expect("it waits without end")
}

#[test]
fn a_wakeup_ends_the_poll_that_is_under_way_or_the_next_one() {
    explore(20, || {
        let (shared, end) = (Arc::<Shared>::default(), End::default());
        let handle = WakeupHandle::new(shared.clone());
        let waker = thread::spawn(move || handle.wakeup());
        assert_eq!(poll(&shared, &end, 0), Polled::WokenUp);
        waker.join().expect("nobody fails");
        assert!(!shared.take_wakeup(), "and no other");
    });
}

#[test]
fn a_wakeup_and_an_append_hide_nothing_from_each_other() {
    explore(100, || {
        let (shared, end) = (Arc::<Shared>::default(), Arc::new(End::default()));
        let watchers = Arc::<Watchers>::default();
        watchers.add(&shared.signal);
        let handle = WakeupHandle::new(shared.clone());
        let waker = thread::spawn(move || handle.wakeup());
        let writer = {
            let end = end.clone();
            thread::spawn(move || {
                end.publish(1);
                watchers.notify();
            })
        };
        let (mut woken, mut position) = (0, 0);
        while woken < 1 || position < 1 {
            match poll(&shared, &end, position) {
                Polled::WokenUp => woken += 1,
                Polled::Records(end) => position = end,
            }
        }
        assert_eq!((woken, position), (1, 1));
        [waker, writer].into_iter().for_each(|thread| thread.join().expect("nobody fails"));
    });
}
