//! Those who write, one thread each; every way into a log is taken. What is acknowledged they say aloud.

use crate::payload::{Id, PLACES, Place};
use brooklet::{Acks, Broker, Compression, NewRecord, Producer, Result};
use std::io::Write;
use std::time::Duration;

/// How a writer writes, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `Producer::send`, each waited for.
    Each(Acks),
    /// `Producer::send_batch`, waited for.
    Batches(Acks, Compression),
    /// `Producer::send` into batches that wait for more, with callbacks.
    Lingering(Acks),
    /// `Partition::append`.
    Appending(Acks),
}

const WAYS: [Way; 7] = [
    Way::Each(Acks::Written),
    Way::Each(Acks::Durable),
    Way::Batches(Acks::Written, Compression::None),
    Way::Batches(Acks::Durable, Compression::Lz4),
    Way::Lingering(Acks::Written),
    Way::Lingering(Acks::Durable),
    Way::Appending(Acks::Written),
];

/// How many there are.
pub(crate) const WRITERS: u8 = WAYS.len() as u8;
/// Records that are sent together.
const TOGETHER: u32 = 20;
/// No writer has more records on their way than these.
pub(crate) const UNDER_WAY_MAX: u32 = TOGETHER;

/// Where a record goes.
pub(crate) fn place(id: Id) -> Place {
    match WAYS[usize::from(id.writer)] {
        Way::Each(_) | Way::Lingering(_) => id.place(1),
        Way::Batches(..) | Way::Appending(_) => id.place(TOGETHER),
    }
}

/// Says that a record is where it is: a line in one write, which other threads and death do not tear.
fn say(acks: impl IntoIterator<Item = (Id, Place, u64)>) {
    let line =
        |(id, place, offset): (Id, Place, u64)| format!("ack {} {} {place} {offset}\n", id.writer, id.number);
    let lines: String = acks.into_iter().map(line).collect();
    std::io::stderr().write_all(lines.as_bytes()).expect("whoever started us listens");
}

/// Writes until the process dies.
pub(crate) fn write(broker: &Broker, life: u64, writer: u8) -> Result<()> {
    let ids = (0..).map(|number| Id { life, writer, number });
    let producer = |acks| broker.producer().acks(acks).batch_bytes(4 << 10);
    match WAYS[usize::from(writer)] {
        Way::Each(acks) => each(&producer(acks).build()?, ids),
        Way::Batches(acks, codec) => batches(&producer(acks).compression(codec).build()?, ids),
        Way::Lingering(acks) => lingering(&producer(acks).linger(Duration::from_millis(1)).build()?, ids),
        Way::Appending(acks) => appending(broker, acks, ids),
    }
}

fn record(id: Id) -> NewRecord<'static> {
    let (topic, partition) = PLACES[place(id)];
    NewRecord::to(topic).partition(partition).value(id.value())
}

fn each(producer: &Producer, mut ids: impl Iterator<Item = Id>) -> Result<()> {
    ids.try_for_each(|id| {
        let sent = producer.send(record(id))?.wait()?;
        say([(id, place(id), sent.offset)]);
        Ok(())
    })
}

/// The next records that are sent together; there are always more.
fn next(ids: &mut impl Iterator<Item = Id>) -> Vec<Id> {
    ids.take(TOGETHER as usize).collect()
}

fn batches(producer: &Producer, mut ids: impl Iterator<Item = Id>) -> Result<()> {
    loop {
        let batch = next(&mut ids);
        let receipts = producer.send_batch(batch.iter().copied().map(record))?;
        say(batch.iter().zip(receipts.wait()?).map(|(id, sent)| (*id, place(*id), sent.offset)));
    }
}

/// The flush waits for the callbacks, whoever calls them.
fn lingering(producer: &Producer, mut ids: impl Iterator<Item = Id>) -> Result<()> {
    loop {
        for id in next(&mut ids) {
            producer.send(record(id))?.on_ack(move |sent| {
                say([(id, place(id), sent.expect("nothing fails here but life").offset)]);
            });
        }
        producer.flush()?;
    }
}

fn appending(broker: &Broker, acks: Acks, mut ids: impl Iterator<Item = Id>) -> Result<()> {
    loop {
        let batch = next(&mut ids);
        let place = place(batch[0]);
        let (topic, partition) = PLACES[place];
        let info =
            broker.topic(topic)?.partition(partition)?.append(batch.iter().copied().map(record), acks)?;
        say(batch.iter().zip(info.first_offset..).map(|(id, offset)| (*id, place, offset)));
    }
}
