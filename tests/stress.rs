//! Real threads on a real disk and in memory: what many producers send, many consumers read, each record once and in the
//! order of its producer and partition, while segments roll and topics come and go beside it. Bounded work, no sleeps.

use brooklet::{Acks, Broker, Error, NewRecord, Start, TopicConfig, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PRODUCERS: u64 = 8;
const CONSUMERS: usize = 8;
const PARTITIONS: u32 = 4;
/// Of each producer.
const RECORDS: u64 = 600;
/// Longer than any machine takes; only a record that never comes is waited for that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a record says of itself: who sent it, and as which of his.
fn label(producer: u64, number: u64) -> [u8; 16] {
    let mut label = [0; 16];
    label[..8].copy_from_slice(&producer.to_be_bytes());
    label[8..].copy_from_slice(&number.to_be_bytes());
    label
}

fn read_label(value: &[u8]) -> (u64, u64) {
    let (producer, number) = value.split_at(8);
    let number_of = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    (number_of(producer), number_of(&number[..8]))
}

/// Where each record of a producer went, as its receipts say: partition and offset by number.
type Sent = Vec<(u32, u64)>;

/// Sends with one of eight temperaments, and returns where everything went.
fn produce(broker: &Broker, own: u64) -> Sent {
    let acks = [Acks::Written, Acks::None, Acks::Durable, Acks::Written][own as usize % 4];
    let linger = if own >= 4 { Duration::from_millis(1) } else { Duration::ZERO };
    let settings = broker.producer().acks(acks).linger(linger).batch_bytes(400).buffer_memory(10_000);
    let producer = settings.build().expect("valid settings");
    let mut receipts = Vec::new();
    let mut places = Vec::new();
    for number in 0..RECORDS {
        let partition = ((own + number) % u64::from(PARTITIONS)) as u32;
        let record = NewRecord::to("orders").partition(partition).value(label(own, number));
        receipts.push(producer.send(record).expect("room in time"));
        if number % 100 == 99 {
            places.extend(receipts.drain(..).map(|receipt| receipt.wait().expect("a whole disk")));
        }
    }
    producer.close().expect("a whole disk");
    places.into_iter().map(|place| (place.partition, place.offset)).collect()
}

/// Reads everything, by threads or by tasks, in its own steps: per partition, who sent what, by offset.
fn consume(broker: &Broker, own: usize) -> BTreeMap<(u32, u64), (u64, u64)> {
    let steps = 1 + own * 40;
    let settings = broker.consumer().assign_topics(["orders"]).start(Start::Earliest);
    let mut consumer = settings.max_poll_records(steps).build().expect("a topic");
    let mut seen = BTreeMap::new();
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    while (seen.len() as u64) < PRODUCERS * RECORDS {
        let records = consumer.poll(PATIENCE).expect("a whole disk");
        assert!(!records.is_empty(), "{} records came and no more", seen.len());
        for record in &records {
            let before = last.insert(record.partition(), record.offset());
            assert!(before.is_none_or(|before| before < record.offset()), "offsets grow");
            let label = read_label(record.value().expect("a value"));
            seen.insert((record.partition(), record.offset()), label);
        }
    }
    assert!(consumer.poll(Duration::ZERO).expect("a whole disk").is_empty(), "nothing comes on top");
    seen
}

/// Makes and deletes topics until it is told to stop; each is empty when it is new, and its records are its own.
fn churn(broker: &Broker, own: u64, stop: &AtomicBool) -> u64 {
    let (admin, producer) =
        (broker.admin(), broker.producer().acks(Acks::Written).build().expect("valid settings"));
    let mut rounds = 0;
    while !stop.load(Ordering::Acquire) && rounds < 200 {
        let name = format!("short-lived-{own}");
        broker.create_topic(&name, TopicConfig::new()).expect("a free name");
        let sent = producer.send(NewRecord::to(&name).value(label(own, rounds))).expect("a topic");
        assert_eq!(sent.wait().expect("a whole disk").offset, 0);
        admin.delete_topic(&name).expect("its topic");
        // The other one fights over this name: whoever has it has all of it.
        match broker.create_topic("fought-over", TopicConfig::new()).and_then(|topic| topic.partition(0)) {
            Ok(partition) => {
                let appended = partition.append([NewRecord::new().value("mine")], Acks::Written);
                assert!(matches!(appended, Ok(_) | Err(Error::UnknownTopic { .. })), "{appended:?}");
            }
            Err(error) => assert!(
                matches!(
                    error,
                    Error::TopicExists { .. } | Error::UnknownTopic { .. } | Error::UnknownPartition { .. }
                ),
                "{error:?}"
            ),
        }
        let deleted = admin.delete_topic("fought-over");
        assert!(matches!(deleted, Ok(()) | Err(Error::UnknownTopic { .. })), "{deleted:?}");
        rounds += 1;
    }
    rounds
}

/// Every record that was acknowledged is where its receipt says, and nothing else is there.
fn check(sent: &[Sent], seen: &BTreeMap<(u32, u64), (u64, u64)>) {
    assert_eq!(seen.len() as u64, PRODUCERS * RECORDS);
    for (producer, places) in sent.iter().enumerate() {
        assert_eq!(places.len() as u64, RECORDS);
        for (number, place) in places.iter().enumerate() {
            assert_eq!(seen.get(place), Some(&(producer as u64, number as u64)), "at {place:?}");
        }
    }
    let mut last: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for ((partition, offset), (producer, number)) in seen {
        let before = last.insert((*partition, *producer), *number);
        assert!(
            before.is_none_or(|before| before < *number),
            "order of {producer} in {partition} at {offset}"
        );
    }
}

fn run(broker: &Broker) {
    let config = TopicConfig::new().partitions(PARTITIONS).segment_bytes(4_096);
    broker.create_topic("orders", config).expect("a new topic");
    let (together, stop) = (Barrier::new(PRODUCERS as usize + CONSUMERS), AtomicBool::new(false));
    let (sent, seen, rounds) = std::thread::scope(|scope| {
        let (together, stop) = (&together, &stop);
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|own| {
                scope.spawn(move || {
                    together.wait();
                    produce(broker, own)
                })
            })
            .collect();
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|own| {
                scope.spawn(move || {
                    together.wait();
                    consume(broker, own)
                })
            })
            .collect();
        let churners: Vec<_> = (0..2).map(|own| scope.spawn(move || churn(broker, own, stop))).collect();
        let sent: Vec<Sent> =
            producers.into_iter().map(|thread| thread.join().expect("a producer")).collect();
        let seen: Vec<_> = consumers.into_iter().map(|thread| thread.join().expect("a consumer")).collect();
        stop.store(true, Ordering::Release);
        let rounds: u64 = churners.into_iter().map(|thread| thread.join().expect("a churner")).sum();
        (sent, seen, rounds)
    });
    assert!(rounds > 0, "topics came and went");
    seen.iter().for_each(|seen| check(&sent, seen));
    let described = broker.admin().describe_topic("orders").expect("a topic");
    assert!(described.partitions.iter().all(|partition| partition.segments > 3), "segments rolled");
    let report = broker.admin().verify().expect("a whole disk");
    assert!(report.is_clean() && report.records >= PRODUCERS * RECORDS, "{report}");
}

