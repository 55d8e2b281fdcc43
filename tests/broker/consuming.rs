//! Consumers: what they read, from where on, in which turns, and how they get past what cannot be read.

use crate::world::*;
use brooklet::{Acks, Consumer, Error, NewRecord, Start, Timestamp, TopicConfig, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

fn orders(number: u32) -> TopicPartition {
    TopicPartition::new("orders", number).expect("a sound set-up")
}

fn starting(world: &World, start: Start) -> Consumer {
    world.broker.consumer().assign([("orders", 0)]).start(start).build().expect("a sound set-up")
}

fn poll(consumer: &mut Consumer) -> Vec<String> {
    values(&consumer.poll(AT_ONCE).expect("a sound set-up"))
}

#[test]
fn a_consumer_reads_on_where_it_stopped() {
    let world = World::new();
    world.fill(3);
    let mut consumer = starting(&world, Start::Earliest);
    assert_eq!(poll(&mut consumer), numbers(0..3));
    assert_eq!(poll(&mut consumer), [""; 0]);
    world.fill(2);
    assert_eq!(poll(&mut consumer), numbers(0..2));
    assert_eq!(consumer.position("orders", 0).unwrap(), 5);
    consumer.close().unwrap();
}

#[test]
fn by_default_it_begins_with_what_comes_next() {
    let world = World::new();
    world.fill(3);
    let mut consumer = world.broker.consumer().assign([("orders", 0)]).build().unwrap();
    assert_eq!(consumer.position("orders", 0).unwrap(), 3);
    assert_eq!(poll(&mut consumer), [""; 0]);
    world.fill(1);
    assert_eq!(poll(&mut consumer), ["0"]);
}

#[test]
fn without_a_start_it_says_that_it_has_no_position_until_somebody_seeks() {
    let world = World::new();
    world.fill(3);
    let mut consumer = starting(&world, Start::None);
    for _ in 0..2 {
        let error = consumer.poll(AT_ONCE).unwrap_err();
        assert!(
            matches!(&error, Error::NoPosition { partition, requested: None, start: 0, end: 3 } if *partition == orders(0)),
            "{error:?}"
        );
    }
    consumer.seek("orders", 0, 1).unwrap();
    assert_eq!(poll(&mut consumer), numbers(1..3));
    consumer.seek("orders", 0, 9).unwrap();
    assert!(matches!(
        consumer.poll(AT_ONCE),
        Err(Error::NoPosition { requested: Some(9), start: 0, end: 3, .. })
    ));
    consumer.seek_to("orders", 0, Start::Earliest).unwrap();
    assert_eq!(poll(&mut consumer), numbers(0..3));
}

#[test]
fn it_may_begin_some_time_back() {
    let world = World::new();
    for value in numbers(0..5) {
        send(&world.producer(), &value).wait().unwrap();
        world.clock.advance(SECOND);
    }
    assert_eq!(poll(&mut starting(&world, Start::ByDuration(2 * SECOND))), numbers(3..5));
    assert_eq!(poll(&mut starting(&world, Start::ByDuration(Duration::MAX))), numbers(0..5));
    let mut nothing_so_new = starting(&world, Start::ByDuration(AT_ONCE));
    assert_eq!(poll(&mut nothing_so_new), [""; 0]);
    world.fill(1);
    assert_eq!(poll(&mut nothing_so_new), ["0"]);
}

#[test]
fn a_position_that_is_gone_or_not_there_yet_is_looked_up_anew() {
    let world = World::new();
    world.fill(5);
    for (start, expected) in [(Start::Earliest, numbers(3..5)), (Start::Latest, vec![])] {
        let mut consumer = starting(&world, start);
        for lost in [0, 100] {
            consumer.seek("orders", 0, lost).unwrap();
            world.partition(0).delete_records(3).unwrap();
            assert_eq!(poll(&mut consumer), expected, "{start:?} from {lost}");
            assert_eq!(consumer.position("orders", 0).unwrap(), 5);
        }
    }
}

#[test]
fn seeking_goes_to_an_offset_an_end_or_a_time() {
    let world = World::new();
    for value in numbers(0..5) {
        send(&world.producer(), &value).wait().unwrap();
        world.clock.advance(SECOND);
    }
    let mut consumer = starting(&world, Start::Earliest);
    assert_eq!(poll(&mut consumer).len(), 5);
    consumer.seek("orders", 0, 2).unwrap();
    assert_eq!(consumer.position("orders", 0).unwrap(), 2);
    assert_eq!(poll(&mut consumer), numbers(2..5));
    consumer.seek_to("orders", 0, Start::Earliest).unwrap();
    assert_eq!(poll(&mut consumer), numbers(0..5));
    consumer.seek_to_time("orders", 0, Timestamp::from_millis(NOW + 2_001)).unwrap();
    assert_eq!(poll(&mut consumer), numbers(3..5));
    consumer.seek_to_time("orders", 0, Timestamp::from_millis(i64::MAX)).unwrap();
    assert_eq!(poll(&mut consumer), [""; 0]);
    consumer.seek_to_time("orders", 0, Timestamp::from_millis(i64::MIN)).unwrap();
    assert_eq!(consumer.position("orders", 0).unwrap(), 0);
    consumer.seek_to("orders", 0, Start::Latest).unwrap();
    world.fill(1);
    assert_eq!(consumer.position("orders", 0).unwrap(), 6, "the end is looked up when it counts");
    world.fill(1);
    assert_eq!(poll(&mut consumer), ["0"]);
}

#[test]
fn what_is_not_assigned_cannot_be_sought_or_asked_for() {
    let world = World::of(2);
    let mut consumer = starting(&world, Start::Earliest);
    let refused = |error: Error, name: &str| {
        assert!(
            matches!(&error, Error::NotAssigned { partition } if partition.to_string() == name),
            "{error:?}"
        );
    };
    refused(consumer.seek("orders", 1, 0).unwrap_err(), "orders-1");
    refused(consumer.seek_to("orders", 1, Start::Latest).unwrap_err(), "orders-1");
    refused(consumer.seek_to_time("orders", 7, Timestamp::from_millis(0)).unwrap_err(), "orders-7");
    refused(consumer.position("payments", 0).unwrap_err(), "payments-0");
    assert!(consumer.position("../x", 0).is_err());
}

#[test]
fn an_assignment_replaces_the_one_before_and_keeps_positions() {
    let world = World::of(3);
    for number in 0..3 {
        world.fill_partition(number, 4);
    }
    let settings = world.broker.consumer().start(Start::Earliest).max_poll_records(3);
    let mut consumer = settings.assign([("orders", 1)]).build().unwrap();
    assert_eq!(poll(&mut consumer), numbers(0..3));
    consumer.assign([orders(2), orders(1), orders(2)]).unwrap();
    assert_eq!(consumer.assignment(), [orders(1), orders(2)]);
    assert_eq!(consumer.position("orders", 1).unwrap(), 3);
    assert_eq!(consumer.position("orders", 2).unwrap(), 0);
    let error = consumer.assign([orders(0), orders(3)]).unwrap_err();
    assert!(matches!(error, Error::UnknownPartition { partition: 3, partitions: 3, .. }));
    assert!(consumer.assign([TopicPartition::new("none", 0).unwrap()]).is_err());
    assert_eq!(consumer.assignment(), [orders(1), orders(2)], "nothing has changed");
    assert_eq!(drain(&mut consumer).len(), 1 + 4);
    consumer.assign([]).unwrap();
    assert_eq!((consumer.assignment().len(), poll(&mut consumer).len()), (0, 0));
}

#[test]
fn all_partitions_of_topics_can_be_asked_for_by_name() {
    let world = World::of(3);
    world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    let consumer = world.broker.consumer().assign_topics(["payments", "orders"]).build().unwrap();
    let names: Vec<_> = consumer.assignment().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["orders-0", "orders-1", "orders-2", "payments-0"]);
}

