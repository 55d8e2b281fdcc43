//! The world of the test, and what must hold in it.

use crate::commits::Claim;
use crate::copy::copied;
use crate::journal::Journal;
use crate::member::{Ear, Heard, Listener, Member, Stand};
use crate::steps::Step;
use crate::world::*;
use brooklet::assignors::{CooperativeSticky, Range, RoundRobin, Sticky};
use brooklet::{
    Acks, AutoCommit, Error, GroupState, NewRecord, PendingCommit, RecordRef, Start, TopicConfig,
    TopicPartition,
};
use std::collections::BTreeMap;
use std::time::Duration;

const TOPICS: [&str; 2] = ["orders", "payments"];
const GROUP: &str = "billing";

/// A topic of one of these names, or none.
#[derive(Debug, Default, Clone)]
struct TopicModel {
    incarnation: u32,
    ends: Vec<u64>,
}

pub(crate) struct Model {
    pub(crate) world: World,
    /// Which assignor: the last one is the cooperative one.
    pub(crate) kind: u8,
    topics: [TopicModel; 2],
    pub(crate) members: Vec<Member>,
    pub(crate) journal: Journal,
    /// Who has which partition.
    owners: BTreeMap<TopicPartition, (usize, u32)>,
    /// What was asked to be committed and was not waited for.
    pub(crate) claims: Vec<Claim>,
    pub(crate) kept: Vec<(usize, PendingCommit)>,
}

