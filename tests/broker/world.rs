//! A broker on a disk and under a clock that the test holds, and the few things that most tests do with it.

use crate::disk::Disk;
use brooklet::clock::{Clock, ManualClock};
use brooklet::{
    Acks, Broker, BrokerBuilder, Consumer, NewRecord, Partition, Producer, ReadLimit, Receipt, RecordRef,
    Records, Start, Timestamp, TopicConfig,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const AT_ONCE: Duration = Duration::ZERO;

pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) broker: Broker,
}

impl World {
    /// No topics.
    pub(crate) fn empty() -> World {
        let (disk, clock) = (Disk::default(), Arc::new(ManualClock::new(Timestamp::from_millis(NOW))));
        World { broker: open(&disk, &clock), disk, clock }
    }

    /// The topic "orders" with these settings.
    pub(crate) fn with(config: TopicConfig) -> World {
        let world = World::empty();
        world.broker.create_topic("orders", config).expect("a new topic");
        world
    }

    /// The topic "orders" with one partition.
    pub(crate) fn new() -> World {
        World::with(TopicConfig::new())
    }

    /// The topic "orders" with so many partitions.
    pub(crate) fn of(partitions: u32) -> World {
        World::with(TopicConfig::new().partitions(partitions))
    }

    /// Closed in order, and opened again.
    pub(crate) fn reopened(self) -> World {
        let World { disk, clock, broker } = self;
        broker.close().expect("a whole disk");
        World { broker: open(&disk, &clock), disk, clock }
    }

    /// Dropped as if killed, and opened again. No other handle may be left.
    pub(crate) fn crashed(self) -> World {
        let World { disk, clock, broker } = self;
        drop(broker);
        World { broker: open(&disk, &clock), disk, clock }
    }

    /// A partition of "orders".
    pub(crate) fn partition(&self, number: u32) -> Partition {
        self.broker.topic("orders").and_then(|topic| topic.partition(number)).expect("a partition of orders")
    }

    /// A producer whose records count as sent once they are written.
    pub(crate) fn producer(&self) -> Producer {
        self.broker.producer().acks(Acks::Written).build().expect("valid settings")
    }

    /// A producer whose records wait a minute for others.
    pub(crate) fn lingering(&self) -> Producer {
        self.broker.producer().acks(Acks::Written).linger(MINUTE).build().expect("valid settings")
    }

    /// The values "0", "1" and so on in partition 0, one batch each.
    pub(crate) fn fill(&self, count: u64) {
        self.fill_partition(0, count);
    }

    pub(crate) fn fill_partition(&self, number: u32, count: u64) {
        let partition = self.partition(number);
        for value in 0..count {
            let value = value.to_string();
            partition.append([NewRecord::new().value(&value)], Acks::Written).expect("room for a record");
        }
    }

    /// Reads all of "orders" from its beginning.
    pub(crate) fn consumer(&self) -> Consumer {
        self.broker
            .consumer()
            .assign_topics(["orders"])
            .start(Start::Earliest)
            .build()
            .expect("orders is there")
    }

    /// Everything that partition 0 holds.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log_of(0)
    }

    pub(crate) fn log_len(&self) -> u64 {
        self.partition(0).watermarks().end
    }

    pub(crate) fn log_of(&self, number: u32) -> Vec<String> {
        let partition = self.partition(number);
        let (mut offset, end) = (partition.watermarks().start, partition.watermarks().end);
        let mut all = Vec::new();
        while offset < end {
            let read =
                partition.read(offset, ReadLimit::bytes(1 << 20), Default::default()).expect("a whole log");
            all.extend(values(&read));
            let id = brooklet::TopicPartition::new("orders", number).expect("a valid name");
            offset = read.next_offset(&id).expect("reading gets on below the end");
        }
        all
    }

    /// How many batches there are in all.
    pub(crate) fn batches(&self) -> u64 {
        self.broker.admin().verify().expect("a readable disk").batches
    }

    /// Lets time pass, and does everything that is due by then.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle();
    }

    pub(crate) fn settle(&self) {
        let steps = (0..1_000).map(|_| self.broker.maintain().expect("an open broker"));
        assert!({ steps }.any(|rest| rest != Some(Duration::ZERO)), "maintenance never comes to rest");
    }

    /// How long the broker was told to wait since it began, as far as timeouts go.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// Nothing is cleaned by itself: what time does to records is for the tests of that.
pub(crate) fn builder(disk: &Disk, clock: &Arc<ManualClock>) -> BrokerBuilder {
    let builder = Broker::builder().fs(Arc::new(disk.clone())).clock(clock.clone()).seed(42);
    builder.retention_check_interval(Duration::MAX).cleaner_backoff(Duration::MAX)
}

fn open(disk: &Disk, clock: &Arc<ManualClock>) -> Broker {
    builder(disk, clock).in_memory().expect("our own disk")
}

pub(crate) fn order(value: &str) -> NewRecord<'_> {
    NewRecord::to("orders").partition(0).value(value)
}

pub(crate) fn send(producer: &Producer, value: &str) -> Receipt {
    producer.send(order(value)).expect("a good record")
}

pub(crate) fn value(record: RecordRef<'_>) -> String {
    String::from_utf8(record.value().expect("a value").to_vec()).expect("text")
}

pub(crate) fn values(records: &Records) -> Vec<String> {
    records.iter().map(value).collect()
}

/// "0", "1" and so on: what [`World::fill`] writes.
pub(crate) fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Polls without waiting until there is nothing more.
pub(crate) fn drain(consumer: &mut Consumer) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let records = consumer.poll(AT_ONCE).expect("a readable log");
        if records.is_empty() {
            return all;
        }
        all.extend(values(&records));
    }
}
