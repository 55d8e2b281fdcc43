//! The works, one file each. `appending`: what all have in common that write to a log.

mod appending;
mod batches;
pub(crate) mod compression;
pub(crate) mod durable;
pub(crate) mod fan_out;
mod many_producers;
mod one_at_a_time;
mod reading;
pub(crate) mod wakeup;

use crate::contestant::{Contestant, Result};
use crate::rounds::{Effort, Side, take_turns};
use crate::scratch::Scratch;
use crate::table::{Rates, Table};

type Work = fn(&Scratch, Effort, &mut Table<'_>);

/// All works by their names, in the order in which they are done.
pub(crate) const ALL: [(&str, Work); 8] = [
    ("one-at-a-time", one_at_a_time::run),
    ("batches", batches::run),
    ("many-producers", many_producers::run),
    ("reading", reading::run),
    ("compression", compression::run),
    ("durable", durable::run),
    ("wakeup", wakeup::run),
    ("fan-out", fan_out::run),
];

/// The sizes of records, in bytes.
const SIZES: [usize; 2] = [100, 1024];

/// What is written in a round: less of what is larger.
fn records_of(record_bytes: usize, small: usize) -> usize {
    if record_bytes > 500 { small / 5 } else { small }
}

/// The rounds of a work among some contestants, by their rates. `round` is told whether it is the one before the first.
fn compare(
    table: &mut Table<'_>,
    effort: Effort,
    work: &str,
    contestants: &[Contestant],
    round: impl Fn(&Contestant, bool) -> Result<f64>,
) {
    eprintln!("{work} ...");
    let round = &round;
    let contestants: Vec<_> = contestants.iter().filter(|contestant| table.wants(contestant)).collect();
    let sides =
        contestants.iter().map(|contestant| Side::new(move |first| round(contestant, first))).collect();
    let measured = take_turns(effort, sides);
    let everybody = contestants.iter().zip(measured);
    table.add_rates(work, everybody.map(|(contestant, measured)| Rates { contestant, measured }).collect());
}
