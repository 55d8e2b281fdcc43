//! Partitions that come and go as events: what a guard holds back, what it may do, and that nobody waits for it for ever.

use crate::world::*;
use brooklet::assignors::{Assignor, CooperativeSticky, Range};
use brooklet::{
    AutoCommit, Consumer, ConsumerBuilder, ConsumerEvent, Error, GroupState, RevocationGuard, Start,
    TopicPartition,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

fn builder(world: &World, assignor: impl Assignor) -> ConsumerBuilder {
    let builder = world.broker.consumer().group("billing").subscribe(["orders"]).assignor(assignor);
    builder.start(Start::Earliest).auto_commit(AutoCommit::Off)
}

/// Who does not give up within ten seconds is out.
fn member(world: &World) -> Consumer {
    builder(world, CooperativeSticky).max_poll_interval(10 * SECOND).build().expect("valid settings")
}

/// One that waits for others as long as it takes.
fn patient(world: &World) -> Consumer {
    builder(world, CooperativeSticky).build().expect("valid settings")
}

/// The event that there is now, if there is one.
fn try_event(consumer: &mut Consumer) -> Option<Result<ConsumerEvent<'_>, Error>> {
    match pin!(consumer.poll_event_async()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => Some(event),
        Poll::Pending => None,
    }
}

fn event(consumer: &mut Consumer) -> ConsumerEvent<'_> {
    try_event(consumer).expect("something has happened").expect("nothing is wrong")
}

fn revoked(consumer: &mut Consumer) -> (Vec<TopicPartition>, RevocationGuard<'_>) {
    match event(consumer) {
        ConsumerEvent::Revoked { partitions, guard } => (partitions, guard),
        other => panic!("{other:?}"),
    }
}

fn assigned(consumer: &mut Consumer) -> Vec<u32> {
    match event(consumer) {
        ConsumerEvent::Assigned { partitions, .. } => numbers_of(&partitions),
        other => panic!("{other:?}"),
    }
}

fn lost(consumer: &mut Consumer) -> Vec<u32> {
    match event(consumer) {
        ConsumerEvent::Lost { partitions } => numbers_of(&partitions),
        other => panic!("{other:?}"),
    }
}

fn read(consumer: &mut Consumer) -> Vec<String> {
    match event(consumer) {
        ConsumerEvent::Records(records) => values(&records),
        other => panic!("{other:?}"),
    }
}

fn numbers_of(partitions: &[TopicPartition]) -> Vec<u32> {
    partitions.iter().map(TopicPartition::partition).collect()
}

/// Two partitions of four records each; the first member has read all, and another one has joined. What it is given is
/// partition 1.
fn two_members() -> (World, Consumer, Consumer) {
    let world = World::of(2);
    (0..2).for_each(|number| world.fill_partition(number, 4));
    let (mut first, mut second) = (member(&world), patient(&world));
    assert_eq!(assigned(&mut first), [0, 1]);
    assert_eq!(read(&mut first).len(), 8);
    assert!(second.poll(AT_ONCE).expect("an open broker").is_empty());
    (world, first, second)
}

#[test]
fn nobody_else_reads_a_partition_before_its_guard_is_completed() {
    let (_world, mut first, mut second) = two_members();
    let (goes, guard) = revoked(&mut first);
    assert_eq!(numbers_of(&goes), [1]);
    assert!(drain(&mut second).is_empty());
    guard.complete().unwrap();
    assert_eq!(drain(&mut second), numbers(0..4));
    assert_eq!((numbers_of(&first.assignment()), numbers_of(&second.assignment())), (vec![0], vec![1]));
    assert!(try_event(&mut first).is_none(), "there is nothing more to say");
}

