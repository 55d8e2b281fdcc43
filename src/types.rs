//! Names for things: the words that every room shares.
//!
//! Offsets are plain `u64`: they are counted, compared and printed everywhere, and a newtype around them would only be
//! unwrapped again. Times are not plain: milliseconds are too easily taken for seconds.

use std::fmt;
use std::time::Duration;

/// A moment on the wall clock: milliseconds since 1970-01-01 00:00 UTC, as Kafka counts them.
///
/// A record without a timestamp has none: such a thing is an `Option<Timestamp>`, never a magic number.
///
/// ```
/// use brooklet::Timestamp;
/// use std::time::Duration;
///
/// let noon = Timestamp::from_millis(1_700_000_000_000);
/// assert_eq!((noon + Duration::from_secs(1)).as_millis(), 1_700_000_001_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    /// Saturates at the end of time, so that "now plus never" is a moment like any other.
    fn add(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// How the records of a batch are compressed.
///
/// Each codec but `None` is a feature of this crate; [`Compression::is_compiled_in`] says whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip at its default level; the feature `gzip`.
    Gzip,
    /// Snappy, which has no levels; the feature `snappy`.
    Snappy,
    /// LZ4 in its fast mode; the feature `lz4`, on by default.
    Lz4,
    /// Zstandard at level 3; the feature `zstd`.
    Zstd,
}

impl Compression {
    /// All of them, by their number.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// Its number.
    #[inline]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// What Kafka calls it, and the feature that brings it.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Whether this build can compress and decompress it.
    pub const fn is_compiled_in(self) -> bool {
        match self {
            Compression::None => true,
            Compression::Gzip => cfg!(feature = "gzip"),
            Compression::Snappy => cfg!(feature = "snappy"),
            Compression::Lz4 => cfg!(feature = "lz4"),
            Compression::Zstd => cfg!(feature = "zstd"),
        }
    }
}

/// What the timestamps of a batch mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// When the record was made, as its producer said.
    #[default]
    Create,
    /// When the log took it in: all records of a batch report the same moment.
    LogAppend,
}

/// A name that Kafka's grammar does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid name: {why}")]
pub struct InvalidName {
    /// The name.
    pub name: String,
    /// What a name may be.
    pub why: &'static str,
}

/// Topics that coordinators keep their records in: of groups, and of transactions.
pub(crate) const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// One partition of one topic.
///
/// Its directory is called as in Kafka: `orders-3`. A topic's name may hold a `-` itself, so it is split at the last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    topic: Box<str>,
    partition: u32,
}

impl TopicPartition {
    const TOPIC_LEN_MAX: usize = 249;

    /// Partition `partition` of `topic`.
    ///
    /// # Errors
    /// [`InvalidName`] if the topic's name is not one by Kafka's grammar: 1 to 249 of `a-z A-Z 0-9 . _ -`, and
    /// neither `.` nor `..`.
    pub fn new(topic: &str, partition: u32) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let why = if topic.is_empty() || topic.len() > Self::TOPIC_LEN_MAX {
            "it has 1 to 249 characters"
        } else if topic == "." || topic == ".." {
            "it is neither \".\" nor \"..\""
        } else if !topic.bytes().all(allowed) {
            "it is made of a-z, A-Z, 0-9, '.', '_' and '-'"
        } else if i32::try_from(partition).is_err() {
            "its partition is at most 2147483647"
        } else {
            return Ok(Self { topic: topic.into(), partition });
        };
        Err(InvalidName { name: topic.chars().take(Self::TOPIC_LEN_MAX + 1).collect(), why })
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Whether its topic is one of those that coordinators keep their records in.
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.topic())
    }

    /// Reads the name of a partition's directory; `None` if it is not exactly what Kafka would have called one.
    pub fn from_dir_name(name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        let parsed = Self::new(topic, partition.parse().ok()?).ok()?;
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_saturates_instead_of_wrapping() {
        assert_eq!((Timestamp::from_millis(5) + Duration::MAX).as_millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(
            Timestamp::from_millis(i64::MAX).since(Timestamp::from_millis(i64::MIN)).as_millis(),
            i64::MAX as u128
        );
    }

    #[test]
    fn a_partition_is_called_as_its_directory() {
        let orders = TopicPartition::new("my-orders", 3).unwrap();
        assert_eq!(orders.to_string(), "my-orders-3");
        assert_eq!(TopicPartition::from_dir_name("my-orders-3"), Some(orders));
        for name in
            ["orders", "orders-", "-3", "orders-03", "orders-+3", "or/ders-3", "..-3x", "orders-4294967295"]
        {
            assert_eq!(TopicPartition::from_dir_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_follow_kafkas_grammar() {
        for name in ["a", "A.b_c-9", &"x".repeat(249)] {
            assert!(TopicPartition::new(name, 0).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "\u{e9}", &"x".repeat(250)] {
            assert!(TopicPartition::new(name, 0).is_err(), "{name}");
        }
    }
}
