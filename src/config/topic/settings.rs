//! The table of a topic's settings: what Kafka calls each, how its value is printed and read, and what it may be.
//!
//! Every range and every word stands here once. Values are read as Kafka reads them, with blanks around them, and print
//! in one way only.

use super::{CleanupPolicy, TopicConfig};
use crate::config::{Acks, LogConfig, Visibility};
use crate::error::{Error, Result};
use crate::types::{Compression, TimestampType};
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

/// A row of the table.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// What it may be, as the error says it.
    why: &'static str,
    pub(super) print: fn(&TopicConfig) -> String,
    /// `None` if it cannot be that; the settings are then as before.
    read: fn(&mut TopicConfig, &str) -> Option<()>,
}

const MILLIS: &str = "it is a number of milliseconds from 0 to 9223372036854775807, which means never";
const MILLIS_FROM_1: &str = "it is a number of milliseconds from 1 to 9223372036854775807, which means never";
const INT_MAX: u32 = i32::MAX as u32;

/// By name.
pub(super) static SETTINGS: [Setting; 18] = [
    Setting {
        name: "cleanup.policy",
        why: "it is delete, compact, or compact,delete",
        print: |config| policy(config.cleanup_policy).into(),
        read: |config, text| put(&mut config.cleanup_policy, read_policy(text)),
    },
    Setting {
        name: "compression.type",
        why: "it is producer, uncompressed, gzip, snappy, lz4 or zstd",
        print: |config| word(&CODECS, config.compression),
        read: |config, text| put(&mut config.compression, read_word(&CODECS, text)),
    },
    Setting {
        name: "delete.retention.ms",
        why: MILLIS,
        print: |config| millis(config.delete_retention).to_string(),
        read: |config, text| put(&mut config.delete_retention, read_time(text, 0)),
    },
    Setting {
        name: "index.interval.bytes",
        why: "it is a number of bytes up to 2147483647",
        print: |config| config.index_interval_bytes.to_string(),
        read: |config, text| put(&mut config.index_interval_bytes, read_bytes(text, 0..=INT_MAX)),
    },
    Setting {
        name: "max.compaction.lag.ms",
        why: MILLIS_FROM_1,
        print: |config| millis(config.max_compaction_lag).to_string(),
        read: |config, text| put(&mut config.max_compaction_lag, read_time(text, 1)),
    },
    Setting {
        name: "max.message.bytes",
        why: "it is a number of bytes from 1 to 2147483647",
        print: |config| config.max_message_bytes.to_string(),
        read: |config, text| put(&mut config.max_message_bytes, read_bytes(text, 1..=INT_MAX)),
    },
    Setting {
        name: "message.timestamp.after.max.ms",
        why: MILLIS,
        print: |config| millis(config.timestamp_after_max).to_string(),
        read: |config, text| put(&mut config.timestamp_after_max, read_time(text, 0)),
    },
    Setting {
        name: "message.timestamp.before.max.ms",
        why: MILLIS,
        print: |config| millis(config.timestamp_before_max).to_string(),
        read: |config, text| put(&mut config.timestamp_before_max, read_time(text, 0)),
    },
    Setting {
        name: "message.timestamp.type",
        why: "it is CreateTime or LogAppendTime",
        print: |config| word(&TIMESTAMP_TYPES, config.timestamp_type),
        read: |config, text| put(&mut config.timestamp_type, read_word(&TIMESTAMP_TYPES, text)),
    },
    Setting {
        name: "min.acks",
        why: "it is none, written or durable",
        print: |config| word(&ACKS, config.min_acks),
        read: |config, text| put(&mut config.min_acks, read_word(&ACKS, text)),
    },
    Setting {
        name: "min.cleanable.dirty.ratio",
        why: "it is a number from 0 to 1",
        print: |config| format!("{:?}", config.min_cleanable_dirty_ratio),
        read: |config, text| put(&mut config.min_cleanable_dirty_ratio, read_ratio(text)),
    },
    Setting {
        name: "min.compaction.lag.ms",
        why: MILLIS,
        print: |config| millis(config.min_compaction_lag).to_string(),
        read: |config, text| put(&mut config.min_compaction_lag, read_time(text, 0)),
    },
    Setting {
        name: "retention.bytes",
        why: "it is a number of bytes from 0 on, or -1 for no limit",
        print: |config| unless_never(config.retention_bytes),
        read: |config, text| put(&mut config.retention_bytes, read_or_minus_one(text).map(limit)),
    },
    Setting {
        name: "retention.ms",
        why: "it is a number of milliseconds from 0 on, or -1 for never",
        print: |config| unless_never(millis(config.retention)),
        read: |config, text| put(&mut config.retention, read_or_minus_one(text).map(time)),
    },
    Setting {
        name: "segment.bytes",
        why: "it is a number of bytes from 128 to 2147483647",
        print: |config| config.segment_bytes.to_string(),
        read: |config, text| {
            let range = LogConfig::SEGMENT_BYTES_LEAST..=LogConfig::SEGMENT_BYTES_LIMIT;
            put(&mut config.segment_bytes, read_bytes(text, range))
        },
    },
    Setting {
        name: "segment.index.bytes",
        why: "it is a number of bytes from 24 to 2147483647",
        print: |config| config.segment_index_bytes.to_string(),
        read: |config, text| {
            let range = LogConfig::INDEX_BYTES_LEAST..=LogConfig::SEGMENT_BYTES_LIMIT;
            put(&mut config.segment_index_bytes, read_bytes(text, range))
        },
    },
    Setting {
        name: "segment.ms",
        why: MILLIS_FROM_1,
        print: |config| millis(config.segment_age).to_string(),
        read: |config, text| put(&mut config.segment_age, read_time(text, 1)),
    },
    Setting {
        name: "visibility",
        why: "it is written or durable",
        print: |config| word(&VISIBILITIES, config.visibility),
        read: |config, text| put(&mut config.visibility, read_word(&VISIBILITIES, text)),
    },
];

