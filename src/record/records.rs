//! The records of a batch, read where they lie: nothing is allocated and nothing is counted per record.
//!
//! A record is checked whole before it is handed out, its headers included, so that nothing in a [`RecordView`] can
//! fail later. The first record that breaks the format ends the iteration: behind it nobody knows where the next begins.

use std::borrow::Cow;
use std::iter::FusedIterator;

use super::header::{millis_from_timestamp, timestamp_from_millis};
use super::varint::{VarintError, decode_varint, decode_varlong};
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
        let mut cursor = Cursor { rest: self.rest };
        let header = cursor.header().expect("headers are checked when their record is read");
        self.rest = cursor.rest;
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
    cursor: Cursor<'a>,
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

impl<'a> RecordsIter<'a> {
    fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        let is_stamped = header.timestamp_type() == TimestampType::LogAppend;
        Self {
            cursor: Cursor { rest: payload },
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

    #[inline(always)]
    fn read(&mut self) -> Result<RecordView<'a>, Fault> {
        if self.cursor.rest.is_empty() {
            return Err(Fault::Missing);
        }
        let len = usize::try_from(self.cursor.varint()?).map_err(|_| Fault::NegativeLength)?;
        let mut body = Cursor { rest: self.cursor.take(len, Fault::LongerThanBatch)? };
        body.take(1, Fault::EndsEarly)?; // attributes, which have no meaning yet
        let timestamp_delta = body.varlong()?;
        let offset_delta = self.check_offset_delta(body.varint()?)?;
        let key = body.nullable(Fault::KeyTooLong)?;
        let value = body.nullable(Fault::ValueTooLong)?;
        let headers_count = body.varint()?;
        let headers = body.rest;
        if headers_count != 0 {
            body.rest = skip_headers(body.rest, headers_count)?;
        }
        if !body.rest.is_empty() {
            return Err(Fault::BytesLeft);
        }

        let created = self.base_timestamp.checked_add(timestamp_delta).ok_or(Fault::Timestamp)?;
        self.index += 1;
        Ok(RecordView {
            offset: self.base_offset.saturating_add(u64::from(offset_delta)),
            timestamp: self.log_append_time.unwrap_or(created),
            sequence: match self.base_sequence {
                base if base < 0 => NO_SEQUENCE,
                base => increment_sequence(base, offset_delta),
            },
            headers_count: headers_count as u32,
            key,
            value,
            headers,
        })
    }

    /// Offsets grow, with gaps where compaction took something out, and stay inside what the header promises.
    #[inline(always)]
    fn check_offset_delta(&mut self, delta: i64) -> Result<u32, Fault> {
        let delta = u32::try_from(delta).map_err(|_| Fault::OffsetOrder)?;
        if delta < self.next_offset_delta {
            return Err(Fault::OffsetOrder);
        }
        if delta > self.last_offset_delta {
            return Err(Fault::OffsetBeyond);
        }
        self.next_offset_delta = delta + 1;
        Ok(delta)
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
        } else if self.cursor.rest.is_empty() {
            self.is_done = true;
            return None;
        } else {
            // A batch that holds more than it counts is as wrong as one that holds less.
            Err(Fault::BytesBehind)
        };
        self.is_done = result.is_err();
        Some(result.map_err(|fault| fault.into_invalid(self.index)))
    }

    /// The count may lie, so it is only an upper bound, and not above what the bytes can hold.
    fn size_hint(&self) -> (usize, Option<usize>) {
        const RECORD_LEN_MIN: usize = 7;
        let bound = self.cursor.rest.len() / RECORD_LEN_MIN + 1;
        (0, Some(bound.min((self.count - self.index) as usize + 1)))
    }
}

impl FusedIterator for RecordsIter<'_> {}

