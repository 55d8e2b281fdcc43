//! Retention and compaction in a run, and what they may take.
//!
//! - Compaction takes a record only if a newer one of its key is there, and moves none. Once it has said that it is
//!   done, no record below is left that a newer one supersedes.
//! - A tombstone that is old enough may go by itself, but not before the value that it deletes.
//! - Retention takes whole segments from the front: by age only what is too old, by size only what is too much. The start
//!   of the log stands behind them.

use super::partition::{PartitionLedger, Sent, is_tombstone, read_from};
use super::run::{Failure, Outcome, Run, at};
use crate::ledger::Broken;
use brooklet::log::RemovalReason;
use brooklet::{Error, Isolation, Partition, PartitionRetention, Timestamp, TopicConfig, Visibility};
use std::collections::BTreeMap;
use std::time::Duration;

/// The rules by which the start of a partition may move.
#[derive(Debug, Clone)]
pub(super) struct Retaining {
    now: Timestamp,
    time: Duration,
    bytes: u64,
    deletes: bool,
}

impl Retaining {
    fn by(config: &TopicConfig, now: Timestamp) -> Self {
        let deletes = config.cleanup_policy.deletes();
        Self { now, time: config.retention, bytes: config.retention_bytes, deletes }
    }

    fn is_too_old(&self, sent: &Sent) -> bool {
        let age = self.now.as_millis() - sent.at.as_millis();
        u128::try_from(age).is_ok_and(|age| age > self.time.as_millis())
    }
}

/// Which tombstones compaction may take: those that it could stamp so long ago.
#[derive(Debug, Clone)]
pub(super) struct Deleting {
    now: Timestamp,
    retention: Duration,
}

impl Deleting {
    fn may_take(&self, sent: &Sent) -> bool {
        is_tombstone(&sent.text) && sent.at + self.retention <= self.now
    }
}

impl Run {
    pub(super) fn compact_now(&mut self, name: &str) -> Outcome {
        self.see_all(name)?;
        let topic = self.world().broker.topic(name)?;
        if !topic.config().cleanup_policy.compacts() {
            return match self.world().broker.admin().compact_now(name) {
                Err(Error::PolicyViolation { .. }) => Ok(()),
                other => Err(format!("{name} is not to be compacted: {other:?}").into()),
            };
        }
        let mut before = self.ledger.clone();
        let deleting = Deleting { now: self.world().clock_now(), retention: topic.config().delete_retention };
        for partition in topic.partitions().iter() {
            let end = partition.watermarks().end;
            for ledger in [&mut before, &mut self.ledger] {
                at(ledger, name, partition.number()).may_be_compacted(end, deleting.clone());
            }
        }
        let done = self.world().broker.admin().compact_now(name);
        self.note(before);
        for partition in topic.partitions().iter() {
            let ledger = at(&mut self.ledger, name, partition.number());
            let compacted = ledger.compacted(partition, done.is_ok());
            compacted.map_err(|failure| failure.at(&format!("{name}-{}", partition.number())))?;
            self.records_taken += ledger.superseded.len();
        }
        let tombstones = done.iter().flatten().map(|partition| partition.tombstones_dropped);
        self.tombstones_taken += tombstones.sum::<u64>();
        Ok(done.map(drop)?)
    }

    pub(super) fn retain_now(&mut self, name: &str) -> Outcome {
        self.see_all(name)?;
        let topic = self.world().broker.topic(name)?;
        let rules = Retaining::by(&topic.config(), self.world().clock_now());
        let mut before = self.ledger.clone();
        for partition in topic.partitions().iter() {
            for ledger in [&mut before, &mut self.ledger] {
                at(ledger, name, partition.number()).may_be_retained(rules.clone());
            }
        }
        let done = self.world().broker.admin().enforce_retention_now(name);
        self.note(before);
        for partition in topic.partitions().iter() {
            let report = done.as_ref().ok().map(|done| &done[partition.number() as usize]);
            self.segments_taken += report.map_or(0, |report| report.segments_removed.len());
            at(&mut self.ledger, name, partition.number())
                .retained(partition, report, &rules)
                .map_err(|broken| format!("{name}-{}: {broken}", partition.number()))?;
        }
        Ok(done.map(drop)?)
    }

    /// What is taken away cannot be read any more, so it has to be seen before.
    fn see_all(&mut self, name: &str) -> Outcome {
        let topic = self.world().broker.topic(name)?;
        if topic.config().visibility == Visibility::Durable {
            for partition in topic.partitions().iter() {
                self.flush_partition(name, partition.number())?;
            }
        }
        self.observe()
    }
}

impl PartitionLedger {
    /// Compaction is about to begin, or has failed, and may have come so far.
    fn may_be_compacted(&mut self, end: u64, deleting: Deleting) {
        self.compacted_to = self.compacted_to.max(end);
        self.deleting = Some(deleting);
        self.has_gaps = true;
    }

    /// Retention is about to begin, or has failed.
    fn may_be_retained(&mut self, rules: Retaining) {
        self.retaining.push(rules);
        self.has_gaps = true;
    }

