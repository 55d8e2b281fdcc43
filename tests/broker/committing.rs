//! Committing: who may, what counts, what comes by itself, and what becomes of it.

use crate::groups::{member, orders, settings, settle};
use crate::world::*;
use brooklet::{
    Acks, AutoCommit, Error, OffsetAndMetadata, RebalanceCx, RebalanceListener, ResetTo, Start, TopicConfig,
    TopicPartition,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

type Notes = Arc<Mutex<Vec<String>>>;

/// Notes what it hears, and does something with what it is given.
struct Notebook<F>(&'static str, Notes, F);

fn named(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(|one| one.partition().to_string()).collect::<Vec<_>>().join(",")
}

impl<F: FnMut(&str, &mut RebalanceCx<'_>, &[TopicPartition]) + Send> RebalanceListener for Notebook<F> {
    fn assigned(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        self.1.lock().push(format!("{} gets {}", self.0, named(partitions)));
        (self.2)("assigned", cx, partitions);
    }

    fn revoked(&mut self, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]) {
        self.1.lock().push(format!("{} gives {}", self.0, named(partitions)));
        (self.2)("revoked", cx, partitions);
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.1.lock().push(format!("{} lost {}", self.0, named(partitions)));
    }
}

fn read(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut *notes.lock())
}

#[test]
fn a_group_that_is_not_there_takes_commits_of_nobody_in_particular() {
    let world = World::of(1);
    let build =
        || world.broker.consumer().group("simple").auto_commit(AutoCommit::Off).start(Start::Earliest);
    world.fill(3);
    let mut consumer = build().assign([("orders", 0)]).build().unwrap();
    assert_eq!(drain(&mut consumer).len(), 3);
    consumer.commit().unwrap();
    consumer.commit_offsets([(orders(0), OffsetAndMetadata::new(2).metadata("half"))]).unwrap();
    let world_again = build().assign([("orders", 0)]).build().unwrap();
    assert_eq!(world_again.committed("orders", 0).unwrap().unwrap().metadata, "half");
    let mut next = build().assign([("orders", 0)]).build().unwrap();
    assert_eq!(drain(&mut next), ["2"], "an assigned consumer too begins where its group stands");
}

#[test]
fn nobody_in_particular_commits_to_a_group_with_members() {
    let world = World::of(1);
    let mut a = member(&world);
    a.poll(AT_ONCE).unwrap();
    let mut stranger = world.broker.consumer().group("billing").assign([("orders", 0)]).build().unwrap();
    let error = stranger.commit_offsets([(orders(0), 1)]).unwrap_err();
    assert!(matches!(&error, Error::UnknownMember { member, .. } if member.is_empty()), "{error:?}");
    a.close().unwrap();
    stranger.commit_offsets([(orders(0), 1)]).unwrap();
}

#[test]
fn who_never_joined_or_is_a_member_no_longer_cannot_commit() {
    let world = World::of(1);
    let mut a = member(&world);
    assert!(matches!(a.commit(), Err(Error::UnknownMember { .. })), "it joins in its first poll");
    a.poll(AT_ONCE).unwrap();
    a.commit_offsets([(orders(0), 1)]).unwrap();
    let admin = world.broker.admin();
    let id = admin.describe_group("billing").unwrap().members[0].member_id.clone();
    admin.evict_member("billing", &id).unwrap();
    assert!(matches!(a.commit_offsets([(orders(0), 2)]), Err(Error::UnknownMember { .. })));
    admin.delete_group("billing").unwrap();
    let error = a.commit_offsets([(orders(0), 2)]).unwrap_err();
    assert!(
        matches!(error, Error::IllegalGeneration { current: 0, .. }),
        "no group, and an epoch: {error:?}"
    );
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.committed("orders", 0).unwrap(), None, "it went with its group");
    a.commit_offsets([(orders(0), 2)]).unwrap();
}

