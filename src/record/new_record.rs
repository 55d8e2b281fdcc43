//! A record that is about to be sent. It borrows or owns its parts, as its maker has them at hand.

use super::Header;
use super::content::{Content, HeaderList};
use crate::types::Timestamp;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// A key, a value or the value of a header: bytes that are borrowed, owned or shared, or null.
#[derive(Clone, Default)]
pub enum Payload<'a> {
    /// Null, which is not the same as empty.
    #[default]
    Null,
    /// Somebody else's bytes.
    Borrowed(&'a [u8]),
    /// One's own.
    Owned(Vec<u8>),
    /// Everybody's.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes; none if it is null.
    #[inline]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Payload::Null => None,
            Payload::Borrowed(bytes) => Some(bytes),
            Payload::Owned(bytes) => Some(bytes),
            Payload::Shared(bytes) => Some(bytes),
        }
    }

    /// The same, with nothing borrowed.
    pub fn into_owned(self) -> Payload<'static> {
        match self {
            Payload::Null => Payload::Null,
            Payload::Borrowed(bytes) => Payload::Owned(bytes.to_vec()),
            Payload::Owned(bytes) => Payload::Owned(bytes),
            Payload::Shared(bytes) => Payload::Shared(bytes),
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            None => f.write_str("null"),
        }
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload<'_> {}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Payload::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Payload<'a> {
    fn from(text: &'a String) -> Self {
        Payload::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::Owned(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for Payload<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Payload::Owned(bytes.to_vec())
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Payload::Owned(text.into_bytes())
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Payload::Shared(bytes)
    }
}

impl<'a> From<Cow<'a, [u8]>> for Payload<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Payload::Borrowed(bytes),
            Cow::Owned(bytes) => Payload::Owned(bytes),
        }
    }
}

impl<'a> From<Cow<'a, str>> for Payload<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// What is not there is null: so the parts of a record that was read can be handed on as they are.
impl<'a, T: Into<Payload<'a>>> From<Option<T>> for Payload<'a> {
    fn from(bytes: Option<T>) -> Self {
        bytes.map_or(Payload::Null, Into::into)
    }
}

/// A record to be sent. Its key and its value are null until told otherwise.
///
/// ```
/// use brooklet::{NewRecord, Timestamp};
///
/// let record = NewRecord::to("orders")
///     .key("alice")
///     .value(vec![1, 2, 3])
///     .header("trace", "0af7651916cd43dd")
///     .timestamp(Timestamp::from_millis(1_700_000_000_000));
/// assert_eq!(record.key_bytes(), Some(&b"alice"[..]));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a record does nothing until it is sent"]
pub struct NewRecord<'a> {
    topic: Cow<'a, str>,
    partition: Option<u32>,
    timestamp: Option<Timestamp>,
    key: Payload<'a>,
    value: Payload<'a>,
    headers: Vec<(Cow<'a, str>, Payload<'a>)>,
}

impl<'a> NewRecord<'a> {
    /// An empty record for a topic.
    pub fn to(topic: impl Into<Cow<'a, str>>) -> Self {
        Self { topic: topic.into(), ..Self::default() }
    }

    /// An empty record for whatever it is handed to: a partition knows its topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the topic.
    pub fn topic(self, topic: impl Into<Cow<'a, str>>) -> Self {
        Self { topic: topic.into(), ..self }
    }

    /// Sets the key. Records of one key go to one partition, and compaction keeps the last of them.
    pub fn key(self, key: impl Into<Payload<'a>>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// Takes the key away.
    pub fn null_key(self) -> Self {
        Self { key: Payload::Null, ..self }
    }

    /// Sets the value.
    pub fn value(self, value: impl Into<Payload<'a>>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// Makes it a tombstone: in a compacted topic it deletes what has its key.
    pub fn null_value(self) -> Self {
        Self { value: Payload::Null, ..self }
    }

    /// Adds a header. Their order is kept, and a name may come twice.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Payload<'a>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a header without a value.
    pub fn null_header(self, name: impl Into<Cow<'a, str>>) -> Self {
        self.header(name, Payload::Null)
    }

    /// Says when it was made; otherwise that is when it is sent.
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }

    /// Names the partition; otherwise the partitioner does.
    pub fn partition(self, partition: u32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// Its topic; empty if it has none.
    #[inline]
    pub fn topic_name(&self) -> &str {
        &self.topic
    }

    /// Its partition, if it was named.
    #[inline]
    pub fn partition_number(&self) -> Option<u32> {
        self.partition
    }

    /// When it was made, if that was said.
    #[inline]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// Its key.
    #[inline]
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.key.as_bytes()
    }

    /// Its value.
    #[inline]
    pub fn value_bytes(&self) -> Option<&[u8]> {
        self.value.as_bytes()
    }

    /// Its headers in order.
    pub fn header_list(&self) -> impl Iterator<Item = Header<'_>> {
        self.headers.iter().map(|(key, value)| Header { key, value: value.as_bytes() })
    }

    /// The same, with nothing borrowed.
    pub fn into_owned(self) -> NewRecord<'static> {
        let owned = |name: Cow<'_, str>| Cow::Owned(name.into_owned());
        NewRecord {
            topic: owned(self.topic),
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key.into_owned(),
            value: self.value.into_owned(),
            headers: self.headers.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect(),
        }
    }

    /// Its parts, for whoever encodes it; it was made `now` if it does not say when.
    #[inline(always)]
    pub(crate) fn content(&self, now: Timestamp) -> Content<'_> {
        let timestamp = Some(self.timestamp.unwrap_or(now));
        Content::new(timestamp, self.key_bytes(), self.value_bytes(), HeaderList::New(&self.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_two_things() {
        let record = NewRecord::new().key("").value(None::<&str>);
        assert_eq!((record.key_bytes(), record.value_bytes()), (Some(&b""[..]), None));
        let record = record.null_key().value(Some("x"));
        assert_eq!((record.key_bytes(), record.value_bytes()), (None, Some(&b"x"[..])));
    }

    #[test]
    fn every_kind_of_bytes_will_do() {
        let text = String::from("abc");
        let payloads: [Payload<'_>; 9] = [
            "abc".into(),
            b"abc".into(),
            (&text).into(),
            text.clone().into(),
            b"abc".to_vec().into(),
            Bytes::from_static(b"abc").into(),
            Cow::Borrowed("abc").into(),
            Cow::<[u8]>::Owned(b"abc".to_vec()).into(),
            Some("abc").into(),
        ];
        assert!(payloads.iter().all(|payload| payload.as_bytes() == Some(b"abc")));
        assert_eq!(format!("{:?}", payloads[0]), "\"abc\"");
    }

    #[test]
    fn owning_changes_nothing() {
        let record = NewRecord::to("t").key("k").value(b"v").header("a", "1").null_header("a").partition(3);
        assert_eq!(record.clone().into_owned(), record);
        let names: Vec<_> = record.header_list().map(|header| (header.key, header.value)).collect();
        assert_eq!(names, [("a", Some(&b"1"[..])), ("a", None)]);
        let now = Timestamp::from_millis(5);
        assert_eq!(record.content(now).timestamp(), Some(now));
    }
}
