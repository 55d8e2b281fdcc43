//! What a record is made of, measured and put into bytes: all of it but its place in a batch.
//!
//! It is measured once, when it is made: whoever holds it against a limit, asks whether it still fits, or encodes it,
//! finds the sum there.

use super::Header;
use super::layout::HEADER_LEN;
use super::new_record::Payload;
use super::varint::{self, raw_len};
use crate::types::Timestamp;
use std::borrow::Cow;

/// The most bytes that a record takes beside its key, value and headers: length, timestamp delta, offset delta and
/// attributes.
const RECORD_OVERHEAD_MAX: usize =
    varint::VARINT_LEN_MAX + varint::VARLONG_LEN_MAX + varint::VARINT_LEN_MAX + 1;
const _: () = assert!(RECORD_OVERHEAD_MAX == 21);

/// The length of what is null: -1, zigzagged.
const NULL: u8 = 1;

/// What a record is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordParts<'a> {
    /// When it was made. Not negative: on disk, -1 stands for no timestamp.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in this order.
    pub headers: &'a [Header<'a>],
}

impl<'a> RecordParts<'a> {
    /// The most bytes that a batch of only this record has, before compression. This is what Kafka's producer holds
    /// against `max.request.size`.
    pub fn batch_bytes_max(&self) -> usize {
        self.content().batch_bytes_max()
    }

    #[inline]
    pub(super) fn content(&self) -> Content<'a> {
        Content::new(self.timestamp, self.key, self.value, HeaderList::Plain(self.headers))
    }
}

/// A record's parts, wherever they lie, and how long they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    timestamp: Option<Timestamp>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: HeaderList<'a>,
    bytes: usize,
}

/// Headers as their owner keeps them: so none has to be copied into a list of another kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeaderList<'a> {
    Plain(&'a [Header<'a>]),
    New(&'a [(Cow<'a, str>, Payload<'a>)]),
}

impl<'a> Content<'a> {
    #[inline(always)]
    pub(super) fn new(
        timestamp: Option<Timestamp>,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: HeaderList<'a>,
    ) -> Self {
        let bytes = bytes_len(key).saturating_add(bytes_len(value)).saturating_add(headers.bytes());
        Self { timestamp, key, value, headers, bytes }
    }

    /// Key, value and headers with their lengths.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// See [`RecordParts::batch_bytes_max`].
    #[inline]
    pub(crate) fn batch_bytes_max(&self) -> usize {
        self.bytes.saturating_add(HEADER_LEN + RECORD_OVERHEAD_MAX)
    }

    #[inline]
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    #[inline]
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Writes key, value and headers, and says where they end. The caller has made room for them.
    #[inline(always)]
    pub(super) fn put(&self, out: &mut [u8], at: usize) -> usize {
        let at = put_bytes(out, at, self.key);
        let at = put_bytes(out, at, self.value);
        let mut at = varint::put(out, at, (self.headers.len() as u64) << 1);
        self.headers.for_each(|name, value| {
            at = put_bytes(out, at, Some(name.as_bytes()));
            at = put_bytes(out, at, value);
        });
        at
    }
}

impl HeaderList<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            HeaderList::Plain(headers) => headers.len(),
            HeaderList::New(headers) => headers.len(),
        }
    }

    #[inline(always)]
    fn for_each(&self, mut act: impl FnMut(&str, Option<&[u8]>)) {
        match self {
            HeaderList::Plain(headers) => headers.iter().for_each(|header| act(header.key, header.value)),
            HeaderList::New(headers) => headers.iter().for_each(|(key, value)| act(key, value.as_bytes())),
        }
    }

    /// All of them with their lengths, and their number.
    #[inline(always)]
    fn bytes(&self) -> usize {
        let mut bytes = raw_len((self.len() as u64) << 1);
        self.for_each(|name, value| {
            bytes = bytes.saturating_add(bytes_len(Some(name.as_bytes()))).saturating_add(bytes_len(value));
        });
        bytes
    }
}

/// Bytes that `bytes` take behind their length.
#[inline(always)]
fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| bytes.len().saturating_add(raw_len((bytes.len() as u64) << 1)))
}

#[inline(always)]
fn put_bytes(out: &mut [u8], at: usize, bytes: Option<&[u8]>) -> usize {
    let Some(bytes) = bytes else {
        out[at] = NULL;
        return at + 1;
    };
    let at = varint::put(out, at, (bytes.len() as u64) << 1);
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}
