//! Two sides of a comparison, measured in turns: a machine that has other things to do slows both, and the ratio stays.
//!
//! A round times one side and then the other, and the next round the other way about; what is printed are medians over
//! the rounds. Rounds are short and many: most of them then lie between two interruptions. Nothing is asserted: a time
//! is not a test.

use brooklet::clock::{Clock, SystemClock};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use brooklet::{Timestamp, TopicPartition};
use criterion::Criterion;
use std::time::Duration;
use tempfile::TempDir;

/// Bytes of a record's value, here and on the other side.
pub(crate) const VALUE_BYTES: usize = 100;
/// The timestamp of the first record.
pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// Fewer are no median, and more change nothing.
const ROUNDS_MIN: usize = 11;
const ROUNDS_MAX: usize = 501;
/// How long a comparison goes on, if it has had its rounds.
const COMPARISON_TIME: Duration = Duration::from_millis(1500);

/// One side: what it is called, and a run of it, which says how long it took and how many units it did.
pub(crate) struct Side<'a> {
    name: &'a str,
    run: Box<dyn FnMut() -> (Duration, u64) + 'a>,
}

impl<'a> Side<'a> {
    pub(crate) fn new(name: &'a str, run: impl FnMut() -> (Duration, u64) + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }

    fn nanos_per_unit(&mut self) -> f64 {
        let (time, units) = (self.run)();
        time.as_secs_f64() * 1e9 / units as f64
    }
}

/// Measures both sides in turns, and prints what they took per unit and the ratio of the first to the second. That is
/// to be at most the goal, where one was set.
pub(crate) fn compare(what: &str, unit: &str, goal: Option<f64>, mut ours: Side<'_>, mut theirs: Side<'_>) {
    if !is_measuring() {
        return;
    }
    // Once for nothing, to warm up.
    ours.nanos_per_unit();
    theirs.nanos_per_unit();
    let clock = SystemClock::new();
    let (mut one, mut other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    while ratios.len() < ROUNDS_MIN || (ratios.len() < ROUNDS_MAX && clock.monotonic() < COMPARISON_TIME) {
        let (mine, yours) = if ratios.len() % 2 == 0 {
            let mine = ours.nanos_per_unit();
            (mine, theirs.nanos_per_unit())
        } else {
            let yours = theirs.nanos_per_unit();
            (ours.nanos_per_unit(), yours)
        };
        one.push(mine);
        other.push(yours);
        ratios.push(mine / yours);
    }
    let ratio = median(&mut ratios);
    let verdict = goal.map_or(String::new(), |limit| {
        format!("; goal: at most {limit:.2}, {}", if ratio <= limit { "met" } else { "MISSED" })
    });
    println!("{what}: {} / {} = {ratio:.2}{verdict}", ours.name, theirs.name);
    println!(
        "    {} / {} per {unit}; {} rounds, the middle half of them from {:.2} to {:.2}",
        readable(median(&mut one)),
        readable(median(&mut other)),
        ratios.len(),
        ratios[ratios.len() / 4],
        ratios[ratios.len() * 3 / 4]
    );
}

/// A time in the unit that suits it.
fn readable(nanos: f64) -> String {
    match nanos {
        ..1e4 => format!("{nanos:.1} ns"),
        ..1e7 => format!("{:.1} us", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

/// Sorts, and takes the one in the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long something takes.
pub(crate) fn elapsed(act: impl FnOnce()) -> Duration {
    let clock = SystemClock::new();
    act();
    clock.monotonic()
}

/// Whether this is a run of `cargo bench`, or only one that looks whether the benches still work.
pub(crate) fn is_measuring() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--bench") && !has("--profile-time")
}

/// Short runs: a bench file takes about a minute. The command line may ask for longer ones.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args()
}

/// A directory on the disk that the build is on, gone when it is dropped. The one for temporary files is often memory.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build has just written beside it")
}

/// The partition that all is written to.
pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("bench", 0).expect("a valid name")
}

/// A hundred bytes that are not all the same.
pub(crate) fn value() -> [u8; VALUE_BYTES] {
    std::array::from_fn(|at| (at * 37 + 11) as u8)
}

/// Fills the builder, emptied before, with records that come ten a millisecond and have no key.
pub(crate) fn fill(builder: &mut BatchBuilder, records: usize, value: &[u8]) {
    builder.clear();
    for index in 0..records {
        let timestamp = Some(Timestamp::from_millis(BEGIN.as_millis() + index as i64 / 10));
        let record = RecordParts { timestamp, value: Some(value), ..RecordParts::default() };
        builder.push(&record).expect("it is a plain record");
    }
}

/// A builder with so many records in it.
pub(crate) fn filled(records: usize) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::None);
    fill(&mut builder, records, &value());
    builder
}
