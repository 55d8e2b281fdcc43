//! Sending in a run: producers of several kinds, and what their receipts and callbacks are held against.

use super::ledger::Ledger;
use super::partition::{Sent, text_of};
use super::run::{Failure, Outcome, Run, at};
use super::script::How;
use crate::disk::Rng;
use brooklet::record::Header;
use brooklet::{
    Acks, Compression, Error, NewRecord, Producer, Receipt, RecordMetadata, Timestamp, TopicId, Visibility,
};
use parking_lot::Mutex;
use std::time::Duration;

/// A bit of a pick: the record does not leave it to its producer where it goes.
const NAMES_PARTITION: u64 = 1 << 20;

/// What callbacks were told, by the numbers of their records.
pub(super) type Told = Mutex<Vec<(Place, Result<RecordMetadata, Error>)>>;

/// A producer, its number, and its level.
pub(super) struct Producing {
    pub(super) producer: Producer,
    pub(super) tag: u64,
    acks: Acks,
}

/// Where a record was sent, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Place {
    name: String,
    id: TopicId,
    partition: u32,
    number: u64,
    acks: Acks,
}

/// A receipt that is waited for later.
pub(super) struct Kept {
    receipt: Receipt,
    place: Place,
}

/// A record that is about to be sent: to a partition, or to where the producer thinks best.
struct Planned {
    name: String,
    partition: Option<u32>,
    number: u64,
    at: Timestamp,
    /// None makes it a tombstone.
    value: Option<String>,
    key: String,
}

impl Planned {
    fn record(&self) -> NewRecord<'_> {
        let record = NewRecord::to(&*self.name).key(&*self.key);
        let record = match &self.value {
            Some(value) => record.value(value),
            None => record.null_value().header("sent", self.sign()),
        };
        self.partition.into_iter().fold(record, NewRecord::partition)
    }

    fn sign(&self) -> String {
        format!("r{}", self.number)
    }

    fn sent(&self, producer: u64) -> Sent {
        let (key, sign) = (Some(self.key.as_bytes()), self.sign());
        let headers = [Header { key: "sent", value: Some(sign.as_bytes()) }];
        let text = text_of(key, self.value.as_deref().map(str::as_bytes), headers.into_iter());
        Sent { number: self.number, producer, text: text.into(), at: self.at }
    }
}

impl Run {
    /// Sends one record.
    pub(super) fn send(&mut self, slot: usize, pick: u64, how: How) -> Outcome {
        let Some(planned) = self.plan(pick) else { return Ok(()) };
        let (producer, tag, acks) = self.producer(slot)?;
        let mut before = self.ledger.clone();
        before.sequences.sent(planned.number, tag);
        self.ledger.sequences.sent(planned.number, tag);
        let sent = producer.send(planned.record());
        let receipt = match sent {
            Ok(receipt) => receipt,
            Err(error) => {
                self.note(before);
                return self.not_sent(&planned, tag, error);
            }
        };
        at(&mut before, &planned.name, receipt.partition()).sent(planned.sent(tag));
        self.note(before);
        let place = self.enter(&planned, &receipt, tag, acks)?;
        self.observe()?;
        self.handle(receipt, place, tag, how)
    }

