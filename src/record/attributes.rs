//! The attributes of a batch: two bytes that say how the rest is to be read.
//!
//! ```text
//! bit  0-2    3               4              5        6                 7-15
//!      codec  timestamp type  transactional  control  delete horizon    unused, written as 0
//! ```

use super::{Compression, Invalid};

pub use crate::types::TimestampType;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// The attributes of a batch, known to name a codec that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(i16);

impl Attributes {
    /// Reads the two bytes. Unused bits are kept and mean nothing.
    #[inline]
    pub fn from_bits(bits: i16) -> Result<Self, Invalid> {
        Compression::from_id((bits & CODEC_MASK) as u8).map(|_| Self(bits))
    }

    /// The two bytes.
    #[inline]
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// How the records are compressed.
    #[inline]
    pub fn compression(self) -> Compression {
        Compression::from_id((self.0 & CODEC_MASK) as u8).unwrap_or_default()
    }

    /// What the timestamps mean.
    #[inline]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 { TimestampType::Create } else { TimestampType::LogAppend }
    }

    /// Whether the records belong to a transaction.
    #[inline]
    pub const fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether this is a marker, which no user ever sees.
    #[inline]
    pub const fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether the base timestamp holds the moment from which the cleaner may drop the tombstones of this batch.
    #[inline]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// These, with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self(self.0 & !CODEC_MASK | i16::from(compression.id()))
    }

    /// These, with another meaning of the timestamps.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppend)
    }

    /// These, inside or outside a transaction.
    #[must_use]
    pub fn with_transactional(self, is_transactional: bool) -> Self {
        self.with(TRANSACTIONAL, is_transactional)
    }

    /// These, of a marker or not.
    #[must_use]
    pub fn with_control(self, is_control: bool) -> Self {
        self.with(CONTROL, is_control)
    }

    /// These, with a base timestamp that is a delete horizon or is none.
    #[must_use]
    pub fn with_delete_horizon(self, has_delete_horizon: bool) -> Self {
        self.with(DELETE_HORIZON, has_delete_horizon)
    }

    const fn with(self, bit: i16, is_set: bool) -> Self {
        if is_set { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_stands_where_kafka_reads_it() {
        let plain = Attributes::default();
        assert_eq!(plain.with_compression(Compression::Zstd).bits(), 4);
        assert_eq!(plain.with_timestamp_type(TimestampType::LogAppend).bits(), 0x08);
        assert_eq!(plain.with_transactional(true).with_control(true).bits(), 0x30);
        assert_eq!(plain.with_delete_horizon(true).bits(), 0x40);

        let all = Attributes::from_bits(0x7b).expect("the codec is lz4");
        assert_eq!((all.compression(), all.timestamp_type()), (Compression::Lz4, TimestampType::LogAppend));
        assert!(all.is_transactional() && all.is_control() && all.has_delete_horizon());
        let none = all
            .with_compression(Compression::None)
            .with_timestamp_type(TimestampType::Create)
            .with_transactional(false)
            .with_control(false)
            .with_delete_horizon(false);
        assert_eq!(none, plain);
    }

    #[test]
    fn a_codec_that_does_not_exist_is_refused_and_unused_bits_are_not() {
        for id in 5..8 {
            assert_eq!(Attributes::from_bits(0x10 | id), Err(Invalid::UnknownCodec { found: id as u8 }));
        }
        assert_eq!(Attributes::from_bits(-128).map(Attributes::compression), Ok(Compression::None));
    }
}
