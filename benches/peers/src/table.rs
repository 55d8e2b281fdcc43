//! What is printed: a Markdown table for each work, one line for each contestant, ours first.

use crate::contestant::{Contestant, Result};
use crate::figures::{Figures, Percentiles};
use crate::rounds::{median, percentile};
use std::fmt::Write;

/// The lines of one work, and the figures of all.
pub(crate) struct Table<'f> {
    /// Only those are measured in whose names this is.
    who: String,
    text: String,
    failed: bool,
    figures: &'f mut Figures,
}

/// Rates, in records a second, of somebody; in each round one.
pub(crate) struct Rates<'a> {
    pub(crate) contestant: &'a Contestant,
    pub(crate) measured: Result<Vec<f64>>,
}

/// Times in microseconds of somebody, those of each round.
pub(crate) struct Times {
    pub(crate) name: &'static str,
    pub(crate) note: &'static str,
    pub(crate) measured: Result<Vec<Vec<f64>>>,
}

impl<'f> Table<'f> {
    pub(crate) fn new(who: &str, figures: &'f mut Figures) -> Self {
        Self { who: who.to_owned(), text: String::new(), failed: false, figures }
    }

    pub(crate) fn wants(&self, contestant: &Contestant) -> bool {
        contestant.name.contains(&self.who)
    }

    /// Rates of everybody at one work. The first is ours, and the others are related to it.
    pub(crate) fn add_rates(&mut self, work: &str, everybody: Vec<Rates<'_>>) {
        if self.text.is_empty() {
            self.line("| work | contestant | records/s, median (slowest to fastest round) | ratio to ours | checksum | acked means |");
            self.line("|---|---|---|---|---|---|");
        }
        let mut ours = None;
        for Rates { contestant, measured } in everybody {
            let Contestant { name, acked, checksum, .. } = contestant;
            let (figures, ratio) = match measured {
                Ok(mut rates) => {
                    let middle = median(&mut rates);
                    self.figures.add_rate(work, name, middle);
                    let (slowest, fastest) = (rates[0], rates[rates.len() - 1]);
                    let ratio = middle / *ours.get_or_insert(middle);
                    let spread = format!("{} ({} to {})", rate(middle), rate(slowest), rate(fastest));
                    (spread, format!("{ratio:.2}"))
                }
                Err(error) => self.failure(&error.to_string()),
            };
            self.line(&format!("| {work} | {name} | {figures} | {ratio} | {checksum} | {acked} |"));
        }
    }

    /// The same for times, where less is better. Those of all rounds are taken together.
    pub(crate) fn add_times(&mut self, work: &str, everybody: Vec<Times>) {
        if self.text.is_empty() {
            self.line("| work | contestant | p50 | p99 | p99.9 | p50, ratio to ours | acked means |");
            self.line("|---|---|---|---|---|---|---|");
        }
        let mut ours = None;
        for Times { name, note, measured } in everybody {
            let (figures, ratio) = match measured {
                Ok(rounds) => {
                    let Percentiles { p50, p99, p999 } = self.percentiles(work, name, rounds);
                    let figures = format!("{p50:.2} us | {p99:.1} us | {p999:.1} us");
                    (figures, format!("{:.2}", p50 / *ours.get_or_insert(p50)))
                }
                Err(error) => self.failure(&format!("{error} | |")),
            };
            self.line(&format!("| {work} | {name} | {figures} | {ratio} | {note} |"));
        }
    }

    fn percentiles(&mut self, work: &str, name: &'static str, rounds: Vec<Vec<f64>>) -> Percentiles {
        let mut times = rounds.concat();
        times.sort_unstable_by(f64::total_cmp);
        let at = |share| percentile(&times, share);
        let percentiles = Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
        self.figures.add_times(work, name, percentiles);
        percentiles
    }

    /// Whoever loses records, or fails otherwise, has no figure, and this program no success.
    fn failure(&mut self, error: &str) -> (String, String) {
        self.failed = true;
        (format!("FAILED: {error}"), String::from("-"))
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("a string takes everything");
    }

    pub(crate) fn print(&self) {
        println!("{}", self.text);
    }

    pub(crate) fn is_well(&self) -> bool {
        !self.failed
    }
}

/// Three digits, and a unit.
fn rate(per_second: f64) -> String {
    match per_second {
        1e8.. => format!("{:.0} M", per_second / 1e6),
        1e7.. => format!("{:.1} M", per_second / 1e6),
        1e6.. => format!("{:.2} M", per_second / 1e6),
        1e5.. => format!("{:.0} k", per_second / 1e3),
        1e4.. => format!("{:.1} k", per_second / 1e3),
        1e3.. => format!("{:.2} k", per_second / 1e3),
        _ => format!("{per_second:.0}"),
    }
}
