//! Groups on a disk that is full, that fails or that lies, and with listeners that panic: whoever asks hears what is wrong,
//! nobody is told that nothing is committed, and the group goes on.

use crate::world::*;
use brooklet::{
    AutoCommit, Consumer, ConsumerBuilder, Error, GroupState, LagVerdict, RebalanceCx, RebalanceListener,
    ResetTo, Start, TopicPartition,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

fn orders(number: u32) -> TopicPartition {
    TopicPartition::new("orders", number).expect("a valid name")
}

fn settings(world: &World) -> ConsumerBuilder {
    let builder = world.broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest);
    builder.auto_commit(AutoCommit::Off)
}

/// A member that has read three records of one partition, none of which is durable.
fn reader(world: &World) -> Consumer {
    world.fill(3);
    let mut consumer = settings(world).build().expect("valid settings");
    assert_eq!(drain(&mut consumer).len(), 3);
    consumer
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::DiskFull { .. })
}

#[test]
fn a_commit_on_a_full_disk_says_so_and_is_made_when_there_is_room() {
    let world = World::of(1);
    let mut a = reader(&world);
    a.commit_offsets([(orders(0), 1)]).unwrap();
    world.partition(0).flush().unwrap();
    world.disk.set_full(true);
    let refused = a.commit().unwrap_err();
    assert!(is_full(&refused), "{refused:?}");
    assert_eq!(a.committed("orders", 0).unwrap(), Some(1.into()), "what was committed stands");
    let refused = a.commit_async().map(drop).unwrap_err();
    assert!(is_full(&refused), "{refused:?}");
    let refused = a.commit_offsets([(orders(0), 2)]).unwrap_err();
    assert!(is_full(&refused), "{refused:?}");
    world.disk.set_full(false);
    a.commit().unwrap();
    a.close().unwrap();
    let world = world.crashed();
    let mut next = settings(&world).build().unwrap();
    assert_eq!(next.committed("orders", 0).unwrap(), Some(3.into()));
    assert_eq!(drain(&mut next), [""; 0]);
}

#[test]
fn members_come_and_go_on_a_full_disk() {
    let world = World::of(2);
    let mut a = reader(&world);
    a.commit().unwrap();
    world.disk.set_full(true);
    let mut b = settings(&world).build().unwrap();
    for _ in 0..4 {
        a.poll(AT_ONCE).unwrap();
        b.poll(AT_ONCE).unwrap();
    }
    assert_eq!((a.assignment().len(), b.assignment().len()), (1, 1));
    world.disk.set_full(false);
    world.pass(MINUTE);
    let epoch = world.broker.admin().describe_group("billing").unwrap().epoch;
    drop((a, b));
    let world = world.crashed();
    let found = world.broker.admin().describe_group("billing").unwrap();
    assert_eq!(found.epoch, epoch, "it was written as soon as there was room");
}

#[test]
fn a_commit_whose_records_cannot_be_made_durable_is_not_made() {
    for awaits in [false, true] {
        let world = World::of(1);
        let mut a = reader(&world);
        world.disk.set_syncs_fail(true);
        let pending = a.commit_async().unwrap();
        let refused = if awaits { pollster::block_on(pending) } else { pending.wait() };
        assert!(refused.as_ref().is_err_and(Error::is_fatal), "{refused:?}");
        assert_eq!(a.committed("orders", 0).unwrap(), None, "nothing was written");
        // What is durable already needs no sync before it; but the record itself does.
        let refused = a.commit_offsets([(orders(0), 0)]).unwrap_err();
        assert!(refused.is_fatal(), "{refused:?}");
        world.disk.set_syncs_fail(false);
        drop(a);
        let world = world.crashed();
        let mut next = settings(&world).build().unwrap();
        assert_eq!(drain(&mut next), numbers(0..3), "and nothing is skipped");
        next.commit().unwrap();
        next.close().unwrap();
    }
}

#[test]
fn what_it_commits_by_itself_and_was_refused_is_told_when_it_is_closed() {
    let world = World::of(1);
    world.fill(3);
    let mut a = settings(&world).auto_commit(AutoCommit::Every(SECOND)).build().unwrap();
    assert_eq!(drain(&mut a).len(), 3);
    world.disk.set_syncs_fail(true);
    world.clock.advance(SECOND * 2);
    a.poll(AT_ONCE).unwrap();
    world.settle();
    let refused = a.close().unwrap_err();
    assert!(refused.is_fatal(), "{refused:?}");
}