    /// Sends several at once.
    pub(super) fn send_batch(&mut self, slot: usize, picks: &[u64], how: How) -> Outcome {
        let planned: Vec<Planned> =
            picks.iter().filter_map(|pick| self.plan(*pick | NAMES_PARTITION)).collect();
        if planned.is_empty() {
            return Ok(());
        }
        let (producer, tag, acks) = self.producer(slot)?;
        let mut before = self.ledger.clone();
        for planned in &planned {
            before.sequences.sent(planned.number, tag);
            self.ledger.sequences.sent(planned.number, tag);
        }
        let sent = producer.send_batch(planned.iter().map(Planned::record));
        for (index, planned) in planned.iter().enumerate() {
            let receipt = sent.as_ref().ok().and_then(|receipts| receipts.iter().nth(index));
            let partition = receipt
                .map(|receipt| receipt.partition())
                .or(planned.partition)
                .expect("they name their partition");
            at(&mut before, &planned.name, partition).sent(planned.sent(tag));
        }
        self.note(before);
        let receipts = match sent {
            Ok(receipts) => receipts,
            Err(error) => {
                // Those before the first that failed are on their way, and which that is nobody says.
                for planned in &planned {
                    let partition = planned.partition.expect("they name their partition");
                    at(&mut self.ledger, &planned.name, partition).sent(planned.sent(tag));
                }
                return Err(error.into());
            }
        };
        let entered: Vec<(Receipt, Place)> = receipts
            .into_iter()
            .zip(&planned)
            .map(|(receipt, planned)| {
                let place = self.enter(planned, &receipt, tag, acks)?;
                Ok((receipt, place))
            })
            .collect::<Result<_, Failure>>()?;
        self.observe()?;
        let handled: Vec<Outcome> =
            entered.into_iter().map(|(receipt, place)| self.handle(receipt, place, tag, how)).collect();
        handled.into_iter().collect()
    }

    /// Appends straight to a partition.
    pub(super) fn append(&mut self, pick: u64, records: u64, acks: Acks) -> Outcome {
        let pick = pick | NAMES_PARTITION;
        let planned: Vec<Planned> = (0..records).filter_map(|_| self.plan(pick)).collect();
        let Some((name, number)) = self.pick_partition(pick) else { return Ok(()) };
        self.ledger.numbers += 1;
        let tag = self.ledger.numbers;
        let mut before = self.ledger.clone();
        for planned in &planned {
            at(&mut before, &name, number).sent(planned.sent(tag));
        }
        let partition = self.partition(&name, number)?;
        let appended = partition.append(planned.iter().map(Planned::record), acks);
        self.note(before);
        for planned in &planned {
            at(&mut self.ledger, &name, number).sent(planned.sent(tag));
        }
        let info = match appended {
            Ok(info) => info,
            Err(error) => return self.not_appended(&planned, error),
        };
        if info.last_offset - info.first_offset + 1 != records {
            return Err(format!("{records} records are said to be {info:?}").into());
        }
        for (planned, offset) in planned.iter().zip(info.first_offset..) {
            let place = self.place(planned, number, acks);
            self.acked(&place, offset)?;
        }
        Ok(())
    }

    pub(super) fn wait_for_kept(&mut self) -> Outcome {
        let waited: Vec<Outcome> = std::mem::take(&mut self.kept)
            .into_iter()
            .map(|Kept { receipt, place }| self.wait(receipt, place))
            .collect();
        waited.into_iter().collect()
    }

    pub(super) fn flush_producer(&mut self, slot: usize) -> Outcome {
        self.finish_producer(slot, |producer| producer.flush())
    }

    pub(super) fn close_producer(&mut self, slot: usize) -> Outcome {
        let closed = self.finish_producer(slot, |producer| producer.clone().close());
        self.producers.remove(&slot);
        closed
    }

