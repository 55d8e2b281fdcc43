//! What was promised of the records of one partition, and whether it was kept.
//!
//! ```text
//!   sent ──> in flight ──(a receipt names its offset, or it is read)──> there ──(a crash took it)──> gone
//!                └──(a definite error)──> gone
//! ```
//! Texts are like no other, and carry a number that grows with each record that is sent. A tombstone has no value to carry
//! it in, and has it in a header.

use super::cleaning::{Deleting, Retaining};
use super::run::Failure;
use crate::ledger::Broken;
use brooklet::log::ReadLimit;
use brooklet::record::Header;
use brooklet::{Isolation, Partition, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) number: u64,
    /// Which producer sent it; each is a lane, in which records stay in order.
    pub(super) producer: u64,
    pub(super) text: Arc<str>,
    /// Its timestamp, or a moment before.
    pub(super) at: Timestamp,
}

/// How the last life ended.
pub(super) use crate::ledger::End;

/// The promises.
#[derive(Debug, Clone, Default)]
pub(super) struct PartitionLedger {
    /// By offset.
    pub(super) there: BTreeMap<u64, Sent>,
    pub(super) in_flight: BTreeMap<u64, Sent>,
    /// Numbers that must not be seen any more.
    gone: BTreeSet<u64>,
    /// Everything below was called durable.
    pub(super) durable_end: u64,
    /// Everything below was given out or shown.
    pub(super) shown_end: u64,
    pub(super) start: u64,
    /// Where it may start, if a call to move it did not return.
    pub(super) starts: Vec<u64>,
    /// Rules by which the start may have moved, if a call that enforces them did not return.
    pub(super) retaining: Vec<Retaining>,
    /// Below this a record may be gone if a newer one of its key is there: compaction may have come so far.
    pub(super) compacted_to: u64,
    /// Which tombstones it may have taken by now.
    pub(super) deleting: Option<Deleting>,
    /// What compaction took in this life; receipts may still speak of it.
    pub(super) superseded: BTreeMap<u64, Sent>,
    /// Whether batches may be missing.
    pub(super) has_gaps: bool,
    /// Up to where it was read in this life.
    read_to: u64,
    /// Whether a fault may have taken records out of the middle of a lane.
    is_faulty: bool,
}

/// The number that a text begins with.
pub(super) fn number_of(text: &str) -> Option<u64> {
    text.split(' ').next()?.strip_prefix('r')?.parse().ok()
}

impl PartitionLedger {
    /// Nothing was sent yet.
    pub(super) fn empty(is_faulty: bool) -> Self {
        Self { is_faulty, ..Self::default() }
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        self.in_flight.insert(sent.number, sent);
    }

    /// It was said for sure that this one was not appended.
    pub(super) fn refused(&mut self, number: u64) -> Result<(), Broken> {
        if self.there.values().any(|sent| sent.number == number) {
            return Err(format!("record {number} is refused, and was read"));
        }
        self.in_flight.remove(&number);
        self.gone.insert(number);
        Ok(())
    }

    /// It was said that this one is at this offset.
    pub(super) fn acked(&mut self, number: u64, offset: u64) -> Result<(), Broken> {
        match (self.there.get(&offset), self.in_flight.remove(&number)) {
            (Some(there), None) if there.number == number => Ok(()),
            (None, None) if self.superseded.get(&offset).is_some_and(|sent| sent.number == number) => Ok(()),
            (None, Some(sent)) if offset >= self.read_to => {
                self.there.insert(offset, sent);
                self.shown_end = self.shown_end.max(offset + 1);
                Ok(())
            }
            (there, _) => {
                Err(format!("record {number} is said to be at offset {offset}, where there is {there:?}"))
            }
        }
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// What a reader sees now.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&u64, &Sent)> {
        self.there.range(self.start..self.read_to.max(self.start))
    }