/// What is wrong with a record, small enough to travel in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    BytesBehind,
    NegativeLength,
    LongerThanBatch,
    EndsEarly,
    NumberTooLong,
    Timestamp,
    OffsetOrder,
    OffsetBeyond,
    KeyTooLong,
    ValueTooLong,
    HeadersCount,
    HeaderTooLong,
    HeaderKeyNull,
    HeaderKeyText,
    BytesLeft,
}

impl Fault {
    /// Out of line, and with nothing borrowed, so that the iterator can live in registers.
    #[cold]
    fn into_invalid(self, index: u32) -> Invalid {
        let (expected, found) = self.words();
        Invalid::Records { index, expected, found }
    }

    /// What the format expects, and what was found.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Fault::Missing => ("a record, as counted in the header", "the end of the batch"),
            Fault::BytesBehind => ("the end, as counted in the header", "more bytes"),
            Fault::NegativeLength => ("a length that is not negative", "a negative one"),
            Fault::LongerThanBatch => ("a record within its batch", "a length beyond its end"),
            Fault::EndsEarly => ("a whole record", "its end"),
            Fault::NumberTooLong => ("a number of at most 5 or 10 bytes", "a longer one"),
            Fault::Timestamp => ("a timestamp of 64 bits", "a delta that overflows it"),
            Fault::OffsetOrder => ("an offset above those before it", "a lower one"),
            Fault::OffsetBeyond => ("an offset within the last offset delta", "a higher one"),
            Fault::KeyTooLong => ("a key within the record", "a length beyond its end"),
            Fault::ValueTooLong => ("a value within the record", "a length beyond its end"),
            Fault::HeadersCount => ("a headers count within the record", "one that cannot be"),
            Fault::HeaderTooLong => ("a header within the record", "a length beyond its end"),
            Fault::HeaderKeyNull => ("a header key", "null"),
            Fault::HeaderKeyText => ("a header key in UTF-8", "other bytes"),
            Fault::BytesLeft => ("the end of the record", "more bytes"),
        }
    }
}

impl From<VarintError> for Fault {
    #[inline]
    fn from(error: VarintError) -> Self {
        match error {
            VarintError::Truncated => Fault::EndsEarly,
            VarintError::TooLong => Fault::NumberTooLong,
        }
    }
}

/// Bytes that are taken from the front.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn take(&mut self, len: usize, fault: Fault) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(fault)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A 32-bit number, widened: a narrow one would share a register with the fault, to be packed and unpacked each time.
    #[inline(always)]
    fn varint(&mut self) -> Result<i64, Fault> {
        let (value, len) = decode_varint(self.rest)?;
        self.rest = &self.rest[len..];
        Ok(value.into())
    }

    #[inline(always)]
    fn varlong(&mut self) -> Result<i64, Fault> {
        let (value, len) = decode_varlong(self.rest)?;
        self.rest = &self.rest[len..];
        Ok(value)
    }

    /// Bytes behind their length. Any negative length is null, as in Kafka.
    #[inline(always)]
    fn nullable(&mut self, fault: Fault) -> Result<Option<&'a [u8]>, Fault> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len, fault).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn header(&mut self) -> Result<Header<'a>, Fault> {
        let key = self.nullable(Fault::HeaderTooLong)?.ok_or(Fault::HeaderKeyNull)?;
        let key = std::str::from_utf8(key).map_err(|_| Fault::HeaderKeyText)?;
        let value = self.nullable(Fault::HeaderTooLong)?;
        Ok(Header { key, value })
    }
}

/// Checks that `bytes` begin with so many headers and says what is behind them.
///
/// Each header takes two bytes or more: a count that cannot be true is refused before anything is read for it.
#[inline(never)]
fn skip_headers(bytes: &[u8], count: i64) -> Result<&[u8], Fault> {
    match usize::try_from(count) {
        Ok(count) if count <= bytes.len() => {
            let mut cursor = Cursor { rest: bytes };
            (0..count).try_for_each(|_| cursor.header().map(drop))?;
            Ok(cursor.rest)
        }
        _ => Err(Fault::HeadersCount),
    }
}
