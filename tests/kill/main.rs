//! Kill -9: a process that writes is killed at some moment, and what it had acknowledged is looked for from outside.
//!
//! The simulation in `tests/sim` knows where every byte is, but its processes only pretend to die. Here a real one dies, by
//! SIGKILL, with threads in the middle of copies and system calls, on a real directory. What a kill may cost is nothing
//! that was acknowledged at any level: all that was written is in the page cache, which outlives the process.
//!
//! - `life`: one process from its start to its death, as a line of text. `child`, `writers`: what it does.
//! - `mortal`: how it dies in the middle of a call to the disk. `parent`: starts it, listens, kills it.
//! - `payload`: records of which each says what it is. `ledger`: what was promised, held against what is there.
//!
//! Some dozens of lives by default; `BROOKLET_KILLS=300` for so many in each test.

#![cfg(target_os = "linux")]

mod child;
mod ledger;
mod life;
mod mortal;
mod parent;
#[path = "../common/passing.rs"]
mod passing;
mod payload;
mod writers;

use ledger::Ledger;
use life::{Death, Life, Work};
use payload::scramble;

/// Lives in one directory; then comes a new one, or reading it again and again would take all the time.
const IN_A_ROW: u64 = 8;
/// The most acknowledgements that are waited for before a kill.
const ACKS_MAX: u64 = 1500;
/// The most calls to the disk that a writing process makes before it kills itself.
const CALLS_MAX: u64 = 1500;

/// So many lives, or as many as were asked for.
fn lives(usual: u64) -> u64 {
    let asked = std::env::var("BROOKLET_KILLS").ok();
    asked.map_or(usual, |text| text.parse().expect("BROOKLET_KILLS is a number"))
}

/// From nothing up to `most`, and smaller ones as often as larger ones: much of what can go wrong is at the beginning.
fn some(luck: u64, most: u64) -> u64 {
    let bits = 64 - most.leading_zeros();
    scramble(luck) % (most >> (scramble(luck + 1) % u64::from(bits))).max(1)
}

/// Life after life in the same directories, each killed while it writes; `between` may do more to what is left.
fn run(test: &str, seed: u64, lives: u64, maps: bool, between: impl Fn(&Life, u64)) {
    for first in (0..lives).step_by(IN_A_ROW as usize) {
        let dir = tempfile::tempdir().expect("room for a directory");
        let mut ledger = Ledger::default();
        for number in first..lives.min(first + IN_A_ROW) {
            let luck = scramble(seed ^ number << 8);
            let death = match luck % 4 {
                0 => Death::AtCall(1 + some(luck, CALLS_MAX)),
                _ => Death::AfterAcks(some(luck, ACKS_MAX)),
            };
            let life = Life { dir: dir.path().to_owned(), number, maps, work: Work::Writing, death };
            let acks = parent::live(test, &life);
            between(&life, luck);
            // Whoever looks has no reason to have opened the files in the same way.
            let verdict = ledger.look(dir.path(), number, &acks, maps == luck.is_multiple_of(3));
            verdict.unwrap_or_else(|broken| panic!("{life:?} in {test}: {broken}"));
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_a_process_that_writes_through_memory() {
    const NAME: &str = "what_was_acknowledged_outlives_a_process_that_writes_through_memory";
    child::run_if_told();
    run(NAME, 1, lives(16), true, |_, _| {});
}

#[test]
fn what_was_acknowledged_outlives_a_process_that_writes_with_calls() {
    const NAME: &str = "what_was_acknowledged_outlives_a_process_that_writes_with_calls";
    child::run_if_told();
    run(NAME, 2, lives(8), false, |_, _| {});
}

/// What is left of a life is opened by processes that are killed while they open it, each a few calls later than the
/// one before, until one gets through.
#[test]
fn an_opening_that_is_killed_loses_nothing() {
    const NAME: &str = "an_opening_that_is_killed_loses_nothing";
    child::run_if_told();
    run(NAME, 3, lives(6), true, |life, luck| {
        let step = 1 + scramble(luck) % 24;
        let call = |nth: u64| Death::AtCall(1 + luck % step + nth * step);
        let mut openings = (0..).map(|nth| Life { work: Work::Opening, death: call(nth), ..life.clone() });
        let done = openings.position(|opening| parent::opens(NAME, &opening));
        assert!(done.is_some_and(|nth| nth > 0), "none of them was killed");
    });
}
