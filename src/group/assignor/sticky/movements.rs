//! Which partitions have moved from whom to whom, so that one which moved the other way can move back instead.
//!
//! Moving one partition of a topic from A to B and another one from B to A is two moves for nothing.

use std::collections::{BTreeMap, BTreeSet};

/// The moves so far: for each partition from its first owner to its present one.
#[derive(Default)]
pub(super) struct Movements {
    pairs: BTreeMap<usize, (u32, u32)>,
    /// Topic, from, to.
    partitions: BTreeMap<(u32, u32, u32), BTreeSet<usize>>,
}

impl Movements {
    /// A partition of the same topic that came the other way and can now go back.
    pub(super) fn instead_of(&self, topic: u32, partition: usize, from: u32, to: u32) -> Option<usize> {
        let first_owner = self.pairs.get(&partition).map_or(from, |(first, _)| *first);
        self.partitions.get(&(topic, to, first_owner))?.first().copied()
    }

    /// Takes note of a move. One that ends where it began is no move.
    pub(super) fn moved(&mut self, topic: u32, partition: usize, from: u32, to: u32) {
        let first_owner = match self.pairs.remove(&partition) {
            Some((first, last)) => {
                if let Some(partitions) = self.partitions.get_mut(&(topic, first, last)) {
                    partitions.remove(&partition);
                }
                first
            }
            None => from,
        };
        if first_owner != to {
            self.pairs.insert(partition, (first_owner, to));
            self.partitions.entry((topic, first_owner, to)).or_default().insert(partition);
        }
    }
}
