//! Is this consumer keeping up? One number cannot tell: a lag of a thousand is fine if it was two thousand a moment ago.
//! So the last commits are looked at together, as Burrow does.
//!
//! ```text
//!  A  no commits, or no lag now                                                     Ok
//!  B  the last commit is longer ago than the window's commits are apart             Stopped
//!  C  there was a commit without lag                                                Ok
//!  D  commits go on, and their offsets do not                                       Stalled
//!  E  offsets go on, and the lag never became less                                  Warn
//!  F  otherwise                                                                     Ok
//! ```
//! The first that fits decides. D and E need two commits at least, and B a window that is full.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many commits Burrow looks at.
const WINDOW: usize = 10;

/// One commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagSample {
    /// When it was made.
    pub at: Duration,
    /// The offset that was committed.
    pub committed: u64,
    /// The end of the partition at that moment, or the last stable offset.
    pub end: u64,
}

impl LagSample {
    /// How far behind it was.
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.committed)
    }
}

/// How a consumer is doing with one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LagVerdict {
    /// It keeps up, or catches up.
    Ok,
    /// It works, and falls behind.
    Warn,
    /// It commits the same offset again and again while there is more to read.
    Stalled,
    /// It does not commit any more while there is more to read.
    Stopped,
}

impl fmt::Display for LagVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LagVerdict::Ok => "OK",
            LagVerdict::Warn => "WARN",
            LagVerdict::Stalled => "STALLED",
            LagVerdict::Stopped => "STOPPED",
        })
    }
}

/// How far behind a consumer is, and what to think of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// What it has committed last: none if it never has.
    pub committed: Option<u64>,
    /// How many offsets are between that and the end. Some of them may hold no record.
    pub lag: Option<u64>,
    /// What to think of it.
    pub verdict: LagVerdict,
}

/// The last commits of one group to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagWindow {
    samples: VecDeque<LagSample>,
    size: usize,
}

impl Default for LagWindow {
    /// A window of Burrow's size, ten commits.
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

impl LagWindow {
    /// A window of so many commits; at least two.
    pub fn new(size: usize) -> Self {
        LagWindow { samples: VecDeque::new(), size: size.max(2) }
    }

    /// Takes note of a commit.
    pub fn observe(&mut self, sample: LagSample) {
        if self.samples.len() >= self.size {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// What to think of the consumer now that the partition ends at `end`.
    pub fn judge(&self, end: u64, now: Duration) -> Lag {
        let last = self.samples.back();
        let lag = last.map(|last| LagSample { end, ..*last }.lag());
        Lag { committed: last.map(|last| last.committed), lag, verdict: self.verdict(lag, now) }
    }

    fn verdict(&self, lag: Option<u64>, now: Duration) -> LagVerdict {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return LagVerdict::Ok;
        };
        if lag.is_none_or(|lag| lag == 0) {
            return LagVerdict::Ok;
        }
        let is_full = self.samples.len() >= self.size;
        if is_full && now.saturating_sub(last.at) > last.at.saturating_sub(first.at) {
            return LagVerdict::Stopped;
        }
        if self.samples.len() < 2 || self.samples.iter().any(|sample| sample.lag() == 0) {
            return LagVerdict::Ok;
        }
        if self.pairs().all(|(before, after)| before.committed == after.committed) {
            return LagVerdict::Stalled;
        }
        if self.pairs().all(|(before, after)| after.lag() >= before.lag()) {
            return LagVerdict::Warn;
        }
        LagVerdict::Ok
    }

    fn pairs(&self) -> impl Iterator<Item = (&LagSample, &LagSample)> {
        self.samples.iter().zip(self.samples.iter().skip(1))
    }
}

#[cfg(test)]
mod tests;
