//! A life of a group: steps drawn from a seed, and what was promised during each of its calls.

use super::super::run::Failure;
use super::super::world::{Setup, World};
use super::ledger::Ledger;
use super::{GROUP, PARTITIONS, TOPIC, look, partition};
use crate::disk::{Rng, SimDisk};
use brooklet::clock::Clock;
use brooklet::{
    Acks, AutoCommit, Consumer, Error, NewRecord, PendingCommit, Records, Result, Start, Timestamp,
    TopicConfig, TopicId,
};
use std::collections::BTreeMap;
use std::time::Duration;

const MEMBERS: usize = 2;
const SECOND: Duration = Duration::from_secs(1);
/// Kafka's `max.poll.interval.ms`: who does not poll for so long is out.
const POLL_INTERVAL: Duration = Duration::from_secs(300);
/// Longer than a session.
const A_WHILE: Duration = Duration::from_secs(50);
/// Longer than offsets of a group without members are kept.
const LONG: Duration = Duration::from_secs(8 * 24 * 3600);

/// A consumer, and what is known of it.
struct Member {
    consumer: Consumer,
    /// It was put out, and has not polled since.
    is_evicted: bool,
    polled: Duration,
    /// The topic that it read then.
    topic: Option<TopicId>,
}

/// A run, and what was promised during each of its calls.
pub(super) struct Run {
    pub(super) disk: SimDisk,
    pub(super) setup: Setup,
    /// None: it has to be opened.
    pub(super) world: Option<World>,
    members: [Option<Member>; MEMBERS],
    pub(super) ledger: Ledger,
    history: Vec<(u64, Ledger)>,
    /// The next record.
    value: u64,
    /// Whether operations may fail: then what was refused may have happened, and what falls due may be late.
    is_faulty: bool,
    pub(super) now: Timestamp,
}

impl Run {
    /// A life on this disk that begins with what the ledger says.
    pub(super) fn new(disk: SimDisk, setup: Setup, ledger: Ledger, now: Timestamp, is_faulty: bool) -> Run {
        let members = [const { None }; MEMBERS];
        let (history, value) = (vec![(disk.ops(), ledger.clone())], setup.seed << 16);
        Run { disk, setup, world: None, members, ledger, history, value, is_faulty, now }
    }

    /// Opens the broker.
    pub(super) fn open(&mut self) -> Result<()> {
        self.world = Some(World::open(&self.disk, &self.setup, self.now)?);
        self.note();
        Ok(())
    }

    /// Everything that is open is dropped, as if the process were killed.
    pub(super) fn leave(&mut self) {
        self.members = [const { None }; MEMBERS];
        self.now = self.end();
        self.world = None;
    }

    /// What time it is, or was when it ended.
    pub(super) fn end(&self) -> Timestamp {
        self.world.as_ref().map_or(self.now, |world| world.clock.now())
    }

    fn world(&self) -> &World {
        self.world.as_ref().expect("it was opened before anything is done")
    }

    /// What may happen from now on is noted before, what has happened after.
    fn note(&mut self) {
        self.history.push((self.disk.ops(), self.ledger.clone()));
    }

    /// What was promised when the world ended after an operation.
    pub(super) fn ledger_at(&self, op: u64) -> &Ledger {
        self.history.iter().find(|(until, _)| op < *until).map_or(&self.ledger, |(_, ledger)| ledger)
    }

    /// One step, drawn.
    pub(super) fn step(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        self.find_topic()?;
        let slot = rng.index(MEMBERS);
        match rng.below(100) {
            0..32 => self.append(rng.below(u64::from(PARTITIONS)) as u32, rng.between(1, 3))?,
            32..60 => self.poll(slot, rng.percent(50))?,
            60..74 => self.commit(slot)?,
            74..81 => drop(self.begin_commit(slot, Consumer::commit_async)?),
            81..84 => self.close(slot)?,
            84..86 => drop(self.members[slot].take()),
            86..89 => self.evict(slot)?,
            89..94 => {
                self.pass([Duration::from_millis(30), SECOND, 6 * SECOND, A_WHILE][rng.index(4)])?;
            }
            94..96 => self.expire()?,
            _ => self.replace_topic()?,
        }
        self.note();
        Ok(())
    }

