//! Partitions and those who watch them: some consumers of one, one consumer of some, and consumers that come and go.

use crate::partition::{Signal, Watchers};
use crate::world::{End, StandingClock, await_end, explore};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// As far as its readers are concerned.
#[derive(Default)]
struct Partition {
    end: End,
    watchers: Watchers,
}

impl Partition {
    fn append(&self) {
        self.end.publish_next();
        self.watchers.notify();
    }
}

/// Reads up to `wanted` as a new consumer does, and stops watching.
fn consume(partition: &Partition, wanted: usize) {
    let signal = Arc::new(Signal::default());
    partition.watchers.add(&signal);
    await_end(&signal, &partition.end, wanted);
    partition.watchers.remove(&signal);
}

#[test]
fn a_consumer_that_comes_beside_an_append_sees_it() {
    explore(20, || {
        let partition = Arc::<Partition>::default();
        let consumer = {
            let partition = partition.clone();
            thread::spawn(move || consume(&partition, 1))
        };
        partition.append();
        consumer.join().expect("it gets what it waits for");
    });
}

#[test]
fn two_consumers_of_one_partition_both_see_an_append() {
    explore(100, || {
        let partition = Arc::<Partition>::default();
        let consumers = [(); 2].map(|()| {
            let partition = partition.clone();
            thread::spawn(move || consume(&partition, 1))
        });
        partition.append();
        consumers.into_iter().for_each(|consumer| consumer.join().expect("it gets what it waits for"));
    });
}

#[test]
fn a_consumer_that_goes_takes_no_wake_up_with_it() {
    explore(20, || {
        let partition = Arc::<Partition>::default();
        let goes = Arc::new(Signal::default());
        partition.watchers.add(&goes);
        let stays = {
            let partition = partition.clone();
            thread::spawn(move || consume(&partition, 1))
        };
        let leaver = {
            let partition = partition.clone();
            thread::spawn(move || partition.watchers.remove(&goes))
        };
        partition.append();
        [stays, leaver].into_iter().for_each(|thread| thread.join().expect("nobody fails"));
    });
}

#[test]
fn one_consumer_of_two_partitions_sees_appends_to_both() {
    explore(100, || {
        let partitions = [(); 2].map(|()| Arc::<Partition>::default());
        let signal = Arc::new(Signal::default());
        partitions.iter().for_each(|partition| partition.watchers.add(&signal));
        let writers = partitions.clone().map(|partition| thread::spawn(move || partition.append()));
        let mut seen = 0;
        while seen < 2 {
            let now = signal.wait(&StandingClock, Duration::MAX, || {
                let ends = partitions.iter().map(|partition| partition.end.get()).sum();
                Some(ends).filter(|ends| *ends > seen)
            });
            seen = now.expect("it waits without end");
        }
        writers.into_iter().for_each(|writer| writer.join().expect("no writer fails"));
    });
}
