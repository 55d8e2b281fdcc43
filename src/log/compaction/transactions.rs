//! Which transactions a pass of the cleaner goes through, and whether their markers are still needed. Pure.
//!
//! A marker speaks for the records of its transaction. As long as a pass still meets one of its batches, even an emptied
//! one, the marker stays as it is: without it a reader could not tell to which transaction the batch belonged. An entry of
//! the index of aborted transactions is needed as long as the marker is needed for it.

use crate::record::{BatchHeader, ControlRecord};
use crate::segment::AbortedTransaction;
use std::collections::{BTreeMap, BTreeSet};

/// What a marker means to the cleaner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Nothing that it speaks for was met in this pass.
    pub(crate) speaks_for_nothing: bool,
    /// The entry that the index of the cleaned segment needs.
    pub(crate) aborted: Option<AbortedTransaction>,
}

/// The transactions that a pass is inside of.
#[derive(Debug, Clone, Default)]
pub(crate) struct CleanedTransactions {
    /// Those to come that were aborted, the first one last.
    ahead: Vec<AbortedTransaction>,
    /// By producer: the one that was aborted, and whether a batch of it was met.
    aborted: BTreeMap<i64, (AbortedTransaction, bool)>,
    /// Producers of which a batch was met that was not aborted.
    committed: BTreeSet<i64>,
}

impl CleanedTransactions {
    /// At the beginning of a pass, with all transactions that were aborted in the part that it goes through.
    pub(crate) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|entry| std::cmp::Reverse(entry.first_offset));
        Self { ahead: aborted, ..Self::default() }
    }

    /// Takes note of a batch of records; says whether it was aborted.
    pub(crate) fn meet_records(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, is_met)) => {
                *is_met = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes note of a marker; `None` for one that an earlier pass has emptied.
    pub(crate) fn meet_marker(&mut self, header: &BatchHeader, control: Option<ControlRecord>) -> Marker {
        self.reach(header.last_offset());
        match control {
            None => Marker { speaks_for_nothing: true, aborted: None },
            Some(ControlRecord::Abort { .. }) => {
                let aborted = self.aborted.remove(&header.producer_id);
                let aborted = aborted.filter(|(_, is_met)| *is_met).map(|(entry, _)| entry);
                // A transaction of which only emptied batches are left may have no entry any more.
                let is_met = self.committed.remove(&header.producer_id) || aborted.is_some();
                Marker { speaks_for_nothing: !is_met, aborted }
            }
            Some(ControlRecord::Commit { .. }) => {
                let is_met = self.committed.remove(&header.producer_id);
                Marker { speaks_for_nothing: !is_met, aborted: None }
            }
            Some(ControlRecord::Other(_)) => Marker { speaks_for_nothing: false, aborted: None },
        }
    }

    fn reach(&mut self, offset: u64) {
        while let Some(begun) = self.ahead.pop_if(|next| next.first_offset <= offset) {
            self.aborted.entry(begun.producer_id).or_insert((begun, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Batch, BatchBuilder, Compression, RecordParts};
    use crate::types::Timestamp;

    fn records(producer_id: i64, offset: u64) -> BatchHeader {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.producer(producer_id, 0, 0).transactional(true);
        builder.push(&RecordParts::default()).unwrap();
        BatchHeader { base_offset: offset, ..*builder.build().unwrap().header() }
    }

    fn marker(producer_id: i64, offset: u64) -> BatchHeader {
        let bytes = ControlRecord::Commit { coordinator_epoch: 0 };
        let bytes = bytes.encode(producer_id, 0, Timestamp::default()).unwrap();
        BatchHeader { base_offset: offset, ..*Batch::decode(&bytes).unwrap().header() }
    }

    fn aborted(producer_id: i64, first_offset: u64, last_offset: u64) -> AbortedTransaction {
        AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset: last_offset + 1 }
    }

    const ABORT: Option<ControlRecord> = Some(ControlRecord::Abort { coordinator_epoch: 0 });
    const COMMIT: Option<ControlRecord> = Some(ControlRecord::Commit { coordinator_epoch: 0 });

    #[test]
    fn records_are_aborted_between_the_first_offset_and_the_marker() {
        let entry = aborted(1, 10, 20);
        let mut transactions = CleanedTransactions::new(vec![aborted(2, 15, 30), entry]);
        assert!(!transactions.meet_records(&records(1, 9)) && transactions.meet_records(&records(1, 10)));
        assert!(!transactions.meet_records(&records(2, 14)), "it belongs to an earlier transaction");
        assert!(transactions.meet_records(&records(2, 16)));
        let told = transactions.meet_marker(&marker(1, 20), ABORT);
        assert_eq!(told, Marker { speaks_for_nothing: false, aborted: Some(entry) });
        assert!(!transactions.meet_records(&records(1, 21)) && transactions.meet_records(&records(2, 22)));
    }

    #[test]
    fn one_producer_may_abort_again_and_again() {
        let entries = vec![aborted(1, 10, 12), aborted(1, 13, 15)];
        let mut transactions = CleanedTransactions::new(entries.clone());
        for entry in entries {
            assert!(transactions.meet_records(&records(1, entry.first_offset)));
            assert_eq!(transactions.meet_marker(&marker(1, entry.last_offset), ABORT).aborted, Some(entry));
        }
        assert!(!transactions.meet_records(&records(1, 16)));
    }

    #[test]
    fn a_marker_whose_batches_are_all_gone_speaks_for_nothing() {
        let mut transactions = CleanedTransactions::new(vec![aborted(1, 10, 12)]);
        let nothing = Marker { speaks_for_nothing: true, aborted: None };
        assert_eq!(transactions.meet_marker(&marker(1, 12), ABORT), nothing);
        assert_eq!(transactions.meet_marker(&marker(2, 13), COMMIT), nothing);
        assert_eq!(transactions.meet_marker(&marker(2, 14), None), nothing);
        transactions.meet_records(&records(2, 15));
        assert!(!transactions.meet_marker(&marker(2, 16), COMMIT).speaks_for_nothing);
        assert!(transactions.meet_marker(&marker(2, 17), COMMIT).speaks_for_nothing);
        transactions.meet_records(&records(3, 18));
        let unknown = transactions.meet_marker(&marker(3, 19), ABORT);
        assert_eq!(unknown, Marker { speaks_for_nothing: false, aborted: None }, "its entry is lost");
        let other = transactions.meet_marker(&marker(2, 20), Some(ControlRecord::Other(2)));
        assert!(!other.speaks_for_nothing, "what is not known is kept");
    }
}