    /// Compaction was here: what is not there any more was superseded, and if it is done nothing else is.
    fn compacted(&mut self, partition: &Partition, is_done: bool) -> Result<(), Failure> {
        let (found, next) = read_from(partition, self.start, Isolation::ReadUncommitted)?;
        if read_from(partition, self.start, Isolation::ReadCommitted)? != (found.clone(), next) {
            return Err(Failure::Broken("whoever reads what is committed sees something else".into()));
        }
        self.check_deleted(&found, self.shown_end)?;
        let before = self.clone();
        for (offset, sent) in before.there.range(self.start..) {
            let is_superseded = self.is_superseded(*offset, &sent.text, &found);
            match found.get(offset) {
                Some(text) if **text != *sent.text => {
                    return Err(format!("offset {offset} was {sent:?} and is {text:?}").into());
                }
                Some(_) if is_done && is_superseded => {
                    return Err(format!("offset {offset} is compacted, and {sent:?} is there").into());
                }
                Some(_) => {}
                None if before.may_be_gone(*offset, sent, &found) => {
                    self.there.remove(offset);
                    self.superseded.insert(*offset, sent.clone());
                }
                None => return Err(format!("offset {offset} is lost to compaction: {sent:?}").into()),
            }
        }
        if is_done {
            self.compacted_to = 0;
            self.deleting = None;
        }
        Ok(())
    }

    /// Whether a newer record of its key is there, as far as compaction has come.
    fn is_superseded(&self, offset: u64, text: &str, found: &BTreeMap<u64, String>) -> bool {
        let mut newer = found.range(offset + 1..self.compacted_to.max(offset + 1));
        newer.any(|(_, newer)| key_of(newer) == key_of(text))
    }

    /// Whether compaction may have taken a record: a newer one of its key is there, or was a tombstone that may have gone,
    /// or it is such a tombstone itself.
    pub(super) fn may_be_gone(&self, offset: u64, sent: &Sent, found: &BTreeMap<u64, String>) -> bool {
        let may_go = |offset: u64, sent: &Sent| {
            offset < self.compacted_to.min(self.durable_end)
                && self.deleting.as_ref().is_some_and(|deleting| deleting.may_take(sent))
        };
        let mut newer = self.there.range(offset + 1..);
        self.is_superseded(offset, &sent.text, found)
            || may_go(offset, sent)
            || newer.any(|(at, newer)| may_go(*at, newer) && key_of(&newer.text) == key_of(&sent.text))
    }

    /// Whoever reads a key sees its newest record: that is no value which a tombstone below `survived_to` has deleted, gone
    /// as that may be.
    pub(super) fn check_deleted(
        &self,
        found: &BTreeMap<u64, String>,
        survived_to: u64,
    ) -> Result<(), Broken> {
        let mut newest = BTreeMap::new();
        newest.extend(found.iter().map(|(offset, text)| (key_of(text), (*offset, text))));
        for (offset, text) in newest.values().filter(|(_, text)| !is_tombstone(text)) {
            let later = self.there.range(offset + 1..survived_to.max(offset + 1));
            let deletes = |sent: &Sent| is_tombstone(&sent.text) && key_of(&sent.text) == key_of(text);
            if let Some((at, sent)) = later.into_iter().find(|(_, sent)| deletes(sent)) {
                return Err(format!("offset {offset}, {text:?}, is back, which {sent:?} deleted at {at}"));
            }
        }
        Ok(())
    }

    /// Retention was here: the start has moved as it may, and for every segment that is gone there is a reason.
    fn retained(
        &mut self,
        partition: &Partition,
        report: Option<&PartitionRetention>,
        rules: &Retaining,
    ) -> Result<(), Broken> {
        let (start, old_start) = (partition.watermarks().start, self.start);
        if !self.may_start_at(start) {
            return Err(format!("retention has moved the start from {old_start} to {start}"));
        }
        self.start = start;
        let Some(report) = report else { return Ok(()) };
        if report.start != start {
            return Err(format!("it starts at {start}, and retention says {report:?}"));
        }
        let mut left = partition.size_bytes() + report.bytes_freed;
        let ends = report.segments_removed.iter().skip(1).map(|next| next.base_offset).chain([start]);
        for (removed, end) in report.segments_removed.iter().zip(ends) {
            left -= removed.bytes;
            let base = removed.base_offset.max(old_start);
            let is_right = match removed.reason {
                RemovalReason::Start => end <= old_start,
                RemovalReason::Size => rules.deletes && left >= rules.bytes,
                RemovalReason::Time => {
                    let mut records = self.there.range(base..end.max(base));
                    rules.deletes && records.all(|(_, sent)| rules.is_too_old(sent))
                }
            };
            if !is_right {
                return Err(format!("there was no reason to remove {removed:?}, which ends at {end}"));
            }
        }
        self.retaining.clear();
        Ok(())
    }

    /// Whether the log may start there.
    pub(super) fn may_start_at(&self, start: u64) -> bool {
        let gone = || self.there.range(self.start..start.max(self.start)).map(|(_, sent)| sent);
        let retained = |rules: &Retaining| {
            rules.deletes && (rules.bytes < u64::MAX || gone().all(|sent| rules.is_too_old(sent)))
        };
        start == self.start
            || self.starts.contains(&start)
            || (start > self.start && start <= self.shown_end && self.retaining.iter().any(retained))
    }
}

/// The key of a record, of which this is the text.
fn key_of(text: &str) -> Option<&str> {
    text.rsplit_once('|').map(|(_, key)| key)
}