#[test]
fn nothing_is_lost_doubled_or_reordered_in_memory() {
    run(&Broker::in_memory().expect("memory"));
}

#[test]
fn nothing_is_lost_doubled_or_reordered_on_a_disk() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::open(scratch.path().join("data")).expect("an empty directory");
    run(&broker);
    broker.close().expect("a whole disk");

    let again = Broker::open(scratch.path().join("data")).expect("our own directory");
    let names: Vec<_> =
        again.admin().topics().expect("open").iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(names, ["orders"], "what was deleted stays deleted");
    let seen = consume(&again, 3);
    let ends = (0..PARTITIONS).map(|number| {
        let id = TopicPartition::new("orders", number).expect("a valid name");
        seen.keys().filter(|(partition, _)| *partition == id.partition()).count()
    });
    assert!(ends.into_iter().all(|count| count as u64 == PRODUCERS * RECORDS / u64::from(PARTITIONS)));
}

#[test]
fn a_broker_that_is_closed_under_load_keeps_what_it_acknowledged() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::open(scratch.path().join("data")).expect("an empty directory");
    broker.create_topic("orders", TopicConfig::new().segment_bytes(4_096)).expect("a new topic");
    let warm = Barrier::new(5);
    let acked: Vec<u64> = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..4)
            .map(|own| {
                let (broker, warm) = (&broker, &warm);
                scope.spawn(move || {
                    let producer = broker.producer().acks(Acks::Written).build().expect("an open broker");
                    let mut acked = Vec::new();
                    for number in 0..100_000 {
                        if number == 20 {
                            warm.wait();
                        }
                        let record = NewRecord::to("orders").value(label(own, number));
                        match producer.send(record).and_then(|receipt| receipt.wait()) {
                            Ok(place) => acked.push(place.offset),
                            Err(error) => {
                                assert!(error.is_fatal(), "{error:?}");
                                return acked;
                            }
                        }
                    }
                    acked
                })
            })
            .collect();
        warm.wait();
        broker.clone().close().expect("a whole disk");
        sending.into_iter().flat_map(|thread| thread.join().expect("a sender")).collect()
    });
    drop(broker);
    let again = Broker::open(scratch.path().join("data")).expect("the directory is free");
    let end = again.topic("orders").and_then(|topic| topic.partition(0)).expect("a topic").watermarks().end;
    assert!(acked.len() >= 80 && acked.iter().all(|offset| *offset < end));
    assert_eq!(acked.len() as u64, end, "and nothing that was refused is there");
}