#[test]
fn on_a_damaged_topic_every_call_says_so_and_nothing_counts_as_not_committed() {
    let world = World::of(1);
    let mut a = reader(&world);
    for _ in 0..3 {
        a.commit().unwrap();
    }
    a.close().unwrap();
    let World { disk, clock, broker } = world;
    broker.close().unwrap();
    disk.flip(&disk.first_segment("__consumer_offsets-0"), 70);
    let broker = builder(&disk, &clock).in_memory().unwrap();
    let world = World { disk, clock, broker };
    let damaged =
        |error: Error, what: &str| assert!(matches!(error, Error::Corrupt { .. }), "{what}: {error:?}");
    let admin = world.broker.admin();
    damaged(admin.groups().unwrap_err(), "groups");
    damaged(admin.describe_group("billing").unwrap_err(), "describe");
    damaged(admin.describe_group("another").unwrap_err(), "describe what was never there");
    damaged(admin.delete_group("billing").unwrap_err(), "delete");
    damaged(admin.delete_offsets("billing", "orders").unwrap_err(), "delete offsets");
    damaged(admin.evict_member("billing", "m").unwrap_err(), "evict");
    damaged(admin.reset_offsets("billing", "orders", ResetTo::Earliest).unwrap_err(), "reset");
    let mut member = settings(&world).build().unwrap();
    damaged(member.poll(AT_ONCE).unwrap_err(), "join");
    damaged(member.committed("orders", 0).unwrap_err(), "committed");
    let by_hand = world.broker.consumer().group("billing").start(Start::Earliest);
    damaged(by_hand.assign([("orders", 0)]).build().unwrap_err(), "where to begin");
    let alone = world.broker.consumer().group("billing").assign_topics([]);
    damaged(alone.build().unwrap_err(), "a group without a member");
    // Everything else works.
    assert_eq!(drain(&mut world.consumer()).len(), 3);
}

#[test]
fn operators_see_who_is_stalled_and_who_has_stopped() {
    let world = World::of(1);
    let mut a = reader(&world);
    let verdict = || {
        let described = world.broker.admin().describe_group("billing").unwrap();
        let word =
            described.to_string().lines().nth(1).unwrap().split_whitespace().nth(6).unwrap().to_owned();
        (described.partitions[0].verdict, word)
    };
    for _ in 0..10 {
        a.commit_offsets([(orders(0), 1)]).unwrap();
        world.pass(SECOND);
    }
    assert_eq!(verdict(), (LagVerdict::Stalled, "STALLED".to_owned()));
    world.pass(SECOND * 12);
    assert_eq!(verdict(), (LagVerdict::Stopped, "STOPPED".to_owned()));
    a.commit().unwrap();
    assert_eq!(verdict(), (LagVerdict::Ok, "OK".to_owned()));
}

/// Dropped before it is polled, once it has been, and never: the commit comes to pass all the same.
#[test]
fn a_pending_commit_may_be_dropped_at_any_point() {
    for polls in 0..4 {
        let world = World::of(1);
        let mut a = reader(&world);
        {
            let mut pending = pin!(a.commit_async().unwrap());
            for _ in 0..polls {
                let context = &mut Context::from_waker(Waker::noop());
                if let Poll::Ready(done) = pending.as_mut().poll(context) {
                    done.unwrap();
                    break;
                }
            }
        }
        world.settle();
        a.commit_offsets([(orders(1), 0)]).unwrap_err();
        assert_eq!(a.committed("orders", 0).unwrap(), Some(3.into()), "{polls} polls");
        drop(a);
        let world = world.reopened();
        assert_eq!(settings(&world).build().unwrap().committed("orders", 0).unwrap(), Some(3.into()));
    }
}

