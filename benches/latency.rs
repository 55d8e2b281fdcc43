//! From a producer to a consumer that waits in another thread, and back: half a round trip, in memory.
//!
//! | what | compared with | goal |
//! |---|---|---|
//! | `Producer::send`, then `Consumer::poll` in a thread that sleeps | two crossbeam-channels between two threads that sleep | 1.5 |
//! | the same, the consumer spins | the same | |
//!
//! Both threads do the same: wait, answer, wait. What another program does on this machine is in it, so look at the ratio.

#![expect(clippy::disallowed_methods, reason = "two threads wake each other, as long as the process lives")]

#[expect(dead_code, reason = "no batch is made by hand")]
mod turns;

use brooklet::{Acks, Broker, Consumer, NewRecord, Producer, Start, TopicConfig};
use criterion::Criterion;
use std::time::Duration;
use turns::{Side, VALUE_BYTES, compare, elapsed};

const VALUE: &[u8] = &[7; VALUE_BYTES];
const ROUND_TRIPS: u64 = 500;
/// Longer than any answer takes; a bench that hangs tells nobody why.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let mut criterion = turns::criterion();
    let (parked, spinning, channels) =
        (Ours::new(Duration::ZERO), Ours::new(Duration::from_millis(1)), Channels::new());
    bench(&mut criterion, "send to poll, parked", |trips| parked.round_trips(trips));
    bench(&mut criterion, "send to poll, spinning", |trips| spinning.round_trips(trips));
    bench(&mut criterion, "crossbeam-channel", |trips| channels.round_trips(trips));
    criterion.final_summary();
    for (ours, name, goal) in [(&parked, "parked", Some(1.5)), (&spinning, "spinning", None)] {
        compare(
            "producer to consumer in another thread",
            "way",
            goal,
            Side::new(name, || (elapsed(|| ours.round_trips(ROUND_TRIPS)), 2 * ROUND_TRIPS)),
            Side::new("crossbeam-channel", || {
                (elapsed(|| channels.round_trips(ROUND_TRIPS)), 2 * ROUND_TRIPS)
            }),
        );
    }
}

fn bench(criterion: &mut Criterion, name: &str, round_trips: impl Fn(u64)) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|times| elapsed(|| round_trips(times)) / 2);
    });
}

/// A broker in memory, and a thread that answers in one topic what it reads in another.
struct Ours {
    there: Producer,
    back: parking_lot::Mutex<Consumer>,
    _broker: Broker,
}

impl Ours {
    fn new(spin: Duration) -> Self {
        let broker = Broker::in_memory().expect("there is memory");
        for topic in ["there", "back"] {
            broker.create_topic(topic, TopicConfig::new()).expect("it is new");
        }
        let producer = || broker.producer().acks(Acks::Written).build().expect("valid settings");
        let consumer = |topic| {
            let builder = broker.consumer().assign([(topic, 0)]).start(Start::Earliest).spin(spin);
            builder.build().expect("it is there")
        };
        let (mut asked, answers) = (consumer("there"), producer());
        std::thread::spawn(move || {
            // Until the broker is closed.
            while let Ok(records) = asked.poll(PATIENCE) {
                for _ in &records {
                    answers.send(NewRecord::to("back").value(VALUE)).expect("there is room");
                }
            }
        });
        Self { there: producer(), back: parking_lot::Mutex::new(consumer("back")), _broker: broker }
    }

    fn round_trips(&self, times: u64) {
        let mut back = self.back.lock();
        for _ in 0..times {
            self.there.send(NewRecord::to("there").value(VALUE)).expect("there is room");
            assert_eq!(back.poll(PATIENCE).expect("an open broker").len(), 1);
        }
    }
}

/// The same over channels.
struct Channels {
    there: crossbeam_channel::Sender<[u8; VALUE_BYTES]>,
    back: crossbeam_channel::Receiver<[u8; VALUE_BYTES]>,
}

impl Channels {
    fn new() -> Self {
        let (there, asked) = crossbeam_channel::unbounded();
        let (answers, back) = crossbeam_channel::unbounded();
        let answer = move || asked.iter().for_each(|record| answers.send(record).expect("somebody waits"));
        std::thread::spawn(answer);
        Self { there, back }
    }

    fn round_trips(&self, times: u64) {
        for _ in 0..times {
            self.there.send([7; VALUE_BYTES]).expect("it is received");
            self.back.recv().expect("it is answered");
        }
    }
}