    /// Looks at what there is to be seen since the last time.
    pub(super) fn observe(&mut self, partition: &Partition) -> Result<(), Failure> {
        let marks = partition.watermarks();
        if marks.end < self.shown_end || marks.durable_end < self.durable_end {
            return Err(format!(
                "it goes back: {marks:?}, {} and {} before",
                self.shown_end, self.durable_end
            )
            .into());
        }
        if marks.start != self.start {
            return Err(format!("it starts at {} instead of {}", marks.start, self.start).into());
        }
        let from = self.read_to.max(self.start);
        let (found, next) = read_from(partition, from, Isolation::ReadUncommitted)?;
        for (offset, text) in found {
            self.read(offset, &text)?;
        }
        self.read_to = next;
        let known = self.there.last_key_value().map_or(0, |(offset, _)| offset + 1).max(self.shown_end);
        if next == marks.end && marks.end != known {
            return Err(format!("it ends at {}, and {known} was the next offset", marks.end).into());
        }
        (self.shown_end, self.durable_end) = (marks.end, marks.durable_end);
        Ok(())
    }

    /// A record was read in the life in which it was written.
    fn read(&mut self, offset: u64, text: &str) -> Result<(), Broken> {
        if let Some(there) = self.there.get(&offset) {
            return if *there.text == *text {
                Ok(())
            } else {
                Err(format!("offset {offset} is {text:?}, not {there:?}"))
            };
        }
        let known = number_of(text).and_then(|number| self.in_flight.remove(&number));
        match known.filter(|sent| *sent.text == *text) {
            Some(sent) => {
                let overtaken =
                    |(number, other): (&u64, &Sent)| *number < sent.number && other.producer == sent.producer;
                if !self.is_faulty && self.in_flight.iter().any(overtaken) {
                    return Err(format!("offset {offset}: {text:?} has overtaken what was sent before"));
                }
                self.there.insert(offset, sent);
                Ok(())
            }
            None => Err(format!("offset {offset}: {text:?} was not sent here, or twice, or is gone")),
        }
    }

    /// Holds the promises against a partition that was opened after the end of the last life.
    pub(super) fn check(&self, partition: &Partition, end: End) -> Result<PartitionLedger, Failure> {
        let marks = partition.watermarks();
        if !self.may_start_at(marks.start) {
            return Err(format!("it starts at {} instead of {}", marks.start, self.start).into());
        }
        if marks.end < self.shown_end {
            return Err(format!("it goes on at {}, and {} was shown", marks.end, self.shown_end).into());
        }
        if marks.durable_end != marks.end {
            return Err(format!("what was recovered is served and not durable: {marks:?}").into());
        }
        let (found, next) = read_from(partition, marks.start, Isolation::ReadUncommitted)?;
        let is_unused =
            found.is_empty() && self.there.is_empty() && self.in_flight.is_empty() && self.gone.is_empty();
        if is_unused && marks.end != self.shown_end {
            return Err(format!("nothing was ever sent here, and it goes on at {}", marks.end).into());
        }
        if next != marks.end {
            return Err(format!("reading ended at {next}: {marks:?}").into());
        }
        let missing = self.first_missing(&found, marks.start, end)?;
        self.check_deleted(&found, if end == End::Kill { self.shown_end } else { self.durable_end })?;
        let mut settled = PartitionLedger {
            there: self.there.range(..marks.start).map(|(offset, sent)| (*offset, sent.clone())).collect(),
            gone: self.gone.clone(),
            durable_end: marks.end,
            shown_end: marks.end,
            start: marks.start,
            read_to: marks.end,
            has_gaps: self.has_gaps,
            is_faulty: self.is_faulty,
            ..PartitionLedger::default()
        };
        let mut numbers = BTreeSet::new();
        for (offset, text) in found {
            let sent = self.survivor(offset, &text, missing, marks.start)?;
            if !numbers.insert(sent.number) {
                return Err(format!("record {} is there twice", sent.number).into());
            }
            settled.there.insert(offset, sent);
        }
        let everything = self.there.values().map(|sent| sent.number).chain(self.in_flight.keys().copied());
        let below: BTreeSet<u64> = settled.there.values().map(|sent| sent.number).collect();
        settled.gone.extend(everything.filter(|number| !below.contains(number)));
        self.check_lanes(&settled)?;
        Ok(settled)
    }