#[test]
fn a_poll_returns_so_many_records_at_most() {
    let world = World::new();
    world.fill(7);
    world
        .partition(0)
        .append(numbers(7..12).iter().map(|v| NewRecord::new().value(v)), Acks::Written)
        .unwrap();
    let settings = world.broker.consumer().assign([("orders", 0)]).start(Start::Earliest);
    let mut consumer = settings.max_poll_records(5).build().unwrap();
    let polls: Vec<_> = (0..4).map(|_| poll(&mut consumer)).collect();
    assert_eq!(polls, [numbers(0..5), numbers(5..10), numbers(10..12), vec![]]);

    consumer.seek("orders", 0, 0).unwrap();
    let records = consumer.poll(AT_ONCE).unwrap();
    assert_eq!(records.next_offset(&orders(0)), Some(5));
    assert_eq!(consumer.position("orders", 0).unwrap(), 5);
}

#[test]
fn partitions_take_fair_turns() {
    let world = World::of(3);
    for number in 0..3 {
        world.fill_partition(number, 20);
    }
    let settings = world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let mut consumer = settings.max_poll_records(5).build().unwrap();
    let mut served: BTreeMap<u32, u32> = BTreeMap::new();
    for _ in 0..6 {
        for record in &consumer.poll(AT_ONCE).unwrap() {
            *served.entry(record.partition()).or_default() += 1;
        }
    }
    assert_eq!(served, BTreeMap::from([(0, 10), (1, 10), (2, 10)]), "30 records of a busy topic");
}

