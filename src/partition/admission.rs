//! What a topic's settings ask of whoever writes to it, and which records it takes: a pure decision per record.

use crate::config::{Acks, TopicConfig, Visibility};
use crate::error::{Error, Result};
use crate::record::Content;
use crate::types::{Compression, Timestamp, TimestampType, TopicPartition};
use arc_swap::{ArcSwap, Cache};
use std::sync::Arc;

/// The settings of a topic, for whoever asks again and again: as long as nobody alters them, that is a look at one word.
pub(crate) type SettingsCache = Cache<Arc<ArcSwap<TopicConfig>>, Arc<TopicConfig>>;

/// What the settings ask. Taken once for each send or append and passed along, so that all that is done for it goes by
/// the same settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission<'a>(pub(crate) &'a TopicConfig);

impl Admission<'_> {
    /// Whether the log stamps the records.
    pub(crate) fn stamped(self) -> bool {
        self.0.timestamp_type == TimestampType::LogAppend
    }

    /// No batch may be larger than this.
    pub(crate) fn batch_bytes_max(self) -> usize {
        self.0.max_message_bytes.min(self.0.segment_bytes) as usize
    }

    /// Whether its records are shown once they are durable, and not before.
    pub(crate) fn shows_durable_only(self) -> bool {
        self.0.visibility == Visibility::Durable
    }

    /// The codec of its batches, if it is not left to whoever writes.
    pub(crate) fn compression(self) -> Option<Compression> {
        self.0.compression
    }

    /// No record counts as sent before it is this sure.
    pub(crate) fn min_acks(self) -> Acks {
        self.0.min_acks
    }

    fn keyed(self) -> bool {
        self.0.cleanup_policy.compacts()
    }

    /// Says what is wrong with a record that is to be appended `now`.
    #[inline]
    pub(crate) fn check<'a>(
        self,
        partition: impl FnOnce() -> &'a TopicPartition,
        record: &Content<'_>,
        now: Timestamp,
    ) -> Result<()> {
        let created = record.timestamp().unwrap_or(now);
        if (self.keyed() && !record.has_key()) || created.as_millis() < 0 || !self.takes_time(created, now) {
            let why = self.explain(record.has_key(), created, now);
            return Err(Error::InvalidRecord { partition: partition().clone(), why });
        }
        Ok(())
    }

    /// Whether the record's clock and the log's are near enough to each other. Where the log stamps that is not asked.
    #[inline]
    fn takes_time(self, created: Timestamp, now: Timestamp) -> bool {
        // Nearly all are made now.
        self.stamped()
            || created == now
            || (now.since(created) <= self.0.timestamp_before_max
                && created.since(now) <= self.0.timestamp_after_max)
    }

    #[cold]
    fn explain(self, has_key: bool, created: Timestamp, now: Timestamp) -> String {
        if self.keyed() && !has_key {
            return "its topic is compacted, and so every record needs a key".into();
        }
        if created.as_millis() < 0 {
            return format!("its timestamp of {created} lies before 1970");
        }
        let (setting, side) = match created < now {
            true => ("message.timestamp.before.max.ms", "before"),
            false => ("message.timestamp.after.max.ms", "after"),
        };
        format!("its timestamp of {created} is more than {setting} {side} now, {now}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::NewRecord;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    /// What is said of a record that was made so many milliseconds after now.
    fn said(config: TopicConfig, key: Option<&str>, after: i64) -> Option<String> {
        let record = NewRecord::new()
            .key(key)
            .timestamp(Timestamp::from_millis(NOW.as_millis().saturating_add(after)));
        let partition = TopicPartition::new("orders", 0).expect("it is a name");
        match Admission(&config).check(|| &partition, &record.content(NOW), NOW) {
            Ok(()) => None,
            Err(Error::InvalidRecord { why, .. }) => Some(why),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn within(millis: u64) -> TopicConfig {
        let time = Duration::from_millis(millis);
        TopicConfig::new().timestamp_before_max(time).timestamp_after_max(time)
    }

    #[test]
    fn a_record_is_taken_to_the_millisecond() {
        for (after, is_taken) in [(0, true), (10, true), (-10, true), (11, false), (-11, false)] {
            assert_eq!(said(within(10), None, after).is_none(), is_taken, "{after}");
        }
        assert_eq!(said(within(0), None, 0), None);
        assert!(said(within(0), None, 1).is_some_and(|why| why.contains("after.max.ms after now")));
        assert!(said(within(0), None, -1).is_some_and(|why| why.contains("before.max.ms before now")));
    }

    #[test]
    fn where_the_log_stamps_no_time_is_too_far_but_before_1970() {
        let stamped = || within(0).timestamp_type(TimestampType::LogAppend);
        assert_eq!((said(stamped(), None, 9_000), said(stamped(), None, -9_000)), (None, None));
        assert!(said(stamped(), None, -1_000_001).is_some_and(|why| why.contains("before 1970")));
    }

    #[test]
    fn a_compacted_topic_asks_for_keys() {
        let compacted = || TopicConfig::new().set("cleanup.policy", "compact").expect("it is a policy");
        assert!(said(compacted(), None, 0).is_some_and(|why| why.contains("needs a key")));
        assert_eq!((said(compacted(), Some(""), 0), said(TopicConfig::new(), None, 0)), (None, None));
    }
}
