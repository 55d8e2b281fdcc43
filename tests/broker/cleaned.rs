//! A broker that retains and compacts by itself, and all that it says of that.

use crate::disk::Disk;
use crate::world::*;
use brooklet::{Acks, Broker, BrokerEvent, NewRecord, Partition, ReadLimit, TopicConfig};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Cleaned {
    pub(crate) world: World,
    events: Arc<Mutex<Vec<BrokerEvent>>>,
}

impl Cleaned {
    /// The topic "orders" with these settings.
    pub(crate) fn with(config: TopicConfig) -> Cleaned {
        let World { disk, clock, broker } = World::with(config);
        broker.close().expect("a whole disk");
        Cleaned::open(disk, clock)
    }

    fn open(disk: Disk, clock: Arc<brooklet::clock::ManualClock>) -> Cleaned {
        let events = Arc::<Mutex<Vec<BrokerEvent>>>::default();
        let told = events.clone();
        let builder =
            builder(&disk, &clock).retention_check_interval(5 * MINUTE).cleaner_backoff(15 * SECOND);
        let builder = builder.on_event(move |event| told.lock().push(event.clone()));
        Cleaned { world: World { broker: builder.in_memory().expect("our own disk"), disk, clock }, events }
    }

    /// Closed in order, and opened again.
    pub(crate) fn reopened(self) -> Cleaned {
        let World { disk, clock, broker } = self.world;
        broker.close().expect("a whole disk");
        Cleaned::open(disk, clock)
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.world.broker
    }

    /// How many there are to be told.
    pub(crate) fn count(&self) -> usize {
        self.events.lock().len()
    }

    /// What was told since this was asked last.
    pub(crate) fn events(&self) -> Vec<BrokerEvent> {
        std::mem::take(&mut self.events.lock())
    }
}

pub(crate) fn put(partition: &Partition, key: &str, value: Option<&str>) -> u64 {
    let record = NewRecord::new().key(key).value(value);
    partition.append([record], Acks::Written).expect("room for a record").first_offset
}

/// The offset of every record, its key, and its value.
pub(crate) type Table = BTreeMap<u64, (String, Option<String>)>;

pub(crate) fn table(partition: &Partition) -> Table {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (mut offset, end) = (partition.watermarks().start, partition.watermarks().end);
    let id = brooklet::TopicPartition::new(partition.topic(), partition.number()).expect("a valid name");
    let mut table = Table::new();
    while offset < end {
        let read =
            partition.read(offset, ReadLimit::bytes(1 << 16), Default::default()).expect("a whole log");
        for record in &read {
            let entry = (text(record.key().unwrap_or_default()), record.value().map(text));
            table.insert(record.offset(), entry);
        }
        offset = read.next_offset(&id).expect("reading gets on below the end");
    }
    table
}

/// Of each key the newest record.
pub(crate) fn newest(table: &Table) -> Table {
    let newest: BTreeMap<_, _> = table.iter().map(|(offset, (key, _))| (key.clone(), *offset)).collect();
    newest.into_values().map(|offset| (offset, table[&offset].clone())).collect()
}
