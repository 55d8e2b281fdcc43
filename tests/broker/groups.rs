//! Consumer groups: who gets which partition, what becomes of those of members that go, and what is read on where.

use crate::world::*;
use brooklet::assignors::{CooperativeSticky, RoundRobin, Sticky};
use brooklet::{
    AutoCommit, Consumer, ConsumerBuilder, Error, GroupState, Start, TopicConfig, TopicPartition,
};

pub(crate) fn orders(number: u32) -> TopicPartition {
    TopicPartition::new("orders", number).expect("a valid name")
}

/// A member of "billing" that reads "orders" from the start and commits when it is told to.
pub(crate) fn settings(world: &World) -> ConsumerBuilder {
    let builder = world.broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest);
    builder.auto_commit(AutoCommit::Off)
}

pub(crate) fn member(world: &World) -> Consumer {
    settings(world).build().expect("valid settings")
}

/// Polls all of them in turn until none of them finds anything to do.
pub(crate) fn settle(members: &mut [&mut Consumer]) {
    for _ in 0..8 {
        for member in &mut *members {
            // What there is to read is left where it is.
            let topics: Vec<TopicPartition> = member.assignment();
            let positions: Vec<_> =
                topics.iter().map(|one| member.position(one.topic(), one.partition())).collect();
            member.poll(AT_ONCE).expect("an open broker");
            for (one, position) in topics.iter().zip(positions) {
                let _ = member.seek(one.topic(), one.partition(), position.expect("a place to begin"));
            }
        }
    }
}

/// The partitions of "orders" that each has.
pub(crate) fn shares(members: &[&Consumer]) -> Vec<Vec<u32>> {
    members.iter().map(|member| member.assignment().iter().map(TopicPartition::partition).collect()).collect()
}

#[test]
fn a_member_alone_reads_everything_and_reads_on_where_it_committed() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    world.fill_partition(1, 2);
    let mut consumer = member(&world);
    assert_eq!(consumer.assignment(), [], "it joins in its first poll");
    assert_eq!(drain(&mut consumer).len(), 5);
    assert_eq!(consumer.committed("orders", 0).unwrap(), None, "none is not 0");
    consumer.commit().unwrap();
    assert_eq!(consumer.committed("orders", 0).unwrap(), Some(3.into()));
    consumer.close().unwrap();
    world.fill_partition(0, 1);
    let mut next = member(&world);
    assert_eq!(drain(&mut next), ["0"]);
}

#[test]
fn what_is_committed_survives_closing_and_crashing() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    let mut consumer = member(&world);
    assert_eq!(drain(&mut consumer).len(), 3);
    consumer.commit().unwrap();
    consumer.commit_offsets([(orders(1), 7)]).unwrap();
    drop(consumer);
    let world = world.crashed();
    let consumer = member(&world);
    assert_eq!(consumer.committed("orders", 0).unwrap(), Some(3.into()));
    assert_eq!(consumer.committed("orders", 1).unwrap(), Some(7.into()));
    drop(consumer);
    let world = world.reopened();
    let mut consumer = member(&world);
    assert_eq!(consumer.committed("orders", 1).unwrap(), Some(7.into()));
    world.fill_partition(0, 1);
    assert_eq!(drain(&mut consumer), ["0"]);
    assert!(consumer.committed("orders", 2).unwrap().is_none());
}

#[test]
fn members_share_and_nobody_reads_what_another_has_not_given_up() {
    for assignor in 0..4 {
        let world = World::of(4);
        let build = || match assignor {
            0 => settings(&world),
            1 => settings(&world).assignor(RoundRobin),
            2 => settings(&world).assignor(Sticky),
            _ => settings(&world).assignor(CooperativeSticky),
        };
        let (mut a, mut b) = (build().build().unwrap(), build().build().unwrap());
        settle(&mut [&mut a]);
        assert_eq!(shares(&[&a, &b]), [vec![0, 1, 2, 3], vec![]]);
        b.poll(AT_ONCE).unwrap();
        assert_eq!(b.assignment(), [], "all of it still belongs to the first");
        settle(&mut [&mut a, &mut b]);
        let [first, second] = &shares(&[&a, &b])[..] else { panic!("two members") };
        assert_eq!((first.len(), second.len()), (2, 2), "assignor {assignor}");
        assert!(first.iter().all(|partition| !second.contains(partition)));
    }
}

