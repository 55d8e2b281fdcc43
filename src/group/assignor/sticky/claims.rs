//! Who had each partition. Members say it themselves, and not all that they say is true.
//!
//! The highest generation wins. Two claims of the same generation cannot both be true, and nobody knows which one is:
//! neither counts. Claims to partitions that do not exist never count.

use super::super::layout::Layout;

/// The owner that each partition had, and the one before it.
pub(super) struct Claims {
    /// Whose claim holds.
    pub(super) owners: Vec<Option<u32>>,
    /// Whose claim was the next best: that one may still have something of it in memory.
    pub(super) previous: Vec<Option<u32>>,
    /// Whether anybody claimed it at all.
    pub(super) claimed: Vec<bool>,
}

impl Claims {
    pub(super) fn new(layout: &Layout<'_>) -> Self {
        let mut claims: Vec<(usize, Option<u32>, u32)> = Vec::new();
        for (number, member) in layout.members().iter().enumerate() {
            let owned = member.owned.iter().filter_map(|partition| layout.partition(partition));
            claims.extend(owned.map(|partition| (partition, member.generation, number as u32)));
        }
        // By partition; the highest generation first, then the smallest id.
        claims.sort_by_key(|(partition, generation, member)| {
            (*partition, std::cmp::Reverse(*generation), *member)
        });
        let none = vec![None; layout.partitions_len()];
        let mut all = Claims { owners: none.clone(), claimed: vec![false; none.len()], previous: none };
        for same in claims.chunk_by(|a, b| a.0 == b.0) {
            let (partition, highest, member) = same[0];
            let second = same.get(1);
            all.claimed[partition] = true;
            if second.is_none_or(|(_, generation, _)| *generation != highest) {
                all.owners[partition] = Some(member);
                all.previous[partition] = second.map(|(_, _, member)| *member);
            }
        }
        all
    }
}
