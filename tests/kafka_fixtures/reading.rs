//! Reading a log as a consumer does: record by record, all of them or the committed ones only.

use crate::expected::Record;
use brooklet::log::{Chunk, Cursor, Log, ReadLimit};
use brooklet::record::{Batch, ControlRecord, RecordView, TimestampType};
use brooklet::segment::AbortedTransaction;
use brooklet::{Error, Timestamp};
use std::collections::BTreeSet;

/// Every record from `from` on, in chunks of at most `bytes_max`.
pub(crate) fn records(log: &Log, from: u64, bytes_max: usize) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for_each_chunk(log, from, log.watermarks().end, bytes_max, |position, chunk| {
        for batch in chunk.batches() {
            let batch = batch?;
            if !batch.header().is_control() {
                collect(&batch, position, &mut records)?;
            }
        }
        Ok(())
    })?;
    Ok(records)
}

/// The offsets of the records from `from` on that a reader of committed ones gets: below the last stable offset, and
/// without those of aborted transactions.
pub(crate) fn committed_offsets(log: &Log, from: u64, bytes_max: usize) -> Result<Vec<u64>, Error> {
    let mut records = Vec::new();
    for_each_chunk(log, from, log.watermarks().last_stable, bytes_max, |position, chunk| {
        let aborted = log.aborted_transactions(position, chunk.next().offset())?;
        let mut filter = CommittedFilter::new(aborted);
        for batch in chunk.batches() {
            let batch = batch?;
            if filter.passes(&batch)? {
                collect(&batch, position, &mut records)?;
            }
        }
        Ok(())
    })?;
    Ok(records.into_iter().map(|record| record.offset).collect())
}

/// Reads on from `from` until `until`, and holds every chunk to what is promised of it.
fn for_each_chunk(
    log: &Log,
    from: u64,
    until: u64,
    bytes_max: usize,
    mut visit: impl FnMut(u64, &Chunk) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut cursor = Cursor::at(from);
    while cursor.offset() < until {
        let position = cursor.offset();
        let chunk = log.read(&cursor, ReadLimit::bytes(bytes_max).until(until))?;
        assert!(chunk.bytes().len() <= bytes_max || chunk.batches().count() == 1, "{bytes_max} bytes");
        assert!(chunk.next().offset() > position, "reading stands still at {position}");
        assert!(
            !chunk.is_empty() || chunk.next().offset() >= until,
            "nothing at {position}, and more behind"
        );
        visit(position, &chunk)?;
        cursor = chunk.next().clone();
    }
    assert!(log.read(&Cursor::at(until), ReadLimit::bytes(bytes_max).until(until))?.is_empty());
    Ok(())
}

fn collect(batch: &Batch<'_>, from: u64, into: &mut Vec<Record>) -> Result<(), Error> {
    let timestamp_type = match batch.header().timestamp_type() {
        TimestampType::Create => "CreateTime",
        TimestampType::LogAppend => "LogAppendTime",
    };
    for record in batch.records()?.iter() {
        let record = record?;
        if record.offset() >= from {
            into.push(owned(&record, timestamp_type));
        }
    }
    Ok(())
}

fn owned(record: &RecordView<'_>, timestamp_type: &'static str) -> Record {
    let header = |header: brooklet::record::Header<'_>| (header.key.to_owned(), header.value.map(Vec::from));
    Record {
        offset: record.offset(),
        timestamp: record.timestamp().map_or(-1, Timestamp::as_millis),
        timestamp_type,
        key: record.key().map(Vec::from),
        value: record.value().map(Vec::from),
        headers: record.headers().map(header).collect(),
    }
}

/// What Kafka's consumer does with the list of aborted transactions that comes with a fetch.
struct CommittedFilter {
    /// Those to come, the last one first.
    ahead: Vec<AbortedTransaction>,
    /// Producers that are inside a transaction that was aborted.
    aborted: BTreeSet<i64>,
}

impl CommittedFilter {
    fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
        Self { ahead: aborted, aborted: BTreeSet::new() }
    }

    fn passes(&mut self, batch: &Batch<'_>) -> Result<bool, Error> {
        let header = batch.header();
        while let Some(begun) = self.ahead.pop_if(|next| next.first_offset <= header.last_offset()) {
            self.aborted.insert(begun.producer_id);
        }
        if header.is_control() {
            if let Some(ControlRecord::Abort { .. }) = batch.control()? {
                self.aborted.remove(&header.producer_id);
            }
            return Ok(false);
        }
        Ok(!(header.is_transactional() && self.aborted.contains(&header.producer_id)))
    }
}