#[test]
fn who_leaves_gives_up_at_once_and_who_is_dropped_when_its_session_has_run_out() {
    let world = World::of(4);
    let (mut a, mut b) = (member(&world), member(&world));
    settle(&mut [&mut a, &mut b]);
    b.close().unwrap();
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.assignment().len(), 4);

    let mut c = member(&world);
    settle(&mut [&mut a, &mut c]);
    world.pass(MINUTE * 4);
    settle(&mut [&mut a, &mut c]);
    assert_eq!(a.assignment().len(), 2, "who is there is heard of without polling");
    drop(c);
    world.pass(SECOND * 44);
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.assignment().len(), 2);
    world.pass(SECOND);
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.assignment().len(), 4);
}

#[test]
fn who_does_not_poll_in_time_is_expired_and_joins_again() {
    let world = World::of(2);
    world.fill_partition(0, 2);
    world.fill_partition(1, 2);
    let (mut a, mut b) = (member(&world), member(&world));
    settle(&mut [&mut a, &mut b]);
    for _ in 0..6 {
        world.pass(MINUTE);
        b.poll(AT_ONCE).unwrap();
    }
    assert_eq!(b.assignment().len(), 2);
    let error = a.commit_offsets([(orders(0), 1)]).unwrap_err();
    assert!(matches!(error, Error::UnknownMember { .. }), "{error:?}");
    settle(&mut [&mut a, &mut b]);
    assert_eq!((a.assignment().len(), b.assignment().len()), (1, 1));
    a.commit().unwrap();
}

#[test]
fn a_poll_that_waits_counts_as_polling() {
    let world = World::of(2);
    let mut a = settings(&world).max_poll_interval(SECOND).build().unwrap();
    a.poll(AT_ONCE).unwrap();
    let epoch = world.broker.admin().describe_group("billing").unwrap().epoch;
    a.poll(MINUTE).unwrap();
    a.commit().unwrap();
    assert_eq!(world.broker.admin().describe_group("billing").unwrap().epoch, epoch);
    world.pass(SECOND);
    assert!(matches!(a.commit(), Err(Error::UnknownMember { .. })));
}

#[test]
fn new_partitions_and_topics_are_read_from_the_next_poll_on_and_deleted_ones_not_any_more() {
    let world = World::of(1);
    let builder = world.broker.consumer().group("billing").start(Start::Earliest);
    let mut all = builder.subscribe_pattern("order.*").build().unwrap();
    let mut named =
        world.broker.consumer().group("named").subscribe(["later"]).start(Start::Earliest).build().unwrap();
    all.poll(AT_ONCE).unwrap();
    named.poll(AT_ONCE).unwrap();
    let admin = world.broker.admin();
    admin.add_partitions("orders", 3).unwrap();
    world.broker.create_topic("orders.eu", TopicConfig::new()).unwrap();
    world.broker.create_topic("later", TopicConfig::new()).unwrap();
    all.poll(AT_ONCE).unwrap();
    named.poll(AT_ONCE).unwrap();
    let names =
        |consumer: &Consumer| consumer.assignment().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&all), ["orders-0", "orders-1", "orders-2", "orders.eu-0"]);
    assert_eq!(names(&named), ["later-0"]);
    all.commit_offsets([(orders(0), 1)]).unwrap();
    admin.delete_topic("orders").unwrap();
    all.poll(AT_ONCE).unwrap();
    assert_eq!(names(&all), ["orders.eu-0"]);
    // The name goes to another topic: nothing is committed of that.
    world.broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_eq!(all.committed("orders", 0).unwrap(), None);
    world.fill(2);
    assert_eq!(drain(&mut all), numbers(0..2));
}

#[test]
fn a_topic_that_is_made_anew_between_two_polls_is_read_from_its_start() {
    let world = World::of(1);
    world.fill(5);
    let mut consumer = member(&world);
    assert_eq!(drain(&mut consumer).len(), 5);
    consumer.commit().unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("orders", TopicConfig::new()).unwrap();
    world.fill(2);
    assert_eq!(drain(&mut consumer), numbers(0..2));
}

