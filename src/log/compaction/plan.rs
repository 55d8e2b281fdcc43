//! What of a log is to be compacted, and how its segments are put together, by Kafka's rules. Pure.
//!
//! ```text
//!   start            first dirty                first uncleanable      active segment
//!   |  clean         |  dirty: keys are read    |  not yet: an open transaction, too young,
//!   |  rewritten     |  rewritten               |  or still written to
//! ```
//! Of the records below *first dirty* each key's newest is the only one, but for newer ones in the dirty part. What can
//! be cleaned ends at the start of a segment.

use crate::config::TopicConfig;
use crate::types::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// When and how a log is compacted. The defaults are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionConfig {
    /// The share of dirty bytes above which it is worth the work (`min.cleanable.dirty.ratio`). Default 0.5.
    pub min_dirty_ratio: f64,
    /// How long every record can be read (`min.compaction.lag.ms`). Default zero.
    pub min_lag: Duration,
    /// After how long a record is compacted though it is not worth the work (`max.compaction.lag.ms`). Default
    /// `Duration::MAX`.
    pub max_lag: Duration,
    /// How long a tombstone, or the marker of a transaction of which nothing is left, stays from its first compaction on
    /// (`delete.retention.ms`). Default 24 hours.
    pub delete_retention: Duration,
    /// Memory for the keys of one round. With less of it than the keys of the dirty part need there are more rounds.
    /// Default 128 MiB (`log.cleaner.dedupe.buffer.size`), as much as two million short keys need; only what they need is taken.
    pub key_map_bytes: usize,
}

impl From<&TopicConfig> for CompactionConfig {
    fn from(config: &TopicConfig) -> Self {
        Self {
            min_dirty_ratio: config.min_cleanable_dirty_ratio,
            min_lag: config.min_compaction_lag,
            max_lag: config.max_compaction_lag,
            delete_retention: config.delete_retention,
            key_map_bytes: 128 << 20,
        }
    }
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self::from(&TopicConfig::default())
    }
}

/// A segment, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) base_offset: u64,
    pub(crate) bytes: u64,
    /// The size of the larger of its indexes of offsets and times.
    pub(crate) index_bytes: u64,
    /// Its largest timestamp; when its file was last written to if its records have none.
    pub(crate) newest: Timestamp,
    /// The timestamp of its first batch, if it has one and anybody asked.
    pub(crate) first_timestamp: Option<Timestamp>,
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) start: u64,
    pub(crate) last_stable: u64,
    pub(crate) end: u64,
    /// Up to where it was compacted, as far as anybody remembers.
    pub(crate) cleaned_to: u64,
}

impl Standing {
    /// Where the dirty part begins. What somebody remembers of offsets that are not there is not believed.
    pub(crate) fn first_dirty(&self) -> u64 {
        let remembered = (self.start..=self.end).contains(&self.cleaned_to);
        if remembered { self.cleaned_to } else { self.start }
    }
}

/// What of a log can be compacted, and whether it should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// The first offset of the dirty part.
    pub first_dirty: u64,
    /// The first offset behind it: where a segment begins that must not be compacted yet.
    pub first_uncleanable: u64,
    /// The bytes of the segments before the dirty part.
    pub clean_bytes: u64,
    /// The bytes of the segments of the dirty part.
    pub dirty_bytes: u64,
    /// Whether something in the dirty part has waited longer than it is to.
    pub overdue: bool,
}

impl Cleanable {
    /// The share of the dirty bytes. Of two logs the one with the larger is compacted first.
    pub fn dirty_ratio(&self) -> f64 {
        let all = self.clean_bytes + self.dirty_bytes;
        if all == 0 { 0.0 } else { self.dirty_bytes as f64 / all as f64 }
    }

    /// Whether it is worth the work, or has to be done.
    pub fn is_due(&self, config: &CompactionConfig) -> bool {
        (self.overdue && self.dirty_bytes > 0) || self.dirty_ratio() > config.min_dirty_ratio
    }
}

