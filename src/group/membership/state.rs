//! The states of a group and of its members, by Kafka's names.
//!
//! ```text
//!            join                        all have theirs
//!  Empty ----------> Reconciling ----------------------> Stable
//!    ^               or, if eager:           any change     |
//!    |               PreparingRebalance  <------------------+
//!    |               CompletingRebalance
//!    +---- the last member goes          Dead: deleted, for ever
//! ```
//! There is no waiting for more members, so Assigning is seen only while an assignor fails.

use std::fmt;

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// It has no members. It may have committed offsets.
    Empty,
    /// Its members have changed, and nobody knows yet who gets what.
    Assigning,
    /// It is known who gets what, and partitions are on their way.
    Reconciling,
    /// An eager group: some members still have to give up everything.
    PreparingRebalance,
    /// An eager group: everything was given up, and some have not taken their part yet.
    CompletingRebalance,
    /// Everybody has what it is to have.
    Stable,
    /// It was deleted.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::Assigning => "Assigning",
            GroupState::Reconciling => "Reconciling",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a member is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// Nothing: it has what it is to have.
    Stable,
    /// It still has to give up partitions.
    UnrevokedPartitions,
    /// Others still have to give up partitions that it is to have, or it has not polled since they did.
    UnreleasedPartitions,
}
