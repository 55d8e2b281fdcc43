//! The records of `__consumer_offsets`, byte for byte as Kafka writes them, so that its tools read ours and we read its.
//!
//! ```text
//! key                                         value
//! i16 version 0, 1 | group, topic, partition  offset_commit      a committed offset; a tombstone deletes it
//! i16 version 2    | group                    group_metadata     a group and its members; a tombstone deletes it
//! i16 version 3 .. | ..                       not ours: groups that a Kafka broker coordinates itself, shares
//! ```
//! What the members' subscriptions and assignments hold inside a group's metadata is `consumer_protocol`.
//!
//! A decoder answers with a value, with "a version that is not known", or with the place where the bytes make no sense.
//! It takes no more memory than a few times what it is given, whatever that says.

mod consumer_protocol;
mod group_metadata;
mod key;
mod offset_commit;
mod wire;

pub use consumer_protocol::{ConsumerAssignment, ConsumerSubscription};
pub use group_metadata::{GroupMetadataValue, MemberMetadata};
pub use key::Key;
pub use offset_commit::OffsetCommitValue;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Written by somebody who knows more. Keep it as it is.
    #[error("version {version} is not known here; keep the record as it is")]
    UnknownVersion {
        /// The version.
        version: i16,
    },
    /// Not what Kafka would have written.
    #[error("at byte {at}: {why}; the record was not written by a coordinator, leave it out")]
    Corrupt {
        /// The byte behind which nothing makes sense.
        at: usize,
        /// What is wrong.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests;
