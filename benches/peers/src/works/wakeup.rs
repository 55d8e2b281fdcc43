//! A record goes to another thread: from just before it is sent until it is seen there. In memory; between two records is
//! time enough to fall asleep, and all do but two of our consumers, who keep a processor busy instead. Where the producer of
//! one does so too, what is left is ours: to send takes some microseconds more for a thread that has just slept.

use super::SIZES;
use crate::contestant::Result;
use crate::contestants::ours::TOPIC;
use crate::rounds::{Effort, Side, take_turns};
use crate::scratch::Scratch;
use crate::table::{Table, Times};
use brooklet::{Acks, Broker, NewRecord, Start, TopicConfig};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What the producer does between two records.
type Pause = fn();

/// Longer than anybody spins before he parks.
const PAUSE: Duration = Duration::from_micros(500);
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const PARKED: &str = "brooklet, Producer::send to Consumer::poll, parked";
pub(crate) const SPINNING: &str = "brooklet, the same, the consumer spins";
pub(crate) const AWAKE: &str = "brooklet, the same, and the producer does not sleep either";
pub(crate) const CROSSBEAM: &str = "crossbeam-channel 0.5, parked";
pub(crate) const STD: &str = "std::sync::mpsc, parked";

pub(super) fn run(_scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let names = [PARKED, SPINNING, AWAKE, CROSSBEAM, STD];
    let kept = "in the log, in memory; stays there for others";
    let notes = [kept, kept, kept, "in the channel; nothing is kept", "in the channel; nothing is kept"];
    let records = effort.of(2_000);
    for record_bytes in SIZES {
        let work = name(record_bytes);
        eprintln!("{work} ...");
        let sides = vec![
            Side::new(|_| brooklet(records, record_bytes, Duration::ZERO, sleep)),
            Side::new(|_| brooklet(records, record_bytes, PATIENCE, sleep)),
            Side::new(|_| brooklet(records, record_bytes, PATIENCE, stay_awake)),
            Side::new(|_| crossbeam(records, record_bytes)),
            Side::new(|_| std_channel(records, record_bytes)),
        ];
        let measured = take_turns(effort, sides);
        let everybody = names.into_iter().zip(notes).zip(measured);
        let times = everybody.map(|((name, note), measured)| Times { name, note, measured }).collect();
        table.add_times(&work, times);
    }
}

/// What the work is called.
pub(crate) fn name(record_bytes: usize) -> String {
    format!("wake another thread, {record_bytes} bytes")
}

/// When a record was made, in its first bytes: nanoseconds of a clock that both threads have.
fn stamp(clock: Instant, record: &mut [u8]) {
    let now = clock.elapsed().as_nanos() as u64;
    record[..8].copy_from_slice(&now.to_le_bytes());
}

fn age(clock: Instant, record: &[u8]) -> f64 {
    let now = clock.elapsed().as_nanos() as u64;
    let made = record.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    now.saturating_sub(made) as f64 / 1e3
}

fn sleep() {
    std::thread::sleep(PAUSE);
}

fn stay_awake() {
    let begun = Instant::now();
    while begun.elapsed() < PAUSE {
        std::hint::spin_loop();
    }
}

/// Sends so many records, each after a pause, and says how old they were when they came.
fn round(
    records: usize,
    record_bytes: usize,
    pause: Pause,
    mut send: impl FnMut(&[u8]) -> Result,
    receive: impl FnOnce(Instant, usize) -> Result<Vec<f64>> + Send,
) -> Result<Vec<f64>> {
    let clock = Instant::now();
    let mut record = vec![7; record_bytes];
    let ages = std::thread::scope(|scope| {
        let receiver = scope.spawn(move || receive(clock, records));
        for _ in 0..records {
            pause();
            stamp(clock, &mut record);
            send(&record)?;
        }
        receiver.join().map_err(|_| "the receiver panicked")?
    })?;
    if ages.len() != records {
        return Err(format!("{records} were sent, {} came", ages.len()).into());
    }
    Ok(ages)
}

fn brooklet(records: usize, record_bytes: usize, spin: Duration, pause: Pause) -> Result<Vec<f64>> {
    let broker = Broker::in_memory()?;
    broker.create_topic(TOPIC, TopicConfig::new())?;
    let producer = broker.producer().acks(Acks::Written).build()?;
    let consumer = broker.consumer().assign([(TOPIC, 0)]).start(Start::Earliest);
    let mut consumer = consumer.spin(spin).build()?;
    round(
        records,
        record_bytes,
        pause,
        |record| Ok(producer.send(NewRecord::to(TOPIC).value(record)).map(drop)?),
        move |clock, records| {
            let mut ages = Vec::with_capacity(records);
            while ages.len() < records {
                let polled = consumer.poll(PATIENCE)?;
                if polled.is_empty() {
                    break;
                }
                ages.extend(polled.iter().map(|record| age(clock, record.value().unwrap_or_default())));
            }
            Ok(ages)
        },
    )
}

fn crossbeam(records: usize, record_bytes: usize) -> Result<Vec<f64>> {
    let (sender, receiver) = crossbeam_channel::unbounded::<Box<[u8]>>();
    round(
        records,
        record_bytes,
        sleep,
        |record| Ok(sender.send(record.into())?),
        move |clock, records| {
            (0..records).map(|_| Ok(age(clock, &receiver.recv_timeout(PATIENCE)?))).collect()
        },
    )
}

fn std_channel(records: usize, record_bytes: usize) -> Result<Vec<f64>> {
    let (sender, receiver) = mpsc::channel::<Box<[u8]>>();
    round(
        records,
        record_bytes,
        sleep,
        |record| Ok(sender.send(record.into())?),
        move |clock, records| {
            (0..records).map(|_| Ok(age(clock, &receiver.recv_timeout(PATIENCE)?))).collect()
        },
    )
}
