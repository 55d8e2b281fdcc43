//! Turns: in each round everybody works once, and each round in another order. So nobody always comes behind the same one,
//! whose pages the system is still clearing away.
//!
//! A machine that has other things to do slows all of them, and the ratios stay. Before the rounds everybody works once
//! for nothing: that warms up, and it is then that what was written is read back and compared.

use crate::contestant::Result;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    /// Of how many records written so many are.
    share: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 7, share: 1 };
    /// Enough to see that it works, and roughly where everybody stands.
    pub(crate) const QUICK: Self = Self { rounds: 5, share: 8 };

    /// How many of so many records are written. A multiple of a batch.
    pub(crate) fn of(self, records: usize) -> usize {
        let batch = crate::source::BATCH;
        (records / self.share).next_multiple_of(batch)
    }
}

/// One who takes turns: what it is called and how it does; and a round of it, which says what was measured. The first
/// round counts for nothing.
pub(crate) struct Side<'a, T> {
    round: Box<dyn FnMut(bool) -> Result<T> + 'a>,
    measured: Result<Vec<T>>,
}

impl<'a, T> Side<'a, T> {
    /// `round` is told whether it is the one before the first.
    pub(crate) fn new(round: impl FnMut(bool) -> Result<T> + 'a) -> Self {
        Self { round: Box::new(round), measured: Ok(Vec::new()) }
    }

    fn turn(&mut self, is_first: bool) {
        let Ok(measured) = &mut self.measured else { return };
        match (self.round)(is_first) {
            Ok(value) if !is_first => measured.push(value),
            Ok(_) => {}
            Err(error) => self.measured = Err(error),
        }
    }
}

/// All rounds. What each side measured, in the order of the sides; who failed once is out.
pub(crate) fn take_turns<T>(effort: Effort, mut sides: Vec<Side<'_, T>>) -> Vec<Result<Vec<T>>> {
    sides.iter_mut().for_each(|side| side.turn(true));
    for round in 0..effort.rounds {
        order(round, sides.len()).for_each(|side| sides[side].turn(false));
    }
    sides.into_iter().map(|side| side.measured).collect()
}

/// Who comes when in a round: each round begins with another one, and goes round in steps of another length.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    let reaches_all = |stride: &usize| gcd(*stride, count) == 1;
    let strides: Vec<usize> = (1..=count.max(1)).filter(reaches_all).collect();
    let stride = strides[round % strides.len()];
    (0..count).map(move |step| (round + step * stride) % count)
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// Sorts, and takes the one in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value that so large a share of the sorted ones lies below.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)]
}
