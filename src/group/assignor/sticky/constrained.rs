//! Equal subscriptions: everybody gets the quota, and so many get one more as it takes.
//!
//! ```text
//! min = P / M    max = min + 1, or min if it divides evenly    one_more = P mod M members may have max
//!
//! owned <  min                                        keeps all, and is under the quota
//! owned >= max, and fewer than one_more have max      keeps max
//! otherwise                                           keeps min, and may get one more
//! ```
//! What is left goes in turn to those under the quota, then to those who may get one more.

use super::super::layout::Layout;
use super::claims::Claims;
use std::collections::VecDeque;

/// The owner of each partition.
pub(super) fn assign(layout: &Layout<'_>, claims: &Claims) -> Vec<Option<u32>> {
    let mut quotas = Quotas::new(layout);
    let mut owners = vec![None; layout.partitions_len()];
    for (member, owned) in owned_by_member(layout, claims).into_iter().enumerate() {
        let keeps = quotas.keep(member as u32, owned.len());
        owned[..keeps].iter().for_each(|partition| owners[*partition] = Some(member as u32));
    }
    for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
        *owner = quotas.next();
    }
    owners
}

/// Each member's partitions in the order in which they are kept: by number, then by topic, so that those which go are
/// not all of one topic.
fn owned_by_member(layout: &Layout<'_>, claims: &Claims) -> Vec<Vec<usize>> {
    let mut owned = vec![Vec::new(); layout.members().len()];
    for topic in 0..layout.topics_len() {
        for (number, partition) in layout.partitions_of(topic).enumerate() {
            if let Some(member) = claims.owners[partition] {
                owned[member as usize].push((number, partition));
            }
        }
    }
    let in_order = |mut owned: Vec<(usize, usize)>| {
        owned.sort_unstable();
        owned.into_iter().map(|(_, partition)| partition).collect()
    };
    owned.into_iter().map(in_order).collect()
}

/// Who may have how many.
struct Quotas {
    min: usize,
    max: usize,
    /// How many more members may have max.
    one_more: usize,
    counts: Vec<usize>,
    /// In turn: whoever gets one goes to the end, until it has min.
    under_min: VecDeque<u32>,
    exactly_min: VecDeque<u32>,
}

impl Quotas {
    fn new(layout: &Layout<'_>) -> Self {
        let (partitions, members) = (layout.partitions_len(), layout.members().len());
        Quotas {
            min: partitions / members,
            max: partitions.div_ceil(members),
            one_more: partitions % members,
            counts: vec![0; members],
            under_min: VecDeque::new(),
            exactly_min: VecDeque::new(),
        }
    }

    /// How many of the partitions that it owns this member keeps.
    fn keep(&mut self, member: u32, owned: usize) -> usize {
        let keeps = if owned < self.min {
            self.under_min.push_back(member);
            owned
        } else if owned >= self.max && self.one_more > 0 {
            self.one_more -= 1;
            self.max
        } else {
            self.exactly_min.push_back(member);
            self.min
        };
        self.counts[member as usize] = keeps;
        keeps
    }

    /// Who gets the next partition.
    fn next(&mut self) -> Option<u32> {
        let Some(member) = self.under_min.pop_front() else { return self.exactly_min.pop_front() };
        let count = &mut self.counts[member as usize];
        *count += 1;
        let line = if *count == self.min { &mut self.exactly_min } else { &mut self.under_min };
        line.push_back(member);
        Some(member)
    }
}
