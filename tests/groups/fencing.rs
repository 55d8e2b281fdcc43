//! The table of who may commit, row by row, as far as consumers can come into it.
//!
//! Not through consumers: a dead group (A) is off the list before anybody meets it; a member names its epoch always (D),
//! its own (K), and one instance id as long as it lives (J); and there are no transactions yet (F).

use crate::world::*;
use brooklet::assignors::Sticky;
use brooklet::{AutoCommit, Consumer, ConsumerBuilder, Error, GroupState, Result, TopicPartition};

fn in_group(world: &World) -> ConsumerBuilder {
    world.broker.consumer().group("billing").auto_commit(AutoCommit::Off).assignor(Sticky)
}

fn member(world: &World) -> Consumer {
    in_group(world).subscribe(["orders"]).build().expect("valid settings")
}

fn nobody(world: &World) -> Consumer {
    in_group(world).assign([("orders", 0)]).build().expect("valid settings")
}

fn commit(consumer: &mut Consumer) -> Result<()> {
    consumer.commit_offsets([(TopicPartition::new("orders", 0)?, 0)])
}

fn state(world: &World) -> GroupState {
    world.broker.admin().describe_group("billing").expect("it is there").state
}

#[test]
fn nobody_in_particular_commits_where_nobody_is_a_member() {
    let world = World::of(1);
    commit(&mut nobody(&world)).expect("B: a group that only keeps offsets is made");
    assert_eq!(state(&world), GroupState::Empty);
    let mut a = member(&world);
    a.poll(AT_ONCE).unwrap();
    let refused = commit(&mut nobody(&world)).unwrap_err();
    assert!(matches!(refused, Error::UnknownMember { .. }), "G: {refused:?}");
    a.close().unwrap();
    commit(&mut nobody(&world)).expect("E: its members have gone");
}

#[test]
fn who_is_out_is_refused() {
    let world = World::of(1);
    let admin = world.broker.admin();
    let mut a = member(&world);
    a.poll(AT_ONCE).unwrap();
    commit(&mut a).expect("M");
    let id = admin.describe_group("billing").unwrap().members[0].member_id.clone();
    admin.evict_member("billing", &id).unwrap();
    let refused = commit(&mut a).unwrap_err();
    assert!(matches!(refused, Error::UnknownMember { .. }), "I: {refused:?}");
    admin.delete_group("billing").unwrap();
    let refused = commit(&mut a).unwrap_err();
    assert!(matches!(refused, Error::IllegalGeneration { .. }), "C: {refused:?}");
    let named = |world: &World| in_group(world).subscribe(["orders"]).instance_id("one").build().unwrap();
    let (mut first, mut second) = (named(&world), named(&world));
    first.poll(AT_ONCE).unwrap();
    second.poll(AT_ONCE).unwrap();
    let refused = commit(&mut first).unwrap_err();
    assert!(matches!(refused, Error::FencedInstance { .. }), "H: {refused:?}");
    commit(&mut second).expect("M");
}

#[test]
fn a_rebalance_takes_commits_until_all_is_given_up() {
    let world = World::of(3);
    let (mut a, mut b, mut c) = (member(&world), member(&world), member(&world));
    for _ in 0..3 {
        a.poll(AT_ONCE).unwrap();
        b.poll(AT_ONCE).unwrap();
    }
    assert_eq!(state(&world), GroupState::Stable);
    c.poll(AT_ONCE).unwrap();
    assert_eq!(state(&world), GroupState::PreparingRebalance);
    commit(&mut a).expect("M: it has not given up yet");
    a.poll(AT_ONCE).unwrap();
    commit(&mut a).expect("M: the other has not");
    b.poll(AT_ONCE).unwrap();
    assert_eq!(state(&world), GroupState::CompletingRebalance);
    let refused = commit(&mut a).unwrap_err();
    assert!(matches!(refused, Error::RebalanceInProgress { .. }), "L: {refused:?}");
    commit(&mut b).expect("M: it has its part of the new epoch");
    a.poll(AT_ONCE).unwrap();
    commit(&mut a).expect("M");
    c.poll(AT_ONCE).unwrap();
    assert_eq!(state(&world), GroupState::Stable);
}
