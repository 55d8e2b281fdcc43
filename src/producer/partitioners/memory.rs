//! What one producer remembers of one topic for its partitioner: a counter, random numbers, the sticky partition.
//!
//! It lies here and not in the partitioner, which serves many topics and would have to look each up in a map. Nothing in
//! it is ever published by one thread for another: every word stands for itself, and so `Relaxed` is enough.

use super::sticky::StickyPartition;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Splitmix64 goes through its states in steps of this, the golden ratio's part of 2^64: odd, and so it meets them all.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is kept of a topic from one record to the next. A producer has one for each topic; a test makes its own.
///
/// Any number of threads may use it at once, and it holds no lock.
#[derive(Debug)]
pub struct TopicMemory {
    seed: u64,
    counts: AtomicU64,
    draws: AtomicU64,
    pub(super) sticky: StickyPartition,
}

impl TopicMemory {
    /// Nothing remembered yet. Two with the same seed draw the same random numbers.
    pub fn new(seed: u64) -> Self {
        Self { seed, counts: AtomicU64::new(0), draws: AtomicU64::new(0), sticky: StickyPartition::new() }
    }

    /// 0, 1, 2, and so on.
    pub(super) fn next_count(&self) -> u64 {
        self.counts.fetch_add(1, Relaxed)
    }

    /// The next random number, all 64 bits of it.
    pub(super) fn random(&self) -> u64 {
        let draw = self.draws.fetch_add(1, Relaxed).wrapping_add(1);
        mix(self.seed.wrapping_add(draw.wrapping_mul(GOLDEN)))
    }

    /// A random number below `end`; 0 if that is 0. The upper half of a product does it, with neither a division nor
    /// the lean towards small numbers that anybody could measure.
    pub(super) fn random_below(&self, end: u64) -> u64 {
        ((u128::from(self.random()) * u128::from(end)) >> 64) as u64
    }
}

/// Splitmix64's way from a state to a number.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_numbers_are_splitmix64s() {
        let memory = TopicMemory::new(1_234_567);
        let drawn: [u64; 3] = std::array::from_fn(|_| memory.random());
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn what_is_drawn_stays_below_its_end() {
        let memory = TopicMemory::new(3);
        for end in [1, 2, 3, 1 << 40, u64::MAX] {
            assert!((0..1000).all(|_| memory.random_below(end) < end), "{end}");
        }
        assert_eq!(memory.random_below(0), 0);
    }

    #[test]
    fn counting_and_drawing_do_not_disturb_each_other() {
        let (counted, quiet) = (TopicMemory::new(9), TopicMemory::new(9));
        (0..5).for_each(|count| assert_eq!(counted.next_count(), count));
        assert_eq!(counted.random(), quiet.random());
        assert_eq!(counted.next_count(), 5);
    }
}
