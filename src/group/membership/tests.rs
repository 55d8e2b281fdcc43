//! The group step by step: who has what after which event, and who is told.

use super::*;
use crate::group::assignor::{Assignor, CooperativeSticky, Range, RebalanceProtocol, Subscriptions};
use std::collections::BTreeSet;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn topics(counts: &[(&str, u32)]) -> Arc<BTreeMap<String, u32>> {
    Arc::new(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
}

fn partitions(numbers: &[u32]) -> BTreeSet<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("t", *number).unwrap()).collect()
}

/// A group over the topic `t` with four partitions, and what came of the last event.
struct World {
    group: Group,
    now: Duration,
    effects: Vec<Effect>,
}

impl World {
    fn new() -> World {
        World { group: Group::new("g", 0, topics(&[("t", 4)])), now: seconds(1000), effects: Vec::new() }
    }

    fn of(members: &[&str]) -> World {
        let mut world = World::new();
        members.iter().for_each(|member| world.join(member));
        (0..3).for_each(|_| members.iter().for_each(|member| world.work(member)));
        assert_eq!(world.group.state(), GroupState::Stable);
        world
    }

    fn apply(&mut self, event: Event) -> Result<()> {
        self.effects.clear();
        self.group.apply(event, self.now, &mut self.effects)
    }

    fn join(&mut self, member: &str) {
        self.apply(Event::Join(join(member))).unwrap();
    }

    fn caller(&self, member_id: &str) -> Caller {
        let member = self.group.member(member_id).expect("it is a member");
        let instance_id = member.said().instance_id.clone();
        Caller { member_id: member_id.to_owned(), instance_id, epoch: member.epoch() }
    }

    fn poll(&mut self, member: &str) {
        self.apply(Event::Poll(self.caller(member))).unwrap();
    }

    /// Gives up all that it has to.
    fn acknowledge(&mut self, member: &str) {
        let owned = self.group.member(member).unwrap().assigned().clone();
        self.apply(Event::Acknowledge(self.caller(member), owned)).unwrap();
    }

    /// What a consumer does in each poll.
    fn work(&mut self, member: &str) {
        self.poll(member);
        self.acknowledge(member);
    }

    fn has(&self, member: &str, assigned: &[u32], revoking: &[u32]) {
        let view = self.group.member(member).expect("it is a member");
        assert_eq!(view.assigned(), &partitions(assigned), "{member} reads");
        assert_eq!(view.revoking(), &partitions(revoking), "{member} gives up");
    }

    fn told(&self) -> Vec<&str> {
        let told = self.effects.iter().filter_map(|effect| match effect {
            Effect::AssignmentChanged { member_id } => Some(member_id.as_str()),
            _ => None,
        });
        told.collect()
    }

    fn removed(&self) -> Vec<(&str, Removal)> {
        let removed = self.effects.iter().filter_map(|effect| match effect {
            Effect::Removed { member_id, why } => Some((member_id.as_str(), *why)),
            _ => None,
        });
        removed.collect()
    }
}

fn join(member: &str) -> Join {
    Join::new(member, ["t"], Arc::new(CooperativeSticky))
}

fn static_join(member: &str) -> Join {
    Join { instance_id: Some("i".into()), ..join(member) }
}

fn eager(member: &str) -> Join {
    Join { protocol: RebalanceProtocol::Eager, ..join(member) }
}

#[test]
fn the_first_member_has_everything_at_once() {
    let mut world = World::new();
    assert_eq!(world.group.state(), GroupState::Empty);
    world.join("a");
    world.has("a", &[0, 1, 2, 3], &[]);
    assert_eq!((world.group.state(), world.group.member("a").unwrap().epoch()), (GroupState::Stable, 1));
    assert_eq!(world.effects, [Effect::NewEpoch(1)]);
}