#[test]
fn what_a_guard_commits_is_where_the_next_owner_begins() {
    let (_world, mut first, mut second) = two_members();
    let (goes, mut guard) = revoked(&mut first);
    let one = goes[0].clone();
    assert_eq!(guard.position(&one).unwrap(), 4);
    guard.commit_offsets([(one.clone(), 3)]).unwrap();
    assert_eq!(guard.committed(&one).unwrap().map(|at| at.offset), Some(3));
    guard.complete().unwrap();
    assert_eq!(drain(&mut second), ["3"]);
}

/// What it points to is not durable, so it waits for a sync. Nobody waits for it, and it is there all the same.
#[test]
fn a_commit_that_nobody_waited_for_is_found_by_the_next_owner() {
    let (_world, mut first, mut second) = two_members();
    let (_, mut guard) = revoked(&mut first);
    drop(guard.commit_async().unwrap());
    guard.complete().unwrap();
    assert!(drain(&mut second).is_empty());
    assert_eq!(second.position("orders", 1).unwrap(), 4);
}

#[test]
fn a_guard_that_is_dropped_gives_up_and_commits_nothing() {
    let (_world, mut first, mut second) = two_members();
    drop(revoked(&mut first));
    assert_eq!(drain(&mut second), numbers(0..4));
    assert_eq!(first.committed("orders", 1).unwrap(), None);
}

/// Dropping waits for nothing. So the partition goes with the first member's next poll, behind its commit.
#[test]
fn a_guard_that_is_dropped_before_its_commit_was_written_is_not_ahead_of_it() {
    let (_world, mut first, mut second) = two_members();
    let (_, mut guard) = revoked(&mut first);
    drop(guard.commit_async().unwrap());
    drop(guard);
    assert!(drain(&mut second).is_empty());
    assert!(second.assignment().is_empty());
    assert!(try_event(&mut first).is_none(), "that it goes was said before");
    assert!(drain(&mut second).is_empty());
    assert_eq!(second.position("orders", 1).unwrap(), 4);
}

/// The others go on; what it says later counts for nothing, and it learns what it has lost.
#[test]
fn a_guard_that_is_held_for_too_long_has_lost_everything() {
    let (world, mut first, mut second) = two_members();
    let (goes, mut guard) = revoked(&mut first);
    guard.commit_offsets([(goes[0].clone(), 1)]).unwrap();
    world.pass(9 * SECOND);
    assert!(drain(&mut second).is_empty());
    world.pass(2 * SECOND);
    assert_eq!(drain(&mut second).len(), 4 + 3);
    assert_eq!(numbers_of(&second.assignment()), [0, 1]);
    second.commit().unwrap();
    let refused = guard.commit().unwrap_err();
    assert!(matches!(refused, Error::UnknownMember { .. }), "{refused:?}");
    let refused = guard.complete().unwrap_err();
    assert!(matches!(refused, Error::UnknownMember { .. }), "{refused:?}");
    assert_eq!(lost(&mut first), [0, 1]);
    assert_eq!(first.committed("orders", 1).unwrap().map(|at| at.offset), Some(4));
    assert!(try_event(&mut first).is_none(), "it is a member again, and waits for its part");
    second.poll(AT_ONCE).unwrap();
    assert_eq!(assigned(&mut first).len(), 1);
}

#[test]
fn a_guard_that_is_dropped_too_late_has_lost_everything_too() {
    let (world, mut first, mut second) = two_members();
    let (_, guard) = revoked(&mut first);
    world.pass(11 * SECOND);
    assert_eq!(drain(&mut second).len(), 8);
    drop(guard);
    assert_eq!(lost(&mut first), [0, 1]);
}

#[test]
fn who_has_lost_its_partitions_has_no_power_over_them() {
    let (world, mut first, mut second) = two_members();
    second.poll(AT_ONCE).unwrap();
    let admin = world.broker.admin();
    let members = admin.describe_group("billing").unwrap().members;
    let id = members.iter().find(|member| member.assignment.len() == 2).unwrap().member_id.clone();
    admin.evict_member("billing", &id).unwrap();
    let ConsumerEvent::Lost { partitions } = event(&mut first) else { panic!("it is a member no longer") };
    assert_eq!(numbers_of(&partitions), [0, 1]);
    let refused = first.commit_offsets([(partitions[0].clone(), 4)]).unwrap_err();
    assert!(matches!(refused, Error::UnknownMember { .. }), "{refused:?}");
    let refused = first.seek("orders", 0, 1).unwrap_err();
    assert!(matches!(refused, Error::NotAssigned { .. }), "{refused:?}");
}

