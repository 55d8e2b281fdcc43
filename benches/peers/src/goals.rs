//! What brooklet wants to be, as ratios between figures of one run, and whether it is.
//!
//! Where `reached` is true it was so in quiet runs, and a run in which it is not fails. The others are still to come.

use crate::contestants::{commitlog, file, mapped, mrecordlog, okaywal, ours, raft_engine, walrus, yaque};
use crate::figures::Figures;
use crate::works::{compression, fan_out, wakeup};
use Limit::{AtLeast, AtMost};

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

struct Goal {
    text: &'static str,
    limit: Limit,
    reached: bool,
    /// None if one of the figures is missing.
    measure: fn(&Figures) -> Option<f64>,
}

const EACH: &str = "one at a time, 100 bytes";
const BATCHES: &str = "batches of 100, 100 bytes";
const TO_FOUR: &str = "4 producers to 4, batches of 100, 100 bytes";
const TO_ONE: &str = "4 producers to 1, batches of 100, 100 bytes";
const READING: &str = "read in order, 100 bytes";

const GOALS: [Goal; 18] = [
    Goal {
        text: "1. one at a time: Producer::send to the best of walrus and commitlog",
        limit: AtLeast(6.0),
        reached: false,
        measure: |figures| {
            let best = figures.best_rate(EACH, &[walrus::WALRUS.name, commitlog::COMMITLOG.name])?;
            Some(figures.rate(EACH, ours::PRODUCER.name)? / best)
        },
    },
    Goal {
        text: "2. batches: send_batch or linger to the best peer",
        limit: AtLeast(2.0),
        reached: false,
        measure: |figures| Some(our_batches(figures)? / figures.best_rate(BATCHES, &BATCH_PEERS)?),
    },
    Goal {
        text: "2. batches: send_batch or linger to a memcpy into a new mapped file",
        limit: AtLeast(0.5),
        reached: true,
        measure: |figures| Some(our_batches(figures)? / figures.rate(BATCHES, mapped::MAPPED.name)?),
    },
    Goal {
        text: "3. 4 producers to 4 partitions, to one producer alone",
        limit: AtLeast(1.0),
        reached: false,
        measure: |figures| ratio(figures, TO_FOUR, ours::SEND_BATCH.name, ours::ALONE.name),
    },
    Goal {
        text: "3. 4 producers to 1 partition, to one producer alone",
        limit: AtLeast(1.0),
        reached: false,
        measure: |figures| ratio(figures, TO_ONE, ours::SEND_BATCH.name, ours::ALONE.name),
    },
    Goal {
        text: "4. reading: Consumer::poll to commitlog",
        limit: AtLeast(2.0),
        reached: false,
        measure: |figures| ratio(figures, READING, ours::CONSUMER_READS.name, commitlog::COMMITLOG.name),
    },
    Goal {
        text: "4. reading: Partition::read to commitlog",
        limit: AtLeast(2.5),
        reached: false,
        measure: |figures| ratio(figures, READING, ours::PARTITION_READS.name, commitlog::COMMITLOG.name),
    },
    // The same rate, but for what two ways of measuring the same thing differ by.
    Goal {
        text: "5. durable, 1 thread: to a bare pwrite and fdatasync",
        limit: AtLeast(0.9),
        reached: false,
        measure: |figures| ratio(figures, DURABLE_1, ours::DURABLE_PRODUCER.name, file::FILE_DURABLE.name),
    },
    Goal {
        text: "5. durable, 16 threads: to okaywal",
        limit: AtLeast(1.5),
        reached: false,
        measure: |figures| ratio(figures, DURABLE_16, ours::DURABLE_PRODUCER.name, okaywal::OKAYWAL.name),
    },
    Goal {
        text: "5. durable, 64 threads: to 16 threads",
        limit: AtLeast(1.0),
        reached: true,
        measure: |figures| {
            let ours = |work| figures.rate(work, ours::DURABLE_PRODUCER.name);
            Some(ours(DURABLE_64)? / ours(DURABLE_16)?)
        },
    },
    Goal {
        text: "6. wake-up, parked: p50 to that of crossbeam-channel",
        limit: AtMost(1.5),
        reached: false,
        measure: |figures| {
            let p50 = |who| figures.times(&wakeup::name(100), who).map(|times| times.p50);
            Some(p50(wakeup::PARKED)? / p50(wakeup::CROSSBEAM)?)
        },
    },
    Goal {
        text: "6. wake-up, the consumer spins: p50 in us",
        limit: AtMost(1.0),
        reached: false,
        measure: |figures| Some(figures.times(&wakeup::name(100), wakeup::SPINNING)?.p50),
    },
    Goal {
        text: "7. fan-out, send: cost of a record and consumer, 4 consumers to 1",
        limit: AtMost(1.0),
        reached: true,
        measure: |figures| cost_ratio(figures, ours::PRODUCER.name, 4, 1),
    },
    Goal {
        text: "7. fan-out, send: cost of a record and consumer, 16 consumers to 4",
        limit: AtMost(1.0),
        reached: true,
        measure: |figures| cost_ratio(figures, ours::PRODUCER.name, 16, 4),
    },
    Goal {
        text: "7. fan-out, send_batch: cost of a record and consumer, 4 consumers to 1",
        limit: AtMost(1.0),
        reached: true,
        measure: |figures| cost_ratio(figures, ours::SEND_BATCH.name, 4, 1),
    },
    Goal {
        text: "7. fan-out, send_batch: cost of a record and consumer, 16 consumers to 4",
        limit: AtMost(1.0),
        reached: true,
        measure: |figures| cost_ratio(figures, ours::SEND_BATCH.name, 16, 4),
    },
    Goal {
        text: "10. a batch of JSON with lz4: its time to that of the codec alone, given the same bytes",
        limit: AtMost(1.15),
        reached: false,
        measure: |figures| ratio(figures, compression::LZ4, compression::CODEC, compression::BUILDER),
    },
    Goal {
        text: "10. a batch of JSON with zstd: its time to that of the codec alone, given the same bytes",
        limit: AtMost(1.15),
        reached: false,
        measure: |figures| ratio(figures, compression::ZSTD, compression::CODEC, compression::BUILDER),
    },
];

