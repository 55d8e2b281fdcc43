//! Records become a batch: each is written once, straight into the buffer that the batch is sent from.
//!
//! The buffer is kept from batch to batch and only ever grows, so a warm builder allocates nothing. Its bytes behind
//! `end` are left-overs that nobody reads: growing it is the only time that memory is cleared.

use std::fmt::Display;

use super::content::Content;
use super::header::{NO_TIMESTAMP, timestamp_from_millis};
use super::layout::HEADER_LEN;
use super::varint::{self, raw_len, varlong_len, zigzag_long};
use super::{
    Attributes, BatchHeader, Compression, DECOMPRESSED_BYTES_MAX, EncodedBatch, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, RecordParts,
};
use crate::error::{Error, Result};
use crate::types::Timestamp;

/// The most bytes that a batch has: its length is an i32, and a few bytes less make no difference to anybody.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// Makes record batches.
///
/// ```
/// use brooklet::record::{BatchBuilder, Compression, RecordParts};
///
/// let mut builder = BatchBuilder::new(Compression::None);
/// builder.push(&RecordParts { value: Some(b"first"), ..RecordParts::default() })?;
/// builder.push(&RecordParts { value: Some(b"second"), ..RecordParts::default() })?;
/// let batch = builder.build()?;
/// assert_eq!((batch.header().records_count, batch.bytes().len()), (2, 86));
/// builder.clear();
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    head: Head,
    /// Room for the header, then the records up to `end`.
    buffer: Vec<u8>,
    end: usize,
    /// Room for the header, then the compressed records. Unused without compression.
    compressed: Vec<u8>,
}

/// What the header will say.
#[derive(Debug)]
struct Head {
    compression: Compression,
    attributes: Attributes,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    records: u32,
}

impl Head {
    #[inline]
    fn new(compression: Compression) -> Self {
        Self {
            compression,
            attributes: Attributes::default(),
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            records: 0,
        }
    }
}

impl BatchBuilder {
    /// An empty batch that will be compressed like this.
    pub fn new(compression: Compression) -> Self {
        Self { head: Head::new(compression), buffer: Vec::new(), end: HEADER_LEN, compressed: Vec::new() }
    }

    /// An empty control batch.
    pub(super) fn control() -> Self {
        let mut builder = Self::new(Compression::None);
        builder.head.attributes = Attributes::default().with_control(true);
        builder
    }

    /// Says who writes this batch: id, epoch, and the sequence number of the first record.
    pub fn producer(&mut self, id: i64, epoch: i16, base_sequence: i32) -> &mut Self {
        (self.head.producer_id, self.head.producer_epoch, self.head.base_sequence) =
            (id, epoch, base_sequence);
        self
    }

    /// Says whether this batch is part of a transaction.
    pub fn transactional(&mut self, is_transactional: bool) -> &mut Self {
        self.head.attributes = self.head.attributes.with_transactional(is_transactional);
        self
    }

    /// How many records it holds.
    #[inline]
    pub fn records(&self) -> u32 {
        self.head.records
    }

