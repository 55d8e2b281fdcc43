//! What compaction may take: a second opinion, from the history of appends.

use crate::ledger::{Bytes, Ledger, Pending};
use brooklet::record::{Batch, ControlRecord};
use std::collections::{BTreeMap, BTreeSet};

type Key = Option<Vec<u8>>;

/// A record, as far as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    key: Key,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What is known of the history, and of what was found.
pub(crate) struct Compaction {
    /// Offsets of committed records of each key that supersede those before them, as far as they are still there or went
    /// in another way than by a crash.
    superseding: BTreeMap<Key, BTreeSet<u64>>,
    /// Base offsets of batches that were aborted.
    aborted: BTreeSet<u64>,
}

fn records(bytes: &[u8]) -> BTreeMap<u64, Record> {
    let batch = Batch::decode(bytes).expect("the ledger holds batches");
    let records = batch.records().expect("it was built");
    let all = records.iter().map(|record| {
        let record = record.expect("it was built");
        let owned = Record {
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: record.timestamp().map(|at| at.as_millis()),
            headers: record.headers().map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect(),
        };
        (record.offset(), owned)
    });
    all.collect()
}

/// By base offset, whether the transaction of a batch was committed; nothing for those that are open.
fn decided(batches: &BTreeMap<u64, Bytes>) -> BTreeMap<u64, bool> {
    let (mut open, mut decided) = (BTreeMap::<i64, Vec<u64>>::new(), BTreeMap::new());
    for (base, bytes) in batches {
        let batch = Batch::decode(bytes).expect("the ledger holds batches");
        let producer = batch.header().producer_id;
        let committed = match batch.control().expect("a good marker") {
            Some(ControlRecord::Commit { .. }) => true,
            Some(_) => false,
            None if batch.header().is_control() => continue,
            None if batch.header().is_transactional() => {
                open.entry(producer).or_default().push(*base);
                continue;
            }
            None => {
                decided.insert(*base, true);
                continue;
            }
        };
        let ended = open.remove(&producer).unwrap_or_default();
        decided.extend(ended.into_iter().map(|base| (base, committed)));
    }
    decided
}

impl Compaction {
    pub(crate) fn new(ledger: &Ledger, found: &BTreeMap<u64, Bytes>, truncated_to: Option<u64>) -> Self {
        let mut history = ledger.batches.clone();
        for bytes in &ledger.cut {
            let base = Batch::decode(bytes).expect("the ledger holds batches").header().base_offset;
            history.insert(base, bytes.clone());
        }
        for pending in &ledger.pending {
            if let Pending::Append(bytes) = pending {
                let base = Batch::decode(bytes).expect("the ledger holds batches").header().base_offset;
                history.entry(base).or_insert(bytes.clone());
            }
        }
        let decided = decided(&history);
        let aborted = decided.iter().filter(|(_, committed)| !**committed).map(|(base, _)| *base).collect();
        let mut superseding = BTreeMap::<Key, BTreeSet<u64>>::new();
        for (base, bytes) in &history {
            let was_cut = ledger.cut.contains(bytes) || truncated_to.is_some_and(|to| *base >= to);
            let there = found.get(base).map(|bytes| records(bytes)).unwrap_or_default();
            if decided.get(base) != Some(&true) {
                continue;
            }
            for (offset, record) in records(bytes) {
                // A tombstone may be gone, and still have done its work.
                if was_cut || there.contains_key(&offset) || record.value.is_none() {
                    superseding.entry(record.key).or_default().insert(offset);
                }
            }
        }
        Self { superseding, aborted }
    }

    /// Whether this batch may have become what is there: every record that is left is as it was, and every other one was
    /// aborted, or has no key, or is a tombstone, or is superseded by one that is there.
    pub(crate) fn explains(&self, before: &Bytes, after: Option<&Bytes>) -> bool {
        let batch = Batch::decode(before).expect("the ledger holds batches");
        let left = after.map(|bytes| records(bytes)).unwrap_or_default();
        let is_kept = |header: &brooklet::record::BatchHeader| {
            let before = batch.header();
            (header.last_offset(), header.producer_id, header.last_sequence(), header.leader_epoch)
                == (before.last_offset(), before.producer_id, before.last_sequence(), before.leader_epoch)
        };
        let keeps_place =
            after.is_none_or(|bytes| is_kept(Batch::decode(bytes).expect("it was read").header()));
        let all = records(before);
        let may_go = |offset: u64, record: &Record| {
            batch.header().is_control()
                || self.aborted.contains(&batch.header().base_offset)
                || record.key.is_none()
                || record.value.is_none()
                || self
                    .superseding
                    .get(&record.key)
                    .is_some_and(|newer| newer.range(offset + 1..).next().is_some())
        };
        keeps_place
            && left.iter().all(|(offset, record)| all.get(offset) == Some(record))
            && all.iter().all(|(offset, record)| left.contains_key(offset) || may_go(*offset, record))
    }
}