#[test]
fn a_busy_partition_does_not_starve_a_quiet_one() {
    let world = World::of(2);
    world.fill_partition(0, 100);
    world.fill_partition(1, 1);
    let settings = world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let mut consumer = settings.max_poll_records(10).build().unwrap();
    let polls = (0..3).map(|_| consumer.poll(AT_ONCE).unwrap());
    let quiet = polls.filter(|records| records.iter().any(|record| record.partition() == 1)).count();
    assert_eq!(quiet, 1);
}

#[test]
fn fetches_are_limited_by_bytes_but_get_on() {
    let world = World::of(2);
    for number in 0..2 {
        let partition = world.partition(number);
        for _ in 0..4 {
            partition.append([NewRecord::new().value([7; 1_000])], Acks::Written).unwrap();
        }
    }
    let settings = || world.broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let polled = |mut consumer: Consumer| -> Vec<usize> {
        (0..9).map(|_| consumer.poll(AT_ONCE).unwrap().len()).filter(|count| *count > 0).collect()
    };
    assert_eq!(polled(settings().build().unwrap()), [8]);
    assert_eq!(polled(settings().fetch_max_bytes(1).build().unwrap()), [1; 8]);
    assert_eq!(polled(settings().max_partition_fetch_bytes(1).build().unwrap()), [2; 4]);
    assert_eq!(polled(settings().max_partition_fetch_bytes(2_500).build().unwrap()), [4; 2]);
}

#[test]
fn a_paused_topic_is_not_read_and_stays_where_it_is() {
    let world = World::of(2);
    world.broker.create_topic("payments", TopicConfig::new()).unwrap();
    let payment = NewRecord::to("payments").value("p");
    world.producer().send(payment.clone()).unwrap().wait().unwrap();
    world.fill_partition(1, 2);
    let mut consumer =
        world.broker.consumer().assign_topics(["orders", "payments"]).start(Start::Earliest).build().unwrap();
    consumer.pause(["orders"]).unwrap();
    assert_eq!(consumer.paused(), [orders(0), orders(1)]);
    assert_eq!(drain(&mut consumer), ["p"]);
    assert_eq!(consumer.position("orders", 1).unwrap(), 0);
    consumer.seek("orders", 1, 1).unwrap();
    assert_eq!(drain(&mut consumer), [""; 0], "a seek does not resume");

    let error = consumer.resume(["orders", "none"]).unwrap_err();
    assert!(matches!(error, Error::UnknownTopic { topic } if topic == "none"));
    assert_eq!(consumer.paused().len(), 2, "nothing has changed");
    consumer.resume(["orders"]).unwrap();
    assert_eq!(drain(&mut consumer), ["1"]);
    assert!(consumer.paused().is_empty());
}

