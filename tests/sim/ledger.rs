//! What was promised, and whether it was kept.
//!
//! The ledger knows every batch that the library took, byte for byte; which of them it called durable; and what was
//! being done when the world ended. Held against a log that was opened afterwards, it either says which promise is
//! broken, or becomes the ledger of what is there now.

use crate::compaction::Compaction;
use crate::model;
use brooklet::log::{Cursor, Log, ReadLimit};
use brooklet::record::BatchHeader;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bytes of one batch, as they were given an offset.
pub(crate) type Bytes = Arc<[u8]>;

/// What was under way: it may have happened or not.
#[derive(Debug, Clone)]
pub(crate) enum Pending {
    Append(Bytes),
    Truncate(u64),
    AdvanceStart(u64),
    /// The start may have moved to where a segment begins.
    Retain,
    /// Records that newer ones supersede may be gone.
    Compact,
}

/// How the last life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All that was written is there.
    Kill,
    /// All that was durable is there.
    PowerCut,
}

/// The promises.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// What was appended and is not cut off, by base offset.
    pub(crate) batches: BTreeMap<u64, Bytes>,
    /// Everything below was called durable.
    pub(crate) durable_end: u64,
    /// Everything below was given out or shown.
    pub(crate) shown_end: u64,
    pub(crate) start: u64,
    pub(crate) pending: Vec<Pending>,
    /// What must never be seen again: it vanished once, was cut off, or was refused.
    pub(crate) gone: Vec<Bytes>,
    /// Compaction has been here since this ledger was settled.
    pub(crate) may_be_compacted: bool,
    /// Compaction has ever been here: then indexes may speak of what is gone.
    pub(crate) was_compacted: bool,
    /// What was cut off may have superseded something before.
    pub(crate) cut: Vec<Bytes>,
}

/// A broken promise, in words.
pub(crate) type Broken = String;

pub(crate) fn last_offset(bytes: &[u8]) -> u64 {
    BatchHeader::read(bytes).expect("the ledger holds batches").last_offset()
}

impl Ledger {
    pub(crate) fn appended(&mut self, bytes: Bytes) {
        let header = BatchHeader::read(&bytes).expect("it was appended");
        self.shown_end = header.next_offset();
        // The same batch may have been refused at the same offset before.
        self.gone.retain(|gone| *gone != bytes);
        self.batches.insert(header.base_offset, bytes);
    }

    pub(crate) fn truncated(&mut self, offset: u64) {
        let (cut, kept) = std::mem::take(&mut self.batches)
            .into_iter()
            .partition(|(_, bytes)| last_offset(bytes) >= offset);
        self.batches = kept;
        self.cut.extend(cut.values().cloned());
        self.gone.extend(BTreeMap::into_values(cut));
    }

    /// Retention has looked at the log, and perhaps removed something.
    pub(crate) fn retained(&mut self, start: u64, removed: bool) {
        self.start = start;
        if removed {
            self.durable_end = self.shown_end;
        }
    }

    /// Holds the promises against a log that was opened after the end of the last life.
    pub(crate) fn check(&self, log: &Log, end: End) -> Result<Ledger, Broken> {
        if !log.damage().is_empty() {
            return Err(format!("nothing was damaged, and the log says {:?}", log.damage()));
        }
        let marks = log.watermarks();
        let found = read_all(log)?;
        let start_pending = self.pending.iter().any(|pending| match pending {
            Pending::AdvanceStart(to) => *to == marks.start,
            Pending::Retain => marks.start > self.start && self.may_begin_at(marks.start),
            _ => false,
        });
        if marks.start != self.start && !start_pending {
            return Err(format!("the log starts at {} instead of {}", marks.start, self.start));
        }
        if marks.end < self.shown_end {
            return Err(format!("the log goes on at {}, and {} was shown", marks.end, self.shown_end));
        }
        if marks.durable_end != marks.end {
            return Err(format!("what was recovered is served and not durable: {marks:?}"));
        }
        self.check_contents(&found, marks.start, end)?;
        let settled = self.settle(found, marks.start, marks.end);
        model::check(log, &settled.batches, !settled.was_compacted)?;
        Ok(settled)
    }