    /// There is a topic; what was being done to it when it failed has happened or not.
    fn find_topic(&mut self) -> Result<()> {
        let there = self.world().broker.topic(TOPIC).ok().map(|topic| topic.id());
        if there != self.ledger.id {
            self.ledger = Ledger { id: there, ..Ledger::default() };
        }
        if there.is_some() {
            return Ok(());
        }
        self.note();
        let made = self.world().broker.create_topic(TOPIC, TopicConfig::new().partitions(PARTITIONS))?;
        self.note();
        self.ledger = Ledger { id: Some(made.id()), ..Ledger::default() };
        Ok(())
    }

    fn replace_topic(&mut self) -> Result<()> {
        self.world().broker.admin().delete_topic(TOPIC)?;
        self.note();
        self.find_topic()
    }

    fn append(&mut self, number: u32, count: u64) -> Result<()> {
        let to = self.world().broker.topic(TOPIC)?.partition(number)?;
        for _ in 0..count {
            self.value += 1;
            let value = self.value.to_string();
            let info = to.append([NewRecord::new().value(&value)], Acks::Written)?;
            self.ledger.partitions[number as usize].records.insert(info.last_offset, value);
        }
        Ok(())
    }

    /// Polls, and looks at what comes; a consumer that is not there yet is made.
    fn poll(&mut self, slot: usize, commits_by_itself: bool) -> Result<(), Failure> {
        let now = self.world().clock.monotonic();
        if self.members[slot].is_none() {
            let auto_commit = if commits_by_itself { AutoCommit::Every(SECOND) } else { AutoCommit::Off };
            let builder = self.world().broker.consumer().group(GROUP).client_id(format!("member-{slot}"));
            let builder = builder.subscribe([TOPIC]).start(Start::Earliest).max_poll_records(2);
            let consumer = builder.auto_commit(auto_commit).build()?;
            self.members[slot] = Some(Member { consumer, is_evicted: false, polled: now, topic: None });
        }
        let before = self.positions(slot, false);
        self.expect(slot);
        let Some(member) = &mut self.members[slot] else { return Ok(()) };
        let polled = member.consumer.poll(Duration::ZERO);
        // One that fails may have come back into the group before it did.
        (member.is_evicted, member.polled) = (false, now);
        let records = polled?;
        member.topic = self.ledger.id;
        self.check_read(&before, &records)
    }

    fn check_read(&self, before: &BTreeMap<u32, u64>, records: &Records) -> Result<(), Failure> {
        for number in 0..PARTITIONS {
            let promise = &self.ledger.partitions[number as usize];
            let mine = records.iter().filter(|record| record.partition() == number);
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            let read = mine.map(|record| (record.offset(), text(record.value()))).collect();
            let from = before.get(&number).copied().unwrap_or(0).max(promise.latest());
            promise.covers(from, &read).map_err(|broken| format!("{TOPIC}-{number}: {broken}"))?;
        }
        Ok(())
    }

    /// Where it stands in what it thinks it owns. `with_doubt`: even if it is not known of which topic that is.
    fn positions(&mut self, slot: usize, with_doubt: bool) -> BTreeMap<u32, u64> {
        let Some(member) = &mut self.members[slot] else { return BTreeMap::new() };
        // What it read of a topic that was deleted says nothing of the one that has its name.
        if member.topic != self.ledger.id && !with_doubt {
            return BTreeMap::new();
        }
        let owned = member.consumer.assignment().into_iter();
        owned
            .filter_map(|id| Some((id.partition(), member.consumer.position(TOPIC, id.partition()).ok()?)))
            .collect()
    }

