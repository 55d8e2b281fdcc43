//! What compaction may take: a second opinion, from the history of appends.

use crate::ledger::{Broken, Bytes, End, Ledger, Pending, last_offset};
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
    /// Offsets of committed tombstones of each key that nothing but compaction can have taken.
    tombstones: BTreeMap<Key, BTreeSet<u64>>,
    /// By base offset, whether a batch was committed or aborted.
    decided: BTreeMap<u64, bool>,
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

/// By base offset, whether the transaction of a batch was committed; nothing for those that are open. A marker decides
/// only if it has survived: what was decided by one that a crash took may be decided otherwise.
fn decided(batches: &BTreeMap<u64, Bytes>, survives: impl Fn(u64, &Bytes) -> bool) -> BTreeMap<u64, bool> {
    let (mut open, mut decided) = (BTreeMap::<i64, Vec<u64>>::new(), BTreeMap::new());
    for (base, bytes) in batches {
        let batch = Batch::decode(bytes).expect("the ledger holds batches");
        let producer = batch.header().producer_id;
        if batch.header().is_control() && !survives(*base, bytes) {
            continue;
        }
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

/// All that was ever appended as far as the ledger knows, or is about to be.
fn history(ledger: &Ledger) -> BTreeMap<u64, Bytes> {
    let mut history = ledger.batches.clone();
    let base = |bytes: &Bytes| Batch::decode(bytes).expect("the ledger holds batches").header().base_offset;
    history.extend(ledger.cut.iter().map(|bytes| (base(bytes), bytes.clone())));
    for pending in &ledger.pending {
        if let Pending::Append(bytes) = pending {
            history.entry(base(bytes)).or_insert(bytes.clone());
        }
    }
    history
}

impl Compaction {
    pub(crate) fn new(
        ledger: &Ledger,
        found: &BTreeMap<u64, Bytes>,
        truncated_to: Option<u64>,
        end: End,
    ) -> Self {
        let history = history(ledger);
        // A crash takes nothing but the last of the batches; what is missing before was taken by compaction.
        let promised = if end == End::Kill { ledger.shown_end } else { ledger.durable_end };
        let found_end = found.values().next_back().map_or(0, |bytes| last_offset(bytes) + 1);
        let survived_to = found_end.max(promised).max(truncated_to.unwrap_or(0));
        let was_cut =
            |base, bytes: &Bytes| ledger.cut.contains(bytes) || truncated_to.is_some_and(|to| base >= to);
        let survives = |base, bytes: &Bytes| base < survived_to || was_cut(base, bytes);
        let decided = decided(&history, survives);
        let mut superseding = BTreeMap::<Key, BTreeSet<u64>>::new();
        let mut tombstones = superseding.clone();
        for (base, bytes) in history.iter().filter(|(base, _)| decided.get(*base) == Some(&true)) {
            let was_cut = was_cut(*base, bytes);
            let there = found.get(base).map(|bytes| records(bytes)).unwrap_or_default();
            for (offset, record) in records(bytes) {
                // A tombstone may be gone, and still have done its work.
                let is_tombstone = record.value.is_none() && !was_cut && survives(*base, bytes);
                if is_tombstone {
                    tombstones.entry(record.key.clone()).or_default().insert(offset);
                }
                if was_cut || there.contains_key(&offset) || is_tombstone {
                    superseding.entry(record.key).or_default().insert(offset);
                }
            }
        }
        Self { superseding, tombstones, decided }
    }

    /// Whoever reads a key sees its newest record: that is no value which a tombstone has deleted, gone as that may be.
    pub(crate) fn check_deleted(&self, found: &BTreeMap<u64, Bytes>, start: u64) -> Result<(), Broken> {
        let committed = found.iter().filter(|(base, _)| self.decided.get(*base) == Some(&true));
        let mut newest = BTreeMap::<Key, (u64, bool)>::new();
        for (offset, record) in committed.flat_map(|(_, bytes)| records(bytes)) {
            if offset >= start {
                newest.insert(record.key, (offset, record.value.is_some()));
            }
        }
        for (key, (offset, _)) in newest.iter().filter(|(key, (_, is_value))| key.is_some() && *is_value) {
            let later = self.tombstones.get(key).and_then(|all| all.range(offset + 1..).next());
            if let Some(tombstone) = later {
                return Err(format!("the value at {offset} was deleted at {tombstone}, and is back"));
            }
        }
        Ok(())
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
                || self.decided.get(&batch.header().base_offset) == Some(&false)
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
