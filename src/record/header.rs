//! The header of a batch as a struct: what can be known of a batch from its first 61 bytes.
//!
//! What a value of this type promises, however it was read: offsets lie between 0 and 2^63 - 1, the last one included;
//! size, delta and count are not negative; the codec exists. It does not promise that the checksum holds.

use super::layout::*;
use super::{Attributes, Compression, Invalid, TimestampType};
use crate::types::Timestamp;

/// The producer id of a batch that nobody in particular wrote.
pub const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch that goes with it.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The base sequence of a batch whose records are not numbered by their producer.
pub const NO_SEQUENCE: i32 = -1;

/// What stands on disk for a timestamp that is not there.
pub(super) const NO_TIMESTAMP: i64 = -1;

/// The header of a record batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record that the batch was written with.
    pub base_offset: u64,
    /// Bytes of the whole batch, these 61 included.
    pub size: u32,
    /// Epoch of the leader that appended it; -1 for none.
    pub leader_epoch: i32,
    /// The checksum, not looked at here.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: Attributes,
    /// Offset of the last record that the batch was written with, counted from the base offset. Compaction keeps it.
    pub last_offset_delta: u32,
    /// What the timestamps of the records are counted from, in milliseconds; see [`BatchHeader::delete_horizon`].
    pub base_timestamp: i64,
    /// The largest timestamp in the batch; the moment of the append where the log stamped it.
    pub max_timestamp: Option<Timestamp>,
    /// Who wrote it; -1 for nobody in particular.
    pub producer_id: i64,
    /// Which life of that producer; -1 for none.
    pub producer_epoch: i16,
    /// The producer's number for the first record; -1 for none. Without a producer id it means nothing.
    pub base_sequence: i32,
    /// How many records are in it now; fewer than were written once it was compacted.
    pub records_count: u32,
}