/// What of these segments can be compacted. The last one is the active one.
pub(crate) fn cleanable(
    parts: &[Part],
    standing: Standing,
    now: Timestamp,
    config: &CompactionConfig,
) -> Cleanable {
    let Some((active, closed)) = parts.split_last() else {
        let Standing { start, .. } = standing;
        return Cleanable {
            first_dirty: start,
            first_uncleanable: start,
            clean_bytes: 0,
            dirty_bytes: 0,
            overdue: false,
        };
    };
    let first_dirty = standing.first_dirty();
    let dirty_from = floor(parts, first_dirty);
    let young = closed
        .get(dirty_from..)
        .unwrap_or_default()
        .iter()
        .find(|part| !config.min_lag.is_zero() && now.since(part.newest) < config.min_lag);
    let until = young.map_or(active.base_offset, |part| part.base_offset);
    let until = floor(parts, until.min(standing.last_stable).min(active.base_offset));
    let first_uncleanable = parts[until].base_offset.max(standing.start);
    let dirty = parts.get(dirty_from..until).unwrap_or_default();
    let bytes = |parts: &[Part]| parts.iter().map(|part| part.bytes).sum();
    let waited = |part: &Part| part.first_timestamp.filter(|first| first.as_millis() > 0);
    Cleanable {
        first_dirty: first_dirty.min(first_uncleanable),
        first_uncleanable,
        clean_bytes: bytes(&parts[..dirty_from.min(until)]),
        dirty_bytes: bytes(dirty),
        overdue: dirty.iter().filter_map(waited).any(|first| now.since(first) > config.max_lag),
    }
}

/// The index of the segment that would hold `offset`.
fn floor(parts: &[Part], offset: u64) -> usize {
    parts.partition_point(|part| part.base_offset <= offset).saturating_sub(1)
}

/// How large a segment may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    pub(crate) segment_bytes: u64,
    pub(crate) index_bytes: u64,
    /// Behind the last of the segments.
    pub(crate) end: u64,
}

