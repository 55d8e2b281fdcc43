//! What a reader of committed records leaves out. Pure.
//!
//! Kafka's consumer gets the producer and first offset of each aborted transaction with what it fetches, and has to look
//! for the abort marker itself. Here the index is at hand, which knows the offset of the marker: so no marker is read,
//! and it makes no difference whether there is one in the chunk.

use crate::record::BatchHeader;
use crate::segment::AbortedTransaction;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The aborted transactions among which a reader stands, and those ahead of it.
#[derive(Debug, Default)]
pub(super) struct AbortedTransactions {
    /// Those that begin further on, the next one last.
    ahead: Vec<AbortedTransaction>,
    /// The offset of the abort marker, by producer.
    begun: BTreeMap<i64, u64>,
}

impl AbortedTransactions {
    /// What [`crate::log::Log::aborted_transactions`] found, in any order.
    pub(super) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_unstable_by_key(|aborted| Reverse(aborted.first_offset));
        Self { ahead: aborted, begun: BTreeMap::new() }
    }

    /// Whether the next batch belongs to one of them. Batches are asked about in their order.
    pub(super) fn contain(&mut self, header: &BatchHeader) -> bool {
        // A producer has one transaction at a time, so a later one takes the place of one that has ended.
        while let Some(begun) = self.ahead.pop_if(|next| next.first_offset <= header.last_offset()) {
            self.begun.insert(begun.producer_id, begun.last_offset);
        }
        let marker = self.begun.get(&header.producer_id);
        header.is_transactional() && marker.is_some_and(|marker| header.base_offset < *marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Compression, RecordParts};

    fn aborted(producer_id: i64, first_offset: u64, last_offset: u64) -> AbortedTransaction {
        AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    fn batch(producer_id: i64, base_offset: u64, is_transactional: bool) -> BatchHeader {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.producer(producer_id, 0, 0).transactional(is_transactional);
        builder.push(&RecordParts::default()).unwrap();
        BatchHeader { base_offset, ..*builder.build().unwrap().header() }
    }

    /// The offsets of those batches of one record, each `(producer, offset)`, that are left.
    fn left(aborted: Vec<AbortedTransaction>, batches: &[(i64, u64)]) -> Vec<u64> {
        let mut filter = AbortedTransactions::new(aborted);
        let mut left = batches.to_vec();
        left.retain(|&(producer, offset)| !filter.contain(&batch(producer, offset, true)));
        left.into_iter().map(|(_, offset)| offset).collect()
    }

    #[test]
    fn an_aborted_transaction_reaches_from_its_first_record_to_its_marker() {
        let batches = [(7, 0), (7, 3), (7, 4), (7, 5), (7, 7), (7, 8)];
        assert_eq!(left(vec![aborted(7, 3, 6)], &batches), [0, 7, 8]);
    }

    #[test]
    fn only_the_producer_that_aborted_is_left_out() {
        let batches = [(1, 0), (2, 1), (3, 2), (1, 3), (2, 4), (3, 5)];
        assert_eq!(left(vec![aborted(2, 1, 6), aborted(1, 0, 7)], &batches), [2, 5]);
    }

    #[test]
    fn one_producer_aborts_commits_and_aborts_again() {
        let batches = [(1, 0), (1, 2), (1, 4), (1, 5), (1, 7)];
        assert_eq!(left(vec![aborted(1, 0, 1), aborted(1, 4, 6)], &batches), [2, 7]);
    }

    #[test]
    fn markers_come_in_another_order_than_first_records() {
        // As the index has them: by marker. The first to begin is the last to end.
        let aborted = vec![aborted(2, 4, 5), aborted(3, 2, 6), aborted(1, 0, 9)];
        let batches = [(1, 0), (4, 1), (3, 2), (1, 3), (2, 4), (2, 7), (1, 8), (3, 10)];
        assert_eq!(left(aborted, &batches), [1, 7, 10]);
    }

    #[test]
    fn a_reader_that_begins_behind_transactions_is_not_held_up_by_them() {
        let aborted = vec![aborted(1, 0, 5), aborted(1, 10, 15)];
        assert_eq!(left(aborted, &[(1, 12), (1, 16)]), [16]);
    }

    #[test]
    fn what_is_in_no_transaction_stays_in_the_middle_of_one() {
        let mut filter = AbortedTransactions::new(vec![aborted(7, 0, 9)]);
        assert!(filter.contain(&batch(7, 0, true)));
        assert!(!filter.contain(&batch(7, 1, false)));
        assert!(filter.contain(&batch(7, 2, true)));
    }
}