#[test]
fn whoever_has_to_give_up_still_commits_and_between_two_epochs_nobody() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    let sticky = || settings(&world).assignor(brooklet::assignors::Sticky).build().unwrap();
    let (mut a, mut b) = (sticky(), sticky());
    assert_eq!(drain(&mut a).len(), 3);
    b.poll(AT_ONCE).unwrap();
    a.commit().unwrap();
    assert_eq!(b.committed("orders", 0).unwrap(), Some(3.into()), "the current epoch is accepted");
    settle(&mut [&mut a, &mut b]);
    let mut c = sticky();
    c.poll(AT_ONCE).unwrap();
    a.poll(AT_ONCE).unwrap();
    let state = world.broker.admin().describe_group("billing").unwrap().state;
    assert_eq!(state.name(), "PreparingRebalance", "the other one has not given up yet");
    a.commit_offsets([(orders(0), 3)]).unwrap();
    b.poll(AT_ONCE).unwrap();
    let state = world.broker.admin().describe_group("billing").unwrap().state;
    assert_eq!(state.name(), "CompletingRebalance");
    let error = a.commit_offsets([(orders(0), 1)]).unwrap_err();
    assert!(matches!(error, Error::RebalanceInProgress { .. }) && error.is_retriable(), "{error:?}");
    a.poll(AT_ONCE).unwrap();
    a.commit_offsets([(orders(0), 1)]).unwrap();
}

#[test]
fn partitions_of_others_and_offsets_out_of_the_log_are_taken_as_in_kafka() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    let (mut a, mut b) = (member(&world), member(&world));
    settle(&mut [&mut a, &mut b]);
    a.commit_offsets([(orders(0), 100), (orders(1), 100)]).unwrap();
    assert_eq!(b.committed("orders", 1).unwrap(), Some(100.into()));
    a.close().unwrap();
    b.close().unwrap();
    let mut next = member(&world);
    assert_eq!(drain(&mut next), numbers(0..3), "what is not there is looked up by the policy");
    let mut strict = settings(&world).group("strict").start(Start::None).build().unwrap();
    assert!(matches!(strict.poll(AT_ONCE), Err(Error::NoPosition { requested: None, .. })));
    strict.commit_offsets([(orders(0), 9), (orders(1), 9)]).unwrap();
    strict.close().unwrap();
    let mut strict = settings(&world).group("strict").start(Start::None).build().unwrap();
    assert!(matches!(strict.poll(AT_ONCE), Err(Error::NoPosition { requested: Some(9), .. })));
}

#[test]
fn one_bad_offset_and_none_is_committed() {
    let world = World::of(2);
    let mut a = member(&world);
    a.poll(AT_ONCE).unwrap();
    let note = |bytes: usize| OffsetAndMetadata::new(1).metadata("x".repeat(bytes));
    a.commit_offsets([(orders(0), note(4096))]).unwrap();
    let error = a.commit_offsets([(orders(1), note(0)), (orders(0), note(4097))]).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { bytes: 4097, limit: 4096, setting: "offset.metadata.max.bytes" }),
        "{error:?}"
    );
    let elsewhere = TopicPartition::new("nowhere", 0).unwrap();
    let error = a.commit_offsets([(orders(1), 1), (elsewhere, 1)]).unwrap_err();
    assert!(matches!(error, Error::UnknownTopic { .. }), "{error:?}");
    assert!(matches!(a.commit_offsets([(orders(2), 1)]), Err(Error::UnknownPartition { .. })));
    assert_eq!(a.committed("orders", 1).unwrap(), None);
    assert_eq!(a.committed("orders", 0).unwrap(), Some(note(4096)));
}

#[test]
fn by_itself_it_commits_what_earlier_polls_returned_when_it_is_time() {
    let world = World::of(1);
    world.fill(4);
    let every =
        |time| settings(&world).auto_commit(AutoCommit::Every(time)).max_poll_records(2).build().unwrap();
    let mut a = every(SECOND * 5);
    assert_eq!(a.poll(AT_ONCE).unwrap().len(), 2);
    world.pass(SECOND * 4);
    assert_eq!(a.poll(AT_ONCE).unwrap().len(), 2);
    assert_eq!(a.committed("orders", 0).unwrap(), None, "it is not time yet");
    world.pass(SECOND);
    a.poll(AT_ONCE).unwrap();
    assert_eq!(a.committed("orders", 0).unwrap(), Some(4.into()));
    world.fill(1);
    assert_eq!(a.poll(AT_ONCE).unwrap().len(), 1);
    a.poll(SECOND * 30).unwrap();
    assert_eq!(a.committed("orders", 0).unwrap(), Some(5.into()), "a poll that waits commits too");
    world.fill(1);
    assert_eq!(a.poll(AT_ONCE).unwrap().len(), 1);
    a.close().unwrap();
    let mut next = every(SECOND * 5);
    assert_eq!(drain(&mut next), [""; 0], "closing has committed the rest");
    world.fill(1);
    assert_eq!(drain(&mut next).len(), 1);
    drop(next);
    world.pass(MINUTE);
    assert_eq!(drain(&mut every(SECOND)).len(), 1, "a drop commits nothing");
}

