//! In turn: one partition for each member, round and round.

use super::layout::Layout;
use super::{Assignment, Assignor, RebalanceProtocol, Subscriptions};

/// Kafka's `roundrobin`: all partitions of all topics in order, each to the next member that subscribes to its topic.
///
/// With equal subscriptions nobody has more than one partition more than anybody else. A member that comes or goes
/// moves nearly everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundRobin;

impl Assignor for RoundRobin {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        let layout = Layout::new(group);
        let circle = layout.static_members_first();
        let mut places = vec![0; circle.len()];
        for (place, member) in circle.iter().enumerate() {
            places[*member as usize] = place;
        }
        let mut owners = vec![None; layout.partitions_len()];
        let mut turn = 0;
        for (topic, takers) in layout.subscribers_in(&circle).into_iter().enumerate() {
            for partition in layout.partitions_of(topic) {
                // The first subscriber from here on, or else, once around, the very first.
                let next = takers.partition_point(|member| places[*member as usize] < turn);
                let taker = takers.get(next).copied().unwrap_or(takers[0]);
                owners[partition] = Some(taker);
                turn = (places[taker as usize] + 1) % circle.len();
            }
        }
        layout.assignment(&owners)
    }
}
