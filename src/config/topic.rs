//! Settings of a topic: plain data, set in a chain or by Kafka's names.
//!
//! A field and the method that sets it have the same name: `config.retention` is read, `config.retention(week)` is a
//! link of a chain. What Kafka calls them, and which values they take, stands in one table, `settings.rs`; [`set`],
//! [`get`], [`entries`] and [`validate`] are walks through it.
//!
//! [`set`]: TopicConfig::set
//! [`get`]: TopicConfig::get
//! [`entries`]: TopicConfig::entries
//! [`validate`]: TopicConfig::validate

mod settings;

use super::{Acks, LogConfig, Visibility};
use crate::error::{Error, Result};
use crate::types::{Compression, TimestampType};
use settings::{SETTINGS, Setting, limit, whole_millis};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What becomes of old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CleanupPolicy {
    /// They go when they are too old, or too many.
    #[default]
    Delete,
    /// Of each key the newest stays, however old it is.
    Compact,
    /// Of each key the newest stays until it is too old, or there are too many.
    CompactDelete,
}

impl CleanupPolicy {
    /// Whether of each key only the newest record stays.
    pub const fn compacts(self) -> bool {
        matches!(self, CleanupPolicy::Compact | CleanupPolicy::CompactDelete)
    }

    /// Whether records go by age and size.
    pub const fn deletes(self) -> bool {
        matches!(self, CleanupPolicy::Delete | CleanupPolicy::CompactDelete)
    }
}

/// The settings of a topic. The defaults are those of Kafka 4.0.
///
/// Times are whole milliseconds, as in Kafka: the methods round up. `Duration::MAX` means never, and `u64::MAX` bytes
/// mean no limit.
///
/// ```
/// use brooklet::{CleanupPolicy, TopicConfig};
/// use std::time::Duration;
///
/// let config = TopicConfig::new().partitions(3).retention(Duration::from_secs(3_600)).set("cleanup.policy", "compact,delete")?;
/// assert_eq!(config.cleanup_policy, CleanupPolicy::CompactDelete);
/// assert_eq!(config.get("retention.ms").as_deref(), Some("3600000"));
/// config.validate()?;
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct TopicConfig {
    /// How many partitions it has; more can be added, none taken away. As many consumers of a group can share the work.
    /// Not one of the named settings, as in Kafka. Default 1.
    pub partitions: u32,
    /// How long records are kept, counted from the newest of their segment (`retention.ms`). `Duration::MAX` means for
    /// ever. Default 7 days.
    pub retention: Duration,
    /// How many bytes a partition keeps at least before its oldest segments go (`retention.bytes`). `u64::MAX` means no
    /// limit, which is the default.
    pub retention_bytes: u64,
    /// A segment is closed and a new one begun before it grows beyond this (`segment.bytes`). Smaller ones are freed
    /// and compacted sooner, and cost more files. Default 1 GiB; 128 bytes are enough for a test.
    pub segment_bytes: u32,
    /// A segment is also closed when a record arrives that is this much younger than its first one (`segment.ms`).
    /// `Duration::MAX` means never. Default 7 days.
    pub segment_age: Duration,
    /// What becomes of old records (`cleanup.policy`). Default [`CleanupPolicy::Delete`].
    pub cleanup_policy: CleanupPolicy,
    /// The share of bytes not compacted yet from which on compaction is worth its work (`min.cleanable.dirty.ratio`).
    /// Lower saves space and costs writing. Default 0.5.
    pub min_cleanable_dirty_ratio: f64,
    /// How long every record can be read before compaction may take it (`min.compaction.lag.ms`). Default zero.
    pub min_compaction_lag: Duration,
    /// After how long a record is compacted even if it is not worth it yet (`max.compaction.lag.ms`). Default
    /// `Duration::MAX`: only when it is worth it.
    pub max_compaction_lag: Duration,
    /// How long a tombstone stays readable after its first compaction, so that every reader hears of it
    /// (`delete.retention.ms`). Default 24 hours.
    pub delete_retention: Duration,
    /// One index entry per this many bytes (`index.interval.bytes`). Less makes seeks read less and indexes larger.
    /// Default 4096.
    pub index_interval_bytes: u32,
    /// A segment is also closed when one of its indexes would grow beyond this (`segment.index.bytes`). Default 10 MiB.
    pub segment_index_bytes: u32,
    /// The largest batch that is accepted, header included (`max.message.bytes`). Default 1 MiB and 12 bytes.
    pub max_message_bytes: u32,
    /// Whose clock stamps the records (`message.timestamp.type`). Default [`TimestampType::Create`]: their producer's.
    pub timestamp_type: TimestampType,
    /// How far in the past the timestamp of a new record may lie, if its producer gave it
    /// (`message.timestamp.before.max.ms`). Default `Duration::MAX`: any far.
    pub timestamp_before_max: Duration,
    /// How far in the future it may lie (`message.timestamp.after.max.ms`). One such record keeps its segment and all
    /// later ones from being deleted by age. Default 1 hour, as from Kafka 4.0 on; before, any far.
    pub timestamp_after_max: Duration,
    /// The codec in which batches are stored (`compression.type`). Default `None`: each as its producer sent it.
    pub compression: Option<Compression>,
    /// The lowest level that a producer to this topic may ask for (`min.acks`, which Kafka does not have). Default
    /// [`Acks::None`]: any.
    pub min_acks: Acks,
    /// From when on a record can be read (`visibility`, which Kafka does not have). Default [`Visibility::Written`].
    pub visibility: Visibility,
}

