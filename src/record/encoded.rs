//! A batch that is known to be valid and is about to be appended: the log may still write its offsets into it.

use super::layout::{BASE_OFFSET, CRC, HEADER_LEN, HeaderBytes, LEADER_EPOCH};
use super::{Batch, BatchHeader, Invalid, TimestampType, checksum, layout};
use crate::types::Timestamp;

/// The bytes of one valid batch, borrowed to be finished in place.
///
/// Valid means: the checksum holds, there is nothing behind the batch, and every record in it can be read. It comes
/// from [`super::BatchBuilder::build`], or from outside through [`EncodedBatch::from_bytes`].
#[derive(Debug)]
pub struct EncodedBatch<'a> {
    header: BatchHeader,
    bytes: &'a mut [u8],
}

impl<'a> EncodedBatch<'a> {
    /// Bytes that were just built from this header.
    #[inline(always)]
    pub(super) fn new(header: BatchHeader, bytes: &'a mut [u8]) -> Self {
        let mut encoded = Self { header, bytes };
        encoded.write_header();
        encoded
    }

    /// Takes bytes that somebody else made, and looks at all of them, the compressed records too.
    ///
    /// What a log may still refuse is its own affair: control batches, or offsets with gaps.
    pub fn from_bytes(bytes: &'a mut [u8]) -> Result<EncodedBatch<'a>, Invalid> {
        let batch = Batch::decode(bytes)?;
        if batch.bytes().len() != bytes.len() {
            return Err(Invalid::TrailingBytes { expected: batch.bytes().len(), found: bytes.len() });
        }
        batch.records()?.iter().try_for_each(|record| record.map(drop))?;
        let header = *batch.header();
        Ok(EncodedBatch { header, bytes })
    }

    /// Its header as it is now.
    #[inline]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The same batch, to be looked at.
    #[inline]
    pub fn as_batch(&self) -> Batch<'_> {
        Batch::of_valid(self.header, self.bytes)
    }

    /// Gives its records their offsets, and the batch the epoch of the leader that appends it. The checksum covers
    /// neither, so this is a matter of twelve bytes.
    ///
    /// # Panics
    ///
    /// If the last offset would be above 2^63 - 1: no log is that long, so somebody has miscounted.
    pub fn assign(&mut self, base_offset: u64, leader_epoch: i32) {
        let last_offset = base_offset.checked_add(u64::from(self.header.last_offset_delta));
        assert!(last_offset.is_some_and(|last| last <= i64::MAX as u64), "offset {base_offset} is not one");
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
        layout::put(self.raw_header(), BASE_OFFSET, base_offset.to_be_bytes());
        layout::put(self.raw_header(), LEADER_EPOCH, leader_epoch.to_be_bytes());
    }

    /// Makes all its records report `now` as the moment when the log took them in. What they said themselves stays in
    /// the bytes, as in Kafka, and is not read any more.
    pub fn stamp_log_append_time(&mut self, now: Timestamp) {
        self.header.attributes = self.header.attributes.with_timestamp_type(TimestampType::LogAppend);
        self.header.max_timestamp = Some(now);
        self.write_header();
    }

    /// Says who writes this batch, as [`BatchBuilder::producer`](super::BatchBuilder::producer) does, for a batch that is
    /// built already.
    pub fn stamp_producer(&mut self, id: i64, epoch: i16, base_sequence: i32) {
        let header = (self.header.producer_id, self.header.producer_epoch, self.header.base_sequence);
        if header != (id, epoch, base_sequence) {
            (self.header.producer_id, self.header.producer_epoch) = (id, epoch);
            self.header.base_sequence = base_sequence;
            self.write_header();
        }
    }

    /// Writes the header and the checksum that goes with it.
    #[inline]
    fn write_header(&mut self) {
        let header = self.header;
        header.write_to(self.raw_header());
        self.header.crc = checksum::of_batch(self.bytes);
        let crc = self.header.crc;
        layout::put(self.raw_header(), CRC, crc.to_be_bytes());
    }

    fn raw_header(&mut self) -> &mut HeaderBytes {
        self.bytes.first_chunk_mut::<HEADER_LEN>().expect("a batch begins with its header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Compression, RecordParts};

    fn two_records() -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        for (millis, value) in [(20, b"later"), (10, b"early")] {
            let timestamp = Some(Timestamp::from_millis(millis));
            let record = RecordParts { timestamp, value: Some(value), ..RecordParts::default() };
            builder.push(&record).expect("it is a plain record");
        }
        builder.build().expect("it has records").bytes().to_vec()
    }

    fn timestamps(bytes: &[u8]) -> Vec<i64> {
        let records = Batch::decode(bytes).expect("it is valid").records().expect("they are not compressed");
        let millis = |record: Result<crate::record::RecordView<'_>, Invalid>| {
            record.expect("it is valid").timestamp().map_or(-1, Timestamp::as_millis)
        };
        records.iter().map(millis).collect()
    }

    #[test]
    fn assigning_moves_the_offsets_and_not_the_checksum() {
        let mut bytes = two_records();
        let before = bytes.clone();
        let mut encoded = EncodedBatch::from_bytes(&mut bytes).expect("we built it");
        encoded.assign(983, 29);
        assert_eq!((encoded.header().base_offset, encoded.header().leader_epoch), (983, 29));
        assert_eq!(encoded.header().last_offset(), 984);
        assert_eq!(encoded.header(), Batch::decode(encoded.bytes()).expect("it is still valid").header());
        let changed: Vec<usize> = (0..before.len()).filter(|&at| before[at] != encoded.bytes()[at]).collect();
        assert_eq!(changed, [6, 7, 12, 13, 14, 15]);
    }

    #[test]
    #[should_panic(expected = "is not one")]
    fn an_offset_beyond_the_largest_is_a_programmers_error() {
        let mut bytes = two_records();
        EncodedBatch::from_bytes(&mut bytes).expect("we built it").assign(i64::MAX as u64, 0);
    }

    #[test]
    fn a_stamped_batch_reports_the_append_for_every_record() {
        let mut bytes = two_records();
        assert_eq!(timestamps(&bytes), [20, 10]);
        let mut encoded = EncodedBatch::from_bytes(&mut bytes).expect("we built it");
        encoded.stamp_log_append_time(Timestamp::from_millis(777));
        assert_eq!(encoded.header(), Batch::decode(encoded.bytes()).expect("its checksum is new").header());
        assert_eq!(encoded.header().timestamp_type(), TimestampType::LogAppend);
        assert_eq!(timestamps(&bytes), [777, 777]);
    }

    #[test]
    fn only_one_whole_batch_of_readable_records_gets_in() {
        let mut twice = two_records().repeat(2);
        let len = twice.len() / 2;
        let trailing = Invalid::TrailingBytes { expected: len, found: 2 * len };
        assert_eq!(EncodedBatch::from_bytes(&mut twice).map(drop), Err(trailing));
        let short = EncodedBatch::from_bytes(&mut twice[..len - 1]).map(drop);
        assert!(short.is_err_and(|invalid| invalid.is_incomplete()));

        let mut broken = two_records();
        broken[HEADER_LEN] = 0x7e; // the first record claims 63 bytes
        let crc = checksum::of_batch(&broken);
        broken[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
        assert!(Batch::decode(&broken).is_ok());
        let result = EncodedBatch::from_bytes(&mut broken).map(drop);
        assert!(matches!(result, Err(Invalid::Records { index: 0, .. })), "{result:?}");
    }
}
