//! The same directories through the broker: taken over whole, read by a consumer, written to, closed, opened as ours.

use crate::disk::Disk;
use crate::expected::{self, CLEAN, Partition, State, UNCLEAN, states_of};
use crate::fixtures::fixtures;
use brooklet::{Acks, Broker, Error, Isolation, NewRecord, RecordRef, Start, Timestamp, TimestampType};
use std::collections::BTreeSet;
use std::time::Duration;

fn as_expected(record: &RecordRef<'_>) -> expected::Record {
    expected::Record {
        offset: record.offset(),
        timestamp: record.timestamp().map_or(-1, Timestamp::as_millis),
        timestamp_type: match record.timestamp_type() {
            TimestampType::Create => "CreateTime",
            TimestampType::LogAppend => "LogAppendTime",
        },
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        headers: record
            .headers()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

/// What a consumer gets of one partition, poll by poll.
fn consumed(broker: &Broker, kafka: &Partition, isolation: Isolation) -> Vec<expected::Record> {
    let (topic, number) = (kafka.id.topic(), kafka.id.partition());
    let consumer = broker.consumer().assign([(topic, number)]).start(Start::Earliest).isolation(isolation);
    let mut consumer = consumer.max_poll_records(7).build().expect("it is there");
    let mut records = Vec::new();
    loop {
        let before = consumer.position(topic, number).expect("it has a beginning");
        let polled = consumer.poll(Duration::ZERO).unwrap_or_else(|error| panic!("{}: {error}", kafka.id));
        records.extend(polled.iter().map(|record| as_expected(&record)));
        if consumer.position(topic, number).expect("it is known") == before {
            let end = match isolation {
                Isolation::ReadUncommitted => kafka.end,
                Isolation::ReadCommitted => kafka.last_stable,
            };
            assert_eq!(before, end, "{}: a consumer that has read everything stands at the end", kafka.id);
            return records;
        }
    }
}

fn check(broker: &Broker, state: &State) {
    for kafka in &state.partitions {
        let name = format!("{} {}", state.name, kafka.id);
        assert_eq!(consumed(broker, kafka, Isolation::ReadUncommitted), kafka.records, "{name}");
        let committed = consumed(broker, kafka, Isolation::ReadCommitted);
        let offsets: Vec<u64> = committed.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, kafka.committed, "{name}");
        let partition =
            broker.topic(kafka.id.topic()).and_then(|topic| topic.partition(kafka.id.partition()));
        let partition = partition.expect("it was consumed a moment ago");
        let marks = partition.watermarks();
        assert_eq!(
            (marks.start, marks.last_stable, marks.end),
            (kafka.start, kafka.last_stable, kafka.end),
            "{name}"
        );
        for (asked, found) in &kafka.times {
            let ours = partition.offset_for_time(Timestamp::from_millis(*asked)).expect("it is whole");
            assert_eq!(
                ours.map(|(offset, timestamp)| (offset, timestamp.as_millis())),
                *found,
                "{name} {asked}"
            );
        }
    }
}

#[test]
fn a_broker_takes_a_directory_over_and_goes_on_with_it() {
    let Some(folder) = fixtures() else { return };
    for mut state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN[..1])) {
        let disk = Disk::copy_of(&state.folder);
        let refused = disk.broker(false).map(drop).expect_err("it is Kafka's");
        assert!(matches!(refused, Error::NotOurs { .. }), "{}: {refused}", state.name);
        assert!(refused.to_string().contains("adopt"), "it says how: {refused}");

        let broker = disk.broker(true).unwrap_or_else(|error| panic!("{}: {error}", state.name));
        check(&broker, &state);
        let topics: BTreeSet<String> = broker
            .admin()
            .topics()
            .expect("it is open")
            .iter()
            .map(|topic| topic.name().to_owned())
            .collect();
        for kafka in &state.partitions {
            assert!(topics.contains(kafka.id.topic()));
        }
        for kafka in &mut state.partitions {
            let partition =
                broker.topic(kafka.id.topic()).expect("it is there").partition(kafka.id.partition());
            let record = NewRecord::new().value("ours").timestamp(Timestamp::from_millis(0));
            let at =
                partition.expect("it is there").append([record], Acks::Durable).expect("it takes writes");
            if state.name.starts_with("unclean") {
                // What a crash may have shown is not given again.
                assert!(at.first_offset >= kafka.end, "{} {}", state.name, kafka.id);
            } else {
                assert_eq!(at.first_offset, kafka.end, "{} {}", state.name, kafka.id);
            }
        }
        broker.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        if state.name.starts_with("unclean") {
            continue;
        }
        state.partitions.iter_mut().for_each(|kafka| kafka.extend(b"ours"));
        let broker = disk.broker(false).unwrap_or_else(|error| panic!("{}: {error}", state.name));
        check(&broker, &state);
    }
}

#[test]
fn topics_keep_the_ids_that_kafka_gave_them() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &["plain"]) {
        let disk = Disk::copy_of(&state.folder);
        let broker = disk.broker(true).expect("it can be taken over");
        for kafka in &state.partitions {
            let noted = disk.read(&format!("{}/partition.metadata", kafka.id)).expect("Kafka has written it");
            let id = broker.topic(kafka.id.topic()).expect("it is there").id();
            assert_eq!(String::from_utf8_lossy(&noted), format!("version: 0\ntopic_id: {id}"));
        }
    }
}

/// What is taken over is not deleted by a default that nobody chose.
#[test]
fn records_that_are_taken_over_are_kept_for_ever() {
    let Some(folder) = fixtures() else { return };
    let state = states_of(&folder, &["plain"]).remove(0);
    let broker = Disk::copy_of(&state.folder).broker(true).expect("it can be taken over");
    for topic in broker.admin().topics().expect("it is open") {
        assert_eq!(topic.config().retention, Duration::MAX, "{topic:?}");
    }
}