type Words<T, const N: usize> = [(&'static str, T); N];

const ACKS: Words<Acks, 3> = [("none", Acks::None), ("written", Acks::Written), ("durable", Acks::Durable)];

/// A batch may be stored as it comes; else Kafka calls what is not compressed otherwise than in a producer's settings.
const CODECS: Words<Option<Compression>, 6> = [
    ("producer", None),
    ("uncompressed", Some(Compression::None)),
    ("gzip", Some(Compression::Gzip)),
    ("snappy", Some(Compression::Snappy)),
    ("lz4", Some(Compression::Lz4)),
    ("zstd", Some(Compression::Zstd)),
];

const TIMESTAMP_TYPES: Words<TimestampType, 2> =
    [("CreateTime", TimestampType::Create), ("LogAppendTime", TimestampType::LogAppend)];

const VISIBILITIES: Words<Visibility, 2> =
    [("written", Visibility::Written), ("durable", Visibility::Durable)];

impl Setting {
    /// The row of this name.
    pub(super) fn named(name: &str) -> Result<&'static Setting> {
        static NAMES: LazyLock<String> = LazyLock::new(|| {
            format!("it is one of {}", SETTINGS.each_ref().map(|setting| setting.name).join(", "))
        });
        let found = SETTINGS.iter().find(|setting| setting.name == name.trim());
        found.ok_or_else(|| invalid("the name of a setting", name, NAMES.as_str()))
    }

    /// Reads a value.
    pub(super) fn set(&self, config: &mut TopicConfig, value: &str) -> Result<()> {
        (self.read)(config, value.trim()).ok_or_else(|| invalid(self.name, value, self.why))
    }
}

/// The value is quoted back at the length of a line at most, for it may be anything.
fn invalid(setting: &'static str, value: &str, why: &'static str) -> Error {
    Error::InvalidConfig { setting, value: value.chars().take(100).collect(), why }
}

fn put<T>(field: &mut T, value: Option<T>) -> Option<()> {
    value.map(|value| *field = value)
}

/// A time as Kafka counts it: in whole milliseconds, or never.
pub(super) fn whole_millis(duration: Duration) -> Duration {
    time(millis(duration))
}

/// A number of bytes that Kafka can count, or no limit.
pub(super) fn limit(bytes: u64) -> u64 {
    if bytes >= LONG_MAX { u64::MAX } else { bytes }
}

/// Kafka's largest number stands for never and for no limit.
const LONG_MAX: u64 = i64::MAX as u64;

/// Rounded up: what has to be kept or waited for is not cut short, and nothing but zero becomes zero.
fn millis(duration: Duration) -> u64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(LONG_MAX).min(LONG_MAX)
}

fn time(millis: u64) -> Duration {
    if millis >= LONG_MAX { Duration::MAX } else { Duration::from_millis(millis) }
}

fn unless_never(number: u64) -> String {
    if number >= LONG_MAX { "-1".into() } else { number.to_string() }
}

fn read_or_minus_one(text: &str) -> Option<u64> {
    match text.parse::<i64>().ok()? {
        -1 => Some(LONG_MAX),
        number => u64::try_from(number).ok(),
    }
}

fn read_time(text: &str, least: u64) -> Option<Duration> {
    let millis = u64::try_from(text.parse::<i64>().ok()?).ok()?;
    (millis >= least).then(|| time(millis))
}

fn read_bytes(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|bytes| range.contains(bytes))
}

fn read_ratio(text: &str) -> Option<f64> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

fn word<T: PartialEq, const N: usize>(words: &Words<T, N>, value: T) -> String {
    let found = words.iter().find(|(_, meaning)| *meaning == value);
    found.expect("every value has its word, and a test walks them").0.into()
}

fn read_word<T: Copy, const N: usize>(words: &Words<T, N>, text: &str) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

fn policy(policy: CleanupPolicy) -> &'static str {
    match policy {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Compact => "compact",
        CleanupPolicy::CompactDelete => "compact,delete",
    }
}

/// A list, in whatever order.
fn read_policy(text: &str) -> Option<CleanupPolicy> {
    let (mut compacts, mut deletes) = (false, false);
    for word in text.split(',') {
        match word.trim() {
            "compact" => compacts = true,
            "delete" => deletes = true,
            _ => return None,
        }
    }
    Some(match (compacts, deletes) {
        (true, true) => CleanupPolicy::CompactDelete,
        (true, false) => CleanupPolicy::Compact,
        (false, _) => CleanupPolicy::Delete,
    })
}
