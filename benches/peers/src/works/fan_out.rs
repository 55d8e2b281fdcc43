//! One producer and some consumers, each of whom gets every record; in memory, as fast as they can. It is done when the
//! last consumer has seen the last record. A channel gives each message to one receiver, so there each has a channel.

use super::{SIZES, compare, records_of};
use crate::contestant::{Contestant, Result};
use crate::contestants::ours::{self, TOPIC};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::source::{BATCH, Sink, Source};
use crate::table::Table;
use brooklet::{Acks, Broker, Consumer, NewRecord, Start, TopicConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CONSUMERS: [usize; 3] = [1, 4, 16];
const PATIENCE: Duration = Duration::from_secs(10);
const CROSSBEAM: &str = "crossbeam-channel 0.5, one for each consumer, of Arc<[u8]>";

pub(super) fn run(_scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let kept = "in the log, in memory; stays there for others";
    let none: fn(&std::path::Path, &crate::contestant::Shape) -> _ =
        |_, _| Err("it opens no directory".into());
    let contestants = [
        Contestant { acked: kept, open: none, ..ours::PRODUCER },
        Contestant { acked: kept, open: none, ..ours::SEND_BATCH },
        Contestant {
            name: CROSSBEAM,
            acked: "in the channels; nothing is kept",
            checksum: "none",
            open: none,
        },
    ];
    for record_bytes in SIZES {
        let records = effort.of(records_of(record_bytes, 100_000));
        let source = Source::new(0, record_bytes);
        for consumers in CONSUMERS {
            let work = name(consumers, record_bytes);
            compare(table, effort, &work, &contestants, |contestant, is_first| match contestant.name {
                CROSSBEAM => crossbeam(&source, records, consumers, is_first),
                name => brooklet(&source, records, consumers, is_first, name == ours::SEND_BATCH.name),
            });
        }
    }
}

/// What the work is called.
pub(crate) fn name(consumers: usize, record_bytes: usize) -> String {
    let plural = if consumers == 1 { "consumer" } else { "consumers" };
    format!("one producer, {consumers} {plural}, {record_bytes} bytes")
}

/// Has everybody work, and says how many records there were a second. The first time everybody compares what he gets.
fn round<C: Send>(
    source: &Source,
    (records, is_first): (usize, bool),
    consumers: Vec<C>,
    produce: impl FnOnce() -> Result,
    consume: impl Fn(C, &mut Sink<'_>) -> Result + Sync,
) -> Result<f64> {
    let consume = |consumer: C| -> Result {
        let mut sink = match is_first {
            true => Sink::checking(records, std::slice::from_ref(source)),
            false => Sink::new(records),
        };
        consume(consumer, &mut sink)?;
        Ok(sink.verdict()?)
    };
    let consume = &consume;
    let seconds = std::thread::scope(|scope| {
        let all: Vec<_> =
            consumers.into_iter().map(|consumer| scope.spawn(move || consume(consumer))).collect();
        let begun = Instant::now();
        produce()?;
        for one in all {
            one.join().map_err(|_| "a consumer panicked")??;
        }
        Result::Ok(begun.elapsed().as_secs_f64())
    })?;
    Ok(records as f64 / seconds)
}

fn brooklet(
    source: &Source,
    records: usize,
    consumers: usize,
    is_first: bool,
    in_batches: bool,
) -> Result<f64> {
    let broker = Broker::in_memory()?;
    broker.create_topic(TOPIC, TopicConfig::new())?;
    let room = BATCH * (source.record_bytes() + 10) + 61;
    let producer = broker.producer().acks(Acks::Written).batch_bytes(room).build()?;
    let consumer = || broker.consumer().assign([(TOPIC, 0)]).start(Start::Earliest).build();
    let all = (0..consumers).map(|_| consumer()).collect::<brooklet::Result<Vec<Consumer>>>()?;
    let produce = || -> Result {
        if in_batches {
            for batch in source.batches(records) {
                producer.send_batch(batch.iter().map(|value| NewRecord::to(TOPIC).value(value)))?;
            }
        } else {
            for value in source.records(records) {
                producer.send(NewRecord::to(TOPIC).value(value))?;
            }
        }
        Ok(())
    };
    round(source, (records, is_first), all, produce, |mut consumer, sink| {
        while !sink.is_full() {
            let polled = consumer.poll(PATIENCE)?;
            if polled.is_empty() {
                break;
            }
            polled.iter().for_each(|record| sink.take(record.value().unwrap_or_default()));
        }
        Ok(())
    })
}

fn crossbeam(source: &Source, records: usize, consumers: usize, is_first: bool) -> Result<f64> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..consumers).map(|_| crossbeam_channel::unbounded::<Arc<[u8]>>()).unzip();
    let produce = || -> Result {
        for value in source.records(records) {
            let value: Arc<[u8]> = value.into();
            for sender in &senders {
                sender.send(value.clone())?;
            }
        }
        Ok(())
    };
    round(source, (records, is_first), receivers, produce, |receiver, sink| {
        while !sink.is_full() {
            sink.take(&receiver.recv_timeout(PATIENCE)?);
        }
        Ok(())
    })
}
