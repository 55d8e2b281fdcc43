//! Consumers that come, poll, dawdle, crash and go in any order, and what must hold after every step.
//!
//! Each simulated consumer believes what it learned from its last event, and reads on with that. Two of them that
//! believe to own one partition, while the group takes the word of both, are what must never be.

use super::*;
use crate::group::assignor::{Assignor, CooperativeSticky, Range, RebalanceProtocol, RoundRobin, Sticky};
use crate::group::{Commit, check_commit};
use proptest::prelude::*;
use std::collections::BTreeSet;

const TOPICS: [&str; 3] = ["t0", "t1", "t2"];

/// A consumer, with what it believes.
#[derive(Debug, Clone)]
struct Consumer {
    said: Join,
    epoch: u32,
    owned: BTreeSet<TopicPartition>,
    to_give_up: BTreeSet<TopicPartition>,
    /// Whether it was told, by an effect or an error, that it is no member any more.
    is_gone: bool,
}

impl Consumer {
    fn caller(&self) -> Caller {
        let Join { member_id, instance_id, .. } = self.said.clone();
        Caller { member_id, instance_id, epoch: self.epoch }
    }
}

/// One step: what, who, and with what.
type Step = (u8, u8, u8);

struct Model {
    group: Group,
    consumers: Vec<Consumer>,
    counts: [u32; 3],
    now: Duration,
    epochs: (u32, u32),
    /// Whether members may be eager.
    may_be_eager: bool,
}

impl Model {
    fn new(may_be_eager: bool) -> Model {
        let counts = [3, 2, 0];
        let group = Group::new("g", 0, Model::catalog(counts));
        Model { group, consumers: Vec::new(), counts, now: Duration::ZERO, epochs: (0, 0), may_be_eager }
    }

    fn catalog(counts: [u32; 3]) -> Arc<BTreeMap<String, u32>> {
        let topics = TOPICS.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        Arc::new(topics.map(|(name, count)| (name.to_owned(), count)).collect())
    }

    fn said(&self, number: usize, with: u8) -> Join {
        let assignor: Arc<dyn Assignor> = match with % 4 {
            0 => Arc::new(Range),
            1 => Arc::new(RoundRobin),
            2 => Arc::new(Sticky),
            _ => Arc::new(CooperativeSticky),
        };
        let topics =
            TOPICS.into_iter().enumerate().filter(|(bit, _)| (with >> bit) & 1 == 0).map(|(_, name)| name);
        let is_eager = self.may_be_eager && with.is_multiple_of(7);
        let join = Join::new(format!("m{number}"), topics, assignor);
        Join {
            instance_id: (with >= 128).then(|| format!("i{}", with % 3)),
            protocol: if is_eager { RebalanceProtocol::Eager } else { RebalanceProtocol::Cooperative },
            session_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_secs(15),
            rebalance_timeout: Duration::from_secs(12),
            ..join
        }
    }

    fn apply(&mut self, event: Event) -> Result<()> {
        let mut effects = Vec::new();
        let applied = self.group.apply(event, self.now, &mut effects);
        for effect in effects {
            if let Effect::Removed { member_id, .. } = effect {
                let gone = self.consumers.iter_mut().find(|consumer| consumer.said.member_id == member_id);
                gone.expect("it once joined").is_gone = true;
            }
        }
        applied
    }

    /// A consumer's event, and what it makes of it. One that is gone must be refused.
    fn event(&mut self, who: usize, event: Event) {
        let applied = self.apply(event);
        let consumer = &mut self.consumers[who];
        assert_eq!(applied.is_err(), consumer.is_gone, "{consumer:?}: {applied:?}");
        let Some(view) = self.group.member(&consumer.said.member_id).filter(|_| applied.is_ok()) else {
            consumer.owned.clear();
            return;
        };
        assert!(view.epoch() >= consumer.epoch, "epochs only grow");
        for partition in &consumer.owned {
            let is_known = view.assigned().contains(partition) || view.revoking().contains(partition);
            assert!(is_known, "{partition} was taken from {consumer:?} behind its back");
        }
        consumer.epoch = view.epoch();
        consumer.owned.extend(view.assigned().iter().cloned());
        consumer.to_give_up = view.revoking().clone();
    }

    fn acknowledge(&mut self, who: usize) {
        let consumer = &mut self.consumers[who];
        consumer.owned.retain(|partition| !consumer.to_give_up.contains(partition));
        let event = Event::Acknowledge(consumer.caller(), consumer.owned.clone());
        self.event(who, event);
    }

