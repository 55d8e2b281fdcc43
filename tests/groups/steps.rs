//! What may happen.

use proptest::prelude::*;

/// One step. Numbers choose among what there is at that moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A consumer is made, which joins in its first poll.
    Join {
        commits_by_itself: bool,
        begins_late: bool,
        /// Two names of static members; anything else is dynamic.
        instance: u8,
    },
    Poll(u8),
    Commit(u8),
    /// Commits and does not wait; what comes of it is looked at later, or never.
    CommitAsync {
        who: u8,
        is_kept: bool,
    },
    /// Waits for a commit that was kept.
    Await(u8),
    /// Commits an offset of its own partitions.
    CommitOffset(u8, u8, u8),
    Seek(u8, u8, u8),
    Close(u8),
    /// A consumer is dropped, as if its process had died.
    Kill(u8),
    /// An operator throws a member out.
    Evict(u8),
    /// Seconds go by, and maintenance runs.
    Pass(u64),
    Append(u8, u8),
    Grow(u8),
    Delete(u8),
    Create(u8),
    /// Holds memory, the topic and a copy of the disk against each other.
    Check,
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..70)
}

fn step() -> impl Strategy<Value = Step> {
    let any = proptest::arbitrary::any::<u8>;
    let either = proptest::arbitrary::any::<bool>;
    prop_oneof![
        3 => (either(), either(), 0..6_u8)
            .prop_map(|(commits_by_itself, begins_late, instance)| Step::Join { commits_by_itself, begins_late, instance }),
        12 => any().prop_map(Step::Poll),
        3 => any().prop_map(Step::Commit),
        3 => (any(), either()).prop_map(|(who, is_kept)| Step::CommitAsync { who, is_kept }),
        1 => any().prop_map(Step::Await),
        2 => (any(), any(), any()).prop_map(|(who, what, to)| Step::CommitOffset(who, what, to)),
        2 => (any(), any(), any()).prop_map(|(who, what, to)| Step::Seek(who, what, to)),
        1 => any().prop_map(Step::Close),
        1 => any().prop_map(Step::Kill),
        1 => any().prop_map(Step::Evict),
        // Not the sum of any few of these is a timeout: 45 seconds and 5 minutes.
        3 => prop_oneof![Just(7_u64), Just(41), Just(173), Just(331)].prop_map(Step::Pass),
        6 => (any(), 1..5_u8).prop_map(|(what, count)| Step::Append(what, count)),
        1 => any().prop_map(Step::Grow),
        1 => any().prop_map(Step::Delete),
        2 => any().prop_map(Step::Create),
        1 => Just(Step::Check),
    ]
}
