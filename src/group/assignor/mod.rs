//! Who reads which partition: Kafka's four assignors, and the trait for one's own.
//!
//! An assignor is asked for the whole picture: each partition of each subscribed topic goes to one member that
//! subscribes to it. How the group gets from what members own to that picture is not its business: nobody is given a
//! partition before its owner has given it up, with every assignor (`group/membership/reconcile.rs`).
//!
//! Ties are broken by sorted ids, so the same question always has the same answer. [`Range`] and [`RoundRobin`] answer
//! exactly as Kafka's. So do [`Sticky`] and [`CooperativeSticky`], but where Kafka's answer follows the order of a hash
//! map: there ours is as balanced and as sticky.
//!
//! ```
//! use brooklet::assignors::{Assignment, Assignor, Range, Subscriptions, MemberSubscription};
//!
//! /// Gives everything to the member with the smallest id; the others stand by.
//! #[derive(Debug)]
//! struct HotStandby;
//!
//! impl Assignor for HotStandby {
//!     fn name(&self) -> &str {
//!         "hot-standby"
//!     }
//!
//!     fn assign(&self, group: &Subscriptions) -> Assignment {
//!         let first = group.members().next();
//!         let all = |member: &MemberSubscription| member.topics.iter().flat_map(|topic| group.partitions(topic)).collect();
//!         first.map(|member| (member.member_id.clone(), all(member))).into_iter().collect()
//!     }
//! }
//!
//! let group = Subscriptions::new([("orders", 3)])?
//!     .member(MemberSubscription::new("a", ["orders"]))
//!     .member(MemberSubscription::new("b", ["orders"]));
//! assert_eq!(HotStandby.assign(&group)["a"].len(), 3);
//! assert_eq!(Range.assign(&group)["a"].len(), 2);
//! # Ok::<(), brooklet::InvalidName>(())
//! ```

mod cooperative_sticky;
mod lawful;
mod layout;
mod range;
mod round_robin;
mod sticky;
mod subscriptions;
mod wishes;

pub use cooperative_sticky::CooperativeSticky;
pub use range::Range;
pub use round_robin::RoundRobin;
pub use sticky::Sticky;
pub use subscriptions::{MemberSubscription, Subscriptions};

pub(crate) use lawful::{ask, retain_lawful};
pub(crate) use wishes::places;

use crate::types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Partitions by member id. A member that is not named gets nothing.
pub type Assignment = BTreeMap<String, BTreeSet<TopicPartition>>;

/// How members give up what they lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RebalanceProtocol {
    /// Everybody gives up everything, then everybody gets its part. A barrier: nobody reads until all have given up.
    Eager,
    /// Only what goes to somebody else is given up; everything else is read on.
    #[default]
    Cooperative,
}

/// Divides partitions between the members of a group. Pure: the same question, the same answer.
pub trait Assignor: fmt::Debug + Send + Sync + 'static {
    /// By which name members vote for it. All of one name have to divide alike.
    fn name(&self) -> &str;

    /// How members give up what they lose, unless they say it themselves.
    ///
    /// Without an own implementation: [`RebalanceProtocol::Cooperative`].
    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    /// Gives each partition of each subscribed topic to at most one of the members that subscribe to that topic.
    ///
    /// What breaks this rule is left out of the answer. After a panic the group stays with what was assigned before.
    fn assign(&self, group: &Subscriptions) -> Assignment;
}

impl<A: Assignor + ?Sized> Assignor for Arc<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn protocol(&self) -> RebalanceProtocol {
        (**self).protocol()
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        (**self).assign(group)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