    /// Retention moves the start to where a segment begins, and no segment begins within a batch.
    fn may_begin_at(&self, start: u64) -> bool {
        !self.batches.iter().any(|(base, bytes)| *base < start && last_offset(bytes) >= start)
    }

    fn check_contents(&self, found: &BTreeMap<u64, Bytes>, start: u64, end: End) -> Result<(), Broken> {
        let truncated_to = self.pending.iter().find_map(|pending| match pending {
            Pending::Truncate(to) if !found.values().any(|bytes| last_offset(bytes) >= *to) => Some(*to),
            _ => None,
        });
        let compaction = self.is_compacted().then(|| Compaction::new(self, found, truncated_to, end));
        if let Some(compaction) = &compaction {
            compaction.check_deleted(found, start)?;
        }
        let mut missing = None;
        for (base, bytes) in &self.batches {
            let last = last_offset(bytes);
            if last < start || truncated_to.is_some_and(|to| last >= to) {
                continue;
            }
            match found.get(base) {
                Some(there) if there == bytes => {
                    if let Some(missing) = missing {
                        return Err(format!(
                            "the batch of offset {missing} is lost, and that of {base} is there"
                        ));
                    }
                }
                there if compaction.as_ref().is_some_and(|it| it.explains(bytes, there)) => {}
                Some(_) => return Err(format!("the batch of offset {base} is not what was appended")),
                None if end == End::Kill || last < self.durable_end => {
                    return Err(format!(
                        "the batch of offset {base} is lost ({end:?}, durable end {})",
                        self.durable_end
                    ));
                }
                None => missing = missing.or(Some(base)),
            }
        }
        for (base, bytes) in found {
            let appending =
                self.pending.iter().any(|pending| matches!(pending, Pending::Append(it) if it == bytes));
            if self.gone.contains(bytes) && !appending {
                return Err(format!("the batch of offset {base} has come back"));
            }
            if !self.batches.contains_key(base) && !appending {
                return Err(format!("the batch of offset {base} was never appended"));
            }
            if appending && missing.is_some() {
                return Err(format!("the batch of offset {base} is there, and earlier ones are not"));
            }
        }
        Ok(())
    }

    fn is_compacted(&self) -> bool {
        self.may_be_compacted || self.pending.iter().any(|pending| matches!(pending, Pending::Compact))
    }

    /// What is there is now durable; what is not must not come back.
    fn settle(&self, found: BTreeMap<u64, Bytes>, start: u64, end: u64) -> Ledger {
        let mut batches: BTreeMap<u64, Bytes> = self
            .batches
            .iter()
            .filter(|(_, bytes)| last_offset(bytes) < start)
            .map(|(base, bytes)| (*base, bytes.clone()))
            .collect();
        batches.extend(found);
        let mut gone = self.gone.clone();
        gone.extend(
            self.batches
                .iter()
                .filter(|(base, _)| !batches.contains_key(*base))
                .map(|(_, bytes)| bytes.clone()),
        );
        gone.extend(self.pending.iter().filter_map(|pending| match pending {
            Pending::Append(bytes) if !batches.values().any(|there| there == bytes) => Some(bytes.clone()),
            _ => None,
        }));
        let was_compacted = self.was_compacted || self.is_compacted();
        let (batches, pending) = (batches, Vec::new());
        let settled =
            Ledger { batches, durable_end: end, shown_end: end, start, pending, gone, ..Ledger::default() };
        Ledger { was_compacted, ..settled }
    }
}

/// Every batch from the start to the end, in small pieces.
pub(crate) fn read_all(log: &Log) -> Result<BTreeMap<u64, Bytes>, Broken> {
    let mut found = BTreeMap::new();
    let mut cursor = Cursor::at(log.watermarks().start);
    loop {
        let chunk = log.read(&cursor, ReadLimit::bytes(300)).map_err(|error| format!("reading: {error}"))?;
        for batch in chunk.batches() {
            let batch = batch.map_err(|error| format!("reading: {error}"))?;
            found.insert(batch.header().base_offset, Bytes::from(batch.bytes()));
        }
        if chunk.is_empty() {
            let end = log.watermarks().end;
            return if chunk.next().offset() == end {
                Ok(found)
            } else {
                Err("reading ended before the end".into())
            };
        }
        cursor = chunk.next().clone();
    }
}