#[test]
fn nobody_gets_a_partition_before_its_owner_has_given_it_up() {
    let mut world = World::of(&["a"]);
    world.join("b");
    assert_eq!((world.told(), world.group.state()), (vec!["a"], GroupState::Reconciling));
    world.has("a", &[0, 1, 2, 3], &[]);
    world.has("b", &[], &[]);
    world.poll("a");
    world.has("a", &[0, 1], &[2, 3]);
    assert_eq!(world.group.member("a").unwrap().epoch(), 1, "it stays where it is until it has given up");
    assert_eq!(world.group.member("a").unwrap().state(), MemberState::UnrevokedPartitions);
    assert_eq!(world.group.member("b").unwrap().state(), MemberState::UnreleasedPartitions);
    world.poll("b");
    world.has("b", &[], &[]);
    world.acknowledge("a");
    assert_eq!(world.told(), ["b"]);
    world.has("a", &[0, 1], &[]);
    world.has("b", &[], &[]);
    world.poll("b");
    world.has("b", &[2, 3], &[]);
    assert_eq!(world.group.state(), GroupState::Stable);
    assert!(world.group.members().all(|member| member.epoch() == 2));
}

#[test]
fn what_a_member_still_has_is_not_given_away() {
    let mut world = World::of(&["a"]);
    world.join("b");
    world.poll("a");
    world.apply(Event::Acknowledge(world.caller("a"), partitions(&[0, 1, 3]))).unwrap();
    world.has("a", &[0, 1], &[3]);
    world.poll("b");
    world.has("b", &[2], &[]);
    let foreign = Event::Acknowledge(world.caller("a"), partitions(&[0, 2]));
    assert!(matches!(world.apply(foreign), Err(Error::NotAssigned { .. })));
    world.acknowledge("a");
    world.poll("b");
    world.has("b", &[2, 3], &[]);
}

#[test]
fn who_leaves_leaves_everything_and_the_last_one_an_empty_group() {
    let mut world = World::of(&["a", "b"]);
    world.apply(Event::Leave(world.caller("b"))).unwrap();
    assert_eq!(world.removed(), [("b", Removal::Left)]);
    assert_eq!(world.told(), ["a"]);
    world.poll("a");
    world.has("a", &[0, 1, 2, 3], &[]);
    let epoch = world.group.epoch();
    world.apply(Event::Evict { member_id: "a".into() }).unwrap();
    assert_eq!(world.removed(), [("a", Removal::Evicted)]);
    assert!(world.effects.contains(&Effect::BecameEmpty));
    assert_eq!((world.group.state(), world.group.epoch()), (GroupState::Empty, epoch + 1));
    let evicted = world.apply(Event::Evict { member_id: "a".into() });
    assert!(matches!(evicted, Err(Error::UnknownMember { .. })));
}

#[test]
fn a_session_ends_when_nothing_was_heard_for_its_timeout_and_not_before() {
    let mut world = World::of(&["a", "b"]);
    assert_eq!(world.group.next_deadline(), Some(world.now + seconds(45)));
    world.now += seconds(44);
    world.apply(Event::Heartbeat(world.caller("a"))).unwrap();
    world.now += seconds(1);
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.removed(), [("b", Removal::SessionTimeout)]);
    world.now += seconds(43);
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.removed(), []);
    world.now += seconds(1);
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.removed(), [("a", Removal::SessionTimeout)]);
    assert_eq!(world.group.next_deadline(), None);
}

/// A late tick changes nothing: whoever comes too late is expired by its own event.
#[test]
fn a_member_that_comes_too_late_is_unknown_even_if_nobody_ticked() {
    let mut world = World::of(&["a"]);
    let caller = world.caller("a");
    world.now += seconds(45);
    assert!(matches!(world.apply(Event::Poll(caller)), Err(Error::UnknownMember { .. })));
    assert_eq!(world.removed(), [("a", Removal::SessionTimeout)]);
}

#[test]
fn heartbeats_alone_do_not_keep_a_member() {
    let mut world = World::of(&["a"]);
    for _ in 0..9 {
        world.now += seconds(30);
        world.apply(Event::Heartbeat(world.caller("a"))).unwrap();
    }
    world.now += seconds(30);
    assert!(world.apply(Event::Heartbeat(world.caller("a"))).is_err());
    assert_eq!(world.removed(), [("a", Removal::MaxPollInterval)]);
}