    /// The offset of the first record that is not there any more.
    fn first_missing(
        &self,
        found: &BTreeMap<u64, String>,
        start: u64,
        end: End,
    ) -> Result<Option<u64>, Broken> {
        let mut missing = None;
        for (offset, sent) in self.there.range(start..) {
            match found.get(offset) {
                Some(text) if **text != *sent.text => {
                    return Err(format!("offset {offset} was {sent:?} and is {text:?}"));
                }
                Some(_) if missing.is_some() => {
                    return Err(format!("offset {missing:?} is lost, and {offset} is there"));
                }
                Some(_) => {}
                None if self.may_be_gone(*offset, sent, found) => {}
                None if end == End::Kill || *offset < self.durable_end => {
                    return Err(format!(
                        "offset {offset} is lost ({end:?}, durable end {}): {sent:?}",
                        self.durable_end
                    ));
                }
                None => missing = missing.or(Some(*offset)),
            }
        }
        Ok(missing)
    }

    /// The record that is found at an offset, if it may be.
    fn survivor(&self, offset: u64, text: &str, missing: Option<u64>, start: u64) -> Result<Sent, Broken> {
        if let Some(sent) = self.there.get(&offset) {
            return Ok(sent.clone());
        }
        let sent =
            number_of(text).and_then(|number| self.in_flight.get(&number)).filter(|sent| *sent.text == *text);
        match sent {
            None => Err(format!("offset {offset}: {text:?} was not sent here, or is gone")),
            Some(_) if missing.is_some_and(|missing| missing < offset) => {
                Err(format!("offset {missing:?} is lost, and {offset} is there"))
            }
            Some(_) if offset < self.read_to && offset >= start => {
                Err(format!("offset {offset} was read before, and {text:?} was not there"))
            }
            Some(sent) => Ok(sent.clone()),
        }
    }

    /// Of each producer a prefix is there, in the order in which it was sent.
    fn check_lanes(&self, settled: &PartitionLedger) -> Result<(), Broken> {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (offset, sent) in &settled.there {
            if last.insert(sent.producer, sent.number).is_some_and(|before| before >= sent.number) {
                return Err(format!("offset {offset}: record {} is out of order", sent.number));
            }
        }
        for sent in self.in_flight.values().filter(|_| !self.is_faulty) {
            if settled.gone.contains(&sent.number)
                && last.get(&sent.producer).is_some_and(|last| *last > sent.number)
            {
                return Err(format!(
                    "record {} is lost, and later ones of its producer are there",
                    sent.number
                ));
            }
        }
        Ok(())
    }
}

/// Every record from an offset on, in small pieces, and where that ends.
pub(super) fn read_from(
    partition: &Partition,
    from: u64,
    isolation: Isolation,
) -> Result<(BTreeMap<u64, String>, u64), Failure> {
    let id = brooklet::TopicPartition::new(partition.topic(), partition.number()).expect("it is one");
    let (mut found, mut at) = (BTreeMap::new(), from);
    loop {
        let records = partition.read(at, ReadLimit::bytes(400), isolation)?;
        for record in &records {
            if found
                .insert(record.offset(), text_of(record.key(), record.value(), record.headers()))
                .is_some()
            {
                return Err(format!("offset {} came twice", record.offset()).into());
            }
        }
        match records.next_offset(&id) {
            Some(next) if next > at => at = next,
            _ => return Ok((found, at)),
        }
    }
}

/// A record as one text: its value, which begins with its number, and its key.
pub(super) fn text_of<'a>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    mut headers: impl Iterator<Item = Header<'a>>,
) -> String {
    let word =
        |bytes: Option<&[u8]>| bytes.map_or("-".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    match value {
        Some(_) => format!("{}|{}", word(value), word(key)),
        None => format!("{}{DELETES}{}", word(headers.next().and_then(|header| header.value)), word(key)),
    }
}

/// What stands between the number and the key of a tombstone.
const DELETES: &str = " deletes|";

/// Whether this is the text of a tombstone.
pub(super) fn is_tombstone(text: &str) -> bool {
    text.contains(DELETES)
}