    /// Whether it holds no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.records == 0
    }

    /// Bytes of the batch before compression, 61 of header included.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.end
    }

    /// What [`BatchBuilder::len_bytes`] would be with this record. One that cannot be pushed counts as if it could.
    pub fn size_with(&self, record: &RecordParts<'_>) -> usize {
        self.size_with_content(&record.content())
    }

    #[inline]
    pub(crate) fn size_with_content(&self, record: &Content<'_>) -> usize {
        let timestamp = record.timestamp().map_or(NO_TIMESTAMP, Timestamp::as_millis);
        let base = if self.is_empty() { timestamp } else { self.head.base_timestamp };
        let numbers = varlong_len(timestamp.wrapping_sub(base)) + raw_len(u64::from(self.head.records) << 1);
        let body = record.bytes().saturating_add(1 + numbers);
        body.saturating_add(raw_len((body as u64) << 1)).saturating_add(self.end)
    }

    /// Whether the batch has at most so many bytes with this record too. Exact, and mostly known without a look at its
    /// numbers.
    #[inline]
    pub(crate) fn has_room(&self, record: &Content<'_>, bytes_max: usize) -> bool {
        let at_most = self.end.saturating_add(record.batch_bytes_max() - HEADER_LEN);
        at_most <= bytes_max || self.size_with_content(record) <= bytes_max
    }

    /// Takes in a record; its offset is the next. On an error the batch is as it was.
    ///
    /// Refused are a negative timestamp (-1 on disk is the absence of one, and Kafka's readers have no use for
    /// others), and whatever would make the batch larger than its format or [`DECOMPRESSED_BYTES_MAX`] allows.
    #[inline]
    pub fn push(&mut self, record: &RecordParts<'_>) -> Result<()> {
        self.push_content(&record.content())
    }

    #[inline]
    pub(crate) fn push_content(&mut self, record: &Content<'_>) -> Result<()> {
        let timestamp = match record.timestamp() {
            None => NO_TIMESTAMP,
            Some(timestamp) if timestamp.as_millis() >= 0 => timestamp.as_millis(),
            Some(timestamp) => return Err(refuse("a timestamp of 0 or above", timestamp)),
        };
        let base_timestamp = if self.head.records == 0 { timestamp } else { self.head.base_timestamp };
        let Some(timestamp_delta) = timestamp.checked_sub(base_timestamp) else {
            return Err(refuse("timestamps of one batch less than 2^63 ms apart", timestamp));
        };
        let timestamp_raw = zigzag_long(timestamp_delta);
        let offset_raw = u64::from(self.head.records) << 1;
        let numbers = raw_len(timestamp_raw) + raw_len(offset_raw);
        let body = record.bytes().saturating_add(1 + numbers);
        let start = self.end;
        let end = self.make_room(body.saturating_add(raw_len((body as u64) << 1)))?;

        let out = &mut self.buffer[start..end];
        let at = varint::put(out, 0, (body as u64) << 1);
        out[at] = 0; // attributes, which have no meaning yet
        let at = varint::put(out, at + 1, timestamp_raw);
        let at = varint::put(out, at, offset_raw);
        let at = record.put(out, at);
        assert_eq!(at, out.len(), "a record is as long as was foreseen");

        self.head.base_timestamp = base_timestamp;
        self.head.max_timestamp = self.head.max_timestamp.max(timestamp);
        self.head.records += 1;
        self.end = end;
        Ok(())
    }

    /// Finishes the batch, at base offset 0 and without a leader epoch. The records stay: more may be pushed
    /// afterwards, and the batch built again.
    ///
    /// An error if there are no records, if the producer's id, epoch and sequence do not go together, or if the codec
    /// is not compiled in.
    pub fn build(&mut self) -> Result<EncodedBatch<'_>> {
        self.build_within(usize::MAX)
    }

    /// The same, but where compression makes it larger than this, and no compression does not, it goes without.
    #[inline]
    pub(crate) fn build_within(&mut self, bytes_max: usize) -> Result<EncodedBatch<'_>> {
        self.check_producer()?;
        if self.head.records == 0 {
            return Err(refuse("one record or more", "none"));
        }
        let compressed_end = match self.head.compression {
            Compression::None => None,
            _ => self.compress(bytes_max)?,
        };
        let (bytes, compression) = match compressed_end {
            Some(end) => (&mut self.compressed[..end], self.head.compression),
            None => (&mut self.buffer[..self.end], Compression::None),
        };
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(refuse("a batch below 2 GiB", bytes.len()));
        }
        let header = BatchHeader {
            base_offset: 0,
            size: bytes.len() as u32,
            leader_epoch: -1,
            crc: 0,
            attributes: self.head.attributes.with_compression(compression),
            last_offset_delta: self.head.records - 1,
            base_timestamp: self.head.base_timestamp,
            max_timestamp: timestamp_from_millis(self.head.max_timestamp),
            producer_id: self.head.producer_id,
            producer_epoch: self.head.producer_epoch,
            base_sequence: self.head.base_sequence,
            records_count: self.head.records,
        };
        Ok(EncodedBatch::new(header, bytes))
    }

    /// Says where the compressed records end, unless that is not to be used.
    fn compress(&mut self, bytes_max: usize) -> Result<Option<usize>> {
        if self.compressed.is_empty() {
            self.compressed.resize(HEADER_LEN, 0);
        }
        let raw = &self.buffer[HEADER_LEN..self.end];
        let end = self.head.compression.compress_at(raw, &mut self.compressed, HEADER_LEN)?;
        Ok(Some(end).filter(|end| *end <= bytes_max || self.end > bytes_max))
    }

    /// Makes it as it was when it was new, producer and transaction forgotten, but keeps the buffers.
    pub fn clear(&mut self) {
        self.reset(self.head.compression);
    }

    /// The same, and compresses like this from now on.
    pub(crate) fn reset(&mut self, compression: Compression) {
        (self.head, self.end) = (Head::new(compression), HEADER_LEN);
    }

    /// The bytes of memory that it keeps.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.buffer.capacity() + self.compressed.capacity()
    }

    /// Makes room for `bytes` more and says where they end.
    #[inline(always)]
    fn make_room(&mut self, bytes: usize) -> Result<usize> {
        let end = self.end.saturating_add(bytes);
        if end > self.buffer.len() {
            self.grow(end)?;
        }
        Ok(end)
    }

    #[cold]
    fn grow(&mut self, end: usize) -> Result<()> {
        let limit = match self.head.compression {
            Compression::None => BATCH_BYTES_MAX,
            _ => HEADER_LEN + DECOMPRESSED_BYTES_MAX,
        };
        if end > limit {
            return Err(refuse(format_args!("at most {limit} bytes in a batch"), end));
        }
        let len = end.max(self.buffer.len() * 2).min(limit);
        self.buffer.resize(len, 0);
        Ok(())
    }

    fn check_producer(&self) -> Result<()> {
        let has_id = self.head.producer_id >= 0;
        if self.head.attributes.is_transactional() && !has_id {
            return Err(refuse("a producer id for a transaction", self.head.producer_id));
        }
        if !has_id && self.head.producer_id != NO_PRODUCER_ID {
            return Err(refuse("a producer id of 0 or above, or -1 for none", self.head.producer_id));
        }
        if has_id && self.head.producer_epoch < 0 {
            return Err(refuse("a producer epoch of 0 or above", self.head.producer_epoch));
        }
        if has_id && self.head.base_sequence < 0 && !self.head.attributes.is_control() {
            return Err(refuse("a base sequence of 0 or above", self.head.base_sequence));
        }
        Ok(())
    }
}

