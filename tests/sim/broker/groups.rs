//! Every crash of a group: members come, read, commit, go and are killed, the topic is deleted and made anew; the world
//! ends at each operation of the disk, by a kill and by a power cut.
//!
//! What was acknowledged as committed stays, or is what somebody wanted to commit since. Everything before it is in the
//! log. And of a topic that has got the name of another nothing is committed that was committed of the other.
//!
//! `BROOKLET_SIM_GROUP_STATES` says how many states to go through (default 6,000), `BROOKLET_SIM_SEED` where to begin.

use super::plant::BrokerBug;
use super::world::{Mistake, Setup, World};
use crate::crash_states::number_from;
use crate::disk::{Crash, Rng, SimDisk};
use crate::ledger::Broken;
use crate::plant::Bug;
use brooklet::{
    Acks, AutoCommit, Consumer, Error, Isolation, NewRecord, ReadLimit, Start, Timestamp, TopicConfig,
    TopicId, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const PARTITIONS: u32 = 2;
const MEMBERS: usize = 2;
const STEPS: usize = 22;

/// What was promised of one partition of the topic that there is.
#[derive(Debug, Clone, Default)]
struct Promise {
    /// What is committed for sure.
    durable: Option<u64>,
    /// What may have been committed since.
    possible: BTreeSet<u64>,
    /// How many records it holds.
    sent: u64,
}

#[derive(Debug, Clone, Default)]
struct Ledger {
    /// None: it is being made.
    id: Option<TopicId>,
    partitions: [Promise; PARTITIONS as usize],
}

/// A run, and what was promised during each of its calls.
struct Run {
    disk: SimDisk,
    world: World,
    consumers: [Option<Consumer>; MEMBERS],
    ledger: Ledger,
    history: Vec<(u64, Ledger)>,
}

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new(TOPIC, number).expect("a valid name")
}

impl Run {
    fn new(seed: u64, mistake: Option<Mistake>) -> Result<Run, Error> {
        let disk = SimDisk::new();
        disk.remember_states();
        let setup = Setup { seed, open_files: 512, mistake };
        let world = World::open(&disk, &setup, Timestamp::from_millis(1_000_000))?;
        let mut run =
            Run { disk, world, consumers: [None, None], ledger: Ledger::default(), history: Vec::new() };
        run.history.push((run.disk.ops(), Ledger::default()));
        run.make_topic()?;
        let mut rng = Rng::new(seed);
        for _ in 0..STEPS {
            run.step(&mut rng)?;
        }
        Ok(run)
    }

    /// What may happen from now on is noted before, what has happened after.
    fn note(&mut self) {
        self.history.push((self.disk.ops(), self.ledger.clone()));
    }

    fn make_topic(&mut self) -> Result<(), Error> {
        let made = self.world.broker.create_topic(TOPIC, TopicConfig::new().partitions(PARTITIONS))?;
        self.note();
        self.ledger = Ledger { id: Some(made.id()), ..Ledger::default() };
        Ok(())
    }

    /// Wherever a member stands may be committed by itself.
    fn expect_positions(&mut self) {
        for number in 0..PARTITIONS {
            for consumer in self.consumers.iter_mut().flatten() {
                if let Ok(position) = consumer.position(TOPIC, number) {
                    self.ledger.partitions[number as usize].possible.insert(position);
                }
            }
        }
    }

    fn step(&mut self, rng: &mut Rng) -> Result<(), Error> {
        self.expect_positions();
        let slot = rng.index(MEMBERS);
        match rng.below(100) {
            0..34 => self.append(rng.below(u64::from(PARTITIONS)) as u32, rng.between(1, 3))?,
            34..60 => match &mut self.consumers[slot] {
                Some(consumer) => drop(consumer.poll(Duration::ZERO)?),
                none => {
                    let auto_commit = match rng.percent(50) {
                        true => AutoCommit::Every(Duration::from_secs(1)),
                        false => AutoCommit::Off,
                    };
                    let builder = self.world.broker.consumer().group(GROUP).subscribe([TOPIC]);
                    let builder = builder.start(Start::Earliest).max_poll_records(2).auto_commit(auto_commit);
                    none.insert(builder.build()?).poll(Duration::ZERO)?;
                }
            },
            60..76 => self.commit(slot)?,
            76..84 => {
                if let Some(consumer) = &mut self.consumers[slot] {
                    drop(consumer.commit_async());
                }
            }
            84..87 => {
                if let Some(consumer) = self.consumers[slot].take() {
                    consumer.close()?;
                }
            }
            87..89 => drop(self.consumers[slot].take()),
            89..96 => {
                self.world.clock.advance(Duration::from_millis([30, 1_000, 6_000, 50_000][rng.index(4)]));
                while self.world.broker.maintain()? == Some(Duration::ZERO) {}
            }
            _ => {
                self.world.broker.admin().delete_topic(TOPIC)?;
                self.note();
                self.ledger = Ledger::default();
                self.make_topic()?;
            }
        }
        self.note();
        Ok(())
    }

    fn append(&mut self, number: u32, count: u64) -> Result<(), Error> {
        let to = self.world.broker.topic(TOPIC)?.partition(number)?;
        for _ in 0..count {
            let promise = &mut self.ledger.partitions[number as usize];
            let value = promise.sent.to_string();
            promise.sent += 1;
            to.append([NewRecord::new().value(&value)], Acks::Written)?;
        }
        Ok(())
    }