impl BatchHeader {
    /// Reads the header that `bytes` begin with; there may be anything behind it, or nothing.
    ///
    /// [`Invalid::Incomplete`] if there are fewer than 61 bytes. Neither the checksum nor the records are looked at.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<BatchHeader, Invalid> {
        let Some(raw) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(Invalid::Incomplete { needed: HEADER_LEN, available: bytes.len() });
        };
        if raw[MAGIC] != MAGIC_V2 {
            return Err(Invalid::Magic { found: raw[MAGIC] });
        }
        let length = i32_at(raw, LENGTH);
        if length < LENGTH_MIN as i32 {
            return Err(Invalid::Length { found: length });
        }
        let base_offset = i64_at(raw, BASE_OFFSET);
        let last_offset_delta = i32_at(raw, LAST_OFFSET_DELTA);
        let records_count = i32_at(raw, RECORDS_COUNT);
        check_offsets(base_offset, last_offset_delta, records_count)?;

        Ok(BatchHeader {
            base_offset: base_offset as u64,
            size: length as u32 + LOG_OVERHEAD as u32,
            leader_epoch: i32_at(raw, LEADER_EPOCH),
            crc: u32_at(raw, CRC),
            attributes: Attributes::from_bits(i16_at(raw, ATTRIBUTES))?,
            last_offset_delta: last_offset_delta as u32,
            base_timestamp: i64_at(raw, BASE_TIMESTAMP),
            max_timestamp: timestamp_from_millis(i64_at(raw, MAX_TIMESTAMP)),
            producer_id: i64_at(raw, PRODUCER_ID),
            producer_epoch: i16_at(raw, PRODUCER_EPOCH),
            base_sequence: i32_at(raw, BASE_SEQUENCE),
            records_count: records_count as u32,
        })
    }

    /// Offset of the last record that the batch was written with, though compaction may have removed it.
    #[inline]
    pub const fn last_offset(&self) -> u64 {
        self.base_offset.saturating_add(self.last_offset_delta as u64)
    }

    /// The first offset behind the batch.
    #[inline]
    pub const fn next_offset(&self) -> u64 {
        self.last_offset().saturating_add(1)
    }

    /// The producer's number for the last record that the batch was written with; -1 if they are not numbered.
    #[inline]
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether somebody in particular wrote it.
    #[inline]
    pub const fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Whether this is a marker, which no user ever sees.
    #[inline]
    pub const fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// Whether the records belong to a transaction, or the marker ends one.
    #[inline]
    pub const fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// How the records are compressed.
    #[inline]
    pub fn compression(&self) -> Compression {
        self.attributes.compression()
    }

    /// What the timestamps mean.
    #[inline]
    pub const fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// From when on the cleaner may drop the tombstones and markers of this batch, if it has said so.
    #[inline]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes.has_delete_horizon().then(|| Timestamp::from_millis(self.base_timestamp))
    }

    /// Writes the same fields to the 61 bytes that a batch begins with. They are written where they belong: to put them
    /// together elsewhere and copy them would wait for the small writes to become a large one.
    ///
    /// The fields are the caller's to set, so they are held to what [`BatchHeader::read`] promises.
    pub(super) fn write_to(&self, raw: &mut HeaderBytes) {
        assert!(self.last_offset() <= i64::MAX as u64, "offsets above 2^63 - 1 cannot be written");
        assert!(self.size >= HEADER_LEN as u32 && self.size - LOG_OVERHEAD as u32 <= i32::MAX as u32);
        assert!(self.last_offset_delta <= i32::MAX as u32 && self.records_count <= i32::MAX as u32);
        put(raw, BASE_OFFSET, self.base_offset.to_be_bytes());
        put(raw, LENGTH, (self.size - LOG_OVERHEAD as u32).to_be_bytes());
        put(raw, LEADER_EPOCH, self.leader_epoch.to_be_bytes());
        raw[MAGIC] = MAGIC_V2;
        put(raw, CRC, self.crc.to_be_bytes());
        put(raw, ATTRIBUTES, self.attributes.bits().to_be_bytes());
        put(raw, LAST_OFFSET_DELTA, self.last_offset_delta.to_be_bytes());
        put(raw, BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put(raw, MAX_TIMESTAMP, millis_from_timestamp(self.max_timestamp).to_be_bytes());
        put(raw, PRODUCER_ID, self.producer_id.to_be_bytes());
        put(raw, PRODUCER_EPOCH, self.producer_epoch.to_be_bytes());
        put(raw, BASE_SEQUENCE, self.base_sequence.to_be_bytes());
        put(raw, RECORDS_COUNT, self.records_count.to_be_bytes());
    }
}

/// The sequence number `by` places after `sequence`: behind 2^31 - 1 comes 0.
///
/// ```
/// # use brooklet::record::increment_sequence;
/// assert_eq!(increment_sequence(i32::MAX, 1), 0);
/// ```
#[inline]
pub const fn increment_sequence(sequence: i32, by: u32) -> i32 {
    ((sequence as u32).wrapping_add(by) & i32::MAX as u32) as i32
}

/// The sequence number `by` places before `sequence`: before 0 comes 2^31 - 1.
#[inline]
pub const fn decrement_sequence(sequence: i32, by: u32) -> i32 {
    ((sequence as u32).wrapping_sub(by) & i32::MAX as u32) as i32
}

#[inline(always)]
pub(crate) fn timestamp_from_millis(millis: i64) -> Option<Timestamp> {
    (millis != NO_TIMESTAMP).then(|| Timestamp::from_millis(millis))
}

#[inline(always)]
pub(crate) fn millis_from_timestamp(timestamp: Option<Timestamp>) -> i64 {
    timestamp.map_or(NO_TIMESTAMP, Timestamp::as_millis)
}