impl Model {
    pub(crate) fn new(kind: u8) -> Model {
        let mut model = Model {
            world: World::empty(),
            kind,
            topics: Default::default(),
            members: Vec::new(),
            journal: Journal::default(),
            owners: BTreeMap::new(),
            claims: Vec::new(),
            kept: Vec::new(),
        };
        model.create(0);
        model
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Join { commits_by_itself, begins_late, instance } => {
                self.join(commits_by_itself, begins_late, instance)
            }
            Step::Poll(who) => self.live(who).into_iter().for_each(|who| self.poll(who)),
            Step::Commit(who) => self.live(who).into_iter().for_each(|who| self.commit(who)),
            Step::CommitAsync { who, is_kept } => {
                self.live(who).into_iter().for_each(|who| self.commit_async(who, is_kept))
            }
            Step::Await(which) => self.wait_for(which as usize),
            Step::CommitOffset(who, what, to) => {
                self.live(who).into_iter().for_each(|who| self.commit_offset(who, what, to))
            }
            Step::Seek(who, what, to) => self.live(who).into_iter().for_each(|who| self.seek(who, what, to)),
            Step::Close(who) => self.live(who).into_iter().for_each(|who| self.close(who)),
            Step::Kill(who) => self.live(who).into_iter().for_each(|who| self.kill(who)),
            Step::Evict(who) => self.live(who).into_iter().for_each(|who| self.evict(who)),
            Step::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            Step::Append(what, count) => self.append(what as usize, count),
            Step::Grow(which) => self.grow(which as usize % 2),
            Step::Delete(which) => self.delete(which as usize % 2),
            Step::Create(which) => self.create(which as usize % 2),
            Step::Check => self.check(),
        }
        self.read_journal(None);
    }

    fn now(&self) -> Duration {
        self.world.elapsed()
    }

    /// One of the consumers that are there.
    fn live(&self, who: u8) -> Option<usize> {
        let live: Vec<usize> =
            (0..self.members.len()).filter(|at| self.members[*at].consumer.is_some()).collect();
        (!live.is_empty()).then(|| live[who as usize % live.len()])
    }

    pub(crate) fn incarnation(&self, partition: &TopicPartition) -> Option<u32> {
        let at = TOPICS.iter().position(|name| *name == partition.topic())?;
        let topic = &self.topics[at];
        (partition.partition() < topic.ends.len() as u32).then_some(topic.incarnation)
    }

    pub(crate) fn end(&self, partition: &TopicPartition) -> u64 {
        let at = TOPICS.iter().position(|name| *name == partition.topic()).expect("one of ours");
        self.topics[at].ends[partition.partition() as usize]
    }

    fn join(&mut self, commits_by_itself: bool, begins_late: bool, instance: u8) {
        if self.members.iter().filter(|member| member.consumer.is_some()).count() >= 4 {
            return;
        }
        let ear = Ear::default();
        let auto_commit = if commits_by_itself { AutoCommit::default() } else { AutoCommit::Off };
        let builder = self.world.broker.consumer().group(GROUP).subscribe(TOPICS).max_poll_records(3);
        let builder = builder.start(if begins_late { Start::Latest } else { Start::Earliest });
        let builder = builder.auto_commit(auto_commit).on_rebalance(Listener(ear.clone()));
        let builder = match self.kind {
            0 => builder.assignor(Range),
            1 => builder.assignor(RoundRobin),
            2 => builder.assignor(Sticky),
            _ => builder.assignor(CooperativeSticky),
        };
        let instance = (instance < 2).then(|| format!("static-{instance}"));
        let builder = match &instance {
            Some(instance) => builder.instance_id(instance.clone()),
            None => builder,
        };
        self.members.push(Member {
            consumer: Some(builder.build().expect("valid settings")),
            ear,
            commits_by_itself,
            begins_late,
            instance,
            stands: BTreeMap::new(),
            is_member: false,
            life: 0,
            is_out: false,
            was_replaced: false,
            knows_it_is_fenced: false,
            last_poll: Duration::ZERO,
            gone_at: None,
        });
    }

    /// What a member would commit: where it stands, as far as it stands anywhere.
    pub(crate) fn standing(&self, who: usize) -> Claim {
        let stands = self.members[who].stands.iter().filter_map(|(partition, stand)| {
            let is_there = self.incarnation(partition) == Some(stand.incarnation);
            Some((partition.clone(), (stand.incarnation, stand.offset.filter(|_| is_there)?)))
        });
        Claim {
            who,
            life: self.members[who].life,
            offsets: stands.collect(),
            was_seen: false,
            is_settled: false,
        }
    }

    fn poll(&mut self, who: usize) {
        let counted = self.members[who].counts();
        let before = self.standing(who);
        let consumer = self.members[who].consumer.as_mut().expect("a live one");
        let polled = consumer.poll(AT_ONCE);
        // What it commits by itself is what it stood at before, and only in its own name.
        if counted && self.members[who].commits_by_itself {
            self.claims.push(before.clone());
        }
        self.read_journal(None);
        self.members[who].last_poll = self.world.elapsed();
        let heard = std::mem::take(&mut *self.members[who].ear.lock());
        if self.is_fenced(who) {
            self.members[who].knows_it_is_fenced = true;
            assert!(matches!(polled, Err(Error::FencedInstance { .. })), "{who} is fenced: {polled:?}");
            self.members[who].stands.clear();
            return;
        }
        let records = polled.unwrap_or_else(|error| panic!("{who} polls: {error}"));
        if !counted {
            self.has_joined(who);
        }
        for one in heard {
            self.hear(who, one, &before, counted);
        }
        self.renew(who);
        for record in &records {
            self.record(who, record);
        }
        self.look_up(who);
        let member = &self.members[who];
        let reads = member.consumer.as_ref().expect("a live one").assignment();
        assert!(reads.iter().eq(member.stands.keys()), "{who} reads {reads:?} and owns {:?}", member.stands);
    }

    /// Whether another one has its instance id. Who has heard so is out for good; a group forgets it with the other one.
    fn is_fenced(&self, who: usize) -> bool {
        let member = &self.members[who];
        let has_its_name = |other: &Member| other.counts() && other.instance == member.instance;
        member.knows_it_is_fenced || (member.was_replaced && self.members.iter().any(has_its_name))
    }

    /// A consumer has joined, for the first time or again: whoever had its instance id is out.
    fn has_joined(&mut self, who: usize) {
        let instance = self.members[who].instance.clone();
        for (at, other) in self.members.iter_mut().enumerate() {
            if at != who && instance.is_some() && other.instance == instance && other.is_member {
                (other.is_out, other.was_replaced) = (true, true);
            }
        }
        let member = &mut self.members[who];
        (member.is_member, member.is_out, member.was_replaced) = (true, false, false);
        member.life += 1;
    }

    fn hear(&mut self, who: usize, heard: Heard, before: &Claim, counted: bool) {
        match heard {
            Heard::Assigned(partition, committed) => self.assigned(who, partition, committed),
            Heard::Revoked(partition, committed) => {
                assert!(counted, "{who} is out, and gives up {partition} as if it owned it");
                let stood = self.members[who].stands.remove(&partition).expect("it owned it");
                self.owners.remove(&partition);
                let is_there = self.incarnation(&partition) == Some(stood.incarnation);
                if let (true, true, Some((_, stood))) =
                    (self.members[who].commits_by_itself, is_there, before.offsets.get(&partition))
                {
                    assert_eq!(committed, Some(*stood), "{who} commits {partition} before it gives it up");
                }
            }
            Heard::Lost(partition) => {
                assert!(!counted, "{who} has lost {partition} and is a member");
                self.members[who].stands.remove(&partition).expect("it owned it");
                if self.owners.get(&partition).is_some_and(|owner| owner.0 == who) {
                    self.owners.remove(&partition);
                }
            }
        }
    }

    fn assigned(&mut self, who: usize, partition: TopicPartition, committed: Option<u64>) {
        let incarnation = self.incarnation(&partition).expect("a partition that there is");
        if let Some((owner, of)) = self.owners.insert(partition.clone(), (who, incarnation)) {
            let has_lost = owner == who || self.members[owner].is_out || of != incarnation;
            assert!(has_lost, "{partition} is given to {who}, and {owner} still has it");
        }
        let member = &mut self.members[who];
        let offset = committed.or((!member.begins_late).then_some(0));
        let stood = member.stands.insert(partition.clone(), Stand { incarnation, offset });
        assert_eq!(stood, None, "{partition} is given to {who} twice");
    }

    /// Topics of the same name are begun anew, without a word.
    fn renew(&mut self, who: usize) {
        let stands: Vec<TopicPartition> = self.members[who].stands.keys().cloned().collect();
        for partition in stands {
            let incarnation = self.incarnation(&partition).expect("it was taken away otherwise");
            let committed = self.journal.offsets.get(&partition).copied();
            let member = &mut self.members[who];
            let stand = member.stands.get_mut(&partition).expect("just seen");
            if stand.incarnation != incarnation {
                let offset = committed.or((!member.begins_late).then_some(0));
                *stand = Stand { incarnation, offset };
                self.owners.insert(partition, (who, incarnation));
            }
        }
    }

    fn record(&mut self, who: usize, record: RecordRef<'_>) {
        let partition = TopicPartition::new(record.topic(), record.partition()).expect("a valid name");
        let end = self.end(&partition);
        let stand = self.members[who].stands.get_mut(&partition);
        let stand = stand.unwrap_or_else(|| panic!("{who} reads {partition}, which it does not own"));
        let expected = stand.offset.unwrap_or(end);
        assert_eq!(record.offset(), expected, "the next record of {partition} that {who} reads");
        assert_eq!(value(record), format!("{}:{expected}", stand.incarnation), "{partition}");
        stand.offset = Some(expected + 1);
    }

    /// Where its policy begins is looked up now, and so at the end.
    fn look_up(&mut self, who: usize) {
        let stands: Vec<(TopicPartition, Stand)> = self.members[who].stands.clone().into_iter().collect();
        for (partition, stand) in stands {
            let end = self.end(&partition);
            let consumer = self.members[who].consumer.as_mut().expect("a live one");
            let position =
                consumer.position(partition.topic(), partition.partition()).expect("a place to begin");
            assert_eq!(position, stand.offset.unwrap_or(end), "where {who} stands in {partition}");
            let stand = self.members[who].stands.get_mut(&partition).expect("just seen");
            stand.offset = Some(position);
        }
    }

    fn seek(&mut self, who: usize, what: u8, to: u8) {
        let Some((partition, _, to)) = self.pick(who, what, to) else { return };
        let member = &mut self.members[who];
        let consumer = member.consumer.as_mut().expect("a live one");
        consumer.seek(partition.topic(), partition.partition(), to).expect("it owns it");
        member.stands.get_mut(&partition).expect("it owns it").offset = Some(to);
    }

    fn close(&mut self, who: usize) {
        let (claim, counted) = (self.standing(who), self.members[who].counts());
        let consumer = self.members[who].consumer.take().expect("a live one");
        let closed = consumer.close();
        let by_itself = counted && self.members[who].commits_by_itself;
        if by_itself {
            self.judge(who, &closed);
        }
        self.read_journal(by_itself.then(|| claim.clone()));
        if by_itself && closed.is_ok() {
            for (partition, (_, offset)) in &claim.offsets {
                assert_eq!(self.journal.offsets.get(partition), Some(offset), "{partition} at the end");
            }
        }
        self.gone(who);
        let member = &mut self.members[who];
        // A static member is expected back.
        member.is_out |= member.instance.is_none();
    }

    fn kill(&mut self, who: usize) {
        drop(self.members[who].consumer.take());
        self.gone(who);
    }

    fn gone(&mut self, who: usize) {
        let now = self.now();
        self.members[who].gone_at = Some(now);
    }

    fn evict(&mut self, who: usize) {
        let admin = self.world.broker.admin();
        let Ok(group) = admin.describe_group(GROUP) else { return };
        // Whoever asks settles what waits.
        self.read_journal(None);
        // Nobody but its partitions tells which one it is.
        let Some(first) = self.members[who].stands.keys().next().filter(|_| self.members[who].counts())
        else {
            return;
        };
        if let Some(member) = group.members.iter().find(|member| member.assignment.contains(first)) {
            admin.evict_member(GROUP, &member.member_id).expect("a member");
            self.members[who].is_out = true;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.world.clock.advance(time);
        let now = self.now();
        // Commits that wait are judged by what is known now.
        self.members.iter_mut().for_each(|member| member.age(now));
        self.settle();
    }

    fn settle(&mut self) {
        self.world.settle();
        self.read_journal(None);
        self.claims.iter_mut().for_each(|claim| claim.is_settled = true);
    }

    fn append(&mut self, what: usize, count: u8) {
        let at = what % 2;
        let Some(partitions) = Some(self.topics[at].ends.len()).filter(|count| *count > 0) else { return };
        let number = what / 2 % partitions;
        let topic = self.world.broker.topic(TOPICS[at]).expect("it is there");
        let partition = topic.partition(number as u32).expect("it is there");
        for _ in 0..count {
            let TopicModel { incarnation, ends } = &mut self.topics[at];
            let value = format!("{incarnation}:{}", ends[number]);
            partition.append([NewRecord::new().value(&value)], Acks::Written).expect("room");
            ends[number] += 1;
        }
    }

    fn grow(&mut self, at: usize) {
        let count = self.topics[at].ends.len();
        if (1..5).contains(&count) {
            self.world.broker.admin().add_partitions(TOPICS[at], count as u32 + 1).expect("a topic");
            self.topics[at].ends.push(0);
        }
    }

    fn delete(&mut self, at: usize) {
        if !self.topics[at].ends.is_empty() {
            self.world.broker.admin().delete_topic(TOPICS[at]).expect("a topic");
            self.topics[at].ends.clear();
        }
    }

    fn create(&mut self, at: usize) {
        if self.topics[at].ends.is_empty() {
            let topic = &mut self.topics[at];
            *topic = TopicModel { incarnation: topic.incarnation + 1, ends: vec![0; 2] };
            self.world.broker.create_topic(TOPICS[at], TopicConfig::new().partitions(2)).expect("a name");
        }
    }

    /// Memory, the topic, and what another broker finds, are one.
    fn check(&mut self) {
        self.settle();
        for partition in self.journal.offsets.keys() {
            assert!(self.incarnation(partition).is_some(), "{partition} is committed, and gone");
        }
        let live = described(&self.world);
        let copy = copied(&self.world.disk);
        let copy = World {
            broker: builder(&copy, &self.world.clock).in_memory().expect("a whole disk"),
            clock: self.world.clock.clone(),
            disk: copy,
        };
        assert_eq!(live.0, self.journal.offsets, "memory and the topic");
        assert_eq!(described(&copy).0, self.journal.offsets, "a copy and the topic");
        assert_eq!((live.1, described(&copy).1), (self.journal.epoch, self.journal.epoch), "epochs");
    }

    /// Everybody polls until nothing changes: then everything has one owner, and is read to its end.
    pub(crate) fn finish(&mut self) {
        for _ in 0..40 {
            for who in 0..self.members.len() {
                if self.members[who].consumer.is_some() {
                    self.poll(who);
                }
            }
            // Those who are gone run out.
            self.pass(Duration::from_secs(7));
            self.read_journal(None);
        }
        self.check();
        let is_there = |member: &Member| member.consumer.is_some() && !member.knows_it_is_fenced;
        if !self.members.iter().any(is_there) {
            return;
        }
        let group = self.world.broker.admin().describe_group(GROUP).expect("it has members");
        assert_eq!(group.state, GroupState::Stable, "nothing is left to do");
        for (at, topic) in self.topics.iter().enumerate() {
            for (number, end) in topic.ends.iter().enumerate() {
                let partition = TopicPartition::new(TOPICS[at], number as u32).expect("a valid name");
                let owner = |member: &&Member| is_there(member) && member.stands.contains_key(&partition);
                let owners: Vec<&Member> = self.members.iter().filter(owner).collect();
                assert_eq!(owners.len(), 1, "{partition} has one owner in the end");
                assert_eq!(owners[0].stands[&partition].offset, Some(*end), "{partition} is read to its end");
            }
        }
    }
}

/// What a broker says of the group: its offsets, and its epoch.
fn described(world: &World) -> (BTreeMap<TopicPartition, u64>, u32) {
    match world.broker.admin().describe_group(GROUP) {
        Err(Error::UnknownGroup { .. }) => Default::default(),
        Err(error) => panic!("{error}"),
        Ok(group) => {
            let committed = group.partitions.into_iter();
            let committed =
                committed.filter_map(|one| Some((one.partition, one.committed?.offset))).collect();
            (committed, group.epoch)
        }
    }
}
