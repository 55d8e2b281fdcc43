//! The bytes of a `.snapshot` file: the producers of a partition as they were at the offset in the file's name.
//!
//! ```text
//!    0  version                 i16   1
//!    2  crc                     u32   CRC-32C of everything from byte 6 on
//!    6  count                   i32
//!   10  entries                 46 bytes each
//!         0  producer id                i64
//!         8  producer epoch             i16
//!        10  last sequence              i32   -1 without a batch
//!        14  last offset                i64   -1 without a batch
//!        22  offset delta               i32   last offset minus first offset; 0 without a batch
//!        26  last timestamp             i64
//!        34  coordinator epoch          i32   -1 without a marker
//!        38  first offset of open txn   i64   -1 without one
//! ```
//!
//! Big-endian throughout. Of each producer only the last batch is kept: after a restart a duplicate of an older one is
//! recognised only if that batch lies behind the snapshot and is replayed.
//!
//! A snapshot is derived from the log. One that is damaged is removed, and an older one, or none, and a longer replay
//! take its place.

use std::collections::VecDeque;

use super::producer_entry::{BatchMetadata, ProducerStateEntry};
use super::producers::Producers;
use crate::Timestamp;
use crate::record::decrement_sequence;

const VERSION: i16 = 1;

const VERSION_AT: usize = 0;
const CRC_AT: usize = VERSION_AT + size_of::<i16>();
const COUNT_AT: usize = CRC_AT + size_of::<u32>();
const HEADER_BYTES: usize = COUNT_AT + size_of::<i32>();
const _: () = assert!(HEADER_BYTES == 10);

const PRODUCER_ID_AT: usize = 0;
const PRODUCER_EPOCH_AT: usize = PRODUCER_ID_AT + size_of::<i64>();
const LAST_SEQUENCE_AT: usize = PRODUCER_EPOCH_AT + size_of::<i16>();
const LAST_OFFSET_AT: usize = LAST_SEQUENCE_AT + size_of::<i32>();
const OFFSET_DELTA_AT: usize = LAST_OFFSET_AT + size_of::<i64>();
const LAST_TIMESTAMP_AT: usize = OFFSET_DELTA_AT + size_of::<i32>();
const COORDINATOR_EPOCH_AT: usize = LAST_TIMESTAMP_AT + size_of::<i64>();
const TXN_FIRST_OFFSET_AT: usize = COORDINATOR_EPOCH_AT + size_of::<i32>();
const ENTRY_BYTES: usize = TXN_FIRST_OFFSET_AT + size_of::<i64>();
const _: () = assert!(ENTRY_BYTES == 46);

type EntryBytes = [u8; ENTRY_BYTES];

/// Why bytes are not a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotDamage {
    /// It ends before its header does, or its length and its count of entries do not go together.
    #[error(
        "a producer snapshot of {expected} bytes has {found}; remove it, the log will be replayed from further back"
    )]
    Length {
        /// How many bytes it should have.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// It has another version than 1.
    #[error(
        "a producer snapshot has version {found}, and only 1 is known; remove it, the log will be replayed from further back"
    )]
    Version {
        /// Its version.
        found: i16,
    },
    /// Its checksum is another one than it says.
    #[error(
        "a producer snapshot has checksum {found:#010x} and says {expected:#010x}; \
         remove it, the log will be replayed from further back"
    )]
    Checksum {
        /// The checksum that it says it has.
        expected: u32,
        /// The checksum of its bytes.
        found: u32,
    },
    /// An entry that no log leads to: its last batch begins after its end or before offset zero, or its id was there before.
    #[error(
        "entry {at} of a producer snapshot is impossible; remove it, the log will be replayed from further back"
    )]
    Entry {
        /// Which one, counted from zero.
        at: usize,
    },
}

/// The snapshot of these producers, sorted by id, so that equal states have equal bytes.
///
/// ```
/// use brooklet::partition::Producers;
/// use brooklet::partition::producer_snapshot::{decode, encode};
///
/// let producers = Producers::new();
/// let bytes = encode(&producers);
/// assert_eq!(bytes, [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0]);
/// assert_eq!(decode(&bytes)?, producers);
/// # Ok::<(), brooklet::partition::producer_snapshot::SnapshotDamage>(())
/// ```
pub fn encode(producers: &Producers) -> Vec<u8> {
    let entries = producers.iter();
    let count = i32::try_from(entries.len()).expect("two billion producers do not fit in memory");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend(entries.flat_map(encode_entry));
    put(&mut bytes, VERSION_AT, VERSION.to_be_bytes());
    put(&mut bytes, COUNT_AT, count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[COUNT_AT..]);
    put(&mut bytes, CRC_AT, crc.to_be_bytes());
    bytes
}