/// It may be restarting; its session is what counts, from the last time that its heartbeats meant anything.
#[test]
fn a_static_member_that_does_not_poll_is_given_its_session_too() {
    let mut world = World::new();
    world.apply(Event::Join(static_join("s1"))).unwrap();
    let start = world.now;
    while world.now < start + seconds(330) {
        world.now += seconds(30);
        world.apply(Event::Heartbeat(world.caller("s1"))).unwrap();
        assert_eq!(world.removed(), []);
        if world.now >= start + seconds(300) {
            break;
        }
    }
    // The last heartbeat that counted was at 270 seconds.
    world.now = start + seconds(270 + 45);
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.removed(), [("s1", Removal::SessionTimeout)]);
}

#[test]
fn who_does_not_give_up_in_time_is_removed_and_a_new_target_is_no_excuse() {
    let mut world = World::new();
    let slow = Join { rebalance_timeout: seconds(20), ..join("a") };
    world.apply(Event::Join(slow)).unwrap();
    world.join("b");
    world.now += seconds(10);
    world.poll("a");
    world.join("c");
    world.now += seconds(9);
    world.apply(Event::Heartbeat(world.caller("a"))).unwrap();
    world.now += seconds(1);
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.removed(), [("a", Removal::RebalanceTimeout)]);
    ["b", "c"].iter().for_each(|member| world.poll(member));
    assert_eq!(world.group.state(), GroupState::Stable);
    assert!(world.group.members().all(|member| member.assigned().len() == 2));
}

#[test]
fn a_static_members_new_consumer_takes_its_place_and_nothing_moves() {
    let mut world = World::of(&["a"]);
    world.apply(Event::Join(static_join("s1"))).unwrap();
    ["a", "s1", "a"].iter().for_each(|member| world.work(member));
    let (epoch, old) = (world.group.epoch(), world.caller("s1"));
    world.has("s1", &[2, 3], &[]);
    world.apply(Event::Join(static_join("s2"))).unwrap();
    assert_eq!(world.effects, [Effect::Removed { member_id: "s1".into(), why: Removal::Fenced }]);
    world.has("s2", &[2, 3], &[]);
    assert_eq!((world.group.epoch(), world.group.state()), (epoch, GroupState::Stable));
    assert!(matches!(world.apply(Event::Poll(old.clone())), Err(Error::FencedInstance { .. })));
    let nameless = Caller { instance_id: None, ..old };
    assert!(matches!(world.apply(Event::Heartbeat(nameless)), Err(Error::UnknownMember { .. })));
    // It goes by another name now, and no other may have it.
    let stolen = Join { instance_id: Some("j".into()), ..join("s2") };
    assert!(matches!(world.apply(Event::Join(stolen)), Err(Error::FencedInstance { .. })));
}

#[test]
fn a_static_members_new_consumer_that_wants_something_else_gets_something_else() {
    let mut world = World::new();
    world.apply(Event::Join(static_join("s1"))).unwrap();
    let other = Join { topics: Arc::new(BTreeSet::from(["u".to_owned()])), ..static_join("s2") };
    world.apply(Event::Join(other)).unwrap();
    world.has("s2", &[], &[0, 1, 2, 3]);
    world.acknowledge("s2");
    world.has("s2", &[], &[]);
    assert!(partitions(&[0, 1, 2, 3]).iter().all(|partition| world.group.owner(partition).is_none()));
}

#[test]
fn an_epoch_of_the_past_is_refused() {
    let mut world = World::of(&["a"]);
    let before = world.caller("a");
    world.join("b");
    world.work("a");
    for event in [
        Event::Poll(before.clone()),
        Event::Heartbeat(before.clone()),
        Event::Acknowledge(before.clone(), BTreeSet::new()),
        Event::Leave(before),
    ] {
        let refused = world.apply(event).unwrap_err();
        assert!(matches!(refused, Error::IllegalGeneration { current: 2, found: 1, .. }), "{refused}");
    }
}