/// Which neighbours become one segment: as many as fit by what they are before.
pub(crate) fn group(parts: &[Part], limits: GroupLimits) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut first = 0;
    while first < parts.len() {
        let (mut bytes, mut index_bytes) = (parts[first].bytes, parts[first].index_bytes);
        let mut behind = first + 1;
        while let Some(next) = parts.get(behind) {
            bytes += next.bytes;
            index_bytes += next.index_bytes;
            let end = parts.get(behind + 1).map_or(limits.end, |part| part.base_offset);
            let reach = end.saturating_sub(1).saturating_sub(parts[first].base_offset);
            let fits = bytes <= limits.segment_bytes && index_bytes <= limits.index_bytes;
            if !fits || (next.bytes > 0 && reach > i32::MAX as u64) {
                break;
            }
            behind += 1;
        }
        groups.push(first..behind);
        first = behind;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 10 offsets and 100 bytes, of the times 1000, 2000, ..; the last is the active one.
    fn parts() -> Vec<Part> {
        let part = |index: u64| Part {
            base_offset: 10 * index,
            bytes: 100,
            index_bytes: 8,
            newest: at(1_000 + 1_000 * index as i64),
            first_timestamp: Some(at(500 + 1_000 * index as i64)),
        };
        (0..5).map(part).collect()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn standing() -> Standing {
        Standing { start: 0, last_stable: 45, end: 45, cleaned_to: 0 }
    }

    fn of(standing: Standing, now: i64, config: CompactionConfig) -> (u64, u64, u64, u64) {
        let found = cleanable(&parts(), standing, at(now), &config);
        (found.first_dirty, found.first_uncleanable, found.clean_bytes, found.dirty_bytes)
    }

    #[test]
    fn the_dirty_part_lies_between_what_was_cleaned_and_what_must_not_be() {
        let table = [
            (standing(), (0, 40, 0, 400)),
            (Standing { cleaned_to: 20, ..standing() }, (20, 40, 200, 200)),
            (Standing { cleaned_to: 25, ..standing() }, (25, 40, 200, 200)),
            (Standing { cleaned_to: 40, ..standing() }, (40, 40, 400, 0)),
            (Standing { cleaned_to: 43, ..standing() }, (40, 40, 400, 0)),
            (Standing { cleaned_to: 46, ..standing() }, (0, 40, 0, 400)),
            (Standing { cleaned_to: 5, start: 12, ..standing() }, (12, 40, 100, 300)),
            (Standing { last_stable: 30, ..standing() }, (0, 30, 0, 300)),
            (Standing { last_stable: 29, ..standing() }, (0, 20, 0, 200)),
            (Standing { last_stable: 5, ..standing() }, (0, 0, 0, 0)),
            (Standing { last_stable: 15, cleaned_to: 30, ..standing() }, (10, 10, 100, 0)),
        ];
        for (standing, expected) in table {
            assert_eq!(of(standing, 0, CompactionConfig::default()), expected, "{standing:?}");
        }
    }

    #[test]
    fn a_young_segment_keeps_itself_and_all_later_ones() {
        let config = |lag| CompactionConfig { min_lag: Duration::from_millis(lag), ..Default::default() };
        for (now, lag, until) in
            [(4_000, 0, 40), (5_000, 1_000, 40), (4_999, 1_000, 30), (3_500, 1_000, 20), (0, 1, 0)]
        {
            assert_eq!(of(standing(), now, config(lag)).1, until, "now {now}, lag {lag}");
        }
        let mut parts = parts();
        parts[1].newest = at(i64::MAX);
        assert_eq!(cleanable(&parts, standing(), at(9_000), &config(1)).first_uncleanable, 10);
        let cleaned = Standing { cleaned_to: 20, ..standing() };
        assert_eq!(cleanable(&parts, cleaned, at(9_000), &config(1)).first_uncleanable, 40);
    }

    #[test]
    fn a_log_is_due_when_more_than_its_share_is_dirty_or_something_has_waited_too_long() {
        let ratio = |min_dirty_ratio| CompactionConfig { min_dirty_ratio, ..Default::default() };
        let half = Standing { cleaned_to: 20, ..standing() };
        let due = |standing, now, config| cleanable(&parts(), standing, at(now), &config).is_due(&config);
        assert!(due(standing(), 0, ratio(0.99)) && !due(standing(), 0, ratio(1.0)));
        assert!(due(half, 0, ratio(0.49)) && !due(half, 0, ratio(0.5)));
        let overdue = CompactionConfig { max_lag: Duration::from_millis(100), ..ratio(1.0) };
        assert!(!due(half, 2_600, overdue) && due(half, 2_601, overdue));
        let clean = Standing { cleaned_to: 40, ..standing() };
        assert!(!due(clean, i64::MAX, overdue), "there is nothing to be done");
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a group is a range")]
    fn neighbours_become_one_segment_as_long_as_they_fit() {
        let limits = |segment_bytes, index_bytes| GroupLimits { segment_bytes, index_bytes, end: 40 };
        let closed = &parts()[..4];
        for (bytes, index, expected) in [
            (400, 99, vec![0..4]),
            (399, 99, vec![0..3, 3..4]),
            (200, 99, vec![0..2, 2..4]),
            (1, 99, vec![0..1, 1..2, 2..3, 3..4]),
            (400, 16, vec![0..2, 2..4]),
            (400, 0, vec![0..1, 1..2, 2..3, 3..4]),
        ] {
            assert_eq!(group(closed, limits(bytes, index)), expected, "{bytes} {index}");
        }
        assert_eq!(group(&[], limits(400, 99)), []);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a group is a range")]
    fn a_segment_holds_no_offset_that_its_indexes_could_not() {
        const REACH: u64 = i32::MAX as u64;
        let limits = GroupLimits { segment_bytes: 1_000, index_bytes: 99, end: REACH + 1 };
        let mut parts = parts()[..2].to_vec();
        assert_eq!(group(&parts, limits), [0..2]);
        assert_eq!(group(&parts, GroupLimits { end: REACH + 2, ..limits }), [0..1, 1..2]);
        parts[1].bytes = 0;
        assert_eq!(
            group(&parts, GroupLimits { end: REACH + 2, ..limits }),
            [0..2],
            "there are no offsets in it"
        );
    }

    #[test]
    fn a_log_without_closed_segments_has_nothing_to_clean() {
        let found =
            cleanable(&parts()[..1], Standing { end: 9, ..standing() }, at(0), &CompactionConfig::default());
        assert_eq!((found.dirty_bytes, found.dirty_ratio()), (0, 0.0));
    }
}
