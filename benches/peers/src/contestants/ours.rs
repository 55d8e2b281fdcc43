//! brooklet: through a producer and a consumer, and through the partition itself.

use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use brooklet::{
    Acks, AppendInfo, Broker, Isolation, NewRecord, Partition, Producer, ReadLimit, Start, TopicConfig,
};
use std::path::Path;
use std::time::Duration;

pub(crate) const TOPIC: &str = "bench";
const WRITTEN: &str = "in the log file, in the page cache";
const DURABLE: &str = "durable: fdatasync, shared by those who wait";
const CHECKSUM: &str = "CRC-32C a batch";
/// Bytes read at once. Everybody who can be told is told the same.
pub(crate) const READ_BYTES: usize = 1 << 20;

/// `Producer::send`, waited for.
pub(crate) const PRODUCER: Contestant = Contestant {
    name: "brooklet, Producer::send",
    acked: WRITTEN,
    checksum: CHECKSUM,
    open: |dir, shape| Ours::open(dir, shape, Way::Send, Acks::Written),
};

/// `Producer::send_batch`, waited for.
pub(crate) const SEND_BATCH: Contestant = Contestant {
    name: "brooklet, Producer::send_batch",
    open: |dir, shape| Ours::open(dir, shape, Way::SendBatch, Acks::Written),
    ..PRODUCER
};

/// The same, where there is one producer and the others are several.
pub(crate) const ALONE: Contestant =
    Contestant { name: "brooklet, Producer::send_batch, one producer alone", ..SEND_BATCH };

/// `Producer::send` with linger, flushed at the end.
pub(crate) const LINGER: Contestant = Contestant {
    name: "brooklet, Producer::send, linger 5 ms",
    acked: "as a promise: in the log file by the flush at the end",
    open: |dir, shape| Ours::open(dir, shape, Way::Linger, Acks::Written),
    ..PRODUCER
};

/// `Partition::append`.
pub(crate) const PARTITION: Contestant = Contestant {
    name: "brooklet, Partition::append",
    open: |dir, shape| Ours::open(dir, shape, Way::Append, Acks::Written),
    ..PRODUCER
};

/// `Consumer::poll`.
pub(crate) const CONSUMER_READS: Contestant = Contestant { name: "brooklet, Consumer::poll", ..PRODUCER };

/// `Partition::read`.
pub(crate) const PARTITION_READS: Contestant = Contestant { name: "brooklet, Partition::read", ..PARTITION };

/// `Producer::send`, waited for until it is durable.
pub(crate) const DURABLE_PRODUCER: Contestant = Contestant {
    acked: DURABLE,
    open: |dir, shape| Ours::open(dir, shape, Way::Send, Acks::Durable),
    ..PRODUCER
};

/// `Partition::append`, durable.
pub(crate) const DURABLE_PARTITION: Contestant = Contestant {
    acked: DURABLE,
    open: |dir, shape| Ours::open(dir, shape, Way::Append, Acks::Durable),
    ..PARTITION
};

/// Which of our doors the records go through.
#[derive(Clone, Copy)]
enum Way {
    Send,
    SendBatch,
    Linger,
    Append,
}

struct Ours {
    broker: Broker,
    partitions: Vec<Partition>,
    way: Way,
    acks: Acks,
}

impl Ours {
    fn open(dir: &Path, shape: &Shape, way: Way, acks: Acks) -> Result<Box<dyn Log>> {
        let broker = Broker::open(dir)?;
        let topic = broker.create_topic(TOPIC, TopicConfig::new().partitions(shape.partitions as u32))?;
        let partitions = topic.partitions().to_vec();
        Ok(Box::new(Self { broker, partitions, way, acks }))
    }

    fn producer(&self, linger: Duration, batch_bytes: usize) -> Result<Producer> {
        let builder = self.broker.producer().acks(self.acks).linger(linger);
        Ok(builder.batch_bytes(batch_bytes).build()?)
    }
}

/// Room for a batch of a hundred, with what each record and the batch have in front.
fn batch_bytes(source: &Source) -> usize {
    crate::source::BATCH * (source.record_bytes() + 10) + 61
}

fn record(partition: usize, value: &[u8]) -> NewRecord<'_> {
    NewRecord::to(TOPIC).partition(partition as u32).value(value)
}

impl Log for Ours {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        if let Way::Append = self.way {
            let partition = &self.partitions[partition];
            for value in source.records(records) {
                let _: AppendInfo = partition.append([NewRecord::new().value(value)], self.acks)?;
            }
            return Ok(());
        }
        let producer = self.producer(Duration::ZERO, batch_bytes(source))?;
        for value in source.records(records) {
            producer.send(record(partition, value))?.wait()?;
        }
        Ok(())
    }

    fn append_batches(&self, number: usize, source: &Source, records: usize) -> Result {
        match self.way {
            Way::Append => {
                for batch in source.batches(records) {
                    let batch = batch.iter().map(|value| NewRecord::new().value(value));
                    self.partitions[number].append(batch, self.acks)?;
                }
            }
            Way::Linger => {
                let producer = self.producer(Duration::from_millis(5), batch_bytes(source))?;
                for value in source.records(records) {
                    producer.send(record(number, value))?;
                }
                producer.flush()?;
            }
            Way::Send | Way::SendBatch => {
                let producer = self.producer(Duration::ZERO, batch_bytes(source))?;
                for batch in source.batches(records) {
                    let sent = producer.send_batch(batch.iter().map(|value| record(number, value)))?;
                    sent.into_iter().next_back().map(|last| last.wait()).transpose()?;
                }
            }
        }
        Ok(())
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        if let Way::Append = self.way {
            return read_partition(&self.partitions[partition], sink);
        }
        let number = partition as u32;
        let consumer = self.broker.consumer().assign([(TOPIC, number)]).start(Start::Earliest);
        let mut consumer =
            consumer.max_poll_records(100_000).max_partition_fetch_bytes(READ_BYTES).build()?;
        while !sink.is_full() {
            let records = consumer.poll(Duration::ZERO)?;
            if records.is_empty() {
                break;
            }
            records.iter().for_each(|record| sink.take(record.value().unwrap_or_default()));
        }
        Ok(())
    }
}

fn read_partition(partition: &Partition, sink: &mut Sink<'_>) -> Result {
    let mut next = 0;
    while !sink.is_full() {
        let records = partition.read(next, ReadLimit::bytes(READ_BYTES), Isolation::ReadUncommitted)?;
        let Some(last) = records.iter().next_back() else { break };
        next = last.offset() + 1;
        records.iter().for_each(|record| sink.take(record.value().unwrap_or_default()));
    }
    Ok(())
}
