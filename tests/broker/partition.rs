//! The log without a client in between: append, read, find by time, watermarks, delete.

use crate::world::*;
use brooklet::{
    Acks, CleanupPolicy, Compression, Error, Isolation, NewRecord, ReadLimit, Records, Timestamp,
    TimestampType, TopicConfig, Visibility,
};
use std::time::Duration;

const MUCH: usize = 1 << 20;

fn read(world: &World, offset: u64) -> Result<Records, Error> {
    world.partition(0).read(offset, ReadLimit::bytes(MUCH), Isolation::ReadUncommitted)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

#[test]
fn an_append_says_where_its_records_went() {
    let world = World::new();
    let partition = world.partition(0);
    let one = partition.append([NewRecord::new().value("a")], Acks::Written).unwrap();
    let two = partition.append(["b", "c"].map(|value| NewRecord::new().value(value)), Acks::Written).unwrap();
    assert_eq!((one.first_offset, one.last_offset), (0, 0));
    assert_eq!((two.first_offset, two.last_offset), (1, 2));
    assert_eq!(two.log_append_time, None);
    assert_eq!((world.log(), world.batches()), (vec!["a".into(), "b".into(), "c".into()], 2));
}

#[test]
fn a_record_comes_back_as_it_was_given() {
    let world = World::new();
    let record = NewRecord::new()
        .key(b"k")
        .value(vec![0, 255])
        .header("trace", "1")
        .null_header("none")
        .header("trace", "")
        .timestamp(at(-5));
    let bare = NewRecord::new().timestamp(at(-9));
    let empty = NewRecord::new().key("").value("").timestamp(at(-7));
    let taken = NewRecord::new().key("k").value("v").null_key().null_value();
    world.partition(0).append([record, bare, empty, taken], Acks::Written).unwrap();

    let records = read(&world, 0).unwrap();
    let [full, bare, empty, taken] = [0, 1, 2, 3].map(|index| records.get(index).unwrap());
    assert_eq!((full.topic(), full.partition(), full.offset()), ("orders", 0, 0));
    assert_eq!((full.key(), full.value()), (Some(&b"k"[..]), Some(&[0, 255][..])));
    let headers: Vec<_> = full.headers().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, [("trace", Some(&b"1"[..])), ("none", None), ("trace", Some(&b""[..]))]);
    assert_eq!((full.timestamp(), full.timestamp_type()), (Some(at(-5)), TimestampType::Create));
    assert_eq!((bare.offset(), bare.key(), bare.value(), bare.timestamp()), (1, None, None, Some(at(-9))));
    assert_eq!((empty.offset(), empty.key(), empty.value()), (2, Some(&b""[..]), Some(&b""[..])));
    assert_eq!((taken.key(), taken.value(), taken.timestamp()), (None, None, Some(at(0))));
    let owned = (full.share(), full.detach());
    drop(records);
    for record in [owned.0, owned.1] {
        assert_eq!((record.offset(), record.key(), record.timestamp()), (0, Some(&b"k"[..]), Some(at(-5))));
        assert_eq!(record.headers().count(), 3);
    }
}

#[test]
fn reading_begins_in_the_middle_of_a_batch() {
    let world = World::new();
    world.partition(0).append(["a", "b", "c"].map(|v| NewRecord::new().value(v)), Acks::Written).unwrap();
    let records = read(&world, 1).unwrap();
    assert_eq!(values(&records), ["b", "c"]);
    assert_eq!(records.get(0).unwrap().offset(), 1);
}

#[test]
fn at_the_end_there_is_nothing_and_beyond_it_is_out_of_range() {
    let world = World::new();
    assert!(read(&world, 0).unwrap().is_empty());
    world.fill(3);
    assert!(read(&world, 3).unwrap().is_empty());
    for offset in [4, u64::MAX] {
        let error = read(&world, offset).unwrap_err();
        assert!(
            matches!(error, Error::OffsetOutOfRange { requested, start: 0, end: 3 } if requested == offset),
            "{error:?}"
        );
    }
}

#[test]
fn a_limit_holds_but_for_the_first_batch() {
    let world = World::new();
    world.fill(20);
    let read = |limit| world.partition(0).read(5, limit, Isolation::ReadUncommitted).unwrap();
    assert_eq!(values(&read(ReadLimit::bytes(1))), ["5"]);
    assert_eq!(values(&read(ReadLimit::bytes(0))), ["5"]);
    let some = read(ReadLimit::bytes(300)).len();
    assert!((2..=5).contains(&some), "{some} batches of 70 bytes in 300");
    assert_eq!(values(&read(ReadLimit::bytes(MUCH).until(8))), numbers(5..8));
}

#[test]
fn reading_goes_on_across_segments() {
    let world = World::with(TopicConfig::new().segment_bytes(200));
    world.fill(50);
    assert!(world.broker.admin().describe_topic("orders").unwrap().partitions[0].segments > 10);
    assert_eq!(world.log(), numbers(0..50));
    for offset in 0..50 {
        assert_eq!(value(read(&world, offset).unwrap().get(0).unwrap()), offset.to_string());
    }
}

