//! What is kept of a record between a poll and whoever looks at it: where its bytes lie.
//!
//! ```text
//! Part    a chunk as it lies in the file, or the decompressed records of one batch; and what their batches say
//! Entry   8 timestamp | 4 offset, from the part's | 4 part | 4 + 4 key | 4 + 4 value | 4 + 4 headers
//! ```
//! An entry is only ever made of a record that was checked whole, and goes with its part: so nothing about it can fail
//! later. It has no pointers, so a poll of a million records is one allocation.

use crate::record::{self, BatchHeader, CheckedRecord, Headers, TimestampType, timestamp_from_millis};
use crate::types::{Timestamp, TopicPartition};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes that records lie in, and what these records have in common.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) partition: Arc<TopicPartition>,
    pub(super) bytes: Bytes,
    pub(super) timestamp_type: TimestampType,
    /// As on disk: -1 for none.
    pub(super) leader_epoch: i32,
    /// What the offsets of the entries are counted from.
    base_offset: u64,
}

impl Part {
    /// A part that begins with this batch.
    pub(super) fn new(partition: &Arc<TopicPartition>, header: &BatchHeader, bytes: Bytes) -> Self {
        // Segments end at 4 GiB, and so do chunks; a batch is smaller by half.
        assert!(u32::try_from(bytes.len()).is_ok_and(|len| len < Span::NULL_LEN), "a part of 4 GiB");
        Self {
            partition: partition.clone(),
            bytes,
            timestamp_type: header.timestamp_type(),
            leader_epoch: header.leader_epoch,
            base_offset: header.base_offset,
        }
    }

    /// Whether a later batch in these very bytes can be in this part too.
    pub(super) fn can_hold(&self, header: &BatchHeader, bytes: &Bytes) -> bool {
        let reach = header.last_offset().checked_sub(self.base_offset);
        self.lies_in(bytes)
            && self.base_offset <= header.base_offset
            && self.timestamp_type == header.timestamp_type()
            && self.leader_epoch == header.leader_epoch
            && reach.is_some_and(|reach| u32::try_from(reach).is_ok())
    }

    /// Whether entries of the other part are as good with this one.
    pub(super) fn is_same(&self, other: &Part) -> bool {
        self.lies_in(&other.bytes)
            && Arc::ptr_eq(&self.partition, &other.partition)
            && self.base_offset == other.base_offset
            && self.timestamp_type == other.timestamp_type
            && self.leader_epoch == other.leader_epoch
    }

    /// Where in this part these bytes of it begin.
    pub(super) fn place(&self, bytes: &[u8]) -> u32 {
        let at = bytes.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr());
        let at = at.filter(|at| at + bytes.len() <= self.bytes.len()).expect("they are bytes of this part");
        at as u32
    }

    /// What to add to the offset deltas of a batch of this part.
    pub(super) fn offset_delta(&self, header: &BatchHeader) -> u32 {
        (header.base_offset - self.base_offset) as u32
    }

    fn lies_in(&self, bytes: &Bytes) -> bool {
        self.bytes.as_ptr() == bytes.as_ptr() && self.bytes.len() == bytes.len()
    }
}

/// A run of bytes in a part, or null.
#[derive(Debug, Clone, Copy)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    const NULL_LEN: u32 = u32::MAX;

    /// A run of bytes of the records that begin at `payload_at` in the part.
    #[inline(always)]
    fn of(span: record::Span, payload_at: u32) -> Span {
        // Any negative length is null, and here there is but one.
        Span { at: payload_at + span.at as u32, len: span.len.max(-1) as u32 }
    }

    fn is_null(self) -> bool {
        self.len == Span::NULL_LEN
    }

    #[inline]
    fn get(self, part: &[u8]) -> Option<&[u8]> {
        (!self.is_null()).then(|| &part[self.at as usize..][..self.len as usize])
    }

    fn moved_down(self, by: u32) -> Span {
        if self.is_null() { self } else { Span { at: self.at - by, ..self } }
    }
}

/// Where the records of a batch lie: in the part of this number, from `payload_at` on, and by so much behind its offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) payload_at: u32,
    pub(super) offset_delta: u32,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// As on disk: -1 for none.
    timestamp: i64,
    offset_delta: u32,
    pub(super) part: u32,
    key: Span,
    value: Span,
    headers_at: u32,
    headers_count: u32,
}

const _: () = assert!(size_of::<Entry>() == 40);

impl Entry {
    /// The entry of a record in this part.
    #[inline(always)]
    pub(super) fn new(record: CheckedRecord, Place { number, payload_at, offset_delta }: Place) -> Self {
        let CheckedRecord { timestamp, fields, .. } = record;
        Self {
            timestamp,
            offset_delta: offset_delta + record.offset_delta,
            part: number,
            key: Span::of(fields.key, payload_at),
            value: Span::of(fields.value, payload_at),
            headers_at: payload_at + fields.headers_at as u32,
            headers_count: fields.headers_count,
        }
    }

    #[inline]
    pub(super) fn offset(&self, part: &Part) -> u64 {
        part.base_offset + u64::from(self.offset_delta)
    }

    #[inline]
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        timestamp_from_millis(self.timestamp)
    }

    #[inline]
    pub(super) fn key<'a>(&self, part: &'a Part) -> Option<&'a [u8]> {
        self.key.get(&part.bytes)
    }

    #[inline]
    pub(super) fn value<'a>(&self, part: &'a Part) -> Option<&'a [u8]> {
        self.value.get(&part.bytes)
    }

    #[inline]
    pub(super) fn headers<'a>(&self, part: &'a Part) -> Headers<'a> {
        Headers::of_valid(&part.bytes[self.headers_at as usize..], self.headers_count)
    }

    /// The same, where its part has this number.
    pub(super) fn in_part(self, number: u32) -> Entry {
        Entry { part: number, ..self }
    }

    /// The same record in a part of its own, which holds a copy of its bytes.
    pub(super) fn copied(&self, part: &Part) -> (Part, Entry) {
        let mut headers = self.headers(part);
        headers.by_ref().for_each(drop);
        let end = part.place(headers.rest());
        // Key, value and headers lie one behind the other, with nothing but their lengths in between.
        let spans = [self.key, self.value].into_iter().filter(|span| !span.is_null());
        let start = spans.map(|span| span.at).next().unwrap_or(self.headers_at);
        let entry = Entry {
            part: 0,
            key: self.key.moved_down(start),
            value: self.value.moved_down(start),
            headers_at: self.headers_at - start,
            ..*self
        };
        let bytes = Bytes::copy_from_slice(&part.bytes[start as usize..end as usize]);
        (Part { bytes, ..part.clone() }, entry)
    }
}
