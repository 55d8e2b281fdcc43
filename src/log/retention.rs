//! Which segments of a log have outlived their use, by Kafka's rules. Pure.
//!
//! Three rules, one after the other, each from the oldest segment on and only up to the first that it does not match:
//! - *start*: everything in it lies before the start of the log;
//! - *size*: without it the log still has as many bytes as it is to keep;
//! - *time*: its newest record is older than records are to become. One record of the far future therefore keeps its
//!   segment, and all later ones.
//!
//! The active segment may go by size and time, but not while it is empty.

use crate::config::{CleanupPolicy, TopicConfig};
use crate::types::Timestamp;
use std::time::Duration;

/// What is to be kept. The defaults are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionConfig {
    /// How old the newest record of a segment becomes (`retention.ms`). `Duration::MAX` means that nothing is too old.
    /// Default 7 days.
    pub time: Duration,
    /// How many bytes are kept at least (`retention.bytes`). `u64::MAX` means that nothing is too much. Default
    /// `u64::MAX`.
    pub bytes: u64,
    /// What becomes of old records (`cleanup.policy`). Where nothing is deleted by age and size, still what lies before
    /// the start is. Default [`CleanupPolicy::Delete`].
    pub policy: CleanupPolicy,
}

impl From<&TopicConfig> for RetentionConfig {
    fn from(config: &TopicConfig) -> Self {
        Self { time: config.retention, bytes: config.retention_bytes, policy: config.cleanup_policy }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self::from(&TopicConfig::default())
    }
}

/// Why a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// The log begins behind it.
    Start,
    /// The log is larger than it is to be.
    Size,
    /// It is older than it is to become.
    Time,
}

/// A segment, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) base_offset: u64,
    pub(crate) bytes: u64,
    /// Its largest timestamp; when its file was last written to if its records have none.
    pub(crate) newest: Timestamp,
}

/// Why the leading segments go, one reason for each that does. The last of `segments` is the active one.
pub(crate) fn plan(
    segments: &[Candidate],
    start: u64,
    now: Timestamp,
    config: &RetentionConfig,
) -> Vec<RemovalReason> {
    let mut reasons = Vec::new();
    let lies_before_start = segments.windows(2).take_while(|pair| pair[1].base_offset <= start).count();
    reasons.resize(lies_before_start, RemovalReason::Start);
    if !config.policy.deletes() {
        return reasons;
    }
    let left = &segments[reasons.len()..];
    let mut excess = left.iter().map(|segment| segment.bytes).sum::<u64>().checked_sub(config.bytes);
    let too_many = left.iter().take_while(|segment| {
        excess = excess.and_then(|excess| excess.checked_sub(segment.bytes));
        excess.is_some() && may_go(segment, segments)
    });
    let too_many = too_many.count();
    reasons.resize(lies_before_start + too_many, RemovalReason::Size);
    let too_old = segments[reasons.len()..]
        .iter()
        .take_while(|segment| now.since(segment.newest) > config.time && may_go(segment, segments));
    let too_old = too_old.count();
    reasons.resize(lies_before_start + too_many + too_old, RemovalReason::Time);
    reasons
}

/// An empty segment at the end is where the log goes on.
fn may_go(segment: &Candidate, segments: &[Candidate]) -> bool {
    segment.bytes > 0 || segments.last().is_some_and(|last| last.base_offset != segment.base_offset)
}

#[cfg(test)]
mod tests {
    use super::RemovalReason::{Size, Start, Time};
    use super::*;

    /// Four segments of 100 bytes, of the times 1000, 2000, 3000 and 4000.
    fn segments() -> Vec<Candidate> {
        let segment = |index: u64| Candidate {
            base_offset: 10 * index,
            bytes: 100,
            newest: Timestamp::from_millis(1000 + 1000 * index as i64),
        };
        (0..4).map(segment).collect()
    }

    fn config(time: u64, bytes: u64) -> RetentionConfig {
        let time = if time == u64::MAX { Duration::MAX } else { Duration::from_millis(time) };
        RetentionConfig { time, bytes, policy: CleanupPolicy::Delete }
    }

    fn reasons(start: u64, now: i64, config: RetentionConfig) -> Vec<RemovalReason> {
        plan(&segments(), start, Timestamp::from_millis(now), &config)
    }

    #[test]
    fn what_lies_before_the_start_goes_but_never_the_active_segment() {
        for (start, gone) in [(0, 0), (9, 0), (10, 1), (19, 1), (30, 3), (40, 3), (99, 3)] {
            assert_eq!(reasons(start, 0, config(u64::MAX, u64::MAX)), vec![Start; gone], "start {start}");
        }
    }

    #[test]
    fn as_many_bytes_stay_as_were_asked_for_at_least() {
        for (bytes, gone) in
            [(u64::MAX, 0), (400, 0), (301, 0), (300, 1), (299, 1), (100, 3), (99, 3), (0, 4)]
        {
            assert_eq!(reasons(0, 0, config(u64::MAX, bytes)), vec![Size; gone], "{bytes} bytes");
        }
    }

    #[test]
    fn a_segment_goes_when_its_newest_record_is_older_than_it_may_be_and_not_before() {
        for (now, gone) in [(0, 0), (1500, 0), (1501, 1), (2500, 1), (2501, 2), (4501, 4), (i64::MAX, 4)] {
            assert_eq!(reasons(0, now, config(500, u64::MAX)), vec![Time; gone], "now {now}");
        }
        assert_eq!(reasons(0, i64::MAX, config(u64::MAX, u64::MAX)), []);
        assert_eq!(reasons(0, i64::MIN, config(0, u64::MAX)), []);
    }

    #[test]
    fn one_far_future_timestamp_keeps_all_that_follow() {
        let mut segments = segments();
        segments[1].newest = Timestamp::from_millis(i64::MAX);
        let now = Timestamp::from_millis(1_000_000);
        assert_eq!(plan(&segments, 0, now, &config(1, u64::MAX)), [Time]);
    }

    #[test]
    fn the_rules_follow_each_other() {
        assert_eq!(reasons(10, 3_600, config(500, 200)), [Start, Size, Time]);
        assert_eq!(reasons(10, 5_000, config(500, 200)), [Start, Size, Time, Time]);
        let compacted = RetentionConfig { policy: CleanupPolicy::Compact, ..config(500, 200) };
        assert_eq!(reasons(10, 5_000, compacted), [Start]);
        let both = RetentionConfig { policy: CleanupPolicy::CompactDelete, ..config(500, 200) };
        assert_eq!(reasons(10, 5_000, both), [Start, Size, Time, Time]);
    }

    #[test]
    fn an_empty_active_segment_stays_and_an_empty_older_one_need_not() {
        let mut segments = segments();
        segments[3].bytes = 0;
        let now = Timestamp::from_millis(1_000_000);
        assert_eq!(plan(&segments, 0, now, &config(1, u64::MAX)), [Time; 3]);
        assert_eq!(plan(&segments, 0, Timestamp::default(), &config(u64::MAX, 0)), [Size; 3]);
        segments[0].bytes = 0;
        assert_eq!(plan(&segments, 0, now, &config(1, u64::MAX)), [Time; 3]);
        assert_eq!(plan(&segments, 0, now, &config(u64::MAX, 201)), [], "what is little enough stays whole");
        assert_eq!(plan(&segments, 0, now, &config(u64::MAX, 200)), [Size]);
        assert_eq!(plan(&[], 0, now, &config(1, 0)), []);
    }
}