#[test]
fn before_a_rebalance_it_commits_for_whoever_comes_next() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    world.fill_partition(1, 3);
    let every = || settings(&world).auto_commit(AutoCommit::default()).build().unwrap();
    let (mut a, mut b) = (every(), every());
    assert_eq!(drain(&mut a).len(), 6);
    b.poll(AT_ONCE).unwrap();
    a.poll(AT_ONCE).unwrap();
    assert_eq!(drain(&mut b), [""; 0]);
    assert_eq!(b.assignment().len(), 1);
}

#[test]
fn a_commit_is_never_ahead_of_what_it_points_to() {
    let world = World::of(1);
    world.fill(3);
    let mut a = member(&world);
    assert_eq!(drain(&mut a).len(), 3);
    assert_eq!(world.partition(0).watermarks().durable_end, 0);
    let pending = a.commit_async().unwrap();
    let offsets = || world.broker.topic("__consumer_offsets").unwrap().partition(0).unwrap().watermarks();
    let before = offsets().end;
    assert_eq!(world.partition(0).watermarks().durable_end, 0, "it waits for nobody");
    pending.wait().unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 3);
    assert_eq!(offsets().end, before + 1);
    assert_eq!(offsets().durable_end, offsets().end);
    // Dropped, it comes to pass all the same, and in order.
    world.fill(2);
    a.poll(AT_ONCE).unwrap();
    drop(a.commit_async().unwrap());
    drop(a.commit_offsets_async([(orders(0), 1)]).unwrap());
    world.settle();
    assert_eq!(a.committed("orders", 0).unwrap(), Some(1.into()));
}

#[test]
fn a_commit_that_had_to_wait_is_judged_again() {
    let world = World::of(1);
    world.fill(3);
    let mut a = member(&world);
    assert_eq!(drain(&mut a).len(), 3);
    let pending = a.commit_async().unwrap();
    let admin = world.broker.admin();
    world.clock.advance(MINUTE * 6);
    assert!(matches!(pending.wait(), Err(Error::UnknownMember { .. })));
    assert_eq!(a.committed("orders", 0).unwrap(), None);
    assert!(admin.describe_group("billing").unwrap().members.is_empty());
}

#[test]
fn commits_are_awaited_too() {
    let world = World::of(1);
    world.fill(1);
    let mut a = member(&world);
    let records = pollster::block_on(a.poll_async()).unwrap();
    assert_eq!(records.len(), 1);
    pollster::block_on(a.commit_async().unwrap()).unwrap();
    assert_eq!(a.committed("orders", 0).unwrap(), Some(1.into()));
    let live = brooklet::Broker::in_memory().unwrap();
    let topic = live.ensure_topic("orders", TopicConfig::new()).unwrap();
    topic.partition(0).unwrap().append([brooklet::NewRecord::new().value("1")], Acks::Written).unwrap();
    let builder = live.consumer().group("g").subscribe(["orders"]).start(Start::Earliest);
    let mut consumer = builder.build().unwrap();
    assert_eq!(pollster::block_on(consumer.poll_async()).unwrap().len(), 1);
    pollster::block_on(consumer.commit_async().unwrap()).unwrap();
    assert_eq!(consumer.committed("orders", 0).unwrap(), Some(1.into()));
}

