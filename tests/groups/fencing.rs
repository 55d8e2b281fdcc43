//! The table of who may commit, row by row, as far as consumers can come into it.
//!
//! Five rows are held by tests of the table alone, because no consumer can come into them:
//!
//! - A, a dead group: it is off the list before its deletion returns, and whoever has found it a moment earlier has nothing
//!   between finding and asking where a test could step in. A commit that waits is written before its group is deleted.
//!   Whoever comes later meets no group (B or C: `who_is_out_is_refused`), or another one (I).
//! - D, a member without an epoch: a consumer becomes a member by the answer that tells it its epoch.
//! - F, a transaction: there are none yet.
//! - J, another instance id than it joined with: a consumer has one for its life, and keeps with its member id what it said
//!   when it got that. Another consumer with its instance id has another member id, and that is H.
//! - K, another epoch: a member's epoch changes only in its own calls, and before each of those its commits that wait come to
//!   pass (`a_commit_that_waits_outlives_the_epoch_in_which_it_was_made`), or a guard that is dropped leaves them to the next
//!   poll (`a_guard_that_is_dropped_before_its_commit_was_written_is_not_ahead_of_it`). Who is removed never gets its member
//!   id back, so it is I.

use crate::world::*;
use brooklet::assignors::Sticky;
use brooklet::{AutoCommit, Consumer, ConsumerBuilder, Error, GroupState, Result, Start, TopicPartition};

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

/// A static member that another one has replaced: in all that it does, before and after it has heard of it, for good, and
/// without disturbing whoever has its name now.
#[test]
fn who_has_lost_its_name_is_fenced_in_all_that_it_does() {
    let world = World::of(2);
    world.fill(3);
    let admin = world.broker.admin();
    let named = || {
        let builder = in_group(&world).subscribe(["orders"]).instance_id("one");
        builder.start(Start::Earliest).build().expect("valid settings")
    };
    let fenced = |said: Option<Error>| {
        let said = said.expect("it is refused");
        assert!(matches!(&said, Error::FencedInstance { instance, .. } if instance == "one"), "{said:?}");
    };
    let group = || admin.describe_group("billing").expect("it is there");
    let mut old = named();
    assert_eq!(drain(&mut old), numbers(0..3));
    let (epoch, waits) = (group().epoch, old.commit_async().unwrap());
    let waits_too = old.commit_async().unwrap();

    let mut new = named();
    assert_eq!(drain(&mut new), numbers(0..3), "what waited was not committed any more");
    fenced(waits.wait().err());
    fenced(pollster::block_on(waits_too).err());
    fenced(commit(&mut old).err());
    fenced(old.commit().err());
    for _ in 0..2 {
        fenced(old.poll(AT_ONCE).err());
        fenced(pollster::block_on(old.poll_async()).err());
        fenced(commit(&mut old).err());
    }
    assert_eq!((old.assignment().len(), new.assignment().len()), (0, 2));
    assert_eq!((group().epoch, group().members.len()), (epoch, 1), "nothing was divided anew");
    assert_eq!(new.committed("orders", 0).unwrap(), None, "what was refused was not written");
    new.commit().unwrap();
    assert!(drain(&mut new).is_empty());

    // It is out for good, also when the other one is gone.
    admin.evict_member("billing", &group().members[0].member_id).unwrap();
    fenced(old.poll(AT_ONCE).err());
    fenced(commit(&mut old).err());
    assert_eq!(group().state, GroupState::Empty);
    drop(new);
    let mut third = named();
    third.poll(AT_ONCE).unwrap();
    old.close().unwrap();
    assert!(drain(&mut third).is_empty());
    assert_eq!((third.assignment().len(), group().members.len()), (2, 1));
}
