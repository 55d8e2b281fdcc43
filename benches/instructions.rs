//! Instructions per record, counted and not timed: a figure that a busy machine does not change.
//!
//! `cargo bench --bench instructions` starts itself under `valgrind --tool=callgrind`, once for one pass of a work and
//! once for several: the difference is what passes cost, without the setting up. Only instructions of the process count,
//! none of the system; so a system call is nearly free here, and a copy cheap. 100-byte values in batches of 100 where
//! there are batches, 20,000 records a pass.

#[expect(dead_code, reason = "nothing is compared here, and no batch is made by hand")]
mod turns;

use brooklet::{
    Acks, Broker, Consumer, Isolation, NewRecord, Partition, Producer, ReadLimit, Start, TopicConfig,
};
use std::process::Command;
use std::time::Duration;
use turns::{VALUE_BYTES, is_measuring, scratch};

const RECORDS: usize = 20_000;
const BATCH: usize = 100;
const VALUE: &[u8] = &[7; VALUE_BYTES];
/// Passes beside the first, which warms up.
const MORE: u64 = 4;
/// In the environment of the process that is counted: a work, and how many passes of it.
const WORK: &str = "BROOKLET_INSTRUCTIONS";

/// What a pass needs.
struct World {
    partition: Partition,
    producer: Producer,
    lingering: Producer,
    consumer: Consumer,
}

/// A work: where its log is, and what a pass of it does.
struct Work {
    name: &'static str,
    in_memory: bool,
    /// Whether there are records before the first pass.
    reads: bool,
    pass: fn(&mut World),
}

const WORKS: [Work; 9] = [
    Work {
        name: "Partition::append, batches of 100, in memory",
        in_memory: true,
        reads: false,
        pass: append,
    },
    Work {
        name: "Partition::append, batches of 100, mapped file",
        in_memory: false,
        reads: false,
        pass: append,
    },
    Work {
        name: "Producer::send_batch of 100, mapped file",
        in_memory: false,
        reads: false,
        pass: send_batch,
    },
    Work { name: "Producer::send, linger 5 ms, mapped file", in_memory: false, reads: false, pass: linger },
    Work { name: "Producer::send, one at a time, in memory", in_memory: true, reads: false, pass: send },
    Work { name: "Producer::send, one at a time, mapped file", in_memory: false, reads: false, pass: send },
    Work {
        name: "Partition::read, a mebibyte at a time, in memory",
        in_memory: true,
        reads: true,
        pass: read,
    },
    Work { name: "Consumer::poll, in memory", in_memory: true, reads: true, pass: poll },
    Work { name: "Consumer::poll, mapped file", in_memory: false, reads: true, pass: poll },
];

fn main() {
    if let Ok(told) = std::env::var(WORK) {
        let (work, passes) = told.split_once(' ').expect("a work and a number");
        let work = &WORKS[work.parse::<usize>().expect("a number")];
        return work.run(passes.parse().expect("a number"));
    }
    if !is_measuring() {
        // Under `cargo test` it is enough that they work.
        return WORKS.iter().for_each(|work| work.run(1));
    }
    println!("| work | instructions a record |\n|---|---|");
    for (index, work) in WORKS.iter().enumerate() {
        match counted(index, 1).zip(counted(index, 1 + MORE)) {
            Some((one, many)) => {
                let each = many.saturating_sub(one) as f64 / (MORE * RECORDS as u64) as f64;
                println!("| {} | {each:.0} |", work.name);
            }
            None => println!("| {} | not counted: is valgrind installed? |", work.name),
        }
    }
}

/// The instructions of a process that does so many passes of a work.
fn counted(work: usize, passes: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .env(WORK, format!("{work} {passes}"))
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected :").map(|(_, count)| count));
    if !output.status.success() || count.is_none() {
        eprintln!("{said}");
    }
    count?.trim().parse().ok()
}

impl Work {
    fn run(&self, passes: u64) {
        let dir = scratch();
        let broker = if self.in_memory { Broker::in_memory() } else { Broker::open(dir.path()) };
        let broker = broker.expect("an empty directory");
        let topic = broker.create_topic("bench", TopicConfig::new()).expect("a new topic");
        let consumer =
            broker.consumer().assign([("bench", 0)]).start(Start::Earliest).max_poll_records(1 << 20);
        let lingering = broker.producer().acks(Acks::Written).linger(Duration::from_millis(5));
        let mut world = World {
            partition: topic.partition(0).expect("it has one"),
            producer: broker.producer().acks(Acks::Written).build().expect("valid settings"),
            lingering: lingering.build().expect("valid settings"),
            consumer: consumer.build().expect("it is there"),
        };
        if self.reads {
            append(&mut world);
        }
        (0..passes).for_each(|_| (self.pass)(&mut world));
    }
}

fn record() -> NewRecord<'static> {
    NewRecord::to("bench").partition(0).value(VALUE)
}

fn append(world: &mut World) {
    for _ in 0..RECORDS / BATCH {
        world.partition.append((0..BATCH).map(|_| record()), Acks::Written).expect("room");
    }
}

fn send_batch(world: &mut World) {
    for _ in 0..RECORDS / BATCH {
        let receipts = world.producer.send_batch((0..BATCH).map(|_| record())).expect("room");
        assert_eq!(receipts.len(), BATCH);
    }
}

fn send(world: &mut World) {
    for _ in 0..RECORDS {
        let receipt = world.producer.send(record()).expect("room");
        std::hint::black_box(receipt.wait().expect("it is written"));
    }
}

fn linger(world: &mut World) {
    for _ in 0..RECORDS {
        world.lingering.send(record()).expect("room");
    }
    world.lingering.flush().expect("room");
}

fn read(world: &mut World) {
    let (mut next, end) = (0, RECORDS as u64);
    while next < end {
        let records = world.partition.read(next, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted);
        let records = records.expect("a whole log");
        for record in records.iter() {
            assert_eq!(record.value().map(<[u8]>::len), Some(VALUE_BYTES));
            next = record.offset() + 1;
        }
    }
}

fn poll(world: &mut World) {
    world.consumer.seek("bench", 0, 0).expect("it is assigned");
    let mut seen = 0;
    while seen < RECORDS {
        let records = world.consumer.poll(Duration::ZERO).expect("a whole log");
        seen += records.iter().filter(|record| record.value().map(<[u8]>::len) == Some(VALUE_BYTES)).count();
    }
}
