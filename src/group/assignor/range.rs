//! Neighbours together: each topic is cut into as many ranges as it has subscribers.

use super::layout::Layout;
use super::{Assignment, Assignor, RebalanceProtocol, Subscriptions};

/// Kafka's `range`, its default: topic by topic, each subscriber gets a range, and the first ones get one more where it
/// does not divide evenly.
///
/// Topics of equal size and with the same subscribers are cut alike, so whoever reads partition 3 of one reads
/// partition 3 of the others: made for joins. The price: many topics with few partitions all go to the first members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range;

impl Assignor for Range {
    fn name(&self) -> &str {
        "range"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        let layout = Layout::new(group);
        let mut owners = vec![None; layout.partitions_len()];
        let in_order = layout.subscribers_in(&layout.static_members_first());
        for (topic, subscribers) in in_order.into_iter().enumerate() {
            let mut partitions = layout.partitions_of(topic);
            let (each, one_more) =
                (partitions.len() / subscribers.len(), partitions.len() % subscribers.len());
            for (place, member) in subscribers.iter().enumerate() {
                let share = each + usize::from(place < one_more);
                partitions.by_ref().take(share).for_each(|partition| owners[partition] = Some(*member));
            }
        }
        layout.assignment(&owners)
    }
}
