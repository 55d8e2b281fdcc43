//! One signal: threads and tasks that wait on it beside those who notify it.

use crate::partition::{Signal, Waiting};
use crate::world::{End, await_end, block_on, explore};
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

async fn end_is_there(signal: &Signal, end: &End, wanted: usize) {
    let mut waiting = Waiting::default();
    poll_fn(|context| signal.poll(&mut waiting, context, || end.reaches(wanted))).await;
}

#[test]
fn a_thread_that_waits_misses_no_append() {
    explore(20, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let writer = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || {
                end.publish(1);
                signal.notify();
            })
        };
        await_end(&signal, &end, 1);
        writer.join().expect("no writer fails");
    });
}

#[test]
fn a_thread_that_was_told_of_one_append_is_told_of_the_next() {
    explore(100, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let writer = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || {
                for next in 1..=2 {
                    end.publish(next);
                    signal.notify();
                }
            })
        };
        await_end(&signal, &end, 1);
        await_end(&signal, &end, 2);
        writer.join().expect("no writer fails");
    });
}

#[test]
fn a_thread_that_was_told_takes_nobodys_place() {
    explore(100, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let waiters = [1, 2].map(|wanted| {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || await_end(&signal, &end, wanted))
        });
        for next in 1..=2 {
            end.publish(next);
            signal.notify();
        }
        waiters.into_iter().for_each(|waiter| waiter.join().expect("it gets what it waits for"));
    });
}

#[test]
fn two_writers_at_once_hide_nothing_from_each_other() {
    explore(100, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let writers = [(); 2].map(|()| {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || {
                end.publish_next();
                signal.notify();
            })
        });
        await_end(&signal, &end, 2);
        writers.into_iter().for_each(|writer| writer.join().expect("no writer fails"));
    });
}

#[test]
fn a_task_that_waits_misses_no_append() {
    explore(20, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let writer = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || {
                for next in 1..=2 {
                    end.publish(next);
                    signal.notify();
                }
            })
        };
        block_on(end_is_there(&signal, &end, 2));
        writer.join().expect("no writer fails");
    });
}

#[test]
fn a_thread_and_a_task_on_one_signal_are_both_woken() {
    explore(100, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let task = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || block_on(end_is_there(&signal, &end, 1)))
        };
        let waiter = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || await_end(&signal, &end, 1))
        };
        end.publish(1);
        signal.notify();
        task.join().expect("it gets what it waits for");
        waiter.join().expect("it gets what it waits for");
    });
}

#[test]
fn a_task_that_goes_away_takes_nobody_with_it() {
    explore(20, || {
        let (signal, end) = (Arc::new(Signal::default()), Arc::new(End::default()));
        let goes = {
            let signal = signal.clone();
            thread::spawn(move || {
                let mut waiting = Waiting::default();
                let mut context = Context::from_waker(Waker::noop());
                let polled: Poll<()> = signal.poll(&mut waiting, &mut context, || None);
                assert!(polled.is_pending());
            })
        };
        let writer = {
            let (signal, end) = (signal.clone(), end.clone());
            thread::spawn(move || {
                end.publish(1);
                signal.notify();
            })
        };
        await_end(&signal, &end, 1);
        [goes, writer].into_iter().for_each(|thread| thread.join().expect("nobody fails"));
    });
}
