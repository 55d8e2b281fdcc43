//! As sticky, without giving up what one keeps.

use super::{Assignment, Assignor, Subscriptions, sticky};

/// Kafka's `cooperative-sticky`: divides as [`Sticky`](super::Sticky), and members read on what they keep.
///
/// Kafka's answers with less than the whole picture: what moves is given to nobody, until a second rebalance gives it to
/// its new owner. Here [`assign`](Assignor::assign) answers with the whole picture, and the group takes care of the two
/// steps; [`first_round`](Self::first_round) is the answer in Kafka's manner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CooperativeSticky;

impl CooperativeSticky {
    /// What everybody can have at once: all but what somebody else has, or may think that it has.
    pub fn first_round(self, group: &Subscriptions) -> Assignment {
        let mut assignment = self.assign(group);
        sticky::withhold(group, &mut assignment);
        assignment
    }
}

impl Assignor for CooperativeSticky {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        sticky::divide(group)
    }
}
