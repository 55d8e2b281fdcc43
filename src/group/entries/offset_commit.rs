//! A committed offset.
//!
//! ```text
//!         versions
//! i16     all        version; 3 is written
//! i64     all        offset: the next one to read
//! i32     3, 4       leader epoch; -1: not known
//! text    all        metadata
//! i64     all        when it was committed
//! i64     1          when it expires; -1: as is configured
//! tagged  4          0: uuid of the topic
//! ```
//! Version 4 is flexible.

use super::Undecodable;
use super::wire::{Reader, Writer};
use crate::types::Timestamp;

const WRITTEN: i16 = 3;
const EXPIRES: i16 = 1;
const FLEXIBLE: i16 = 4;
const TOPIC_ID: usize = 0;

/// A committed offset, without its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The next offset to read.
    pub offset: u64,
    /// The epoch of the last record that was read.
    pub leader_epoch: Option<u32>,
    /// Whatever the consumer wanted to note. None is written as empty.
    pub metadata: String,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it expires, if it says so itself. Only old versions do, and ours are not of these.
    pub expire_timestamp: Option<Timestamp>,
}

impl OffsetCommitValue {
    /// Its bytes, as version 3.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(WRITTEN);
        writer.put(self.offset.to_be_bytes());
        let epoch = self.leader_epoch.and_then(|epoch| i32::try_from(epoch).ok());
        writer.put(epoch.unwrap_or(-1).to_be_bytes());
        writer.text(&self.metadata);
        writer.put(self.commit_timestamp.as_millis().to_be_bytes());
        writer.finish()
    }

    /// Reads one of any version.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let (mut reader, version) = Reader::versioned(bytes, FLEXIBLE)?;
        let Ok(offset) = u64::try_from(reader.i64()?) else {
            return reader.corrupt("a negative offset");
        };
        let leader_epoch = if version >= 3 { u32::try_from(reader.i32()?).ok() } else { None };
        let metadata = reader.text()?;
        let commit_timestamp = Timestamp::from_millis(reader.i64()?);
        let expires = if version == EXPIRES { reader.i64()? } else { -1 };
        reader.tagged(|tag, field| tag != TOPIC_ID || field.len() == 16)?;
        let expire_timestamp = (expires >= 0).then(|| Timestamp::from_millis(expires));
        reader.end(OffsetCommitValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp })
    }
}
