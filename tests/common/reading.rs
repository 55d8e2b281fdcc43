//! Reading a log to its end as a consumer would: what comes back, and what is said to be lost.

use brooklet::Error;
use brooklet::log::{Cursor, Log, ReadLimit};
use brooklet::record::Batch;
use std::ops::Range;

/// A record, and what its batch says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: u64,
    pub(crate) timestamp: Option<i64>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) producer_id: i64,
    /// Key, headers and kind, one behind the other: only ever compared.
    pub(crate) rest: Vec<u8>,
}

/// What reading from one offset to the end of a log gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) seen: Vec<Seen>,
    /// The offsets that errors named.
    pub(crate) lost: Vec<Range<u64>>,
}

impl Reading {
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.seen.iter().map(|record| record.offset).collect()
    }
}

/// The records of a batch from an offset on.
pub(crate) fn records_from(batch: &Batch<'_>, from: u64) -> Result<Vec<Seen>, Error> {
    let header = *batch.header();
    let mut seen = Vec::new();
    for record in batch.records()?.iter() {
        let record = record?;
        if record.offset() >= from {
            let mut rest = vec![u8::from(header.is_control())];
            rest.extend(record.key().unwrap_or(b"none"));
            for header in record.headers() {
                rest.extend(header.key.as_bytes());
                rest.extend(header.value.unwrap_or(b"none"));
            }
            seen.push(Seen {
                offset: record.offset(),
                timestamp: record.timestamp().map(|at| at.as_millis()),
                value: record.value().map(<[u8]>::to_vec),
                producer_id: header.producer_id,
                rest,
            });
        }
    }
    Ok(seen)
}

/// Reads from `from` to the end, in chunks of about `bytes`, and goes on behind damage where the error says. In words,
/// what no log may do: fail otherwise, get no further, or give a record twice or out of order.
pub(crate) fn read_on(log: &Log, from: u64, bytes: usize) -> Result<Reading, String> {
    let mut reading = Reading::default();
    let mut cursor = Cursor::at(from);
    let end = log.watermarks().end;
    while cursor.offset() < end {
        let before = cursor.offset();
        cursor = match read_chunk(log, &cursor, bytes, &mut reading) {
            Ok(next) => next,
            Err(Error::Corrupt { offsets, .. }) => {
                let next = Cursor::at(offsets.end);
                reading.lost.push(offsets);
                next
            }
            Err(error) => return Err(format!("reading at {before}: {error}")),
        };
        if cursor.offset() <= before {
            return Err(format!("reading at {before} went on at {}: {:?}", cursor.offset(), reading.lost));
        }
    }
    match reading.seen.windows(2).find(|pair| pair[0].offset >= pair[1].offset) {
        None => Ok(reading),
        Some(pair) => Err(format!("{} came before {}", pair[0].offset, pair[1].offset)),
    }
}

/// Records that cannot be read though the checksum of their batch holds are lost too.
fn read_chunk(log: &Log, cursor: &Cursor, bytes: usize, reading: &mut Reading) -> Result<Cursor, Error> {
    let chunk = log.read(cursor, ReadLimit::bytes(bytes))?;
    for batch in chunk.batches() {
        let batch = batch?;
        match records_from(&batch, cursor.offset()) {
            Ok(seen) => reading.seen.extend(seen),
            Err(_) => reading.lost.push(batch.header().base_offset..batch.header().next_offset()),
        }
    }
    Ok(chunk.next().clone())
}