#[test]
fn an_offset_is_found_by_time_in_the_order_of_the_log() {
    let world = World::with(TopicConfig::new().segment_bytes(200));
    let partition = world.partition(0);
    assert_eq!(partition.offset_for_time(at(0)).unwrap(), None);
    for millis in [0, 100, 50, 100, 200, 150] {
        partition.append([NewRecord::new().timestamp(at(millis))], Acks::Written).unwrap();
    }
    let find = |millis| partition.offset_for_time(at(millis)).unwrap();
    assert_eq!(find(-1), Some((0, at(0))));
    assert_eq!(find(0), Some((0, at(0))));
    assert_eq!(find(1), Some((1, at(100))), "the first in the log, not the nearest in time");
    assert_eq!(find(101), Some((4, at(200))));
    assert_eq!(find(200), Some((4, at(200))));
    assert_eq!(find(201), None);
    partition.delete_records(2).unwrap();
    assert_eq!(find(-1), Some((2, at(50))), "what was deleted is not found");
}

#[test]
fn watermarks_keep_their_order() {
    let world = World::new();
    let partition = world.partition(0);
    let marks = || {
        let marks = partition.watermarks();
        (marks.start, marks.durable_end, marks.last_stable, marks.end)
    };
    assert_eq!(marks(), (0, 0, 0, 0));
    world.fill(4);
    assert_eq!(marks(), (0, 0, 4, 4));
    assert_eq!(partition.flush().unwrap(), 4);
    world.fill(1);
    partition.delete_records(2).unwrap();
    assert_eq!(marks(), (2, 4, 5, 5));
}

#[test]
fn deleted_records_are_gone_from_the_middle_of_a_batch_on() {
    let world = World::new();
    let partition = world.partition(0);
    partition.append(["a", "b", "c"].map(|v| NewRecord::new().value(v)), Acks::Written).unwrap();
    assert_eq!(partition.delete_records(2).unwrap(), 2);
    assert!(matches!(read(&world, 1), Err(Error::OffsetOutOfRange { requested: 1, start: 2, end: 3 })));
    assert_eq!(values(&read(&world, 2).unwrap()), ["c"]);
    assert_eq!(partition.delete_records(1).unwrap(), 2, "what is gone does not come back");
    assert!(matches!(partition.delete_records(4), Err(Error::OffsetOutOfRange { requested: 4, .. })));
    assert_eq!(partition.delete_records(3).unwrap(), 3);
    assert_eq!((partition.watermarks().start, partition.watermarks().end), (3, 3));
    assert!(read(&world, 3).unwrap().is_empty());
    world.fill(1);
    drop(partition);
    let world = world.reopened();
    assert_eq!(world.partition(0).watermarks().start, 3);
    assert_eq!(read(&world, 3).unwrap().get(0).unwrap().offset(), 3);
}

#[test]
fn deleted_records_stay_deleted_after_a_crash() {
    let world = World::new();
    world.fill(5);
    world.partition(0).delete_records(3).unwrap();
    assert_eq!(world.crashed().log(), ["3", "4"]);
}

#[test]
fn nothing_is_deleted_from_a_topic_that_is_only_compacted() {
    for (policy, is_allowed) in [(CleanupPolicy::Compact, false), (CleanupPolicy::CompactDelete, true)] {
        let world = World::with(TopicConfig::new().cleanup_policy(policy));
        world.partition(0).append([NewRecord::new().key("k").value("v")], Acks::Written).unwrap();
        let deleted = world.partition(0).delete_records(1);
        match is_allowed {
            true => assert_eq!(deleted.unwrap(), 1),
            false => {
                assert!(matches!(deleted, Err(Error::PolicyViolation { topic, .. }) if topic == "orders"))
            }
        }
    }
}

#[test]
fn what_is_compacted_needs_keys() {
    let world = World::with(TopicConfig::new().cleanup_policy(CleanupPolicy::Compact));
    let records = [NewRecord::new().key("k").value("good"), NewRecord::new().value("bad")];
    let error = world.partition(0).append(records, Acks::Written).unwrap_err();
    assert!(matches!(&error, Error::InvalidRecord { partition, .. } if partition.to_string() == "orders-0"));
    assert_eq!(world.partition(0).watermarks().end, 0, "its neighbours fail with it");
}

