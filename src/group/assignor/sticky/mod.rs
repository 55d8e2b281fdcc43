//! As even as it can be, and among what is even, what moves the least.
//!
//! - `claims`: who had what, when several say that they had it.
//! - `constrained`: all members subscribe to the same topics, so there is a quota.
//! - `general`: they do not, so it is balanced by moving one partition after the other.
//! - `movements`: what has moved so far, so that nothing moves in a circle.

mod claims;
mod constrained;
mod general;
mod movements;

use super::layout::Layout;
use super::{Assignment, Assignor, RebalanceProtocol, Subscriptions};
use claims::Claims;

/// Kafka's `sticky`: balanced, and whoever owns a partition keeps it unless balance asks for it.
///
/// Members give up everything at each rebalance and get most of it back. [`CooperativeSticky`](super::CooperativeSticky)
/// divides alike without that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sticky;

impl Assignor for Sticky {
    fn name(&self) -> &str {
        "sticky"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        divide(group)
    }
}

/// What both sticky assignors answer.
pub(super) fn divide(group: &Subscriptions) -> Assignment {
    let layout = Layout::new(group);
    if layout.members().is_empty() {
        return Assignment::new();
    }
    let claims = Claims::new(&layout);
    let owners = if layout.wants_one_thing() {
        constrained::assign(&layout, &claims)
    } else {
        general::assign(&layout, &claims)
    };
    layout.assignment(&owners)
}

/// Leaves out what somebody else has to give up first, by Kafka's two rules: with equal subscriptions everything that
/// anybody claimed, unless whoever is to get it had the better claim; otherwise what somebody else claimed and loses,
/// unless whoever is to get it claimed it too.
pub(super) fn withhold(group: &Subscriptions, assignment: &mut Assignment) {
    let layout = Layout::new(group);
    let claims = Claims::new(&layout);
    let are_equal = layout.wants_one_thing();
    for (number, member) in layout.members().iter().enumerate() {
        let Some(partitions) = assignment.get_mut(&member.member_id) else { continue };
        partitions.retain(|partition| {
            let claimed_better = |at: usize| claims.owners[at] == Some(number as u32);
            let is_theirs =
                layout.partition(partition).is_some_and(|at| claims.claimed[at] && !claimed_better(at));
            !is_theirs || (!are_equal && member.owned.contains(partition))
        });
    }
}