#[test]
fn a_listener_hears_of_all_that_comes_and_goes_and_its_commit_counts() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    world.fill_partition(1, 3);
    let notes = Notes::default();
    let build = |name, notes: &Notes| {
        let committing = |what: &str, cx: &mut RebalanceCx<'_>, _: &[TopicPartition]| {
            if what == "revoked" {
                cx.commit().unwrap();
            }
        };
        settings(&world).on_rebalance(Notebook(name, notes.clone(), committing)).build().unwrap()
    };
    let (mut a, mut b) = (build("a", &notes), build("b", &notes));
    assert_eq!(drain(&mut a).len(), 6);
    assert_eq!(read(&notes), ["a gets 0,1"]);
    b.poll(AT_ONCE).unwrap();
    assert_eq!(read(&notes), [""; 0]);
    a.poll(AT_ONCE).unwrap();
    assert_eq!(drain(&mut b), [""; 0], "it was committed before it was given up");
    assert_eq!(read(&notes), ["a gives 0,1", "a gets 0", "b gets 1"], "Range is eager");
    for _ in 0..6 {
        world.pass(MINUTE);
        b.poll(AT_ONCE).unwrap();
    }
    read(&notes);
    a.poll(AT_ONCE).unwrap();
    assert!(read(&notes)[0].starts_with("a lost "));
    settle(&mut [&mut a, &mut b]);
    a.close().unwrap();
    assert!(read(&notes).iter().any(|heard| heard.starts_with("a gives ")), "closing gives up");
}

#[test]
fn a_listener_may_seek_and_pause() {
    let world = World::of(2);
    world.fill_partition(0, 3);
    world.fill_partition(1, 3);
    let act = |what: &str, cx: &mut RebalanceCx<'_>, partitions: &[TopicPartition]| {
        if what == "assigned" && partitions.len() == 2 {
            cx.seek(&partitions[0], 2).unwrap();
            assert_eq!(cx.position(&partitions[0]).unwrap(), 2);
            cx.pause(&partitions[1]).unwrap();
        }
    };
    let notes = Notes::default();
    let mut a = settings(&world).on_rebalance(Notebook("a", notes, act)).build().unwrap();
    assert_eq!(drain(&mut a), ["2"]);
    assert_eq!(a.paused(), [orders(1)]);
    let mut b = settings(&world).assignor(brooklet::assignors::CooperativeSticky).build().unwrap();
    settle(&mut [&mut a, &mut b]);
    assert_eq!(
        a.paused().len() + b.paused().len(),
        usize::from(a.assignment() == [orders(1)]),
        "kept, or lost"
    );
}

#[test]
fn a_listener_that_panics_is_reported_and_the_group_goes_on() {
    let world = World::of(1);
    world.fill(2);
    let act = |_: &str, _: &mut RebalanceCx<'_>, _: &[TopicPartition]| panic!("of no use");
    let mut a = settings(&world).on_rebalance(Notebook("a", Notes::default(), act)).build().unwrap();
    let error = a.poll(AT_ONCE).unwrap_err();
    assert!(matches!(&error, Error::Panicked { message, .. } if message == "of no use"), "{error:?}");
    assert_eq!(drain(&mut a).len(), 2);
    a.commit().unwrap();
    assert!(matches!(a.close(), Err(Error::Panicked { .. })));
    assert_eq!(drain(&mut member(&world)), [""; 0], "it has left all the same");
}

#[test]
fn offsets_of_idle_groups_expire_and_those_of_busy_ones_do_not() {
    const DAY: Duration = Duration::from_secs(86_400);
    let world = World::of(1);
    world.fill(3);
    let (mut a, mut idle) = (member(&world), settings(&world).group("idle").build().unwrap());
    for consumer in [&mut a, &mut idle] {
        assert_eq!(drain(consumer).len(), 3);
        consumer.commit().unwrap();
    }
    idle.close().unwrap();
    let names =
        || world.broker.admin().groups().unwrap().into_iter().map(|group| group.group).collect::<Vec<_>>();
    for _ in 0..6 {
        world.pass(DAY);
        a.poll(AT_ONCE).unwrap();
    }
    assert_eq!(names(), ["billing", "idle"]);
    world.pass(DAY + MINUTE * 10);
    a.poll(AT_ONCE).unwrap();
    world.settle();
    assert_eq!(names(), ["billing"]);
    assert_eq!(a.committed("orders", 0).unwrap(), Some(3.into()));
    drop((a, idle_is_gone(&world)));
    let world = world.crashed();
    let names = world.broker.admin().groups().unwrap();
    assert_eq!(names.len(), 1, "what has expired does not come back");
}