#[test]
fn lag_is_what_lies_between_its_position_and_the_end() {
    let world = World::of(2);
    world.fill_partition(0, 5);
    world.fill_partition(1, 3);
    let mut consumer = world.consumer();
    consumer.seek("orders", 0, 4).unwrap();
    assert_eq!(consumer.lag().unwrap(), BTreeMap::from([(orders(0), 1), (orders(1), 3)]));
    drain(&mut consumer);
    assert_eq!(consumer.lag().unwrap().into_values().collect::<Vec<_>>(), [0, 0]);
    world.fill_partition(1, 2);
    assert_eq!(consumer.lag().unwrap()[&orders(1)], 2);
    consumer.seek("orders", 1, 100).unwrap();
    assert_eq!(consumer.lag().unwrap()[&orders(1)], 0, "beyond the end there is nothing");
}

#[test]
fn a_start_above_zero_is_no_lag() {
    let world = World::new();
    world.fill(5);
    world.partition(0).delete_records(5).unwrap();
    let mut consumer = starting(&world, Start::Earliest);
    assert_eq!((consumer.position("orders", 0).unwrap(), consumer.lag().unwrap()[&orders(0)]), (5, 0));
}

#[test]
fn consumers_do_not_disturb_each_other() {
    let world = World::new();
    world.fill(3);
    let (mut one, mut other) = (world.consumer(), world.consumer());
    assert_eq!(poll(&mut one), poll(&mut other));
    one.seek("orders", 0, 1).unwrap();
    assert_eq!((poll(&mut one).len(), poll(&mut other).len()), (2, 0));
}

#[test]
fn damage_is_told_after_what_is_before_it_until_somebody_seeks_past_it() {
    let world = World::new();
    world.fill(5);
    world.partition(0).flush().unwrap();
    let path = world.disk.first_segment("orders-0");
    let batch = world.partition(0).size_bytes() / 5;
    world.disk.flip(&path, 2 * batch + batch - 1);

    let mut consumer = starting(&world, Start::Earliest);
    let settings = |consumer: &mut Consumer| consumer.poll(AT_ONCE).unwrap_err();
    assert_eq!(poll(&mut consumer), numbers(0..2));
    for _ in 0..3 {
        let error = settings(&mut consumer);
        let Error::Corrupt { path: file, position, offsets, .. } = &error else { panic!("{error:?}") };
        assert!(file.ends_with("orders-0/00000000000000000000.log"), "{file:?}");
        assert_eq!((*position, offsets.clone()), (2 * batch, 2..3));
        assert_eq!(consumer.position("orders", 0).unwrap(), 2);
    }
    consumer.seek("orders", 0, 3).unwrap();
    assert_eq!(poll(&mut consumer), numbers(3..5));
}

#[test]
fn damage_in_one_partition_does_not_keep_the_others_from_being_read() {
    let world = World::of(2);
    world.fill_partition(0, 2);
    world.fill_partition(1, 3);
    world.disk.flip(&world.disk.first_segment("orders-0"), 65);
    let mut consumer = world.consumer();
    let (mut read, mut errors) = (Vec::new(), 0);
    for round in 0..10 {
        match consumer.poll(AT_ONCE) {
            Ok(records) => read.extend(values(&records)),
            Err(Error::Corrupt { .. }) => errors += 1,
            Err(error) => panic!("{error}"),
        }
        if round == 5 {
            world.partition(1).append([NewRecord::new().value("new")], Acks::Written).unwrap();
        }
    }
    assert_eq!(read, ["0", "1", "2", "new"]);
    assert!(errors > 0);
}

#[test]
fn a_disk_that_does_not_answer_is_an_error_and_can_be_asked_again() {
    let world = World::new();
    world.fill(3);
    let mut consumer = starting(&world, Start::Earliest);
    world.disk.set_reads_fail(true);
    for _ in 0..2 {
        let error = consumer.poll(AT_ONCE).unwrap_err();
        assert!(
            matches!(&error, Error::Io { path, .. } if path.to_string_lossy().contains("orders-0")),
            "{error:?}"
        );
    }
    world.disk.set_reads_fail(false);
    assert_eq!(poll(&mut consumer), numbers(0..3));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let world = World::new();
    let consumer = || world.broker.consumer().assign([("orders", 0)]);
    for settings in [consumer().max_poll_records(0), consumer().fetch_max_bytes(0)] {
        let error = settings.build().unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
    }
    assert!(world.broker.consumer().build().is_ok(), "it may be assigned later");
}
