//! What a log must answer, computed the slow way from all of its batches.

use crate::ledger::{Broken, Bytes};
use brooklet::Timestamp;
use brooklet::log::{Cursor, Log, ReadLimit};
use brooklet::record::{Batch, ControlRecord};
use brooklet::segment::{AbortedTransaction, OpenTransactions};
use std::collections::BTreeMap;

/// Holds every kind of lookup against a full scan. Where not all is there of what ever was, the index of aborted
/// transactions may say more than a scan can tell.
pub(crate) fn check(log: &Log, batches: &BTreeMap<u64, Bytes>, exactly: bool) -> Result<(), Broken> {
    let marks = log.watermarks();
    // A transaction that began in a segment that is gone is known as far as there are records of it. Several segments
    // before the start are on their way out, and a power cut may have taken any of them.
    let bases = log.segment_base_offsets();
    let first_base = bases.first().copied().unwrap_or(0);
    let on_their_way = bases.get(1).is_some_and(|second| *second <= marks.start);
    let left = from(batches, first_base);
    let (aborted, open_first) = transactions(&left);
    let mut may_be_stable = vec![open_first];
    if on_their_way {
        may_be_stable.push(transactions(&from(batches, marks.start)).1);
    }
    let may_be_stable: Vec<u64> =
        may_be_stable.into_iter().map(|first| first.unwrap_or(marks.end).max(marks.start)).collect();
    if !may_be_stable.contains(&marks.last_stable) {
        return Err(format!("the last stable offset is {} instead of {may_be_stable:?}", marks.last_stable));
    }
    let told =
        log.aborted_transactions(0, marks.end).map_err(|error| format!("aborted transactions: {error}"))?;
    let whole = exactly && left.len() == batches.len() && !on_their_way;
    if whole && told != aborted {
        return Err(format!("aborted transactions are {told:?} instead of {aborted:?}"));
    }
    // What became of what lies before the start nobody can read.
    check_aborted(&told, &aborted, left.range(marks.start..))?;
    check_times(log, batches, marks.start)?;
    check_offsets(log, batches, marks.start)
}

fn from(batches: &BTreeMap<u64, Bytes>, base: u64) -> BTreeMap<u64, Bytes> {
    batches.range(base..).map(|(base, bytes)| (*base, bytes.clone())).collect()
}

/// Of every batch of a transaction, whether it was aborted: the entries may name more than is there to be passed over.
fn check_aborted<'a>(
    told: &[AbortedTransaction],
    expected: &[AbortedTransaction],
    batches: impl Iterator<Item = (&'a u64, &'a Bytes)>,
) -> Result<(), Broken> {
    for (base, bytes) in batches {
        let header = *Batch::decode(bytes).expect("the ledger holds batches").header();
        if !header.is_transactional() || header.is_control() || header.records_count == 0 {
            continue;
        }
        let covers = |entry: &AbortedTransaction| {
            entry.producer_id == header.producer_id && (entry.first_offset..=entry.last_offset).contains(base)
        };
        if told.iter().any(covers) != expected.iter().any(covers) {
            return Err(format!("whether the batch of {base} was aborted: {told:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// A second opinion on transactions: by hand, not by the library's tracker.
fn transactions(batches: &BTreeMap<u64, Bytes>) -> (Vec<AbortedTransaction>, Option<u64>) {
    let mut open: BTreeMap<i64, u64> = BTreeMap::new();
    let mut aborted = Vec::new();
    let mut tracker = OpenTransactions::default();
    for bytes in batches.values() {
        let batch = Batch::decode(bytes).expect("the ledger holds batches");
        let header = batch.header();
        tracker.observe(&batch);
        match batch.control().expect("a good marker") {
            None if header.records_count == 0 => {}
            None if header.is_transactional() => {
                open.entry(header.producer_id).or_insert(header.base_offset);
            }
            Some(ControlRecord::Commit { .. }) => {
                open.remove(&header.producer_id);
            }
            Some(ControlRecord::Abort { .. }) => {
                if let Some(first_offset) = open.remove(&header.producer_id) {
                    aborted.push(AbortedTransaction {
                        producer_id: header.producer_id,
                        first_offset,
                        last_offset: header.last_offset(),
                        last_stable_offset: open.values().copied().min().unwrap_or(header.last_offset() + 1),
                    });
                }
            }
            _ => {}
        }
    }
    assert_eq!(tracker.first_offset(), open.values().copied().min());
    (aborted, open.values().copied().min())
}

fn check_times(log: &Log, batches: &BTreeMap<u64, Bytes>, start: u64) -> Result<(), Broken> {
    let mut records: Vec<(u64, i64)> = Vec::new();
    for bytes in batches.values() {
        let batch = Batch::decode(bytes).expect("the ledger holds batches");
        for record in batch.records().expect("it was built").iter() {
            let record = record.expect("it was built");
            let timestamp = record.timestamp().map(Timestamp::as_millis);
            records.extend(timestamp.filter(|_| record.offset() >= start).map(|at| (record.offset(), at)));
        }
    }
    let some = records.iter().step_by(3).map(|record| record.1);
    for asked in some.chain([0, i64::MAX]) {
        let expected = records.iter().find(|(_, at)| *at >= asked).copied();
        let told = log
            .offset_for_time(Timestamp::from_millis(asked))
            .map_err(|error| format!("by time: {error}"))?;
        let told = told.map(|(offset, at)| (offset, at.as_millis()));
        if told != expected {
            return Err(format!("the offset for time {asked} is {told:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

fn check_offsets(log: &Log, batches: &BTreeMap<u64, Bytes>, start: u64) -> Result<(), Broken> {
    let mut expected: Option<u64> = None;
    for (base, bytes) in batches.iter().rev() {
        let last = crate::ledger::last_offset(bytes);
        if last < start {
            break;
        }
        for offset in [(*base).max(start), last] {
            let chunk = log
                .read(&Cursor::at(offset), ReadLimit::bytes(1))
                .map_err(|error| format!("{offset}: {error}"))?;
            let first = chunk.batches().next().transpose().map_err(|error| format!("{offset}: {error}"))?;
            if first.map(|batch| batch.header().base_offset) != Some(*base) {
                return Err(format!("reading at {offset} does not find the batch of {base}"));
            }
        }
        if let Some(next) = expected {
            let chunk = log
                .read(&Cursor::at(last + 1), ReadLimit::bytes(1))
                .map_err(|error| format!("{last}: {error}"))?;
            let first = chunk.batches().next().transpose().map_err(|error| format!("{last}: {error}"))?;
            if first.map(|batch| batch.header().base_offset) != Some(next) {
                return Err(format!("reading behind {last} does not find the batch of {next}"));
            }
        }
        expected = Some(*base);
    }
    Ok(())
}