fn idle_is_gone(world: &World) {
    let consumer = settings(world).group("idle").build().expect("valid settings");
    assert_eq!(consumer.committed("orders", 0).expect("a readable journal"), None);
}

#[test]
fn operators_reset_delete_and_describe() {
    let world = World::of(2);
    world.fill_partition(0, 5);
    world.clock.advance(SECOND);
    world.fill_partition(1, 5);
    let admin = world.broker.admin();
    let mut a = member(&world);
    assert_eq!(drain(&mut a).len(), 10);
    a.commit_offsets([(orders(0), 3)]).unwrap();
    let not_empty =
        |error: Error| assert!(matches!(error, Error::GroupNotEmpty { members: 1, .. }), "{error:?}");
    not_empty(admin.reset_offsets("billing", "orders", ResetTo::Earliest).unwrap_err());
    not_empty(admin.delete_group("billing").unwrap_err());
    not_empty(admin.delete_offsets("billing", "orders").unwrap_err());
    let described = admin.describe_group("billing").unwrap();
    assert_eq!((described.members.len(), described.partitions.len()), (1, 2));
    assert_eq!(described.partitions[0].lag, Some(2));
    assert_eq!(described.partitions[1].committed, None);
    let table = described.to_string();
    let first = table.lines().nth(1).unwrap().split_whitespace().take(7).collect::<Vec<_>>();
    assert_eq!(first, ["billing", "orders", "0", "3", "5", "2", "OK"], "{table}");
    a.close().unwrap();
    let reset = |to| admin.reset_offsets("billing", "orders", to).unwrap().into_values().collect::<Vec<_>>();
    assert_eq!(reset(ResetTo::ShiftBy(-1)), [2], "only what was committed");
    assert_eq!(reset(ResetTo::Latest), [5, 5]);
    assert_eq!(reset(ResetTo::ShiftBy(i64::MIN)), [0, 0]);
    assert_eq!(reset(ResetTo::Offset(9)), [5, 5]);
    assert_eq!(reset(ResetTo::Timestamp(brooklet::Timestamp::from_millis(NOW + 1))), [5, 0]);
    assert_eq!(drain(&mut member(&world)).len(), 5);
    world.pass(MINUTE);
    assert_eq!(reset(ResetTo::Earliest), [0, 0]);
    admin.delete_offsets("billing", "orders").unwrap();
    assert!(admin.describe_group("billing").unwrap().partitions.is_empty());
    admin.delete_group("billing").unwrap();
    assert!(admin.groups().unwrap().is_empty());
    let unknown = |error: Error| assert!(matches!(error, Error::UnknownGroup { .. }), "{error:?}");
    unknown(admin.describe_group("billing").unwrap_err());
    unknown(admin.delete_group("billing").unwrap_err());
    drop(admin);
    let world = world.crashed();
    assert!(world.broker.admin().groups().unwrap().is_empty(), "it stays deleted");
}

#[test]
fn a_blocked_poll_is_woken_by_a_rebalance() {
    let broker = brooklet::Broker::in_memory().unwrap();
    broker.ensure_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    let build = || {
        let builder = broker.consumer().group("g").subscribe(["orders"]).start(Start::Earliest);
        builder.build().unwrap()
    };
    let (mut a, mut b) = (build(), build());
    a.poll(AT_ONCE).unwrap();
    let topic = broker.topic("orders").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            a.poll(MINUTE).unwrap();
            a
        });
        // It gives up one partition although nothing comes for it: otherwise this would wait for a minute.
        while b.assignment().is_empty() {
            b.poll(Duration::from_millis(1)).unwrap();
        }
        let mine = b.assignment()[0].partition();
        topic
            .partition(1 - mine)
            .unwrap()
            .append([brooklet::NewRecord::new().value("1")], Acks::Written)
            .unwrap();
        assert_eq!(waiting.join().unwrap().assignment().len(), 1);
    });
}

#[test]
fn a_broker_that_is_closed_wakes_members_that_have_nothing() {
    let broker = brooklet::Broker::in_memory().unwrap();
    let mut idle = broker.consumer().group("g").subscribe(["nothing"]).build().unwrap();
    idle.poll(AT_ONCE).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || idle.poll(MINUTE));
        std::thread::yield_now();
        broker.clone().close().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed { .. })));
    });
}
