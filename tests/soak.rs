//! Virtual days in the life of a broker: appends, deletions, retention, compaction, closings and crashes, under a clock
//! that the test holds. What is read is what a map says, and the disk does not grow.
//!
//! `BROOKLET_SOAK_DAYS=365` lives as long as you like (3), from `BROOKLET_SOAK_SEED` on.

use brooklet::clock::ManualClock;
use brooklet::io::{EntryKind, Fs, MemFs};
use brooklet::{
    Acks, Broker, BrokerEvent, CleanupPolicy, Isolation, NewRecord, Partition, ReadLimit, Timestamp,
    TopicConfig, TopicPartition,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const SEGMENT: u32 = 20_000;
const LIMIT: u64 = 100_000;
const KEYS: u64 = 200;

/// What is read of a partition, by offset.
type Table = BTreeMap<u64, (Vec<u8>, Option<Vec<u8>>)>;

/// A topic, and what may be read of it: what there was at the last check, and all that was written since.
struct Kept {
    name: &'static str,
    policy: CleanupPolicy,
    written: Table,
    start: u64,
}

/// What happened in the whole life.
#[derive(Debug, Default)]
struct Count {
    appended: u64,
    retained: u64,
    compacted: u64,
}

struct Life {
    fs: Arc<MemFs>,
    clock: Arc<ManualClock>,
    broker: Option<Broker>,
    events: Arc<Mutex<Vec<BrokerEvent>>>,
    state: u64,
    topics: [Kept; 3],
    count: Count,
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn config(policy: CleanupPolicy) -> TopicConfig {
    let config = TopicConfig::new().segment_bytes(SEGMENT).cleanup_policy(policy).delete_retention(HOUR);
    match policy {
        CleanupPolicy::Compact => config,
        CleanupPolicy::Delete | CleanupPolicy::CompactDelete => {
            config.retention_bytes(LIMIT).retention(6 * HOUR)
        }
    }
}

impl Life {
    fn new(seed: u64) -> Life {
        let fs = Arc::new(MemFs::new());
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let kept = |name, policy| Kept { name, policy, written: Table::new(), start: 0 };
        let topics = [
            kept("events", CleanupPolicy::Delete),
            kept("table", CleanupPolicy::Compact),
            kept("recent", CleanupPolicy::CompactDelete),
        ];
        let mut life = Life {
            fs,
            clock,
            broker: None,
            events: Arc::default(),
            state: seed,
            topics,
            count: Count::default(),
        };
        life.open();
        life
    }

    fn open(&mut self) {
        let told = self.events.clone();
        let builder = Broker::builder().fs(self.fs.clone()).clock(self.clock.clone()).seed(1);
        let broker = builder.on_event(move |event| told.lock().push(event.clone())).in_memory();
        let broker = broker.expect("our own directory");
        for Kept { name, policy, .. } in &self.topics {
            broker.ensure_topic(name, config(*policy)).expect("a good name");
        }
        self.broker = Some(broker);
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("it is open between steps")
    }

    fn partition(&self, topic: usize) -> Partition {
        let topic = self.broker().topic(self.topics[topic].name).expect("it was made");
        topic.partition(0).expect("it has one")
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    /// A minute: some records, and whatever is due.
    fn minute(&mut self) {
        for topic in 0..self.topics.len() {
            for _ in 0..self.draw(8) {
                self.append(topic);
            }
        }
        match self.draw(600) {
            0 => self.reopen(true),
            1 => self.reopen(false),
            2 => self.delete_some(),
            3 => drop(self.broker().admin().compact_now("table").expect("nothing fails in memory")),
            _ => {}
        }
        self.clock.advance(MINUTE);
        let steps = (0..1_000).map(|_| self.broker().maintain().expect("an open broker"));
        assert!({ steps }.any(|rest| rest != Some(Duration::ZERO)), "maintenance never comes to rest");
    }

    fn append(&mut self, topic: usize) {
        let key = format!("key {}", self.draw(KEYS)).into_bytes();
        let value = (self.draw(5) > 0).then(|| vec![b'v'; self.draw(300) as usize]);
        let record = NewRecord::new().key(&key[..]).value(value.as_deref());
        let appended =
            self.partition(topic).append([record], Acks::Written).expect("nothing fails in memory");
        self.topics[topic].written.insert(appended.first_offset, (key, value));
        self.count.appended += 1;
    }

    /// In order, or as if killed. In memory a kill loses nothing.
    fn reopen(&mut self, in_order: bool) {
        let broker = self.broker.take().expect("it is open between steps");
        if in_order {
            broker.close().expect("nothing fails in memory");
        } else {
            drop(broker);
        }
        self.open();
    }

    fn delete_some(&mut self) {
        let marks = self.partition(0).watermarks();
        let to = marks.start + self.draw(1 + marks.end - marks.start);
        assert_eq!(self.partition(0).delete_records(to).expect("it is within"), to);
    }

    fn read(&self, topic: usize) -> Table {
        let partition = self.partition(topic);
        let id = TopicPartition::new(self.topics[topic].name, 0).expect("a good name");
        let (mut offset, end) = (partition.watermarks().start, partition.watermarks().end);
        let mut found = Table::new();
        while offset < end {
            let limit = ReadLimit::bytes(1 << 20);
            let records =
                partition.read(offset, limit, Isolation::ReadUncommitted).expect("nothing is damaged");
            for record in &records {
                let entry = (record.key().unwrap_or_default().to_vec(), record.value().map(<[u8]>::to_vec));
                found.insert(record.offset(), entry);
            }
            offset = records.next_offset(&id).expect("reading gets on below the end");
        }
        found
    }

    /// What is read is what may be, and from now on nothing else may be: what was removed never comes back.
    fn check(&mut self) {
        for index in 0..self.topics.len() {
            let found = self.read(index);
            let (start, bytes) =
                (self.partition(index).watermarks().start, self.partition(index).size_bytes());
            let Kept { name, policy, written, start: before } = &mut self.topics[index];
            assert!(start >= *before, "{name}: the start went back from {before} to {start}");
            let expected = written.split_off(&start);
            assert!(
                found.iter().all(|(at, entry)| expected.get(at) == Some(entry)),
                "{name}: nothing is new"
            );
            if policy.compacts() {
                assert_eq!(values(&found), values(&expected), "{name}");
            } else {
                assert_eq!(found, expected, "{name}");
            }
            if policy.deletes() {
                assert!(bytes <= LIMIT + 2 * u64::from(SEGMENT), "{name} has {bytes} bytes");
            }
            (*written, *before) = (found, start);
        }
        for event in self.events.lock().drain(..) {
            match event {
                BrokerEvent::Retained { .. } => self.count.retained += 1,
                BrokerEvent::Compacted { .. } => self.count.compacted += 1,
                other => panic!("{other}"),
            }
        }
    }

    fn disk_bytes(&self) -> u64 {
        bytes_under(&self.fs, Path::new("/"))
    }
}

fn bytes_under(fs: &MemFs, dir: &Path) -> u64 {
    let entries = fs.list(dir).expect("memory does not fail");
    let bytes = |entry: brooklet::io::Entry| match entry.kind {
        EntryKind::Directory => bytes_under(fs, &dir.join(entry.name)),
        _ => fs.metadata(&dir.join(entry.name)).expect("it was just listed").len,
    };
    entries.into_iter().map(bytes).sum()
}

/// The value of each key in the end; a tombstone and nothing at all are the same.
fn values(table: &Table) -> BTreeMap<&[u8], &[u8]> {
    let mut values = BTreeMap::new();
    for (key, value) in table.values() {
        match value {
            Some(value) => values.insert(&key[..], &value[..]),
            None => values.remove(&key[..]),
        };
    }
    values
}

#[test]
fn days_pass_and_the_disk_does_not_grow() {
    let (days, seed) = (number_from("BROOKLET_SOAK_DAYS", 3), number_from("BROOKLET_SOAK_SEED", 1));
    let mut life = Life::new(seed);
    // Both that are limited, and what two hundred keys and a dirty half beside them take.
    let most = 3 * (LIMIT + 3 * u64::from(SEGMENT)) + 200_000;
    for day in 0..days {
        for minute in 0..24 * 60 {
            life.minute();
            if minute % 60 == 0 {
                life.check();
                let bytes = life.disk_bytes();
                assert!(bytes <= most, "seed {seed}, day {day}, minute {minute}: {bytes} bytes on disk");
            }
        }
    }
    println!("{days} days: {:?}", life.count);
    let Count { retained, compacted, .. } = life.count;
    assert!(retained >= 10 * days && compacted >= 10 * days, "it was hardly ever cleaned: {:?}", life.count);
}