#[test]
fn who_is_fenced_hears_what_is_lost_and_then_why() {
    let world = World::of(1);
    let named = || builder(&world, CooperativeSticky).instance_id("one").build().unwrap();
    let (mut old, mut new) = (named(), named());
    assert_eq!(assigned(&mut old), [0]);
    assert_eq!(assigned(&mut new), [0]);
    assert_eq!(lost(&mut old), [0]);
    for _ in 0..2 {
        let why = try_event(&mut old).unwrap().unwrap_err();
        assert!(matches!(why, Error::FencedInstance { .. }), "{why:?}");
    }
}

#[test]
fn where_to_begin_may_be_said_when_partitions_are_assigned() {
    let world = World::new();
    world.fill(4);
    let mut consumer = member(&world);
    let ConsumerEvent::Assigned { partitions, mut cx } = event(&mut consumer) else {
        panic!("it has joined")
    };
    cx.seek(&partitions[0], 2).unwrap();
    assert_eq!(read(&mut consumer), ["2", "3"]);
}

/// What was not dropped holds nothing either: the next poll asks again, and the time does not begin anew.
#[test]
fn a_guard_that_is_forgotten_comes_again_and_holds_nobody_up() {
    let (world, mut first, mut second) = two_members();
    std::mem::forget(revoked(&mut first).1);
    world.pass(6 * SECOND);
    let (goes, again) = revoked(&mut first);
    assert_eq!(numbers_of(&goes), [1]);
    std::mem::forget(again);
    world.pass(5 * SECOND);
    assert_eq!(drain(&mut second).len(), 8);
    assert_eq!(lost(&mut first), [0, 1]);
}

/// In an eager group everything goes, and nobody begins before all have let go.
#[test]
fn a_guard_holds_an_eager_group_before_its_barrier() {
    let world = World::of(2);
    let eager = || builder(&world, Range).build().expect("valid settings");
    let (mut first, mut second) = (eager(), eager());
    assert_eq!(assigned(&mut first), [0, 1]);
    second.poll(AT_ONCE).unwrap();
    let state = || world.broker.admin().describe_group("billing").unwrap().state;
    let (goes, guard) = revoked(&mut first);
    assert_eq!(numbers_of(&goes), [0, 1]);
    second.poll(AT_ONCE).unwrap();
    assert_eq!((state(), second.assignment().len()), (GroupState::PreparingRebalance, 0));
    guard.complete().unwrap();
    second.poll(AT_ONCE).unwrap();
    assert_eq!((assigned(&mut first).len(), second.assignment().len()), (1, 1));
    assert_eq!(state(), GroupState::Stable);
}

/// A poll of another kind is told nothing, and tells nothing later.
#[test]
fn a_plain_poll_makes_no_events() {
    let (_world, mut first, mut second) = two_members();
    assert!(first.poll(AT_ONCE).unwrap().is_empty());
    assert_eq!(drain(&mut second), numbers(0..4));
    assert!(try_event(&mut first).is_none());
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_that_awaits_events_is_woken_when_partitions_are_to_go() {
    let world = World::of(2);
    let (mut first, mut second) = (member(&world), patient(&world));
    assert_eq!(assigned(&mut first), [0, 1]);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    let mut waiting = pin!(first.poll_event_async());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    second.poll(AT_ONCE).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    let event = waiting.as_mut().poll(&mut context);
    assert!(matches!(event, Poll::Ready(Ok(ConsumerEvent::Revoked { .. }))), "{event:?}");
}