impl Default for TopicConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let log = LogConfig::default();
        Self {
            partitions: 1,
            retention: 7 * DAY,
            retention_bytes: u64::MAX,
            segment_bytes: log.segment_bytes,
            segment_age: log.segment_age,
            cleanup_policy: CleanupPolicy::default(),
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag: Duration::ZERO,
            max_compaction_lag: Duration::MAX,
            delete_retention: DAY,
            index_interval_bytes: log.index_interval_bytes,
            segment_index_bytes: log.segment_index_bytes,
            max_message_bytes: log.max_message_bytes,
            timestamp_type: TimestampType::default(),
            timestamp_before_max: Duration::MAX,
            timestamp_after_max: Duration::from_secs(60 * 60),
            compression: None,
            min_acks: Acks::None,
            visibility: Visibility::default(),
        }
    }
}

/// The links of the chain: each sets the field of its name.
macro_rules! links {
    ($($field:ident: $kind:ty $(=> $made:ident)?),* $(,)?) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        pub fn $field(mut self, $field: $kind) -> Self {
            self.$field = $($made)?($field);
            self
        }
    )*};
}

impl TopicConfig {
    /// How many partitions a topic can have.
    pub(crate) const PARTITIONS: RangeInclusive<u32> = 1..=i32::MAX as u32;

    /// Kafka's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    links! {
        partitions: u32,
        retention: Duration => whole_millis,
        retention_bytes: u64 => limit,
        segment_bytes: u32,
        segment_age: Duration => whole_millis,
        cleanup_policy: CleanupPolicy,
        min_cleanable_dirty_ratio: f64,
        min_compaction_lag: Duration => whole_millis,
        max_compaction_lag: Duration => whole_millis,
        delete_retention: Duration => whole_millis,
        index_interval_bytes: u32,
        segment_index_bytes: u32,
        max_message_bytes: u32,
        timestamp_type: TimestampType,
        timestamp_before_max: Duration => whole_millis,
        timestamp_after_max: Duration => whole_millis,
        compression: Option<Compression>,
        min_acks: Acks,
        visibility: Visibility,
    }

    /// Sets one by the name and in the words that Kafka has for it: `set("retention.ms", "1000")`.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] says which names there are, or which values this one takes.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self> {
        Setting::named(name)?.set(&mut self, value)?;
        Ok(self)
    }

    /// One by Kafka's name, in Kafka's words; `None` if there is no such setting.
    pub fn get(&self, name: &str) -> Option<String> {
        Setting::named(name).ok().map(|setting| (setting.print)(self))
    }

    /// The settings that are not as by default: their names, in alphabetical order, and their values, both in Kafka's
    /// words. The number of partitions is not among them.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let differing = SETTINGS.iter().filter(|setting| (setting.print)(self) != (setting.print)(&default));
        differing.map(|setting| (setting.name, (setting.print)(self))).collect()
    }

    /// The settings that [`entries`](Self::entries) came from, with one partition; all others are as by default.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    ///
    /// ```
    /// # use brooklet::TopicConfig;
    /// let config = TopicConfig::new().segment_bytes(512).set("min.acks", "written")?;
    /// assert_eq!(config.entries(), [("min.acks", "written".into()), ("segment.bytes", "512".into())]);
    /// assert_eq!(TopicConfig::from_entries(config.entries())?, config);
    /// # Ok::<(), brooklet::Error>(())
    /// ```
    pub fn from_entries(
        entries: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self> {
        let mut entries = entries.into_iter();
        entries.try_fold(Self::default(), |config, (name, value)| config.set(name.as_ref(), value.as_ref()))
    }

    /// Checks every setting, and those that must go together.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first setting that cannot be, as Kafka calls it, and what it may be;
    /// [`Error::CodecMissing`] the codec that this build cannot write.
    pub fn validate(&self) -> Result<()> {
        if !Self::PARTITIONS.contains(&self.partitions) {
            let why = "a topic has 1 to 2147483647 of them";
            return Err(Error::InvalidConfig {
                setting: "partitions",
                value: self.partitions.to_string(),
                why,
            });
        }
        // A value is one that can be, if what it prints can be read: so each range stands in one place.
        SETTINGS.iter().try_for_each(|setting| setting.set(&mut self.clone(), &(setting.print)(self)))?;
        if self.min_compaction_lag > self.max_compaction_lag {
            let setting = "min.compaction.lag.ms";
            let value = self.get(setting).unwrap_or_default();
            return Err(Error::InvalidConfig { setting, value, why: "it is at most max.compaction.lag.ms" });
        }
        match self.compression {
            Some(codec) if !codec.is_compiled_in() => Err(Error::CodecMissing { codec: codec.name() }),
            _ => Ok(()),
        }
    }

    /// What of them concerns the log of each partition.
    ///
    /// The active segment is never compacted, so where records have to be within some time, it does not grow older.
    pub fn to_log_config(&self) -> LogConfig {
        let segment_age = if self.cleanup_policy.compacts() {
            self.segment_age.min(self.max_compaction_lag)
        } else {
            self.segment_age
        };
        LogConfig {
            segment_bytes: self.segment_bytes,
            segment_age,
            index_interval_bytes: self.index_interval_bytes,
            segment_index_bytes: self.segment_index_bytes,
            max_message_bytes: self.max_message_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
