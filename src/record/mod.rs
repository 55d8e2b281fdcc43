//! Record batches, Kafka's version 2, in both directions: records become bytes, bytes become records.
//!
//! Pure: this room knows nothing of files, clocks or threads. What a reader must know of the bytes, all big-endian:
//!
//! ```text
//!          0                   8            12             16      17     21           23
//!          +-------------------+------------+--------------+-------+------+------------+-
//! header   | base offset       | length     | leader epoch | magic | crc  | attributes |
//!          +-------------------+------------+--------------+-------+------+------------+-
//!          23                  27               35              43            51               53
//!         -+-------------------+----------------+---------------+-------------+----------------+-
//!          | last offset delta | base timestamp | max timestamp | producer id | producer epoch |
//!         -+-------------------+----------------+---------------+-------------+----------------+-
//!          53              57              61                                       12 + length
//!         -+---------------+---------------+-------------------------------------------+
//!          | base sequence | records count | records, as they are or as one compressed |
//!         -+---------------+---------------+-------------------------------------------+
//!
//! record   length: varint | attributes: i8 | timestamp delta: varlong | offset delta: varint
//!          | key length: varint | key | value length: varint | value | headers count: varint | headers
//! header   key length: varint | key, UTF-8 | value length: varint | value         (a length of -1 is null)
//! ```
//!
//! The checksum covers everything from the attributes on. What stands before it (base offset, length, leader epoch,
//! magic) is not covered, so the log gives a batch its offsets without reading it: [`EncodedBatch::assign`].
//!
//! Ways in: [`BatchBuilder`] takes records and gives an [`EncodedBatch`]; [`EncodedBatch::from_bytes`] takes bytes that
//! somebody else made, and looks at all of them. Ways out: [`BatchHeader::read`] looks at 61 bytes and trusts them;
//! [`Batch::decode`] holds a batch whose checksum held; [`Records`] are its records, read in place.
//!
//! ```
//! use brooklet::record::{Batch, BatchBuilder, Compression, RecordParts};
//!
//! let mut builder = BatchBuilder::new(Compression::None);
//! builder.push(&RecordParts { key: Some(b"alice"), value: Some(b"created"), ..RecordParts::default() })?;
//! let mut encoded = builder.build()?;
//! encoded.assign(42, 0);
//!
//! let batch = Batch::decode(encoded.bytes())?;
//! for record in batch.records()?.iter() {
//!     let record = record?;
//!     assert_eq!((record.offset(), record.key()), (42, Some(&b"alice"[..])));
//! }
//! # Ok::<(), brooklet::Error>(())
//! ```

mod attributes;
mod batch;
mod builder;
mod checksum;
mod compression;
mod content;
mod control;
mod encoded;
mod fields;
mod header;
mod invalid;
pub mod layout;
mod new_record;
mod records;
mod retained;
mod spare;
pub mod varint;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, TimestampType};
pub use batch::{Batch, DECOMPRESSED_BYTES_MAX};
pub use builder::BatchBuilder;
pub use compression::Compression;
pub(crate) use content::Content;
pub use content::RecordParts;
pub use control::ControlRecord;
pub use encoded::EncodedBatch;
pub(crate) use fields::{RECORD_LEN_MIN, Span};
pub(crate) use header::timestamp_from_millis;
pub use header::{BatchHeader, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE};
pub use header::{decrement_sequence, increment_sequence};
pub use invalid::Invalid;
pub use new_record::{NewRecord, Payload};
pub(crate) use records::CheckedRecord;
pub use records::{Header, Headers, RecordView, Records, RecordsIter};
