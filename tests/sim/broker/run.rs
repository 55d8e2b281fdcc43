//! A run: the library, its ledger, and what the ledger was before each of its calls.
//!
//! Every call is an entry of its own: what was promised before it, with all that it may have done if the world ends
//! within. After each call everything that can be read is read, and held against what was sent.

use super::ledger::{Change, Ledger};
use super::partition::{End, PartitionLedger};
use super::produce::{Kept, Producing, Told};
use super::script::{self, Step};
use super::world::{Setup, World};
use crate::disk::{Crash, SimDisk};
use crate::ledger::Broken;
use brooklet::clock::Clock;
use brooklet::{Error, Partition, Start, Timestamp, Topic, TopicConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why a step did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    Broken(Broken),
    /// The library says so; whether it may, is for others to judge.
    Error(Error),
}

impl Failure {
    /// The same with the place where it was met.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Failure::Broken(broken) => Failure::Broken(format!("{place}: {broken}")),
            error => error,
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Failure::Broken(broken)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        match failure {
            Failure::Broken(broken) => broken,
            Failure::Error(error) => format!("failed: {error}"),
        }
    }
}

pub(super) type Outcome = Result<(), Failure>;

pub(super) struct Run {
    pub(super) disk: SimDisk,
    pub(super) setup: Setup,
    pub(super) world: Option<World>,
    pub(super) ledger: Ledger,
    /// Up to which operation, exclusive, which ledger holds.
    pub(super) history: Vec<(u64, Ledger)>,
    pub(super) producers: BTreeMap<usize, Producing>,
    pub(super) kept: Vec<Kept>,
    pub(super) told: Arc<Told>,
    /// Records whose callback was not called yet, and their producers.
    pub(super) uncalled: BTreeMap<u64, u64>,
    /// What compaction and retention have taken, counted again and again.
    pub(super) records_taken: usize,
    pub(super) segments_taken: usize,
    pub(super) tombstones_taken: u64,
    pub(super) now: Timestamp,
}

impl Run {
    pub(super) fn new(disk: SimDisk, setup: Setup) -> Self {
        Self {
            disk,
            setup,
            world: None,
            ledger: Ledger::default(),
            history: Vec::new(),
            producers: BTreeMap::new(),
            kept: Vec::new(),
            told: Arc::default(),
            uncalled: BTreeMap::new(),
            records_taken: 0,
            segments_taken: 0,
            tombstones_taken: 0,
            now: Timestamp::from_millis(1_000_000),
        }
    }

    /// Opens the broker, without a look at what is there.
    pub(super) fn open(&mut self) -> Result<(), Error> {
        self.leave();
        self.world = Some(World::open(&self.disk, &self.setup, self.now)?);
        Ok(())
    }

    /// Everything that this process holds is gone.
    pub(super) fn leave(&mut self) {
        self.producers.clear();
        self.kept.clear();
        self.uncalled.clear();
        self.told = Arc::default();
        if let Some(world) = self.world.take() {
            self.now = world.clock.now();
        }
    }

    /// Opens the broker after the end of a life, holds what is there against the ledger, and takes it over.
    pub(super) fn recover(&mut self, end: End) -> Outcome {
        let before = self.ledger.clone();
        let opened = self.open();
        self.note(before);
        opened?;
        self.ledger = self.ledger.check(self.world(), &self.disk, end)?;
        Ok(())
    }

    /// The same after the process was killed.
    pub(super) fn recover_from_kill(&mut self) -> Outcome {
        self.leave();
        self.disk.crash(Crash::Kill);
        self.recover(End::Kill)
    }

    pub(super) fn world(&self) -> &World {
        self.world.as_ref().expect("it is open")
    }

    /// Enters what may be found if the world ended within the call that is just over.
    pub(super) fn note(&mut self, before: Ledger) {
        self.history.push((self.disk.ops(), before));
    }

    /// The ledger of a world that ends after an operation.
    pub(super) fn ledger_at(&self, op: u64) -> &Ledger {
        self.history.iter().find(|(until, _)| op < *until).map_or(&self.ledger, |(_, ledger)| ledger)
    }

    /// Carries a step out, and enters what it was promised.
    pub(super) fn take(&mut self, step: &Step) -> Outcome {
        let taken = self.do_step(step);
        self.hear_callbacks()?;
        self.observe()?;
        taken
    }