    /// Once a producer was flushed, all that it sent is as sure as it should be, and everybody was told.
    fn finish_producer(
        &mut self,
        slot: usize,
        finish: impl FnOnce(&Producer) -> Result<(), Error>,
    ) -> Outcome {
        let Some(Producing { producer, tag, acks }) = self.producers.get(&slot) else { return Ok(()) };
        let (producer, tag, acks) = (producer.clone(), *tag, *acks);
        let before = self.ledger.clone();
        let finished = finish(&producer);
        self.note(before);
        self.hear_callbacks()?;
        self.observe()?;
        if let Some((number, _)) = self.uncalled.iter().find(|(_, producer)| **producer == tag) {
            return Err(format!(
                "the callback of record {number} was not called, and its producer is flushed"
            )
            .into());
        }
        match finished {
            Ok(()) => {}
            // What lingered on its way to a topic that is gone could not be sent.
            Err(Error::UnknownTopic { topic }) if self.ledger.dead.iter().next().is_some() => {
                if self.ledger.is_faulty {
                    return Err(Error::UnknownTopic { topic }.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if self.ledger.is_faulty {
            return Ok(());
        }
        for (name, topic) in &self.ledger.topics {
            let level = acks.max(topic.config.min_acks);
            for (number, partition) in topic.partitions.iter().enumerate() {
                let is_seen = topic.config.visibility == Visibility::Written || level == Acks::Durable;
                if let Some(sent) = partition.in_flight.values().find(|sent| is_seen && sent.producer == tag)
                {
                    return Err(format!("{name}-{number}: {sent:?} is flushed, and is not there").into());
                }
                let own = partition.there.iter().rfind(|(_, sent)| sent.producer == tag);
                if level == Acks::Durable && own.is_some_and(|(offset, _)| *offset >= partition.durable_end) {
                    return Err(format!("{name}-{number}: {own:?} is flushed, and not durable").into());
                }
            }
        }
        Ok(())
    }

    /// Takes note of what callbacks were told.
    pub(super) fn hear_callbacks(&mut self) -> Outcome {
        let told: Vec<_> = std::mem::take(&mut *self.told.lock());
        for (place, result) in told {
            self.uncalled.remove(&place.number);
            if let Err(Failure::Broken(broken)) = self.answered(&place, result) {
                return Err(Failure::Broken(broken));
            }
        }
        Ok(())
    }

    /// The producer of a kind, made when it is first needed.
    fn producer(&mut self, slot: usize) -> Result<(Producer, u64, Acks), Failure> {
        if !self.producers.contains_key(&slot) {
            self.ledger.numbers += 1;
            let tag = self.ledger.numbers;
            let before = self.ledger.clone();
            let (acks, linger, idempotent) = [
                (Acks::Durable, 0, false),
                (Acks::Written, 0, false),
                (Acks::None, 50, false),
                (Acks::Durable, 20, true),
                (Acks::Written, 0, true),
                (Acks::Durable, 1500, false),
            ][slot];
            let builder = self.world().broker.producer().acks(acks).linger(Duration::from_millis(linger));
            let is_lz4 = cfg!(feature = "lz4") && (self.setup.seed + slot as u64).is_multiple_of(5);
            let codec = if is_lz4 { Compression::Lz4 } else { Compression::None };
            let built = builder
                .batch_bytes(300)
                .buffer_memory(1000)
                .compression(codec)
                .idempotent(idempotent)
                .build();
            self.note(before);
            self.producers.insert(slot, Producing { producer: built?, tag, acks });
        }
        let Producing { producer, tag, acks } = &self.producers[&slot];
        Ok((producer.clone(), *tag, *acks))
    }

    /// A record that is like no other. It names its partition if `pick` says so, or by chance.
    fn plan(&mut self, pick: u64) -> Option<Planned> {
        let (name, partition) = self.pick_partition(pick)?;
        self.ledger.numbers += 1;
        let number = self.ledger.numbers;
        let mut rng = Rng::new(pick ^ number);
        let partition = (pick & NAMES_PARTITION != 0 || rng.percent(50)).then_some(partition);
        let value = format!("r{number} {}", "x".repeat(rng.index(60)));
        let (at, key) = (self.world().clock_now(), format!("k{}", rng.below(9)));
        let value = (!rng.percent(20)).then_some(value);
        Some(Planned { name, partition, number, at, value, key })
    }

    fn place(&self, planned: &Planned, partition: u32, acks: Acks) -> Place {
        let id = self.ledger.topics[&planned.name].id;
        Place { name: planned.name.clone(), id, partition, number: planned.number, acks }
    }

    /// Enters a record for which there is a receipt.
    fn enter(
        &mut self,
        planned: &Planned,
        receipt: &Receipt,
        tag: u64,
        acks: Acks,
    ) -> Result<Place, Failure> {
        let partition = receipt.partition();
        if receipt.topic() != planned.name || planned.partition.is_some_and(|wanted| wanted != partition) {
            return Err(
                format!("a record for {} {:?} went to {receipt:?}", planned.name, planned.partition).into()
            );
        }
        at(&mut self.ledger, &planned.name, partition).sent(planned.sent(tag));
        Ok(self.place(planned, partition, acks))
    }

    fn handle(&mut self, receipt: Receipt, place: Place, tag: u64, how: How) -> Outcome {
        match how {
            How::Wait => self.wait(receipt, place),
            How::Drop => Ok(()),
            How::Keep => {
                self.kept.push(Kept { receipt, place });
                Ok(())
            }
            How::Callback => {
                let told = self.told.clone();
                self.uncalled.insert(place.number, tag);
                let before = self.ledger.clone();
                receipt.on_ack(move |result| told.lock().push((place, result)));
                self.note(before);
                Ok(())
            }
        }
    }

    fn wait(&mut self, receipt: Receipt, place: Place) -> Outcome {
        let before = self.ledger.clone();
        let result = receipt.wait();
        self.note(before);
        self.answered(&place, result)
    }

    /// A receipt or a callback says what became of a record.
    fn answered(&mut self, place: &Place, result: Result<RecordMetadata, Error>) -> Outcome {
        let is_gone = self.ledger.topics.get(&place.name).is_none_or(|topic| topic.id != place.id);
        if is_gone {
            return Ok(());
        }
        match result {
            Ok(metadata) if *metadata.topic != *place.name || metadata.partition != place.partition => {
                Err(format!("{place:?} is said to be at {metadata:?}").into())
            }
            Ok(metadata) => self.acked(place, metadata.offset),
            Err(error @ Error::Indeterminate { .. }) => Err(error.into()),
            Err(error) => {
                self.observe()?;
                at(&mut self.ledger, &place.name, place.partition).refused(place.number)?;
                Err(error.into())
            }
        }
    }

    fn acked(&mut self, place: &Place, offset: u64) -> Outcome {
        self.ledger.is_there(&place.name);
        let at_partition = format!("{}-{}", place.name, place.partition);
        let level = place.acks.max(self.ledger.topics[&place.name].config.min_acks);
        let ledger = at(&mut self.ledger, &place.name, place.partition);
        ledger.acked(place.number, offset).map_err(|broken| format!("{at_partition}: {broken}"))?;
        if level < Acks::Durable {
            return Ok(());
        }
        // What a call to close says is held against the disk, when that is opened again.
        ledger.durable_end = ledger.durable_end.max(offset + 1);
        if self.world.is_none() {
            return Ok(());
        }
        let partition = self.partition(&place.name, place.partition)?;
        self.expect_durable(&partition, offset + 1)
    }

    /// `send` failed: the record is nowhere.
    fn not_sent(&mut self, planned: &Planned, tag: u64, error: Error) -> Outcome {
        let count = self.ledger.topics[&planned.name].config.partitions;
        for partition in planned.partition.map_or(0..count, |partition| partition..partition + 1) {
            let ledger = at(&mut self.ledger, &planned.name, partition);
            match error {
                Error::Indeterminate { .. } => ledger.sent(planned.sent(tag)),
                _ => ledger.refused(planned.number)?,
            }
        }
        Err(error.into())
    }

    fn not_appended(&mut self, planned: &[Planned], error: Error) -> Outcome {
        self.observe()?;
        for planned in planned.iter().filter(|_| !matches!(error, Error::Indeterminate { .. })) {
            let partition = planned.partition.expect("they name their partition");
            at(&mut self.ledger, &planned.name, partition).refused(planned.number)?;
        }
        Err(error.into())
    }
}

impl Ledger {
    /// Every record that a reader sees now, by topic, partition and offset.
    pub(super) fn visible(&self) -> std::collections::BTreeMap<(String, u32, u64), String> {
        let partitions = self
            .topics
            .iter()
            .flat_map(|(name, topic)| topic.partitions.iter().zip(0..).map(move |it| (name, it)));
        partitions
            .flat_map(|(name, (partition, number))| {
                partition
                    .seen()
                    .map(move |(offset, sent)| ((name.clone(), number, *offset), sent.text.to_string()))
            })
            .collect()
    }
}