    fn step(&mut self, (what, who, with): Step) {
        let count = self.consumers.len();
        if what < 4 && count < 12 || count == 0 {
            self.consumers.push(Consumer {
                said: self.said(count, with),
                epoch: 0,
                owned: BTreeSet::new(),
                to_give_up: BTreeSet::new(),
                is_gone: false,
            });
            let said = self.consumers[count].said.clone();
            self.event(count, Event::Join(said));
            return;
        }
        let who = usize::from(who) % count;
        let consumer = self.consumers[who].clone();
        match what {
            0..=9 => self.event(who, Event::Poll(consumer.caller())),
            10..=15 => self.acknowledge(who),
            16 => self.event(who, Event::Heartbeat(consumer.caller())),
            17 if !consumer.is_gone => {
                let instance_id = consumer.said.instance_id.clone();
                let said = Join {
                    instance_id,
                    generation: Some(consumer.epoch),
                    owned: consumer.owned,
                    ..self.said(who, with)
                };
                self.consumers[who].said = said.clone();
                self.event(who, Event::Join(said));
            }
            18 => self.event_of_removal(Event::Leave(consumer.caller())),
            19 => self.event_of_removal(Event::Evict { member_id: consumer.said.member_id }),
            20 => {
                self.counts[usize::from(with) % 3] = u32::from(with) / 3 % 5;
                let event =
                    Event::TopicsChanged { topics: Model::catalog(self.counts), matched: BTreeMap::new() };
                self.apply(event).expect("topics change");
            }
            _ => {
                self.now += Duration::from_secs(u64::from(with) % 9);
                self.apply(Event::Tick).expect("time passes");
            }
        }
    }

    fn event_of_removal(&mut self, event: Event) {
        let _ = self.apply(event);
    }

    fn check(&mut self) {
        let (epoch, target_epoch) = (self.group.epoch(), self.group.target_epoch());
        assert!(epoch >= self.epochs.0 && target_epoch >= self.epochs.1 && target_epoch <= epoch);
        self.epochs = (epoch, target_epoch);
        let mut readers: BTreeMap<&TopicPartition, &str> = BTreeMap::new();
        for consumer in &self.consumers {
            let member = self.group.member(&consumer.said.member_id);
            assert_eq!(member.is_none(), consumer.is_gone, "{consumer:?}");
            let commit = Commit {
                member_id: Some(&consumer.said.member_id),
                epoch: Some(consumer.epoch),
                ..Commit::default()
            };
            let may_commit = check_commit("g", Some(&self.group), &commit);
            if consumer.is_gone {
                assert!(may_commit.is_err(), "{consumer:?} commits");
                continue;
            }
            let is_between = member.is_some_and(|member| member.is_between_epochs(&self.group));
            assert_eq!(may_commit.is_ok(), !is_between, "{consumer:?}: {may_commit:?}");
            assert!(!is_between || consumer.owned.is_empty());
            for partition in &consumer.owned {
                let other = readers.insert(partition, &consumer.said.member_id);
                assert_eq!(other, None, "{partition} is read by two, one is {consumer:?}");
                assert_eq!(self.group.owner(partition), Some(consumer.said.member_id.as_str()));
            }
        }
        for member in self.group.members() {
            assert!(member.assigned().is_disjoint(member.revoking()));
            assert!(member.epoch() <= target_epoch);
            for partition in member.assigned().iter().chain(member.revoking()) {
                assert_eq!(self.group.owner(partition), Some(member.said().member_id.as_str()));
            }
        }
        let owned: usize =
            self.group.members().map(|member| member.assigned().len() + member.revoking().len()).sum();
        assert_eq!(owned, self.group.owners.len(), "somebody who is gone owns something");
        assert!(self.group.next_deadline().is_none_or(|deadline| deadline >= self.group.no_deadline_before));
    }

    /// When everybody polls and acknowledges and nothing else happens, everybody has what it is to have.
    fn settle(&mut self) {
        let live: Vec<usize> =
            (0..self.consumers.len()).filter(|who| !self.consumers[*who].is_gone).collect();
        for _ in 0..4 {
            for who in &live {
                self.event(*who, Event::Poll(self.consumers[*who].caller()));
                self.acknowledge(*who);
                self.check();
            }
        }
        let expected = if live.is_empty() { GroupState::Empty } else { GroupState::Stable };
        assert_eq!(self.group.state(), expected);
        for member in self.group.members() {
            assert_eq!(Some(member.assigned()), self.group.target(&member.said().member_id));
        }
        for (topic, count) in TOPICS.iter().zip(self.counts) {
            for partition in (0..count).map(|number| TopicPartition::new(topic, number).unwrap()) {
                let owner = self.group.owner(&partition);
                assert_eq!(owner.is_some(), self.group.is_subscribed(topic), "{partition}");
            }
        }
    }
}

fn run(may_be_eager: bool, steps: &[Step]) {
    let mut model = Model::new(may_be_eager);
    for step in steps {
        model.step(*step);
        model.check();
    }
    model.settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cooperative_group_is_never_of_two_minds(
        steps in proptest::collection::vec((0..24_u8, any::<u8>(), any::<u8>()), 1..120),
    ) {
        run(false, &steps);
    }

    #[test]
    fn nor_is_one_with_eager_members(
        steps in proptest::collection::vec((0..24_u8, any::<u8>(), any::<u8>()), 1..120),
    ) {
        run(true, &steps);
    }
}
