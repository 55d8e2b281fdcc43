//! When to begin a new segment. Pure.

use crate::config::LogConfig;
use crate::types::Timestamp;

/// What the decision depends on: the active segment, and the batch that is about to be appended.
#[derive(Debug, Clone)]
pub(crate) struct RollParams {
    pub(crate) base_offset: u64,
    pub(crate) bytes: u64,
    /// The largest timestamp of the segment's first batch, if it has one.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// When the segment was created or opened.
    pub(crate) opened_at: Timestamp,
    pub(crate) indexes_are_full: bool,
    pub(crate) incoming_bytes: u64,
    pub(crate) incoming_last_offset: u64,
    pub(crate) incoming_timestamp: Option<Timestamp>,
    pub(crate) now: Timestamp,
}

/// Why a new segment is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RollReason {
    Bytes,
    Age,
    IndexFull,
    OffsetsTooFarApart,
}

/// Whether, and why, a new segment is begun before the incoming batch. An empty segment is never left behind, but for
/// offsets that its indexes could not hold.
///
/// Age is measured in the time of the records, as in Kafka: a segment that nothing is appended to never ages.
pub(crate) fn reason_to_roll(params: &RollParams, config: &LogConfig) -> Option<RollReason> {
    if params.incoming_last_offset - params.base_offset > i32::MAX as u64 {
        return Some(RollReason::OffsetsTooFarApart);
    }
    if params.bytes == 0 {
        return None;
    }
    if params.bytes + params.incoming_bytes > u64::from(config.segment_bytes) {
        return Some(RollReason::Bytes);
    }
    if params.indexes_are_full {
        return Some(RollReason::IndexFull);
    }
    let age = match (params.first_timestamp.filter(|first| first.as_millis() >= 0), params.incoming_timestamp)
    {
        (Some(first), Some(incoming)) => incoming.since(first),
        (Some(_), None) => return None,
        (None, _) => params.now.since(params.opened_at),
    };
    (age > config.segment_age).then_some(RollReason::Age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn config() -> LogConfig {
        LogConfig { segment_bytes: 1000, segment_age: Duration::from_millis(100), ..LogConfig::default() }
    }

    fn params() -> RollParams {
        RollParams {
            base_offset: 10,
            bytes: 500,
            first_timestamp: Some(at(1000)),
            opened_at: at(0),
            indexes_are_full: false,
            incoming_bytes: 500,
            incoming_last_offset: 20,
            incoming_timestamp: Some(at(1100)),
            now: at(1_000_000),
        }
    }

    #[test]
    fn a_segment_that_still_fits_is_kept() {
        assert_eq!(reason_to_roll(&params(), &config()), None);
    }

    #[test]
    fn one_byte_too_many_rolls() {
        let params = RollParams { incoming_bytes: 501, ..params() };
        assert_eq!(reason_to_roll(&params, &config()), Some(RollReason::Bytes));
    }

    #[test]
    fn an_empty_segment_takes_any_batch() {
        let params = RollParams { bytes: 0, incoming_bytes: 5000, first_timestamp: None, ..params() };
        assert_eq!(reason_to_roll(&params, &config()), None);
    }

    #[test]
    fn age_is_measured_in_the_time_of_the_records() {
        let old = RollParams { incoming_timestamp: Some(at(1101)), ..params() };
        assert_eq!(reason_to_roll(&old, &config()), Some(RollReason::Age));
        let back = RollParams { incoming_timestamp: Some(at(5)), ..params() };
        assert_eq!(reason_to_roll(&back, &config()), None);
    }

    #[test]
    fn without_timestamps_the_wall_clock_counts() {
        let params = RollParams { first_timestamp: None, now: at(101), ..params() };
        assert_eq!(reason_to_roll(&params, &config()), Some(RollReason::Age));
        let params = RollParams { now: at(100), ..params };
        assert_eq!(reason_to_roll(&params, &config()), None);
    }

    #[test]
    fn never_is_never() {
        let config = LogConfig { segment_age: Duration::MAX, ..config() };
        let params = RollParams { incoming_timestamp: Some(at(i64::MAX)), ..params() };
        assert_eq!(reason_to_roll(&params, &config), None);
    }

    #[test]
    fn full_indexes_and_far_offsets_roll() {
        let full = RollParams { indexes_are_full: true, ..params() };
        assert_eq!(reason_to_roll(&full, &config()), Some(RollReason::IndexFull));
        let far = RollParams { incoming_last_offset: 10 + i32::MAX as u64 + 1, bytes: 0, ..params() };
        assert_eq!(reason_to_roll(&far, &config()), Some(RollReason::OffsetsTooFarApart));
        let near = RollParams { incoming_last_offset: 10 + i32::MAX as u64, ..params() };
        assert_eq!(reason_to_roll(&near, &config()), None);
    }
}
