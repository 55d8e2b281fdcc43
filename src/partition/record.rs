//! A record as a reader gets it: borrowed from what was polled, or owned.

use super::entry::{Entry, Part};
use crate::record::{Headers, TimestampType};
use crate::types::Timestamp;
use std::fmt;

/// A record that lies in [`Records`](super::Records). Nothing of it is copied, and passing it on costs nothing.
///
/// To keep one for longer than the records it came with: [`RecordRef::share`] or [`RecordRef::detach`].
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    pub(super) part: &'a Part,
    pub(super) entry: &'a Entry,
}

impl<'a> RecordRef<'a> {
    /// The topic it was read from.
    #[inline]
    pub fn topic(self) -> &'a str {
        self.part.partition.topic()
    }

    /// The number of the partition it was read from.
    #[inline]
    pub fn partition(self) -> u32 {
        self.part.partition.partition()
    }

    /// Its place in the partition. Offsets grow, and not always by one: there are markers in between, and records that
    /// are gone.
    #[inline]
    pub fn offset(self) -> u64 {
        self.entry.offset(self.part)
    }

    /// When it was made, or when the log took it in, as [`RecordRef::timestamp_type`] says; none if its producer gave it
    /// none.
    #[inline]
    pub fn timestamp(self) -> Option<Timestamp> {
        self.entry.timestamp()
    }

    /// What its timestamp means.
    #[inline]
    pub fn timestamp_type(self) -> TimestampType {
        self.part.timestamp_type
    }

    /// The leader epoch under which it was appended, if its batch has one.
    #[inline]
    pub fn leader_epoch(self) -> Option<i32> {
        (self.part.leader_epoch >= 0).then_some(self.part.leader_epoch)
    }

    /// Its key. An empty key and no key are two things.
    #[inline]
    pub fn key(self) -> Option<&'a [u8]> {
        self.entry.key(self.part)
    }

    /// Its value. No value is a tombstone, an empty one is none: in a compacted topic a tombstone deletes what has its
    /// key.
    #[inline]
    pub fn value(self) -> Option<&'a [u8]> {
        self.entry.value(self.part)
    }

    /// Its headers in the order they were given; the same key may come twice.
    #[inline]
    pub fn headers(self) -> Headers<'a> {
        self.entry.headers(self.part)
    }

    /// The record as one's own, without a copy.
    ///
    /// It keeps alive what it lies in: the chunk that was read with it, often a megabyte, or the decompressed records of
    /// its batch. Right for what is dropped soon; for what is kept, [`RecordRef::detach`].
    pub fn share(self) -> Record {
        Record { part: self.part.clone(), entry: *self.entry }
    }

    /// The record as one's own, with a copy of its bytes and of no others. Right for the few that are kept for long.
    pub fn detach(self) -> Record {
        let (part, entry) = self.entry.copied(self.part);
        Record { part, entry }
    }
}

/// A record of one's own: made by [`RecordRef::share`] or [`RecordRef::detach`]. A clone shares its bytes.
#[derive(Clone)]
pub struct Record {
    part: Part,
    entry: Entry,
}

impl Record {
    /// The same, borrowed.
    #[inline]
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef { part: &self.part, entry: &self.entry }
    }

    /// The topic it was read from.
    pub fn topic(&self) -> &str {
        self.as_ref().topic()
    }

    /// The number of the partition it was read from.
    pub fn partition(&self) -> u32 {
        self.as_ref().partition()
    }

    /// Its place in the partition.
    pub fn offset(&self) -> u64 {
        self.as_ref().offset()
    }

    /// When it was made, or when the log took it in; none if its producer gave it none.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.as_ref().timestamp()
    }

    /// What its timestamp means.
    pub fn timestamp_type(&self) -> TimestampType {
        self.as_ref().timestamp_type()
    }

    /// The leader epoch under which it was appended, if its batch has one.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.as_ref().leader_epoch()
    }

    /// Its key, which may be empty or null.
    pub fn key(&self) -> Option<&[u8]> {
        self.as_ref().key()
    }

    /// Its value; none is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.as_ref().value()
    }

    /// Its headers in the order they were given.
    pub fn headers(&self) -> Headers<'_> {
        self.as_ref().headers()
    }
}

/// Where it is and what is in it. Not derived: that would be a page of the chunk's bytes.
impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Text<'a>(Option<&'a [u8]>);
        impl fmt::Debug for Text<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
                    None => f.write_str("null"),
                }
            }
        }
        let mut fields = f.debug_struct("Record");
        fields.field("partition", &format_args!("{}", self.part.partition)).field("offset", &self.offset());
        if let Some(timestamp) = self.timestamp() {
            fields.field("timestamp", &timestamp.as_millis());
        }
        fields.field("key", &Text(self.key())).field("value", &Text(self.value()));
        for header in self.headers() {
            fields.field("header", &(header.key, Text(header.value)));
        }
        fields.finish()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
