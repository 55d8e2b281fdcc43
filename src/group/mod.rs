//! Who reads what, and how far: consumer groups. All but the coordinator is a pure function or a state machine: no disk,
//! no clock, no thread. `now` is an argument, and any clock that only goes forward will do.
//!
//! ```text
//! assignor/     who is to have which partition             pure; one's own are handed in
//! membership/   the group as a state machine               event + now -> state + effects
//! fencing       may this member commit?                    pure
//! entries/      the records of __consumer_offsets          bytes <-> keys and values, in Kafka's schemas
//! lag           is this consumer keeping up?               pure
//! coordinator/  all groups of a broker                     the doing: locks, time, the offsets topic
//! ```
//!
//! How the coordinator uses it, under one lock per group:
//!
//! - **A consumer polls.** It sends [`Event::Poll`] and looks at its [`MemberView`]. Nothing new: it reads on. Something to
//!   give up ([`MemberView::revoking`]): its listener's `revoked` runs, still as owner, so it may commit; then
//!   [`Event::Acknowledge`] with what it owns now, and another look. Something new in [`MemberView::assigned`]: `assigned`.
//! - **An error** of the kind unknown, fenced or wrong epoch: its listener's `lost` runs, it owns nothing, and joins anew.
//! - **A commit** is judged by [`check_commit`], then written as [`entries`], and counts as [`Event::Heartbeat`].
//! - **Effects** go to others: [`Effect::AssignmentChanged`] wakes a consumer that sleeps in its poll, [`Effect::NewEpoch`]
//!   and [`Effect::BecameEmpty`] are written as a group's metadata, [`Effect::Removed`] tells a consumer that it is none.
//! - **Time:** [`Group::next_deadline`] says when [`Event::Tick`] is due. Every other event looks at deadlines too, so a
//!   late tick changes nothing that anybody could see.
//! - **Patterns** are applied by whoever knows the topics: a join carries the names that it found, and
//!   [`Event::TopicsChanged`] those that it finds now.
//!
//! ```
//! use brooklet::assignors::CooperativeSticky;
//! use brooklet::group::{Caller, Event, Group, GroupState, Join};
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! let topics = Arc::new(BTreeMap::from([("orders".to_owned(), 4)]));
//! let mut group = Group::new("billing", 0, topics);
//! let (now, mut effects) = (Duration::ZERO, Vec::new());
//! for member in ["a", "b"] {
//!     let join = Join::new(member, ["orders"], Arc::new(CooperativeSticky));
//!     group.apply(Event::Join(join), now, &mut effects)?;
//! }
//! // "a" had everything, and has to give up half of it before "b" gets any.
//! let a = Caller { member_id: "a".into(), instance_id: None, epoch: 1 };
//! group.apply(Event::Poll(a.clone()), now, &mut effects)?;
//! let view = group.member("a").expect("it has joined");
//! assert_eq!((view.assigned().len(), view.revoking().len()), (2, 2));
//! let keeps = view.assigned().clone();
//! group.apply(Event::Acknowledge(a, keeps), now, &mut effects)?;
//!
//! let b = Caller { member_id: "b".into(), instance_id: None, epoch: 2 };
//! group.apply(Event::Poll(b), now, &mut effects)?;
//! assert_eq!(group.member("b").expect("it has joined").assigned().len(), 2);
//! assert_eq!(group.state(), GroupState::Stable);
//! # Ok::<(), brooklet::Error>(())
//! ```

pub mod assignor;
mod coordinator;
pub mod entries;
mod fencing;
mod lag;
mod membership;
mod offsets;

pub use coordinator::PendingCommit;
pub(crate) use coordinator::{Coordinator, MemberLink, MemberSnapshot, Membership, Pattern, Ticket};
pub use fencing::{Admission, Commit, check_commit};
pub use lag::{Lag, LagSample, LagVerdict, LagWindow};
pub use membership::{Caller, Effect, Event, Group, GroupState, Join, MemberState, MemberView, Removal};
pub use offsets::OffsetAndMetadata;
