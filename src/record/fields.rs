//! A record taken apart: where its fields lie in the records of its batch. Checked whole, its headers included.
//!
//! ```text
//! length | attributes 1 | timestamp delta | offset delta | key length | key | value length | value | headers count | headers
//! varint                  varlong           varint         varint             varint               varint
//! ```
//! Nearly all records have small numbers and no headers. Those are read in one go, from a word instead of
//! byte by byte; whatever is not so plain is left to the way that looks at each byte and knows what is wrong.

use super::Invalid;
use super::records::Header;
use super::varint::{VarintError, decode_varint, decode_varlong};

/// A record without anything: its length and the six fields behind it, of a byte each.
pub(crate) const RECORD_LEN_MIN: usize = 7;

/// Bytes in which the numbers before the key lie if they are small: the five take six, and at most nine.
const WINDOW: usize = 8;

/// A run of bytes in the records of a batch; null if its length is negative, any negative number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: usize,
    pub(crate) len: i64,
}

impl Span {
    #[inline(always)]
    pub(super) fn get(self, payload: &[u8]) -> Option<&[u8]> {
        usize::try_from(self.len).ok().map(|len| &payload[self.at..][..len])
    }

    #[inline(always)]
    fn end(self) -> usize {
        self.at + self.len.max(0) as usize
    }
}

/// Where the fields of a record lie, and its numbers as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) headers_count: u32,
    pub(crate) key: Span,
    pub(crate) value: Span,
    pub(crate) headers_at: usize,
    /// Where the next record begins.
    pub(crate) end: usize,
}

impl Fields {
    /// The record that begins at `at`.
    #[inline(always)]
    pub(super) fn read(payload: &[u8], at: usize) -> Result<Fields, Fault> {
        match Self::read_plain(payload, at) {
            Some(fields) => Ok(fields),
            None => Self::read_any(payload, at),
        }
    }

    /// A record with small numbers and no headers; none if it is another, or a wrong one.
    #[inline(always)]
    fn read_plain(payload: &[u8], at: usize) -> Option<Fields> {
        let mut numbers = Numbers { word: u64::from_le_bytes(*payload.get(at..)?.first_chunk()?), at };
        let len = numbers.next()?;
        // What is still to be checked; so the next record can be looked at before all of this one was.
        let end = (numbers.at as i64 + len) as usize;
        numbers.skip_byte(); // attributes, which have no meaning yet
        let timestamp_delta = numbers.next()?;
        let offset_delta = numbers.next()? as i32;
        let key = Span { len: numbers.next()?, at: numbers.at };
        let window = payload.get(key.end()..)?.first_chunk::<2>()?;
        let mut last = Numbers { word: u16::from_le_bytes(*window).into(), at: key.end() };
        let value = Span { len: last.next()?, at: last.at };
        // The last byte is the count of the headers.
        if value.end() + 1 != end || payload.get(value.end()) != Some(&0) || key.at > at + WINDOW {
            return None;
        }
        Some(Fields { timestamp_delta, offset_delta, headers_count: 0, key, value, headers_at: end, end })
    }

    /// Any record, or what is wrong with it.
    #[inline(never)]
    fn read_any(payload: &[u8], at: usize) -> Result<Fields, Fault> {
        let mut cursor = Cursor { payload, at };
        if at == payload.len() {
            return Err(Fault::Missing);
        }
        let len = usize::try_from(cursor.varint()?).map_err(|_| Fault::NegativeLength)?;
        let end = cursor.at.checked_add(len).filter(|end| *end <= payload.len());
        let end = end.ok_or(Fault::LongerThanBatch)?;
        let mut body = Cursor { payload: &payload[..end], at: cursor.at };
        body.skip(1, Fault::EndsEarly)?; // attributes, which have no meaning yet
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.nullable(Fault::KeyTooLong)?;
        let value = body.nullable(Fault::ValueTooLong)?;
        let headers_count = body.varint()?;
        let headers_at = body.at;
        body.skip_headers(headers_count)?;
        if body.at != end {
            return Err(Fault::BytesLeft);
        }
        let headers_count = headers_count as u32;
        Ok(Fields { timestamp_delta, offset_delta, headers_count, key, value, headers_at, end })
    }
}

/// Zigzagged numbers of one or two bytes each, taken from a word that they lie in. Behind the word come zeros.
struct Numbers {
    word: u64,
    at: usize,
}