#[inline(always)]
fn check_offsets(base_offset: i64, last_offset_delta: i32, records_count: i32) -> Result<(), Invalid> {
    const NOT_NEGATIVE: &str = "a number that is not negative";
    let (field, expected, found) = if base_offset < 0 {
        ("base offset", NOT_NEGATIVE, base_offset)
    } else if last_offset_delta < 0 {
        ("last offset delta", NOT_NEGATIVE, i64::from(last_offset_delta))
    } else if records_count < 0 {
        ("records count", NOT_NEGATIVE, i64::from(records_count))
    } else if base_offset.checked_add(i64::from(last_offset_delta)).is_none() {
        ("base offset", "a number that leaves room for the last offset delta", base_offset)
    } else {
        return Ok(());
    };
    Err(Invalid::Field { field, expected, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: 983,
            size: 61,
            leader_epoch: 29,
            crc: 0x0102_0304,
            attributes: Attributes::default().with_compression(Compression::Snappy),
            last_offset_delta: 7,
            base_timestamp: -1,
            max_timestamp: None,
            producer_id: 73,
            producer_epoch: 13,
            base_sequence: i32::MAX - 1,
            records_count: 0,
        }
    }

    fn bytes_of(header: &BatchHeader) -> HeaderBytes {
        let mut raw = [0xaa; HEADER_LEN];
        header.write_to(&mut raw);
        raw
    }

    fn with(at: usize, bytes: &[u8]) -> Result<BatchHeader, Invalid> {
        let mut raw = bytes_of(&header());
        raw[at..at + bytes.len()].copy_from_slice(bytes);
        BatchHeader::read(&raw)
    }

    #[test]
    fn every_field_comes_back_from_its_bytes() {
        let stamped = BatchHeader { max_timestamp: Some(Timestamp::from_millis(5)), ..header() };
        for header in [header(), stamped] {
            assert_eq!(BatchHeader::read(&bytes_of(&header)), Ok(header));
        }
        assert_eq!((header().last_offset(), header().next_offset()), (990, 991));
        assert_eq!((header().compression(), header().delete_horizon()), (Compression::Snappy, None));
    }

    #[test]
    fn a_header_that_ends_early_says_how_many_bytes_are_needed() {
        let raw = bytes_of(&header());
        for len in 0..HEADER_LEN {
            let expected = Invalid::Incomplete { needed: 61, available: len };
            assert_eq!(BatchHeader::read(&raw[..len]), Err(expected));
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        assert_eq!(with(MAGIC, &[1]), Err(Invalid::Magic { found: 1 }));
        for length in [48, 0, -1, i32::MIN] {
            assert_eq!(with(LENGTH, &length.to_be_bytes()), Err(Invalid::Length { found: length }));
        }
        for (at, name) in [
            (BASE_OFFSET, "base offset"),
            (LAST_OFFSET_DELTA, "last offset delta"),
            (RECORDS_COUNT, "records count"),
        ] {
            let result = with(at, &[0x80, 0, 0, 0]);
            assert!(matches!(result, Err(Invalid::Field { field, found, .. }) if field == name && found < 0));
        }
        assert_eq!(with(ATTRIBUTES, &[0, 6]), Err(Invalid::UnknownCodec { found: 6 }));
    }

    #[test]
    fn the_last_offset_may_be_the_largest_and_no_larger() {
        let largest = with(BASE_OFFSET, &(i64::MAX - 7).to_be_bytes()).expect("it just fits");
        assert_eq!(largest.next_offset(), 1 << 63);
        let result = with(BASE_OFFSET, &(i64::MAX - 6).to_be_bytes());
        assert!(matches!(result, Err(Invalid::Field { field: "base offset", .. })));
    }

    #[test]
    fn the_largest_length_is_a_size_of_its_own() {
        let header = with(LENGTH, &i32::MAX.to_be_bytes()).expect("a length may be that large");
        assert_eq!(header.size, (1 << 31) + 11);
    }

    #[test]
    fn sequences_wrap_to_zero_behind_the_largest() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 5, 10), 4);
        assert_eq!(increment_sequence(3, 4), 7);
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
        assert_eq!(decrement_sequence(4, 10), i32::MAX - 5);
        assert_eq!(header().last_sequence(), 5);
        assert_eq!(BatchHeader { base_sequence: -1, ..header() }.last_sequence(), NO_SEQUENCE);
    }

    #[test]
    fn a_delete_horizon_lives_in_the_base_timestamp() {
        let attributes = Attributes::default().with_delete_horizon(true);
        let header = BatchHeader { attributes, base_timestamp: 77, ..header() };
        assert_eq!(header.delete_horizon(), Some(Timestamp::from_millis(77)));
    }
}
