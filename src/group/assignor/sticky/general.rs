//! Different subscriptions: what is owned is kept, the rest goes to whoever has least, and then partitions move one by
//! one until no move would make it more even.
//!
//! A partition moves only from a member that has at least two more than the one it moves to. Each such move makes the
//! sum of the squares smaller, so it ends; and it makes the sum of all differences smaller too, so there is never
//! anything to take back, which Kafka's checks for.

use super::super::layout::Layout;
use super::claims::Claims;
use super::movements::Movements;
use std::rc::Rc;

/// The owner of each partition.
pub(super) fn assign(layout: &Layout<'_>, claims: &Claims) -> Vec<Option<u32>> {
    let mut board = Board::new(layout, claims);
    let order = board.topics_by_choice();
    let all: Vec<usize> = order.iter().flat_map(|topic| layout.partitions_of(*topic)).collect();
    let fresh: Vec<usize> =
        all.iter().copied().filter(|partition| board.owners[*partition].is_none()).collect();
    fresh.iter().for_each(|partition| board.give(*partition));
    if !board.was_unsubscribed {
        board.balance(&fresh, claims);
    }
    board.balance(&all, claims);
    board.owners
}

/// The state of the game.
struct Board {
    owners: Vec<Option<u32>>,
    /// How many partitions each member has.
    loads: Vec<u32>,
    /// Who may have the partitions of each topic.
    subscribers: Vec<Rc<[u32]>>,
    topics: Vec<u32>,
    movements: Movements,
    /// The least loaded subscriber of each topic, and after how many changes of loads it was found.
    least: Vec<(u64, u32)>,
    changes: u64,
    /// Whether anybody had something of a topic that it does not subscribe to any more.
    was_unsubscribed: bool,
}

impl Board {
    fn new(layout: &Layout<'_>, claims: &Claims) -> Self {
        let (subscribers, topics) = (layout.subscribers(), layout.topic_by_partition());
        let mut board = Board {
            owners: vec![None; topics.len()],
            loads: vec![0; layout.members().len()],
            least: vec![(0, 0); subscribers.len()],
            subscribers,
            topics,
            movements: Movements::default(),
            changes: 1,
            was_unsubscribed: false,
        };
        for (partition, owner) in claims.owners.iter().enumerate() {
            let Some(owner) = *owner else { continue };
            if board.may_own(owner, partition) {
                board.owners[partition] = Some(owner);
                board.loads[owner as usize] += 1;
            } else {
                board.was_unsubscribed = true;
            }
        }
        board
    }

    fn may_own(&self, member: u32, partition: usize) -> bool {
        self.subscribers[self.topics[partition] as usize].binary_search(&member).is_ok()
    }

    /// Topics that the fewest members may have come first, while there is still room with these members.
    fn topics_by_choice(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.subscribers.len()).collect();
        order.sort_by_key(|topic| self.subscribers[*topic].len());
        order
    }

    /// The subscriber with the fewest partitions; of several the first. It is looked for anew only after loads changed,
    /// so that a round in which nothing moves costs no more than the subscriptions are long.
    fn least_loaded(&mut self, topic: usize) -> u32 {
        let (found_at, found) = self.least[topic];
        if found_at == self.changes {
            return found;
        }
        let subscribers = self.subscribers[topic].iter().copied();
        let least = subscribers.min_by_key(|member| self.loads[*member as usize]);
        let least = least.expect("topics without subscribers have no place in a layout");
        self.least[topic] = (self.changes, least);
        least
    }

    fn give(&mut self, partition: usize) {
        let member = self.least_loaded(self.topics[partition] as usize);
        self.owners[partition] = Some(member);
        self.loads[member as usize] += 1;
        self.changes += 1;
    }

    /// Whether a move from one to the other would make it more even.
    fn is_uneven(&self, from: u32, to: u32) -> bool {
        self.loads[from as usize] > self.loads[to as usize] + 1
    }

    /// Moves partitions, round after round, until a round moves none.
    fn balance(&mut self, partitions: &[usize], claims: &Claims) {
        loop {
            let before = self.changes;
            for partition in partitions {
                let owner = self.owners[*partition].expect("all were given to somebody before");
                let previous = claims.previous[*partition].filter(|previous| {
                    self.is_uneven(owner, *previous) && self.may_own(*previous, *partition)
                });
                if let Some(previous) = previous {
                    self.hand_over(*partition, owner, previous);
                    continue;
                }
                let topic = self.topics[*partition] as usize;
                let least = self.least_loaded(topic);
                if self.is_uneven(owner, least) {
                    let instead = self.movements.instead_of(topic as u32, *partition, owner, least);
                    let same_owner = instead.filter(|instead| self.owners[*instead] == Some(owner));
                    self.hand_over(same_owner.unwrap_or(*partition), owner, least);
                }
            }
            if self.changes == before {
                return;
            }
        }
    }

    fn hand_over(&mut self, partition: usize, from: u32, to: u32) {
        self.movements.moved(self.topics[partition], partition, from, to);
        self.owners[partition] = Some(to);
        self.loads[from as usize] -= 1;
        self.loads[to as usize] += 1;
        self.changes += 1;
    }
}
