//! When to look for what can be cleaned. Pure: it is told the time.

use super::compaction::Compacting;
use crate::partition::Partition;
use crate::types::TopicPartition;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The first look at retention comes so soon after opening, as in Kafka: some programs do not live for five minutes.
const FIRST_CHECK: Duration = Duration::from_secs(30);
/// A log that could not be compacted for a reason that may pass is left alone for so long, and others go on.
const REST: Duration = Duration::from_secs(5 * 60);

/// Moments on the monotonic clock; `None` means never.
#[derive(Debug)]
pub(super) struct Schedule {
    check_interval: Duration,
    backoff: Duration,
    check_at: Option<Duration>,
    /// Those whose retention is still to be enforced in this check.
    pub(super) unchecked: VecDeque<Partition>,
    compact_at: Option<Duration>,
    /// The one of which a round has begun.
    pub(super) compacting: Option<Compacting>,
    resting: BTreeMap<Arc<TopicPartition>, Duration>,
}

impl Schedule {
    pub(super) fn new(check_interval: Duration, backoff: Duration, now: Duration) -> Self {
        let mut schedule = Self {
            check_interval,
            backoff,
            check_at: in_a_while(now, check_interval.min(FIRST_CHECK)),
            unchecked: VecDeque::new(),
            compact_at: in_a_while(now, backoff),
            compacting: None,
            resting: BTreeMap::new(),
        };
        if check_interval == Duration::MAX {
            schedule.check_at = None;
        }
        schedule
    }

    /// When something is due; a moment that is over if there is more to do now.
    pub(super) fn due(&self) -> Option<Duration> {
        if !self.unchecked.is_empty() || self.compacting.is_some() {
            return Some(Duration::ZERO);
        }
        self.check_at.into_iter().chain(self.compact_at).min()
    }

    /// Whether a check begins now; the next one is then some time away.
    pub(super) fn begins_check(&mut self, now: Duration) -> bool {
        let begins = self.unchecked.is_empty() && self.check_at.is_some_and(|at| at <= now);
        if begins {
            self.check_at = in_a_while(now, self.check_interval);
        }
        begins
    }

    pub(super) fn is_compaction_due(&self, now: Duration) -> bool {
        self.compact_at.is_some_and(|at| at <= now)
    }

    /// There was nothing to compact; not worth a look for a while, or for ever if no topic is compacted at all.
    pub(super) fn nothing_to_compact(&mut self, now: Duration, is_any_compacted: bool) {
        self.compact_at = if is_any_compacted { in_a_while(now, self.backoff) } else { None };
    }

    /// There may be something to compact, which nobody has to know at once.
    pub(super) fn look_for_compaction(&mut self, now: Duration) {
        if self.compact_at.is_none() {
            self.compact_at = in_a_while(now, self.backoff);
        }
    }

    pub(super) fn rest(&mut self, partition: &Arc<TopicPartition>, now: Duration) {
        self.resting.insert(partition.clone(), now.saturating_add(REST));
    }

    /// Whether a log is to be left alone for now.
    pub(super) fn is_resting(&mut self, partition: &Arc<TopicPartition>, now: Duration) -> bool {
        self.resting.retain(|_, until| *until > now);
        self.resting.contains_key(partition)
    }
}

/// A moment that never comes is none.
fn in_a_while(now: Duration, rest: Duration) -> Option<Duration> {
    if rest == Duration::MAX { None } else { now.checked_add(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_first_check_comes_soon_and_the_others_in_their_time() {
        let mut schedule = Schedule::new(secs(300), Duration::MAX, secs(5));
        assert_eq!(schedule.due(), Some(secs(35)));
        assert!(!schedule.begins_check(secs(34)) && schedule.begins_check(secs(36)));
        assert_eq!(schedule.due(), Some(secs(336)));
        assert_eq!(Schedule::new(secs(7), Duration::MAX, secs(5)).due(), Some(secs(12)));
    }

    #[test]
    fn never_is_never() {
        let mut schedule = Schedule::new(Duration::MAX, Duration::MAX, secs(5));
        assert_eq!(schedule.due(), None);
        schedule.look_for_compaction(secs(9));
        assert!(schedule.due().is_none() && !schedule.begins_check(Duration::MAX));
    }

    #[test]
    fn where_nothing_is_compacted_nobody_looks_until_something_changes() {
        let mut schedule = Schedule::new(Duration::MAX, secs(15), secs(0));
        assert!(!schedule.is_compaction_due(secs(14)) && schedule.is_compaction_due(secs(15)));
        schedule.nothing_to_compact(secs(15), true);
        assert_eq!(schedule.due(), Some(secs(30)));
        schedule.nothing_to_compact(secs(30), false);
        assert_eq!(schedule.due(), None);
        schedule.look_for_compaction(secs(100));
        schedule.look_for_compaction(secs(110));
        assert_eq!(schedule.due(), Some(secs(115)));
    }

    #[test]
    fn a_log_that_failed_rests_and_comes_back() {
        let mut schedule = Schedule::new(Duration::MAX, secs(15), secs(0));
        let [one, other] = [0, 1].map(|number| Arc::new(TopicPartition::new("orders", number).unwrap()));
        schedule.rest(&one, secs(10));
        assert!(schedule.is_resting(&one, secs(309)) && !schedule.is_resting(&other, secs(10)));
        assert!(!schedule.is_resting(&one, secs(310)));
    }
}
