//! Brokers: one in memory with a topic, as tests make them by the thousand; and opening one with many idle partitions.
//!
//! | what | goal |
//! |---|---|
//! | a broker in memory and one topic | at most 50 us |
//! | opening 1,000 topics of 10 partitions that were closed in order: time | at most 3 s |
//! | the same: memory that the process holds more than before | at most 200 MiB |
//!
//! Each opening is one of a process of its own, which this program starts anew: memory that was used before and given
//! back would hide what an opening takes.

#[expect(dead_code, reason = "no comparison is made here, and no batch")]
mod turns;

use brooklet::io::{EntryKind, Fs, MemFs, OsFs};
use brooklet::{Broker, TopicConfig};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use turns::{elapsed, is_measuring, scratch};

const TOPICS: u32 = 1_000;
const PARTITIONS: u32 = 10;
/// Names the directory to open, in the environment of the process that opens it.
const OPEN: &str = "BROOKLET_BENCH_OPEN";
/// Openings of which the middle one counts.
const OPENINGS: usize = 5;

fn main() {
    if let Some(dir) = std::env::var_os(OPEN) {
        return Opening::of(Path::new(&dir)).print();
    }
    let mut criterion = turns::criterion();
    criterion
        .bench_function("broker in memory and one topic", |bencher| bencher.iter(|| black_box(in_memory())));
    criterion.final_summary();
    if is_measuring() {
        println!();
        print_in_memory();
        print_openings();
    }
}

fn in_memory() -> Broker {
    let broker = Broker::in_memory().expect("there is memory");
    broker.create_topic("bench", TopicConfig::new()).expect("there is none yet");
    broker
}

fn print_in_memory() {
    const GOAL_MICROS: f64 = 50.0;
    const ROUNDS: usize = 1_001;
    let once = |_| elapsed(|| drop(black_box(in_memory()))).as_secs_f64() * 1e6;
    let micros = median((0..ROUNDS).map(once).collect());
    println!("broker in memory and one topic: {micros:.1} us; {}", verdict("us", micros, GOAL_MICROS));
}

fn print_openings() {
    const GOAL_SECONDS: f64 = 3.0;
    const GOAL_MEBIBYTES: f64 = 200.0;
    let scratch = scratch();
    let dir = scratch.path().join("idle");
    make_idle(&dir);
    let openings: Vec<_> = (0..OPENINGS).map(|_| Opening::in_another_process(&dir)).collect();
    let what = format!("open {TOPICS} topics of {PARTITIONS} partitions");
    let seconds = median(openings.iter().map(|opening| opening.time.as_secs_f64()).collect());
    println!("{what}: {seconds:.2} s; {}", verdict("s", seconds, GOAL_SECONDS));
    let grown: Option<Vec<f64>> = openings.iter().map(|opening| opening.grown_mebibytes).collect();
    match grown.map(median) {
        Some(grown) => println!("{what}: {grown:.0} MiB; {}", verdict("MiB", grown, GOAL_MEBIBYTES)),
        None => println!("{what}: its memory is not known here, without /proc"),
    }
}

fn verdict(unit: &str, value: f64, goal: f64) -> String {
    format!("goal: at most {goal} {unit}, {}", if value <= goal { "met" } else { "MISSED" })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Makes the topics in memory, where ten thousand partitions need no disk to wait for, and copies all to the disk.
fn make_idle(dir: &Path) {
    let memory = Arc::new(MemFs::new());
    let broker = Broker::builder().fs(memory.clone()).in_memory().expect("there is memory");
    for topic in 0..TOPICS {
        let config = TopicConfig::new().partitions(PARTITIONS);
        broker.create_topic(&format!("topic-{topic}"), config).expect("there is none yet");
    }
    broker.close().expect("nothing fails in memory");
    copy(memory.as_ref(), Path::new("/"), dir);
}

fn copy(source: &MemFs, from: &Path, to: &Path) {
    let disk = OsFs::new();
    disk.create_dir(to).expect("it is new");
    for entry in source.list(from).expect("it is there") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        match entry.kind {
            EntryKind::Directory => copy(source, &from, &to),
            _ => {
                let file = source.open(&from).expect("it was just listed");
                let len = file.len().expect("nothing fails in memory");
                let bytes = file.read_at(0, len as usize).expect("nothing fails in memory");
                disk.create(&to).and_then(|file| file.write_all_at(0, &bytes)).expect("there is room");
            }
        }
    }
}

/// What it took to open a broker.
struct Opening {
    time: Duration,
    grown_mebibytes: Option<f64>,
}

impl Opening {
    fn of(dir: &Path) -> Self {
        let before = resident_mebibytes();
        let mut broker = None;
        let time = elapsed(|| broker = Some(Broker::open(dir).expect("it was closed in order")));
        let after = resident_mebibytes();
        broker.expect("it was just opened").close().expect("the disk works");
        Self { time, grown_mebibytes: before.zip(after).map(|(before, after)| after - before) }
    }

    fn in_another_process(dir: &Path) -> Self {
        let program = std::env::current_exe().expect("it runs");
        let output = Command::new(program).env(OPEN, dir).output().expect("it runs, so it can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace();
        let nanos = words.next().and_then(|word| word.parse().ok());
        let nanos = nanos.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let grown_mebibytes = words.next().and_then(|word| word.parse().ok());
        Self { time: Duration::from_nanos(nanos), grown_mebibytes }
    }

    /// For the process that waits for it.
    fn print(&self) {
        let grown = self.grown_mebibytes.map_or(String::new(), |grown| grown.to_string());
        println!("{} {grown}", self.time.as_nanos());
    }
}

/// The memory that this process holds now, where the system tells: the second number of `statm`, in pages.
fn resident_mebibytes() -> Option<f64> {
    const PAGE: f64 = 4096.0;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: f64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(resident * PAGE / f64::from(1 << 20))
}