/// The producers that a snapshot describes, in whatever order, or what is wrong with it: of a damaged one nothing is taken.
///
/// The caller then lets [expire](Producers::expire) who was silent for too long, as before.
pub fn decode(bytes: &[u8]) -> Result<Producers, SnapshotDamage> {
    check(bytes)?;
    let (entries, _) = bytes[HEADER_BYTES..].as_chunks::<ENTRY_BYTES>();
    let mut producers = Producers::new();
    for (at, bytes) in entries.iter().enumerate() {
        let entry = decode_entry(bytes).ok_or(SnapshotDamage::Entry { at })?;
        if !producers.insert(entry) {
            return Err(SnapshotDamage::Entry { at });
        }
    }
    Ok(producers)
}

/// The length comes before the checksum: it tells a file that was cut short from one that was changed.
fn check(bytes: &[u8]) -> Result<(), SnapshotDamage> {
    let length = |expected: u64| SnapshotDamage::Length { expected, found: bytes.len() as u64 };
    let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(length(HEADER_BYTES as u64))?;
    let found = i16::from_be_bytes(take(header, VERSION_AT));
    if found != VERSION {
        return Err(SnapshotDamage::Version { found });
    }
    // Read without a sign, a negative count is only one that no file is long enough for.
    let count = u32::from_be_bytes(take(header, COUNT_AT));
    let expected = HEADER_BYTES as u64 + u64::from(count) * ENTRY_BYTES as u64;
    if expected != bytes.len() as u64 {
        return Err(length(expected));
    }
    let expected = u32::from_be_bytes(take(header, CRC_AT));
    let found = crc32c::crc32c(&bytes[COUNT_AT..]);
    if found != expected {
        return Err(SnapshotDamage::Checksum { expected, found });
    }
    Ok(())
}

fn encode_entry(entry: &ProducerStateEntry) -> EntryBytes {
    let (last_sequence, last_offset, offset_delta) = match entry.last_batch() {
        Some(batch) => {
            let delta = batch.last_offset.wrapping_sub(batch.first_offset);
            (batch.last_sequence, batch.last_offset.cast_signed(), delta as i32)
        }
        None => (-1, -1, 0),
    };
    let mut bytes = [0; ENTRY_BYTES];
    put(&mut bytes, PRODUCER_ID_AT, entry.producer_id.to_be_bytes());
    put(&mut bytes, PRODUCER_EPOCH_AT, entry.producer_epoch.to_be_bytes());
    put(&mut bytes, LAST_SEQUENCE_AT, last_sequence.to_be_bytes());
    put(&mut bytes, LAST_OFFSET_AT, last_offset.to_be_bytes());
    put(&mut bytes, OFFSET_DELTA_AT, offset_delta.to_be_bytes());
    put(&mut bytes, LAST_TIMESTAMP_AT, entry.last_timestamp.as_millis().to_be_bytes());
    put(&mut bytes, COORDINATOR_EPOCH_AT, entry.coordinator_epoch.unwrap_or(-1).to_be_bytes());
    let txn_first_offset = entry.current_txn_first_offset.map_or(-1, u64::cast_signed);
    put(&mut bytes, TXN_FIRST_OFFSET_AT, txn_first_offset.to_be_bytes());
    bytes
}

/// None if the batch is impossible. Any negative offset or coordinator epoch means that there is none, as for Kafka.
fn decode_entry(bytes: &EntryBytes) -> Option<ProducerStateEntry> {
    let last_timestamp = Timestamp::from_millis(i64::from_be_bytes(take(bytes, LAST_TIMESTAMP_AT)));
    let coordinator_epoch = i32::from_be_bytes(take(bytes, COORDINATOR_EPOCH_AT));
    let mut batches = VecDeque::new();
    if let Ok(last_offset) = u64::try_from(i64::from_be_bytes(take(bytes, LAST_OFFSET_AT))) {
        let last_sequence = i32::from_be_bytes(take(bytes, LAST_SEQUENCE_AT));
        let delta = i32::from_be_bytes(take(bytes, OFFSET_DELTA_AT));
        batches.push_back(BatchMetadata {
            first_sequence: decrement_sequence(last_sequence, delta as u32),
            last_sequence,
            first_offset: last_offset.checked_sub(u64::try_from(delta).ok()?)?,
            last_offset,
            timestamp: last_timestamp,
        });
    }
    Some(ProducerStateEntry {
        producer_id: i64::from_be_bytes(take(bytes, PRODUCER_ID_AT)),
        producer_epoch: i16::from_be_bytes(take(bytes, PRODUCER_EPOCH_AT)),
        coordinator_epoch: (coordinator_epoch >= 0).then_some(coordinator_epoch),
        last_timestamp,
        current_txn_first_offset: u64::try_from(i64::from_be_bytes(take(bytes, TXN_FIRST_OFFSET_AT))).ok(),
        batches,
    })
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("each field lies within its header or entry")
}

#[cfg(test)]
mod tests;
