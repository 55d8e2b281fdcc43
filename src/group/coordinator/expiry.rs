//! How long a committed offset is kept: Kafka's rules. Pure.
//!
//! ```text
//!     group                                           kept, counted from
//!  A  keeps offsets only                              the commit
//!  B  of consumers, empty                             when it became empty, or the commit if that was later
//!  C  of consumers, and somebody reads the topic      always
//!  D  of consumers, stable, nobody reads the topic    the commit
//!  E  of consumers, about to change                   always
//! ```
//! An offset that says itself when it expires, as old versions of Kafka wrote them, goes then.

use super::live::Committed;
use crate::group::GroupState;
use crate::types::Timestamp;
use std::time::Duration;

/// What of a group decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupFacts {
    pub(super) state: GroupState,
    pub(super) keeps_offsets_only: bool,
    pub(super) empty_since: Timestamp,
}

/// Whether an offset has been kept long enough.
pub(super) fn is_expired(
    group: GroupFacts,
    is_subscribed: bool,
    committed: &Committed,
    retention: Duration,
    now: Timestamp,
) -> bool {
    let since = match group.state {
        _ if group.keeps_offsets_only => committed.at,
        GroupState::Empty => group.empty_since.max(committed.at),
        GroupState::Stable if !is_subscribed => committed.at,
        _ => return false,
    };
    match committed.expires {
        Some(expires) => now >= expires,
        None => now >= since && now.since(since) >= retention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::offsets::OffsetAndMetadata;

    /// Whether an offset that was committed at 10, in a group empty since 20, is gone at 110 with a retention of 95.
    fn gone(state: GroupState, keeps_offsets_only: bool, is_subscribed: bool, retention: u64) -> bool {
        let at = Timestamp::from_millis;
        let committed = Committed { offset: OffsetAndMetadata::new(1), at: at(10), expires: None };
        let group = GroupFacts { state, keeps_offsets_only, empty_since: at(20) };
        is_expired(group, is_subscribed, &committed, Duration::from_millis(retention), at(110))
    }

    #[test]
    fn an_offset_is_kept_as_long_as_the_table_says() {
        use GroupState::{Empty, Reconciling, Stable};
        let simple = |retention| gone(Empty, true, false, retention);
        assert_eq!((simple(100), simple(101)), (true, false), "A, to the millisecond");
        let empty = |retention| gone(Empty, false, false, retention);
        assert_eq!((empty(90), empty(91)), (true, false), "B");
        assert!(!gone(Stable, false, true, 1), "C");
        assert_eq!((gone(Stable, false, false, 100), gone(Stable, false, false, 101)), (true, false), "D");
        assert!(!gone(Reconciling, false, false, 1), "E");
    }
}