impl Numbers {
    #[inline(always)]
    fn next(&mut self) -> Option<i64> {
        let (raw, len) = if self.word & 0x80 == 0 {
            (self.word & 0x7f, 1)
        } else if self.word & 0x8000 == 0 {
            (self.word & 0x7f | self.word >> 1 & 0x3f80, 2)
        } else {
            return None;
        };
        self.word >>= 8 * len;
        self.at += len;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    #[inline(always)]
    fn skip_byte(&mut self) {
        self.word >>= 8;
        self.at += 1;
    }
}

/// The header with which `bytes` begin, and what is behind it.
pub(super) fn read_header(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), Fault> {
    let mut cursor = Cursor { payload: bytes, at: 0 };
    let header = cursor.header()?;
    Ok((header, &bytes[cursor.at..]))
}

/// Bytes that are read one after the other.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, len: usize, fault: Fault) -> Result<(), Fault> {
        self.at = self.at.checked_add(len).filter(|end| *end <= self.payload.len()).ok_or(fault)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<i32, Fault> {
        let (value, len) = decode_varint(&self.payload[self.at..])?;
        self.at += len;
        Ok(value)
    }

    fn varlong(&mut self) -> Result<i64, Fault> {
        let (value, len) = decode_varlong(&self.payload[self.at..])?;
        self.at += len;
        Ok(value)
    }

    /// Bytes behind their length. Any negative length is null, as in Kafka.
    fn nullable(&mut self, fault: Fault) -> Result<Span, Fault> {
        let len = i64::from(self.varint()?);
        let span = Span { at: self.at, len };
        self.skip(len.max(0) as usize, fault)?;
        Ok(span)
    }

    fn header(&mut self) -> Result<Header<'a>, Fault> {
        let key = self.nullable(Fault::HeaderTooLong)?.get(self.payload).ok_or(Fault::HeaderKeyNull)?;
        let key = std::str::from_utf8(key).map_err(|_| Fault::HeaderKeyText)?;
        let value = self.nullable(Fault::HeaderTooLong)?.get(self.payload);
        Ok(Header { key, value })
    }

    /// Checks that there are so many headers. Each takes two bytes or more: a count that cannot be true is refused before
    /// anything is read for it.
    fn skip_headers(&mut self, count: i32) -> Result<(), Fault> {
        match usize::try_from(count) {
            Ok(count) if count <= self.payload.len() - self.at => {
                (0..count).try_for_each(|_| self.header().map(drop))
            }
            _ => Err(Fault::HeadersCount),
        }
    }
}

/// What is wrong with a record, small enough to travel in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
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
    pub(super) fn into_invalid(self, index: u32) -> Invalid {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::varint::{encode_varint, encode_varlong};
    use proptest::prelude::*;

    fn record(timestamp: i64, offset: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![0];
        encode_varlong(timestamp, &mut body);
        encode_varint(offset, &mut body);
        for bytes in [key, value] {
            encode_varint(bytes.map_or(-1, |bytes| bytes.len() as i32), &mut body);
            body.extend_from_slice(bytes.unwrap_or_default());
        }
        encode_varint(0, &mut body);
        let mut record = Vec::new();
        encode_varint(body.len() as i32, &mut record);
        record.extend_from_slice(&body);
        record
    }

    #[test]
    fn records_of_every_day_are_plain() {
        let (key, value) = ([b'k'; 200], [b'v'; 7_000]);
        for timestamp in [-5_000, 0, 5_000] {
            for (key, value) in [(None, None), (Some(&key[..]), Some(&value[..])), (None, Some(&b""[..]))] {
                let bytes = [record(timestamp, 63, key, value), vec![0; WINDOW]].concat();
                let fields = Fields::read_plain(&bytes, 0).unwrap();
                assert_eq!((fields.timestamp_delta, fields.offset_delta), (timestamp, 63));
                assert_eq!((fields.key.get(&bytes), fields.value.get(&bytes)), (key, value));
                assert_eq!(fields.end, bytes.len() - WINDOW);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_plain_is_read_as_any_record_is(
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..150)),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..150)),
            timestamp in prop_oneof![-9_000_i64..9_000, any::<i64>()],
            offset in prop_oneof![-3_i32..9_000, any::<i32>()],
            before in 0..3_usize,
            behind in prop::collection::vec(any::<u8>(), 0..20),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut bytes = vec![1; before];
            bytes.extend(record(timestamp, offset, key.as_deref(), value.as_deref()));
            bytes.extend(behind);
            for (index, byte) in flips {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if let Some(plain) = Fields::read_plain(&bytes, before) {
                let any = Fields::read_any(&bytes, before).unwrap();
                prop_assert_eq!(plain.key.get(&bytes), any.key.get(&bytes));
                prop_assert_eq!(plain.value.get(&bytes), any.value.get(&bytes));
                prop_assert_eq!(plain, any);
            }
        }
    }
}
