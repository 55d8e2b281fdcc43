//! The records of a batch, read where they lie: nothing is allocated and nothing is counted per record.
//!
//! A record is checked whole before it is handed out, its headers included, so that nothing in a [`RecordView`] can
//! fail later. The first record that breaks the format ends the iteration: behind it nobody knows where the next begins.

use std::borrow::Cow;
use std::iter::FusedIterator;

use super::fields::{self, Fault, Fields, RECORD_LEN_MIN};
use super::header::{millis_from_timestamp, timestamp_from_millis};
use super::{BatchHeader, Invalid, NO_SEQUENCE, TimestampType, increment_sequence};
use crate::types::Timestamp;

/// The records of one batch: borrowed from it, or owned where they had to be decompressed.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: BatchHeader,
    payload: Cow<'a, [u8]>,
}

impl<'a> Records<'a> {
    /// The records in `payload`, which is what stands behind `header`, decompressed.
    ///
    /// [`super::Batch::records`] does this; it is for those who keep the decompressed bytes somewhere else.
    #[inline]
    pub fn new(header: BatchHeader, payload: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { header, payload: payload.into() }
    }

    /// The header of their batch.
    #[inline]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Their bytes, decompressed.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Their bytes, to be kept.
    pub fn into_payload(self) -> Cow<'a, [u8]> {
        self.payload
    }

    /// Reads them in order. An error ends the iteration.
    #[inline]
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter::new(&self.header, &self.payload)
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<RecordView<'r>, Invalid>;
    type IntoIter = RecordsIter<'r>;

    fn into_iter(self) -> RecordsIter<'r> {
        self.iter()
    }
}

/// One record, in the bytes of its batch.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    offset: u64,
    timestamp: i64,
    sequence: i32,
    headers_count: u32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Its place in the log.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// When it was made, or when the log took it in; the batch says which of the two.
    #[inline]
    pub fn timestamp(&self) -> Option<Timestamp> {
        timestamp_from_millis(self.timestamp)
    }

    /// Its producer's number for it, if producer and record have one.
    #[inline]
    pub fn sequence(&self) -> Option<i32> {
        (self.sequence != NO_SEQUENCE).then_some(self.sequence)
    }

    /// Its key. An empty key and no key are two things.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// Its value. No value is a tombstone: in a compacted topic it deletes what has its key.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Its headers in the order they were given; the same key may come twice.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        Headers { rest: self.headers, remaining: self.headers_count as usize }
    }
}

/// A header of a record: a name and, perhaps, a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name; not unique.
    pub key: &'a str,
    /// Its value, or null.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
    remaining: usize,
}

impl<'a> Headers<'a> {
    /// So many headers, with which `bytes` begin. They are known to be valid: whoever keeps them had them from
    /// [`RecordView::headers`].
    pub(crate) fn of_valid(bytes: &'a [u8], count: u32) -> Self {
        Self { rest: bytes, remaining: count as usize }
    }

    /// The bytes from the next header on.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        if self.remaining == 0 {
            return None;
        }
        let (header, rest) = fields::read_header(self.rest).expect("headers are checked with their record");
        self.rest = rest;
        self.remaining -= 1;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Headers<'_> {}
impl FusedIterator for Headers<'_> {}

/// Reads the records of a batch one after the other.
#[derive(Debug, Clone)]
pub struct RecordsIter<'a> {
    payload: &'a [u8],
    /// Where the next record begins.
    at: usize,
    base_offset: u64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    base_sequence: i32,
    last_offset_delta: u32,
    /// The smallest offset delta that the next record may have.
    next_offset_delta: u32,
    /// How many records were read, which is the number of the next.
    index: u32,
    count: u32,
    is_done: bool,
}

/// A record that was checked whole, not looked at any further: its place in the log, and where its fields lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckedRecord {
    pub(crate) offset_delta: u32,
    /// As on disk: -1 for none.
    pub(crate) timestamp: i64,
    pub(crate) fields: Fields,
}

impl<'a> RecordsIter<'a> {
    fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        let is_stamped = header.timestamp_type() == TimestampType::LogAppend;
        Self {
            payload,
            at: 0,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            log_append_time: is_stamped.then(|| millis_from_timestamp(header.max_timestamp)),
            base_sequence: if header.has_producer_id() { header.base_sequence } else { NO_SEQUENCE },
            last_offset_delta: header.last_offset_delta,
            next_offset_delta: 0,
            index: 0,
            count: header.records_count,
            is_done: false,
        }
    }

    /// Goes through all of them, for those who take note of where records lie instead of looking at them.
    #[inline(always)]
    pub(crate) fn check_each(mut self, mut found: impl FnMut(CheckedRecord)) -> Result<(), Invalid> {
        while self.index < self.count {
            match self.read() {
                Ok(record) => found(record),
                Err(fault) => return Err(fault.into_invalid(self.index)),
            }
        }
        self.check_end().map_err(|fault| fault.into_invalid(self.index))
    }

    /// A batch that holds more than it counts is as wrong as one that holds less.
    fn check_end(&self) -> Result<(), Fault> {
        if self.at == self.payload.len() { Ok(()) } else { Err(Fault::BytesBehind) }
    }

    #[inline(always)]
    fn read(&mut self) -> Result<CheckedRecord, Fault> {
        let fields = Fields::read(self.payload, self.at)?;
        let offset_delta = self.check_offset_delta(fields.offset_delta)?;
        let created = self.base_timestamp.checked_add(fields.timestamp_delta).ok_or(Fault::Timestamp)?;
        self.at = fields.end;
        self.index += 1;
        Ok(CheckedRecord { offset_delta, timestamp: self.log_append_time.unwrap_or(created), fields })
    }

    /// Offsets grow, with gaps where compaction took something out, and stay inside what the header promises.
    #[inline(always)]
    fn check_offset_delta(&mut self, delta: i32) -> Result<u32, Fault> {
        let (expected, found) = (self.next_offset_delta..=self.last_offset_delta, delta as u32);
        if !expected.contains(&found) {
            return Err(if delta < 0 || found < self.next_offset_delta {
                Fault::OffsetOrder
            } else {
                Fault::OffsetBeyond
            });
        }
        self.next_offset_delta = found + 1;
        Ok(found)
    }

    #[inline(always)]
    fn view(&self, CheckedRecord { offset_delta, timestamp, fields }: CheckedRecord) -> RecordView<'a> {
        RecordView {
            offset: self.base_offset.saturating_add(u64::from(offset_delta)),
            timestamp,
            sequence: match self.base_sequence {
                base if base < 0 => NO_SEQUENCE,
                base => increment_sequence(base, offset_delta),
            },
            headers_count: fields.headers_count,
            key: fields.key.get(self.payload),
            value: fields.value.get(self.payload),
            headers: &self.payload[fields.headers_at..fields.end],
        }
    }
}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = Result<RecordView<'a>, Invalid>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let result = if self.index < self.count {
            self.read()
        } else {
            self.is_done = true;
            Err(self.check_end().err()?)
        };
        self.is_done |= result.is_err();
        Some(result.map(|checked| self.view(checked)).map_err(|fault| fault.into_invalid(self.index)))
    }

    /// The count may lie, so it is only an upper bound, and not above what the bytes can hold.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let bound = (self.payload.len() - self.at) / RECORD_LEN_MIN + 1;
        (0, Some(bound.min((self.count - self.index) as usize + 1)))
    }
}

impl FusedIterator for RecordsIter<'_> {}