    fn commit(&mut self, slot: usize) -> Result<(), Error> {
        let Some(consumer) = &mut self.consumers[slot] else { return Ok(()) };
        let mut stands = BTreeMap::new();
        for owned in consumer.assignment() {
            // Of a topic that was deleted it stands nowhere.
            if let Ok(position) = consumer.position(TOPIC, owned.partition()) {
                stands.insert(owned.partition(), position);
            }
        }
        let committed = consumer.commit_offsets(stands.iter().map(|(number, at)| (partition(*number), *at)));
        self.note();
        if committed.is_ok() {
            for (number, at) in stands {
                let promise = &mut self.ledger.partitions[number as usize];
                (promise.durable, promise.possible) = (Some(at), BTreeSet::new());
            }
        }
        Ok(())
    }

    /// What was promised when the world ended after an operation.
    fn ledger_at(&self, op: u64) -> &Ledger {
        self.history.iter().find(|(until, _)| op < *until).map_or(&self.ledger, |(_, ledger)| ledger)
    }

    fn check(&self, op: u64, crash: Crash) -> Result<(), Broken> {
        let disk = self.disk.state_after(op).ok_or("no such operation")?;
        disk.crash(crash);
        let first = self.look(&disk, op)?;
        disk.crash(Crash::Kill);
        let second = self.look(&disk, op)?;
        if first == second { Ok(()) } else { Err(format!("{first:?} becomes {second:?} when opened again")) }
    }

    /// Opens what is left and holds it against the ledger; says what is committed.
    fn look(&self, disk: &SimDisk, op: u64) -> Result<BTreeMap<u32, u64>, Broken> {
        let told = |error: Error| error.to_string();
        let setup = Setup { seed: op, open_files: 512, mistake: None };
        let broker = World::open(disk, &setup, Timestamp::from_millis(9_000_000)).map_err(told)?.broker;
        let committed = match broker.admin().describe_group(GROUP) {
            Err(Error::UnknownGroup { .. }) => BTreeMap::new(),
            Err(error) => return Err(error.to_string()),
            Ok(group) => {
                let committed = group.partitions.into_iter();
                committed.filter_map(|one| Some((one.partition.partition(), one.committed?.offset))).collect()
            }
        };
        let ledger = self.ledger_at(op);
        let Ok(topic) = broker.topic(TOPIC) else {
            return match committed.is_empty() {
                true => Ok(committed),
                false => Err(format!("there is no topic, and {committed:?} is committed")),
            };
        };
        // While a topic is made nobody knows its id; of that one nothing can be committed.
        let fresh = Ledger::default();
        let ledger = if ledger.id == Some(topic.id()) { ledger } else { &fresh };
        for number in 0..topic.partitions().len() as u32 {
            let (promise, found) = (&ledger.partitions[number as usize], committed.get(&number).copied());
            let is_possible = found.is_some_and(|found| promise.possible.contains(&found));
            if found != promise.durable && !is_possible {
                return Err(format!("{TOPIC}-{number} is committed up to {found:?}: {promise:?}"));
            }
            let log = topic.partition(number).map_err(told)?;
            for offset in 0..found.unwrap_or(0) {
                let read = log.read(offset, ReadLimit::bytes(1), Isolation::ReadUncommitted).map_err(told)?;
                let first = read.iter().find(|record| record.offset() == offset);
                if first.and_then(|record| record.value()) != Some(offset.to_string().as_bytes()) {
                    return Err(format!(
                        "{TOPIC}-{number} is committed up to {found:?}, and {offset} is lost"
                    ));
                }
            }
        }
        Ok(committed)
    }
}

/// Goes through the crash states of run after run; the broken promise, if there is one.
fn hunt(mistake: Option<Mistake>, states: u64) -> Result<u64, Broken> {
    let mut seen = 0;
    for seed in number_from("BROOKLET_SIM_SEED", 1).. {
        let run = Run::new(seed, mistake).map_err(|error| format!("seed {seed}: {error}"))?;
        for op in 0..=run.disk.ops() {
            for crash in [Crash::Kill, Crash::PowerCut { seed: seed ^ op << 20 }] {
                run.check(op, crash)
                    .map_err(|broken| format!("seed {seed}, op {op}, {crash:?}: {broken}"))?;
                seen += 1;
            }
        }
        if seen >= states {
            break;
        }
    }
    Ok(seen)
}

#[test]
fn no_crash_takes_a_commit_back_or_leaves_one_without_its_records() {
    let wanted = number_from("BROOKLET_SIM_GROUP_STATES", 6_000);
    let seen = hunt(None, wanted).unwrap_or_else(|broken| panic!("{broken}"));
    eprintln!("{seen} crash states of a group");
    assert!(seen >= wanted);
}

#[test]
fn a_commit_that_is_ahead_of_its_records_is_found() {
    for mistake in [
        Mistake::OfTheBroker(BrokerBug::DataNotSynced),
        Mistake::OfTheLog(Bug::SyncTooLate),
        Mistake::OfTheLog(Bug::DropLogSync),
    ] {
        let found = hunt(Some(mistake), 20_000);
        assert!(found.is_err(), "{mistake:?} was not found");
    }
}