    fn do_step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Create { name, config } => self.create(name, config),
            Step::Ensure { name, config } => self.ensure(name, config),
            Step::Delete { pick } => self.on_topic(*pick, Self::delete),
            Step::Recreate { pick, config } => self.on_topic(*pick, |run, name| {
                run.delete(name)?;
                run.create(name, config)
            }),
            Step::Grow { pick, by } => self.on_topic(*pick, |run, name| run.grow(name, *by)),
            Step::Alter { pick, to } => self.on_topic(*pick, |run, name| run.alter(name, *to)),
            Step::Send { slot, pick, how } => self.send(*slot, *pick, *how),
            Step::SendBatch { slot, picks, how } => self.send_batch(*slot, picks, *how),
            Step::WaitForKept => self.wait_for_kept(),
            Step::Flush { slot } => self.flush_producer(*slot),
            Step::CloseProducer { slot } => self.close_producer(*slot),
            Step::Append { pick, records, acks } => self.append(*pick, *records, *acks),
            Step::FlushPartition { pick } => self.on_partition(*pick, Self::flush_partition),
            Step::DeleteRecords { pick, back } => {
                self.on_partition(*pick, |run, name, number| run.delete_records(name, number, *back))
            }
            Step::CompactNow { pick } => self.on_topic(*pick, Self::compact_now),
            Step::RetainNow { pick } => self.on_topic(*pick, Self::retain_now),
            Step::Pass { millis } => self.pass(*millis),
            Step::Poll => self.poll(),
            Step::Reopen => self.reopen(),
            Step::Kill => self.recover_from_kill(),
        }
    }

    /// The name of a topic, if there is any.
    pub(super) fn pick_topic(&self, pick: u64) -> Option<String> {
        let count = self.ledger.topics.len() as u64;
        let nth = usize::try_from(pick.checked_rem(count)?).expect("there are few");
        self.ledger.topics.keys().nth(nth).cloned()
    }

    /// A partition, if there is any.
    pub(super) fn pick_partition(&self, pick: u64) -> Option<(String, u32)> {
        let name = self.pick_topic(pick)?;
        let count = self.ledger.topics[&name].config.partitions;
        Some((name, ((pick >> 32) % u64::from(count)) as u32))
    }

    fn on_topic(&mut self, pick: u64, act: impl FnOnce(&mut Self, &str) -> Outcome) -> Outcome {
        self.pick_topic(pick).map_or(Ok(()), |name| act(self, &name))
    }

    fn on_partition(&mut self, pick: u64, act: impl FnOnce(&mut Self, &str, u32) -> Outcome) -> Outcome {
        self.pick_partition(pick).map_or(Ok(()), |(name, number)| act(self, &name, number))
    }

    fn create(&mut self, name: &str, config: &TopicConfig) -> Outcome {
        let mut before = self.ledger.clone();
        let created = self.world().broker.create_topic(name, config.clone());
        let id = created.as_ref().ok().map(Topic::id);
        let change = Change::Create { name: name.to_owned(), id, config: config.clone() };
        before.changes.push(change.clone());
        self.note(before);
        match created {
            Ok(_) if self.ledger.topics.contains_key(name) => {
                Err(Failure::Broken(format!("topic {name} was made though there is one")))
            }
            Ok(topic) => Ok(self.ledger.created(&topic, config)?),
            Err(Error::TopicExists { .. }) if self.ledger.topics.contains_key(name) => Ok(()),
            Err(error) => {
                self.ledger.changes.push(change);
                Err(error.into())
            }
        }
    }

    fn ensure(&mut self, name: &str, config: &TopicConfig) -> Outcome {
        let Some(known) = self.ledger.topics.get(name).map(|topic| topic.id) else {
            return self.create(name, config);
        };
        let topic = self.world().broker.ensure_topic(name, config.clone())?;
        if topic.id() == known {
            Ok(())
        } else {
            Err(format!("topic {name} is not the one that there was").into())
        }
    }

    fn delete(&mut self, name: &str) -> Outcome {
        let change = Change::Delete { name: name.to_owned() };
        let mut before = self.ledger.clone();
        before.changes.push(change.clone());
        let deleted = self.world().broker.admin().delete_topic(name);
        self.note(before);
        match deleted {
            Ok(()) => self.ledger.deleted(name),
            // It is gone, says the manual, though something went wrong behind that.
            Err(_) if self.world().broker.topic(name).is_err() => self.ledger.deleted(name),
            Err(_) => self.ledger.changes.push(change),
        }
        Ok(deleted?)
    }

    fn grow(&mut self, name: &str, by: u32) -> Outcome {
        let total = self.ledger.topics[name].config.partitions + by;
        if total > 4 {
            return Ok(());
        }
        let change = Change::Grow { name: name.to_owned(), total };
        let mut before = self.ledger.clone();
        before.changes.push(change.clone());
        let grown = self.world().broker.admin().add_partitions(name, total);
        self.note(before);
        if let Err(error) = grown {
            self.ledger.changes.push(change);
            return Err(error.into());
        }
        self.ledger.is_there(name);
        self.ledger.topics.get_mut(name).expect("it was picked").grow(total);
        Ok(())
    }

    fn alter(&mut self, name: &str, to: u64) -> Outcome {
        let config = script::altered(self.ledger.topics[name].config.clone(), to);
        let change = Change::Alter { name: name.to_owned(), config: config.clone() };
        let mut before = self.ledger.clone();
        before.changes.push(change.clone());
        let altered = self.world().broker.admin().alter_topic(name, |config| script::altered(config, to));
        self.note(before);
        if let Err(error) = altered {
            self.ledger.changes.push(change);
            return Err(error.into());
        }
        self.ledger.is_there(name);
        let same = |change: &Change| matches!(change, Change::Alter { name: altered, .. } if altered == name);
        self.ledger.changes.retain(|change| !same(change));
        self.ledger.topics.get_mut(name).expect("it was picked").config = config;
        Ok(())
    }

    pub(super) fn flush_partition(&mut self, name: &str, number: u32) -> Outcome {
        let before = self.ledger.clone();
        let partition = self.partition(name, number)?;
        let flushed = partition.flush();
        self.note(before);
        let end = flushed?;
        self.ledger.is_there(name);
        self.expect_durable(&partition, end)
    }

    pub(super) fn expect_durable(&self, partition: &Partition, end: u64) -> Outcome {
        let marks = partition.watermarks();
        if marks.durable_end >= end {
            return Ok(());
        }
        Err(format!("{}-{}: {end} is said to be durable: {marks:?}", partition.topic(), partition.number())
            .into())
    }

    fn delete_records(&mut self, name: &str, number: u32, back: u64) -> Outcome {
        // What is below the new start cannot be read any more, so it has to be seen before.
        self.flush_partition(name, number)?;
        self.observe()?;
        let partition = self.partition(name, number)?;
        let to = partition.watermarks().end.saturating_sub(back);
        let mut before = self.ledger.clone();
        at(&mut before, name, number).starts.push(to);
        let start = partition.delete_records(to);
        self.note(before);
        if matches!(start, Err(Error::PolicyViolation { .. }))
            && !partition_deletes(&self.world().broker, name)?
        {
            return Ok(());
        }
        if start.is_err() {
            at(&mut self.ledger, name, number).starts.push(to);
        }
        let start = start?;
        let ledger = at(&mut self.ledger, name, number);
        if start != to.max(ledger.start) {
            return Err(format!("records below {to} were deleted, and it starts at {start}").into());
        }
        ledger.start = start;
        self.ledger.is_there(name);
        Ok(())
    }

    fn pass(&mut self, millis: u64) -> Outcome {
        self.world().clock.advance(Duration::from_millis(millis));
        for _ in 0..100 {
            let before = self.ledger.clone();
            let next = self.world().broker.maintain();
            self.note(before);
            if next? != Some(Duration::ZERO) {
                return Ok(());
            }
        }
        Err(Failure::Broken("maintenance has no end".into()))
    }

    /// A consumer of everything gets just what is known to be there.
    fn poll(&mut self) -> Outcome {
        self.observe()?;
        let names: Vec<&str> = self.ledger.topics.keys().map(String::as_str).collect();
        let builder = self.world().broker.consumer().assign_topics(names).start(Start::Earliest);
        let mut consumer = builder.max_poll_records(3).build()?;
        let mut found = BTreeMap::new();
        loop {
            let records = consumer.poll(Duration::ZERO)?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                let text = super::partition::text_of(record.key(), record.value(), record.headers());
                found.insert((record.topic().to_owned(), record.partition(), record.offset()), text);
            }
        }
        let expected = self.ledger.visible();
        if found == expected {
            Ok(())
        } else {
            Err(format!("polled {found:?} instead of {expected:?}").into())
        }
    }

    /// Closes in order and opens again. What was closed is first opened on a copy of the disk, which reads no batch.
    fn reopen(&mut self) -> Outcome {
        let before = self.ledger.clone();
        let World { broker, clock } = self.world.take().expect("it is open");
        self.now = clock.now();
        let closed = broker.close();
        self.note(before);
        if let Err(error) = closed {
            // Records of topics that are gone cannot be sent any more; all else was closed.
            if !matches!(error, Error::UnknownTopic { .. }) || self.ledger.is_faulty {
                return Err(error.into());
            }
        }
        self.hear_callbacks()?;
        if let Some(number) = self.uncalled.keys().next() {
            return Err(format!("the callback of record {number} was not called, and all is closed").into());
        }
        self.ledger = self.opened_on_a_copy()?;
        let before = self.ledger.clone();
        let opened = self.open();
        self.note(before);
        Ok(opened?)
    }

    fn opened_on_a_copy(&self) -> Result<Ledger, Failure> {
        let copy = self.disk.fork();
        copy.heal();
        copy.set_capacity(None);
        copy.number_reads();
        copy.keep_trace();
        let world = World::open(&copy, &self.setup, self.now)
            .map_err(|error| format!("after a clean close: {error}"))?;
        if let Some(line) = copy.trace().iter().find(|line| line.contains(" Read ") && line.contains(".log "))
        {
            return Err(format!("all was closed in order, and opening reads batches: {line}").into());
        }
        let settled = self.ledger.check(&world, &copy, End::Kill)?;
        for (name, topic) in self.ledger.topics.iter().filter(|_| !self.ledger.is_faulty) {
            for (number, ledger) in topic.partitions.iter().enumerate() {
                let after = &settled.topics[name].partitions[number].there;
                let is_lost = |sent: &u64| !after.values().any(|there| there.number == *sent);
                if let Some(lost) = ledger.in_flight.keys().find(|sent| is_lost(sent)) {
                    return Err(
                        format!("{name}-{number}: record {lost} was not written by a clean close").into()
                    );
                }
            }
        }
        Ok(settled)
    }

    /// Reads whatever is new in every partition.
    pub(super) fn observe(&mut self) -> Outcome {
        if self.world.is_none() {
            return Ok(());
        }
        let topics = self.world().broker.admin().topics()?;
        let found: Vec<&str> = topics.iter().map(Topic::name).collect();
        let expected: Vec<String> = self.ledger.topics.keys().cloned().collect();
        if found != expected {
            return Err(format!("the topics are {found:?} instead of {expected:?}").into());
        }
        for name in expected {
            let topic = self.world().broker.topic(&name)?;
            let ledger = self.ledger.topics.get_mut(&name).expect("just seen");
            if topic.id() != ledger.id || topic.partitions().len() != ledger.partitions.len() {
                return Err(format!("{name} is another topic, or has another number of partitions").into());
            }
            for (partition, ledger) in topic.partitions().iter().zip(&mut ledger.partitions) {
                ledger
                    .observe(partition)
                    .map_err(|failure| failure.at(&format!("{name}-{}", partition.number())))?;
            }
        }
        Ok(())
    }

    pub(super) fn partition(&self, name: &str, number: u32) -> Result<Partition, Error> {
        self.world().broker.topic(name)?.partition(number)
    }
}

/// The ledger of a partition that was picked.
pub(super) fn at<'a>(ledger: &'a mut Ledger, name: &str, number: u32) -> &'a mut PartitionLedger {
    &mut ledger.topics.get_mut(name).expect("it was picked").partitions[number as usize]
}

/// Whether records of a topic may be deleted by their place or age, and not by their key only.
fn partition_deletes(broker: &brooklet::Broker, name: &str) -> Result<bool, Error> {
    Ok(broker.topic(name)?.config().cleanup_policy.deletes())
}