    /// Whether the group has gone on without it, and it does not know.
    fn is_out(&self, slot: usize) -> bool {
        let now = self.world().clock.monotonic();
        let is_out = |member: &Member| member.is_evicted || now >= member.polled + POLL_INTERVAL;
        self.members[slot].as_ref().is_some_and(is_out)
    }

    /// From now on this may be committed, unless the group has put it out.
    fn expect(&mut self, slot: usize) {
        if !self.is_out(slot) {
            // A poll that failed may have come further than is known.
            for (number, at) in self.positions(slot, self.is_faulty) {
                self.ledger.partitions[number as usize].stands.insert(Some(at));
            }
        }
        self.note();
    }

    /// Begins a commit of where a member stands. Whoever is out must be refused, and nobody else.
    fn begin_commit<T>(
        &mut self,
        slot: usize,
        commit: impl FnOnce(&mut Consumer) -> Result<T>,
    ) -> Result<Option<T>, Failure> {
        let (before, is_out) = (self.ledger.clone(), self.is_out(slot));
        self.expect(slot);
        let Some(member) = &mut self.members[slot] else { return Ok(None) };
        let begun = commit(&mut member.consumer);
        if matches!(begun, Err(Error::Io { .. } | Error::DiskFull { .. })) {
            // It could not be written, and nothing of it may be found.
            self.note();
            self.ledger = before;
        }
        match begun {
            Ok(_) if is_out => Err(Failure::Broken(format!("member {slot} was put out, and has committed"))),
            Err(Error::UnknownMember { .. }) if is_out => Ok(None),
            // It has polled and failed, and is not sure whether it is a member.
            Err(Error::UnknownMember { .. }) if self.is_faulty => Ok(None),
            Err(Error::RebalanceInProgress { .. }) => Ok(None),
            done => Ok(Some(done?)),
        }
    }

    fn commit(&mut self, slot: usize) -> Result<(), Failure> {
        let stands = self.positions(slot, false);
        let offsets: Vec<_> = stands.iter().map(|(number, at)| (partition(*number), *at)).collect();
        if let Some(pending) = self.begin_commit(slot, |consumer| consumer.commit_offsets_async(offsets))? {
            PendingCommit::wait(pending)?;
            self.note();
            self.ledger.committed(&stands);
        }
        Ok(())
    }

    fn close(&mut self, slot: usize) -> Result<()> {
        self.expect(slot);
        let Some(member) = self.members[slot].take() else { return Ok(()) };
        match member.consumer.close() {
            // The group has gone on without it, and its last commit was refused.
            Err(Error::UnknownMember { .. } | Error::RebalanceInProgress { .. }) => Ok(()),
            closed => closed,
        }
    }

    /// An operator puts a member out.
    fn evict(&mut self, slot: usize) -> Result<()> {
        let admin = self.world().broker.admin();
        let group = match admin.describe_group(GROUP) {
            Err(Error::UnknownGroup { .. }) => return Ok(()),
            group => group?,
        };
        let name = format!("member-{slot}");
        for member in group.members.iter().filter(|member| member.client_id == name) {
            admin.evict_member(GROUP, &member.member_id)?;
        }
        self.members[slot].iter_mut().for_each(|member| member.is_evicted = true);
        Ok(())
    }

    fn pass(&mut self, time: Duration) -> Result<()> {
        self.world().clock.advance(time);
        while self.world().broker.maintain()? == Some(Duration::ZERO) {}
        Ok(())
    }

    /// All members die, and nobody comes for so long that what they have committed is forgotten.
    fn expire(&mut self) -> Result<(), Failure> {
        self.members = [const { None }; MEMBERS];
        self.ledger.expiring();
        self.note();
        self.pass(A_WHILE)?;
        self.pass(LONG)?;
        if self.is_faulty {
            return Ok(());
        }
        let left = look::committed(&self.world().broker)?;
        if !left.is_empty() {
            return Err(Failure::Broken(format!("{left:?} has not expired")));
        }
        self.note();
        self.ledger.expired();
        Ok(())
    }
}