#[test]
fn topics_come_grow_and_go() {
    let mut world = World::of(&["a", "b"]);
    let changed = |world: &mut World, counts| {
        let event = Event::TopicsChanged { topics: topics(counts), matched: BTreeMap::new() };
        world.apply(event).unwrap();
    };
    changed(&mut world, &[("t", 4), ("other", 1)]);
    assert_eq!(world.effects, [], "nobody subscribes to that");
    changed(&mut world, &[("t", 6)]);
    assert_eq!(world.told(), ["a", "b"]);
    ["a", "b"].iter().for_each(|member| world.poll(member));
    world.has("a", &[0, 1, 4], &[]);
    world.has("b", &[2, 3, 5], &[]);
    changed(&mut world, &[]);
    ["a", "b"].iter().for_each(|member| world.work(member));
    world.has("a", &[], &[]);
    assert_eq!(
        (world.group.state(), world.group.owner(&TopicPartition::new("t", 0).unwrap())),
        (GroupState::Stable, None)
    );
}

#[test]
fn what_a_pattern_finds_now_is_given_out() {
    let mut world = World::new();
    world
        .apply(Event::Join(Join { topics: Arc::default(), pattern: Some("t.*".into()), ..join("a") }))
        .unwrap();
    world.has("a", &[], &[]);
    let matched = BTreeMap::from([("a".to_owned(), Arc::new(BTreeSet::from(["t".to_owned()])))]);
    world.apply(Event::TopicsChanged { topics: topics(&[("t", 4)]), matched: matched.clone() }).unwrap();
    assert_eq!(world.told(), ["a"]);
    world.poll("a");
    world.has("a", &[0, 1, 2, 3], &[]);
    world.apply(Event::TopicsChanged { topics: topics(&[("t", 4)]), matched }).unwrap();
    assert_eq!(world.effects, [], "it finds what it found");
}

#[test]
fn in_an_eager_group_everybody_gives_up_everything_first() {
    let mut world = World::new();
    world.apply(Event::Join(eager("a"))).unwrap();
    world.apply(Event::Join(eager("b"))).unwrap();
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    world.poll("b");
    world.has("b", &[], &[]);
    world.poll("a");
    world.has("a", &[], &[0, 1, 2, 3]);
    world.acknowledge("a");
    world.has("a", &[0, 1], &[]);
    assert_eq!((world.told(), world.group.state()), (vec!["b"], GroupState::CompletingRebalance));
    assert!(world.group.member("b").unwrap().is_between_epochs(&world.group));
    world.poll("b");
    world.has("b", &[2, 3], &[]);
    assert_eq!(world.group.state(), GroupState::Stable);

    // One that gives up late holds all others back.
    world.apply(Event::Join(eager("c"))).unwrap();
    world.work("a");
    world.has("a", &[], &[]);
    world.poll("b");
    world.poll("c");
    world.has("c", &[], &[]);
    world.acknowledge("b");
    assert_eq!(world.told(), ["a", "c"]);
    ["a", "b", "c"].iter().for_each(|member| world.work(member));
    assert_eq!(world.group.state(), GroupState::Stable);
}

#[test]
fn the_assignor_with_most_votes_divides() {
    let mut world = World::of(&["a"]);
    let voting =
        |id: &str| Join { assignor: Arc::new(Range), protocol: RebalanceProtocol::Cooperative, ..join(id) };
    world.apply(Event::Join(voting("b"))).unwrap();
    assert_eq!(
        world.group.assignor_name().as_deref(),
        Some("cooperative-sticky"),
        "a tie goes to the first name"
    );
    world.apply(Event::Join(voting("c"))).unwrap();
    assert_eq!(world.group.assignor_name().as_deref(), Some("range"));
}

/// Panics while there are two members.
#[derive(Debug)]
struct AfraidOfTwo;

impl Assignor for AfraidOfTwo {
    fn name(&self) -> &str {
        "afraid"
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        assert_ne!(group.members().len(), 2, "two!");
        Range.assign(group)
    }
}