#[test]
fn timestamps_far_off_are_refused_unless_the_topic_takes_them() {
    let hour = 3_600_000;
    let world = World::new();
    let append = |millis| world.partition(0).append([NewRecord::new().timestamp(at(millis))], Acks::Written);
    append(hour).unwrap();
    append(-1_000 * hour).unwrap();
    let error = append(hour + 1).unwrap_err();
    assert!(matches!(&error, Error::InvalidRecord { .. }), "{error:?}");
    let admin = world.broker.admin();
    admin
        .alter_topic("orders", |c| c.set("message.timestamp.after.max.ms", "9223372036854775807").unwrap())
        .unwrap();
    append(1_000 * hour).unwrap();
    admin.alter_topic("orders", |c| c.set("message.timestamp.before.max.ms", "1000").unwrap()).unwrap();
    append(-1_000).unwrap();
    assert!(matches!(append(-1_001), Err(Error::InvalidRecord { .. })));
}

#[test]
fn a_batch_is_at_most_as_large_as_its_topic_says() {
    let world = World::with(TopicConfig::new().max_message_bytes(200));
    let append = |bytes| world.partition(0).append([NewRecord::new().value(vec![7; bytes])], Acks::Written);
    append(100).unwrap();
    let error = append(200).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 200, setting: "max_message_bytes", bytes } if bytes > 200),
        "{error:?}"
    );
    assert_eq!(world.partition(0).watermarks().end, 1);

    let world = World::with(TopicConfig::new().segment_bytes(300));
    let error = world.partition(0).append([NewRecord::new().value(vec![7; 300])], Acks::Written).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 300, setting: "segment_bytes", .. }), "{error:?}");
}

#[test]
fn nothing_is_no_batch() {
    let world = World::new();
    let error = world.partition(0).append([], Acks::Written).unwrap_err();
    assert!(matches!(error, Error::InvalidBatch { .. } | Error::InvalidRecord { .. }), "{error:?}");
    assert_eq!(world.partition(0).watermarks().end, 0);
}

#[test]
fn a_topic_may_stamp_records_itself() {
    let world = World::with(TopicConfig::new().timestamp_type(TimestampType::LogAppend));
    world.clock.advance(SECOND);
    let records = [5, 9].map(|millis| NewRecord::new().timestamp(Timestamp::from_millis(millis)));
    let info = world.partition(0).append(records, Acks::Written).unwrap();
    assert_eq!(info.log_append_time, Some(at(1_000)));
    for record in &read(&world, 0).unwrap() {
        assert_eq!(
            (record.timestamp(), record.timestamp_type()),
            (Some(at(1_000)), TimestampType::LogAppend)
        );
    }
    assert_eq!(world.partition(0).offset_for_time(at(1_000)).unwrap(), Some((0, at(1_000))));
}

#[test]
fn a_topic_may_compress_what_comes() {
    let size = |compression| {
        let world = World::with(TopicConfig::new().compression(compression));
        world.partition(0).append([NewRecord::new().value(vec![7; 10_000])], Acks::Written).unwrap();
        assert_eq!(read(&world, 0).unwrap().get(0).unwrap().value(), Some(&[7; 10_000][..]));
        world.partition(0).size_bytes()
    };
    assert!(size(None) > 10_000);
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        assert!(size(Some(codec)) < 1_000, "{codec:?}");
    }
}

#[test]
fn only_durable_appends_wait_for_the_disk() {
    let world = World::new();
    let partition = world.partition(0);
    let append = |acks| {
        let before = world.disk.log_syncs();
        partition.append([NewRecord::new().value("v")], acks).unwrap();
        (world.disk.log_syncs() - before, partition.watermarks().durable_end)
    };
    assert_eq!(append(Acks::None), (0, 0));
    assert_eq!(append(Acks::Written), (0, 0));
    let (syncs, durable_end) = append(Acks::Durable);
    assert!(syncs >= 1 && durable_end == 3, "{syncs} syncs, durable up to {durable_end}");
}

#[test]
fn a_topic_may_ask_for_more_than_its_writers() {
    let world = World::with(TopicConfig::new().min_acks(Acks::Durable));
    world.partition(0).append([NewRecord::new().value("v")], Acks::None).unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 1);
    send(&world.producer(), "w").wait().unwrap();
    assert_eq!(world.partition(0).watermarks().durable_end, 2);
}

#[test]
fn a_topic_may_show_only_what_is_durable() {
    let world = World::with(TopicConfig::new().visibility(Visibility::Durable));
    let mut consumer = world.consumer();
    world.fill(2);
    assert!(read(&world, 0).unwrap().is_empty());
    assert_eq!(drain(&mut consumer), [""; 0]);
    world.partition(0).flush().unwrap();
    assert_eq!(values(&read(&world, 0).unwrap()), numbers(0..2));
    assert_eq!(drain(&mut consumer), numbers(0..2));
}

#[test]
fn the_age_of_a_segment_is_that_of_its_records() {
    let world = World::with(TopicConfig::new().segment_age(Duration::from_secs(10)));
    let partition = world.partition(0);
    for millis in [-60_000, -55_000, -49_999] {
        partition.append([NewRecord::new().timestamp(at(millis))], Acks::Written).unwrap();
    }
    assert_eq!(world.broker.admin().describe_topic("orders").unwrap().partitions[0].segments, 2);
}