#[cold]
fn refuse(expected: impl Display, found: impl Display) -> Error {
    Error::InvalidBatch { why: format!("expected {expected}, found {found}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Batch, Header};

    fn valued(value: &[u8]) -> RecordParts<'_> {
        RecordParts { value: Some(value), ..RecordParts::default() }
    }

    fn at(millis: i64) -> RecordParts<'static> {
        RecordParts { timestamp: Some(Timestamp::from_millis(millis)), ..RecordParts::default() }
    }

    #[test]
    fn the_size_is_foreseen_to_the_byte() {
        let headers = [Header { key: "k", value: None }, Header { key: "", value: Some(b"long enough") }];
        let mut builder = BatchBuilder::new(Compression::None);
        for len in [0, 1, 50, 63, 64, 200, 8191, 8192, 70_000] {
            let value = vec![7; len];
            for headers in [&headers[..], &[]] {
                let record = RecordParts { key: None, value: Some(&value), headers, ..at(len as i64 * 1000) };
                let foreseen = builder.size_with(&record);
                let bound = builder.len_bytes() - HEADER_LEN + record.batch_bytes_max();
                builder.push(&record).expect("it is a plain record");
                assert_eq!(builder.len_bytes(), foreseen);
                assert!(foreseen <= bound);
            }
        }
        let expected = builder.len_bytes();
        assert_eq!(builder.build().expect("it has records").bytes().len(), expected);
    }

    #[test]
    fn a_refused_record_leaves_the_batch_as_it_was() {
        let mut builder = BatchBuilder::new(Compression::None);
        assert!(builder.push(&at(-1)).is_err() && builder.push(&at(i64::MIN)).is_err());
        builder.push(&RecordParts::default()).expect("it is a plain record");
        let before = builder.build().expect("it has a record").bytes().to_vec();
        assert!(builder.push(&at(i64::MAX)).is_err(), "2^63 - 1 is 2^63 after -1");
        assert!(builder.push(&at(-2)).is_err());
        assert_eq!(builder.build().expect("it has a record").bytes(), before);
    }

    #[test]
    fn an_empty_batch_is_not_built() {
        let mut builder = BatchBuilder::new(Compression::None);
        assert!(builder.build().is_err());
        builder.push(&valued(b"x")).expect("it is a plain record");
        assert_eq!((builder.records(), builder.is_empty()), (1, false));
        assert!(builder.build().is_ok());
        builder.clear();
        assert_eq!((builder.records(), builder.is_empty(), builder.len_bytes()), (0, true, HEADER_LEN));
        assert!(builder.build().is_err());
    }

    #[test]
    fn a_cleared_builder_forgets_all_but_its_buffers() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(&at(5)).expect("it is a plain record");
        let fresh = builder.build().expect("it has a record").bytes().to_vec();
        builder.clear();
        builder.producer(7, 1, 4).transactional(true);
        builder.push(&valued(&[1; 5000])).expect("it is a plain record");
        builder.push(&at(90)).expect("it is a plain record");
        builder.build().expect("it has records");
        let capacity = builder.buffer.capacity();
        builder.clear();
        builder.push(&at(5)).expect("it is a plain record");
        assert_eq!(builder.build().expect("it has a record").bytes(), fresh);
        assert_eq!(builder.buffer.capacity(), capacity);
    }

    #[test]
    fn more_can_be_pushed_after_building() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(&valued(b"one")).expect("it is a plain record");
        builder.build().expect("it has a record").assign(900, 9);
        builder.push(&valued(b"two")).expect("it is a plain record");
        let encoded = builder.build().expect("it has records");
        assert_eq!((encoded.header().records_count, encoded.header().base_offset), (2, 0));
        assert!(Batch::decode(encoded.bytes()).is_ok());
    }

    #[test]
    fn who_writes_is_said_whole_or_not_at_all() {
        let cases = [
            ((-1, -1, -1), false, true),
            ((-1, -1, 0), false, true),
            ((-1, -1, -1), true, false),
            ((7, 0, 0), true, true),
            ((7, -1, 0), false, false),
            ((7, 0, -1), false, false),
            ((-2, 0, 0), false, false),
        ];
        for ((id, epoch, sequence), is_transactional, is_valid) in cases {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.push(&valued(b"x")).expect("it is a plain record");
            builder.producer(id, epoch, sequence).transactional(is_transactional);
            assert_eq!(builder.build().is_ok(), is_valid, "{id} {epoch} {sequence} {is_transactional}");
        }
    }

    #[test]
    fn a_batch_that_its_reader_would_refuse_is_not_built() {
        let value = vec![0; DECOMPRESSED_BYTES_MAX / 2];
        let mut builder = BatchBuilder::new(Compression::Lz4);
        builder.push(&valued(&value)).expect("half of the limit is below it");
        assert!(builder.push(&valued(&value)).is_err());
        assert_eq!(builder.records(), 1);
    }
}