/// The same while a thread works in the background, which takes a while to get to it.
#[test]
fn a_pending_commit_that_is_dropped_while_it_waits_keeps_nobody() {
    let broker = brooklet::Broker::in_memory().unwrap();
    let topic = broker.ensure_topic("orders", brooklet::TopicConfig::new()).unwrap();
    let builder = broker.consumer().group("g").subscribe(["orders"]).start(Start::Earliest);
    let mut a = builder.auto_commit(AutoCommit::Off).build().unwrap();
    for offset in 0..50 {
        let record = brooklet::NewRecord::new().value("1");
        topic.partition(0).unwrap().append([record], brooklet::Acks::Written).unwrap();
        assert_eq!(a.poll(MINUTE).unwrap().len(), 1);
        let mut pending = pin!(a.commit_async().unwrap());
        for _ in 0..offset % 3 {
            let _ = pending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
    a.commit().unwrap();
    assert_eq!(a.committed("orders", 0).unwrap(), Some(50.into()));
}

struct Panics(Arc<AtomicU32>, &'static str);

impl Panics {
    fn perhaps(&self, what: &str) {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(what != self.1, "as planned");
    }
}

impl RebalanceListener for Panics {
    fn assigned(&mut self, _: &mut RebalanceCx<'_>, _: &[TopicPartition]) {
        self.perhaps("assigned");
    }
    fn revoked(&mut self, _: &mut RebalanceCx<'_>, _: &[TopicPartition]) {
        self.perhaps("revoked");
    }
    fn lost(&mut self, _: &[TopicPartition]) {
        self.perhaps("lost");
    }
}

#[test]
fn wherever_a_listener_panics_the_poll_says_so_once_and_the_others_get_their_share() {
    for when in ["assigned", "revoked", "lost"] {
        let world = World::of(2);
        let calls = Arc::<AtomicU32>::default();
        let mut a = settings(&world).on_rebalance(Panics(calls.clone(), when)).build().unwrap();
        let mut b = settings(&world).build().unwrap();
        let mut panics = 0;
        let mut turns = |a: &mut Consumer, b: &mut Consumer| {
            for _ in 0..6 {
                match a.poll(AT_ONCE) {
                    Err(Error::Panicked { message, .. }) => {
                        assert_eq!(message, "as planned");
                        panics += 1;
                    }
                    polled => drop(polled.unwrap()),
                }
                b.poll(AT_ONCE).unwrap();
            }
        };
        turns(&mut a, &mut b);
        for _ in 0..6 {
            world.pass(MINUTE);
            b.poll(AT_ONCE).unwrap();
        }
        turns(&mut a, &mut b);
        assert!(panics > 0 && panics <= calls.load(Ordering::Relaxed), "{when}: {panics}");
        assert_eq!((a.assignment().len(), b.assignment().len()), (1, 1), "{when}");
        assert_eq!(world.broker.admin().groups().unwrap()[0].state, GroupState::Stable);
        a.commit().unwrap();
    }
}

#[test]
fn a_name_goes_to_another_topic_only_once_nothing_is_committed_of_the_first() {
    let world = World::of(1);
    let mut a = reader(&world);
    a.commit().unwrap();
    a.close().unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("orders", Default::default()).unwrap();
    world.fill(2);
    // Nobody has looked at the groups since: neither maintenance nor a member.
    let world = world.crashed();
    let mut next = settings(&world).build().unwrap();
    assert_eq!(next.committed("orders", 0).unwrap(), None);
    assert_eq!(drain(&mut next), numbers(0..2));
}

#[test]
fn a_name_does_not_go_to_another_topic_if_that_cannot_be_made_sure() {
    let world = World::of(1);
    let mut a = reader(&world);
    a.commit().unwrap();
    a.close().unwrap();
    world.broker.admin().delete_topic("orders").unwrap();
    world.disk.set_syncs_fail(true);
    assert!(world.broker.create_topic("orders", Default::default()).is_err());
    world.disk.set_syncs_fail(false);
}

#[test]
fn everybody_reads_a_topic_that_was_made_anew_whoever_looked_first() {
    let world = World::of(2);
    let (mut a, mut b) = (settings(&world).build().unwrap(), settings(&world).build().unwrap());
    for _ in 0..4 {
        a.poll(AT_ONCE).unwrap();
        b.poll(AT_ONCE).unwrap();
    }
    world.broker.admin().delete_topic("orders").unwrap();
    world.broker.create_topic("orders", brooklet::TopicConfig::new().partitions(2)).unwrap();
    world.settle();
    world.fill_partition(0, 2);
    world.fill_partition(1, 2);
    let mut read = [0, 0];
    for _ in 0..4 {
        read = [read[0] + drain(&mut a).len(), read[1] + drain(&mut b).len()];
    }
    assert_eq!(read, [2, 2]);
}

#[test]
fn who_owns_nothing_commits_nothing_and_that_is_no_mistake() {
    let world = World::of(1);
    let mut a = reader(&world);
    let mut b = settings(&world).build().unwrap();
    for _ in 0..3 {
        b.poll(AT_ONCE).unwrap();
        a.poll(AT_ONCE).unwrap();
    }
    let idle = if a.assignment().is_empty() { &mut a } else { &mut b };
    idle.commit().unwrap();
    idle.commit_async().unwrap().wait().unwrap();
    pollster::block_on(idle.commit_async().unwrap()).unwrap();
}

#[test]
fn a_commit_that_waits_outlives_the_epoch_in_which_it_was_made() {
    let world = World::of(1);
    let mut a = reader(&world);
    let pending = a.commit_async().unwrap();
    let mut b = settings(&world).build().unwrap();
    b.poll(AT_ONCE).unwrap();
    a.poll(AT_ONCE).unwrap();
    pending.wait().unwrap();
}
