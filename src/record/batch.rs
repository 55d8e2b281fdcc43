//! A batch that exists only if its checksum held, and the way from it to its records.

use std::borrow::Cow;

use super::layout::HEADER_LEN;
use super::{BatchHeader, Compression, ControlRecord, Invalid, Records, checksum};

/// How many bytes of records a compressed batch may hold: 128 MiB.
///
/// A megabyte of compressed zeros can stand for gigabytes; Kafka would allocate them. [`super::BatchBuilder`] writes no
/// compressed batch above this, and [`Batch::records`] reads none; whoever must, names a limit of their own to
/// [`Batch::records_bounded`].
pub const DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// The bytes of one record batch, whose checksum held.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Takes the batch that `bytes` begin with; they may go on behind it.
    ///
    /// [`Invalid::Incomplete`] if they end before the batch does. The records are covered by the checksum, and are not
    /// looked at before they are asked for.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Batch<'a>, Invalid> {
        let header = BatchHeader::read(bytes)?;
        let size = header.size as usize;
        let Some(bytes) = bytes.get(..size) else {
            return Err(Invalid::Incomplete { needed: size, available: bytes.len() });
        };
        let found = checksum::of_batch(bytes);
        if found != header.crc {
            return Err(Invalid::Checksum { expected: header.crc, found });
        }
        Ok(Batch { header, bytes })
    }

    /// A batch that is known to be valid, because it was built or decoded as one.
    #[inline]
    pub(super) fn of_valid(header: BatchHeader, bytes: &'a [u8]) -> Self {
        Self { header, bytes }
    }

    /// Its header.
    #[inline]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All its bytes, the header's included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its records, decompressed if need be up to [`DECOMPRESSED_BYTES_MAX`].
    #[inline]
    pub fn records(&self) -> Result<Records<'a>, Invalid> {
        self.records_bounded(DECOMPRESSED_BYTES_MAX)
    }

    /// Its records, decompressed if need be up to `limit` bytes; beyond that it is
    /// [`Invalid::TooLargeDecompressed`]. The records of a batch that is not compressed are as large as they are.
    #[inline]
    pub fn records_bounded(&self, limit: usize) -> Result<Records<'a>, Invalid> {
        let payload = &self.bytes[HEADER_LEN..];
        let payload = match self.header.compression() {
            Compression::None => Cow::Borrowed(payload),
            // Compaction empties batches and keeps their header; there is no frame left to read then.
            _ if payload.is_empty() && self.header.records_count == 0 => Cow::Borrowed(payload),
            codec => Cow::Owned(codec.decompress(payload, limit)?),
        };
        Ok(Records::new(self.header, payload))
    }

    /// What a control batch says. None if this is no control batch, or one that the cleaner has emptied.
    pub fn control(&self) -> Result<Option<ControlRecord>, Invalid> {
        if !self.header.is_control() || self.header.records_count == 0 {
            return Ok(None);
        }
        if self.header.records_count != 1 {
            let found = i64::from(self.header.records_count);
            return Err(Invalid::Control { expected: "one record", found });
        }
        let records = self.records()?;
        let mut iter = records.iter();
        let control = match iter.next().transpose()? {
            Some(record) => Some(ControlRecord::decode(record.key(), record.value())?),
            None => None,
        };
        iter.try_for_each(|behind| behind.map(drop))?;
        Ok(control)
    }
}