#[test]
fn a_static_member_finds_its_partitions_and_fences_who_had_its_name() {
    let world = World::of(4);
    let build = |instance: &str| settings(&world).instance_id(instance).build().unwrap();
    let (mut a, mut b) = (build("one"), build("two"));
    settle(&mut [&mut a, &mut b]);
    let (had, epoch) = (a.assignment(), world.broker.admin().describe_group("billing").unwrap().epoch);
    a.close().unwrap();
    world.pass(SECOND * 30);
    b.poll(AT_ONCE).unwrap();
    assert_eq!(b.assignment().len(), 2, "they wait for it");
    let mut a = build("one");
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.assignment(), had);
    assert_eq!(
        world.broker.admin().describe_group("billing").unwrap().epoch,
        epoch,
        "nothing was divided anew"
    );
    let mut usurper = build("one");
    usurper.poll(AT_ONCE).unwrap();
    assert_eq!(usurper.assignment(), had);
    assert!(matches!(a.commit(), Err(Error::FencedInstance { .. })));
    for _ in 0..2 {
        let error = a.poll(AT_ONCE).unwrap_err();
        assert!(matches!(&error, Error::FencedInstance { instance, .. } if instance == "one"), "{error:?}");
    }
    assert_eq!(a.assignment(), []);
    usurper.commit().unwrap();
}

#[test]
fn subscribing_and_assigning_exclude_each_other() {
    let world = World::of(2);
    let illegal = |error: Error| assert!(matches!(error, Error::IllegalState { .. }), "{error:?}");
    illegal(settings(&world).assign([("orders", 0)]).build().unwrap_err());
    illegal(world.broker.consumer().subscribe(["orders"]).build().unwrap_err());
    let mut subscribed = member(&world);
    illegal(subscribed.assign([orders(0)]).unwrap_err());
    let mut assigned = world.broker.consumer().group("billing").assign([("orders", 0)]).build().unwrap();
    illegal(assigned.subscribe(["orders"]).unwrap_err());
    assigned.assign([]).unwrap();
    assigned.subscribe(["orders"]).unwrap();
    assigned.poll(AT_ONCE).unwrap();
    assert_eq!(assigned.assignment().len(), 2);
    assigned.unsubscribe().unwrap();
    assigned.assign([orders(1)]).unwrap();
    let mut alone = world.broker.consumer().assign([("orders", 0)]).build().unwrap();
    illegal(alone.commit().unwrap_err());
    illegal(alone.subscribe(["orders"]).unwrap_err());
    assert!(matches!(settings(&world).group("").build(), Err(Error::InvalidConfig { setting: "group", .. })));
    assert!(settings(&world).instance_id("a b").build().is_err());
    let zero = settings(&world).session_timeout(AT_ONCE).build();
    assert!(matches!(zero, Err(Error::InvalidConfig { setting: "session_timeout", .. })));
}

#[test]
fn a_changed_subscription_is_a_rebalance() {
    let world = World::of(2);
    world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    let mut consumer = member(&world);
    consumer.poll(AT_ONCE).unwrap();
    consumer.subscribe(["payments", "orders"]).unwrap();
    consumer.poll(AT_ONCE).unwrap();
    assert_eq!(consumer.assignment().len(), 3);
    assert_eq!(consumer.subscription(), ["orders", "payments"]);
    consumer.subscribe(["payments"]).unwrap();
    consumer.poll(AT_ONCE).unwrap();
    assert_eq!(consumer.assignment().len(), 1);
    assert_eq!(world.broker.admin().groups().unwrap()[0].state, GroupState::Stable);
}

#[test]
fn nobody_but_the_coordinator_writes_to_its_topic() {
    let world = World::of(1);
    let mut consumer = member(&world);
    consumer.poll(AT_ONCE).unwrap();
    consumer.commit_offsets([(orders(0), 0)]).unwrap();
    let topic = world.broker.topic("__consumer_offsets").unwrap();
    assert!(topic.is_internal() && !world.broker.topic("orders").unwrap().is_internal());
    assert_eq!(topic.config().get("cleanup.policy").as_deref(), Some("compact"));
    let refused = |error: Error| assert!(matches!(error, Error::PolicyViolation { .. }), "{error:?}");
    let record = || brooklet::NewRecord::to("__consumer_offsets").key("k").value("v");
    refused(world.producer().send(record()).unwrap_err());
    refused(topic.partition(0).unwrap().append([record()], brooklet::Acks::Written).unwrap_err());
    refused(world.broker.admin().delete_topic("__consumer_offsets").unwrap_err());
}