#[test]
fn after_an_assignor_panicked_everybody_stays_with_what_it_had() {
    let mut world = World::new();
    let afraid = |id: &str| Join { assignor: Arc::new(AfraidOfTwo), ..join(id) };
    world.apply(Event::Join(afraid("a"))).unwrap();
    world.apply(Event::Join(afraid("b"))).unwrap();
    assert!(matches!(&world.effects[1], Effect::AssignorFailed { assignor, .. } if assignor == "afraid"));
    assert_eq!(world.group.state(), GroupState::Assigning);
    ["a", "b"].iter().for_each(|member| world.work(member));
    world.has("a", &[0, 1, 2, 3], &[]);
    world.has("b", &[], &[]);
    world.apply(Event::Join(afraid("c"))).unwrap();
    ["a", "b", "c"].iter().for_each(|member| world.work(member));
    ["a", "b", "c"].iter().for_each(|member| world.work(member));
    assert_eq!(world.group.state(), GroupState::Stable);
}

/// Whatever generation it names: a member that comes back cannot take from those who stayed.
#[test]
fn what_a_new_member_once_had_is_a_wish_and_weaker_than_any_target() {
    let mut world = World::new();
    let afraid = |id: &str| Join { assignor: Arc::new(AfraidOfTwo), ..join(id) };
    world.apply(Event::Join(afraid("a"))).unwrap();
    let owned = partitions(&[3]);
    world.apply(Event::Join(Join { owned: owned.clone(), generation: Some(900), ..afraid("b") })).unwrap();
    let asked = world.group.subscriptions();
    let generation = |member: &str| asked.get(member).unwrap().generation;
    assert_eq!(asked.get("b").unwrap().owned, owned);
    assert_eq!((generation("a"), generation("b")), (Some(1), Some(0)));
}

#[test]
fn only_an_empty_group_can_be_deleted_and_then_it_is_dead() {
    let mut world = World::of(&["a"]);
    assert!(matches!(world.apply(Event::Delete), Err(Error::GroupNotEmpty { members: 1, .. })));
    world.apply(Event::Leave(world.caller("a"))).unwrap();
    world.apply(Event::Delete).unwrap();
    assert_eq!(world.group.state(), GroupState::Dead);
    assert!(matches!(world.apply(Event::Join(join("b"))), Err(Error::UnknownGroup { .. })));
}

#[test]
fn epochs_go_on_from_where_they_were_noted() {
    let mut group = Group::new("g", 41, topics(&[("t", 1)]));
    group.apply(Event::Join(join("a")), Duration::ZERO, &mut Vec::new()).unwrap();
    assert_eq!((group.epoch(), group.member("a").unwrap().epoch()), (42, 42));
}

#[test]
fn a_member_may_change_what_it_subscribes_to() {
    let mut world = World::of(&["a", "b"]);
    let epoch = world.group.epoch();
    let said = |world: &World, topics: &[&str]| {
        let generation = Some(world.group.member("a").unwrap().epoch());
        let owned = world.group.member("a").unwrap().assigned().clone();
        Join {
            topics: Arc::new(topics.iter().map(|name| (*name).to_owned()).collect()),
            owned,
            generation,
            ..join("a")
        }
    };
    world.apply(Event::Join(said(&world, &["t"]))).unwrap();
    assert_eq!(world.group.epoch(), epoch, "it says what it said");
    world.apply(Event::Join(said(&world, &["u"]))).unwrap();
    world.has("a", &[], &[0, 1]);
    world.acknowledge("a");
    world.poll("b");
    world.has("b", &[0, 1, 2, 3], &[]);
}

/// However they came by it: by name, or by a pattern.
#[test]
fn members_that_want_the_same_share_one_set() {
    let mut world = World::of(&["a", "b"]);
    world
        .apply(Event::Join(Join { topics: Arc::default(), pattern: Some("t.*".into()), ..join("c") }))
        .unwrap();
    assert_eq!(world.group.wishes().len(), 2);
    let matched = BTreeMap::from([("c".to_owned(), Arc::new(BTreeSet::from(["t".to_owned()])))]);
    world.apply(Event::TopicsChanged { topics: topics(&[("t", 4)]), matched }).unwrap();
    assert_eq!(world.group.wishes().len(), 1);
    assert!(world.group.is_subscribed("t") && !world.group.is_subscribed("u"));
}