const DURABLE_1: &str = "durable, 1 thread, 100 bytes";
const DURABLE_16: &str = "durable, 16 threads, 100 bytes";
const DURABLE_64: &str = "durable, 64 threads, 100 bytes";

const BATCH_PEERS: [&str; 5] = [
    commitlog::COMMITLOG.name,
    walrus::WALRUS_BATCH.name,
    yaque::YAQUE.name,
    mrecordlog::MRECORDLOG.name,
    raft_engine::RAFT_ENGINE.name,
];

fn our_batches(figures: &Figures) -> Option<f64> {
    figures.best_rate(BATCHES, &[ours::SEND_BATCH.name, ours::LINGER.name])
}

fn ratio(figures: &Figures, work: &str, one: &str, other: &str) -> Option<f64> {
    Some(figures.rate(work, one)? / figures.rate(work, other)?)
}

/// What a record costs for each who gets it, with so many consumers, related to that with fewer.
fn cost_ratio(figures: &Figures, who: &str, many: usize, few: usize) -> Option<f64> {
    let cost = |consumers: usize| {
        let rate = figures.rate(&fan_out::name(consumers, 100), who)?;
        Some(1.0 / (rate * consumers as f64))
    };
    Some(cost(many)? / cost(few)?)
}

impl Limit {
    fn holds(self, measured: f64) -> bool {
        match self {
            AtLeast(limit) => measured >= limit,
            AtMost(limit) => measured <= limit,
        }
    }

    fn words(self) -> String {
        match self {
            AtLeast(limit) => format!("at least {limit}"),
            AtMost(limit) => format!("at most {limit}"),
        }
    }
}

/// Prints where they stand. Whether all hold that held before, as far as they were measured.
pub(crate) fn report(figures: &Figures) -> bool {
    let measured: Vec<_> = GOALS.iter().filter_map(|goal| Some((goal, (goal.measure)(figures)?))).collect();
    if measured.is_empty() {
        return true;
    }
    println!("| goal | wanted | measured | reached |\n|---|---|---|---|");
    for (goal, value) in &measured {
        println!("| {} | {} | {value:.2} | {} |", goal.text, goal.limit.words(), goal.verdict(*value));
    }
    println!();
    measured.iter().all(|(goal, value)| goal.verdict(*value) != LOST)
}

const LOST: &str = "NO LONGER";

impl Goal {
    fn verdict(&self, value: f64) -> &'static str {
        match (self.limit.holds(value), self.reached) {
            (true, true) => "yes",
            (true, false) => "yes, for the first time",
            (false, true) => LOST,
            (false, false) => "not yet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_was_reached_and_is_not_any_more_fails() {
        let threads = |rate_64| {
            let mut figures = Figures::default();
            figures.add_rate(DURABLE_16, ours::DURABLE_PRODUCER.name, 100.0);
            figures.add_rate(DURABLE_64, ours::DURABLE_PRODUCER.name, rate_64);
            figures
        };
        let growing =
            GOALS.iter().find(|goal| (goal.measure)(&threads(1.0)).is_some()).expect("it is one of them");
        assert!(growing.reached, "another goal is needed here");
        assert!(report(&threads(101.0)) && !report(&threads(99.0)));
        assert!(report(&Figures::default()), "what was not measured is not missed");
    }

    #[test]
    fn a_goal_that_was_never_reached_fails_nothing() {
        let goal = Goal { text: "", limit: AtMost(2.0), reached: false, measure: |_| None };
        assert_eq!([2.0, 2.1].map(|value| goal.verdict(value)), ["yes, for the first time", "not yet"]);
        assert!(AtLeast(2.0).holds(2.0) && !AtLeast(2.0).holds(1.9));
    }
}
