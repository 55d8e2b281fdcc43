//! Control records: the markers that end transactions, and the types that only Kafka's own brokers use.
//!
//! ```text
//! key    version: i16, 0 | type: i16              0 abort, 1 commit, others are skipped by readers
//! value  version: i16, 0 | coordinator epoch: i32           of an abort or a commit
//! ```
//!
//! A control batch holds exactly one of them: transactional and control bits set, producer id and epoch, no sequence,
//! no compression. It takes one offset and is never handed to users.

use super::{BatchBuilder, Invalid, NO_SEQUENCE, RecordParts};
use crate::error::Error;
use crate::types::Timestamp;

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

const KEY_LEN: usize = 2 + 2;
const VALUE_LEN: usize = 2 + 4;

/// What a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's transaction on this partition was aborted.
    Abort {
        /// Epoch of the transaction coordinator that decided so.
        coordinator_epoch: i32,
    },
    /// The producer's transaction on this partition was committed.
    Commit {
        /// Epoch of the transaction coordinator that decided so.
        coordinator_epoch: i32,
    },
    /// A type that means nothing here, such as a change of leader. Readers skip it.
    Other(i16),
}

impl ControlRecord {
    /// A batch of 78 bytes that holds this marker, at base offset 0 and without a leader epoch.
    ///
    /// An error for [`ControlRecord::Other`], and for a producer or a moment that cannot be.
    pub fn encode(
        self,
        producer_id: i64,
        producer_epoch: i16,
        timestamp: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let (kind, coordinator_epoch) = match self {
            ControlRecord::Abort { coordinator_epoch } => (ABORT, coordinator_epoch),
            ControlRecord::Commit { coordinator_epoch } => (COMMIT, coordinator_epoch),
            ControlRecord::Other(kind) => {
                let why =
                    format!("expected an abort or a commit to write, found a control record of type {kind}");
                return Err(Error::InvalidBatch { why });
            }
        };
        let mut key = [0; KEY_LEN];
        key[..2].copy_from_slice(&VERSION.to_be_bytes());
        key[2..].copy_from_slice(&kind.to_be_bytes());
        let mut value = [0; VALUE_LEN];
        value[..2].copy_from_slice(&VERSION.to_be_bytes());
        value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());

        let mut builder = BatchBuilder::control();
        builder.producer(producer_id, producer_epoch, NO_SEQUENCE).transactional(true);
        builder.push(&RecordParts {
            timestamp: Some(timestamp),
            key: Some(&key),
            value: Some(&value),
            headers: &[],
        })?;
        Ok(builder.build()?.bytes().to_vec())
    }

    /// Reads the key and value of a control record. A type that is not known is not an error, and neither is a newer
    /// version of one that is: its first fields are these.
    pub(super) fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, Invalid> {
        let (version, key) = read_i16(key.unwrap_or_default(), "a key of 4 bytes")?;
        check_version(version)?;
        let (kind, _) = read_i16(key, "a key of 4 bytes")?;
        if kind != ABORT && kind != COMMIT {
            return Ok(ControlRecord::Other(kind));
        }
        let (version, value) = read_i16(value.unwrap_or_default(), "a value of 6 bytes")?;
        check_version(version)?;
        let Some(epoch) = value.first_chunk() else {
            return Err(Invalid::Control { expected: "a value of 6 bytes", found: 2 + value.len() as i64 });
        };
        let coordinator_epoch = i32::from_be_bytes(*epoch);
        Ok(match kind {
            ABORT => ControlRecord::Abort { coordinator_epoch },
            _ => ControlRecord::Commit { coordinator_epoch },
        })
    }
}

fn read_i16<'a>(bytes: &'a [u8], expected: &'static str) -> Result<(i16, &'a [u8]), Invalid> {
    let Some((number, rest)) = bytes.split_first_chunk() else {
        return Err(Invalid::Control { expected, found: bytes.len() as i64 });
    };
    Ok((i16::from_be_bytes(*number), rest))
}

fn check_version(version: i16) -> Result<(), Invalid> {
    if version < 0 {
        return Err(Invalid::Control { expected: "version 0 or above", found: i64::from(version) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Batch;

    #[test]
    fn markers_come_back_from_their_batch() {
        for marker in [
            ControlRecord::Abort { coordinator_epoch: 5 },
            ControlRecord::Commit { coordinator_epoch: i32::MAX },
        ] {
            let bytes = marker.encode(73, 13, Timestamp::from_millis(9)).expect("it is a marker");
            let batch = Batch::decode(&bytes).expect("we wrote it");
            assert_eq!((bytes.len(), batch.control()), (78, Ok(Some(marker))));
            let header = batch.header();
            assert_eq!(
                (header.attributes.bits(), header.base_sequence, header.producer_epoch),
                (0x30, -1, 13)
            );
        }
    }

    #[test]
    fn only_markers_of_a_producer_are_written() {
        let commit = ControlRecord::Commit { coordinator_epoch: 0 };
        assert!(ControlRecord::Other(2).encode(73, 13, Timestamp::from_millis(9)).is_err());
        assert!(commit.encode(-1, 13, Timestamp::from_millis(9)).is_err());
        assert!(commit.encode(73, -1, Timestamp::from_millis(9)).is_err());
        assert!(commit.encode(73, 13, Timestamp::from_millis(-9)).is_err());
    }

    #[test]
    fn unknown_types_and_newer_versions_are_not_errors() {
        assert_eq!(ControlRecord::decode(Some(&[0, 0, 0, 2]), None), Ok(ControlRecord::Other(2)));
        let newer = ControlRecord::decode(Some(&[0, 1, 0, 1, 9]), Some(&[0, 1, 0, 0, 0, 7, 9, 9]));
        assert_eq!(newer, Ok(ControlRecord::Commit { coordinator_epoch: 7 }));
    }

    #[test]
    fn keys_and_values_that_are_too_short_are_refused() {
        let (key, value): (&[u8], &[u8]) = (&[0, 0, 0, 1], &[0, 0, 0, 0, 0, 7]);
        for len in 0..key.len() {
            assert!(ControlRecord::decode(Some(&key[..len]), Some(value)).is_err());
        }
        for len in 0..value.len() {
            assert!(ControlRecord::decode(Some(key), Some(&value[..len])).is_err());
        }
        assert!(ControlRecord::decode(None, Some(value)).is_err());
        assert!(ControlRecord::decode(Some(key), None).is_err());
        assert!(ControlRecord::decode(Some(&[0xff, 0xff, 0, 1]), Some(value)).is_err());
        assert!(ControlRecord::decode(Some(key), Some(&[0x80, 0, 0, 0, 0, 7])).is_err());
    }
}
