//! One group, alive: the state machine, the committed offsets, and those who have to be told. All of it under one lock.
//!
//! What is in memory is what the journal says: a change of offsets is appended before it is made, under the lock, so
//! both go in one order. The record of the group itself is written after the change, as often as it takes: no promise
//! hangs on it but that epochs grow.

use super::expiry::{GroupFacts, is_expired};
use super::journal::{Entry, Journal, Place, Replayed, commit_entry, tombstone};
use super::link::MemberLink;
use super::metadata::{self, CONSUMER};
use super::pattern::Pattern;
use super::ticket::{Queued, orphaned};
use crate::clock::Clock;
use crate::error::Result;
use crate::group::entries::Key;
use crate::group::offsets::OffsetAndMetadata;
use crate::group::{Effect, Event, Group, GroupState, LagSample, LagWindow};
use crate::types::{Timestamp, TopicPartition};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A committed offset, and when it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) offset: OffsetAndMetadata,
    pub(super) at: Timestamp,
    /// Only old versions of Kafka say so.
    pub(super) expires: Option<Timestamp>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct LiveGroup {
    pub(super) id: Arc<str>,
    state: Mutex<LiveState>,
}

impl LiveGroup {
    pub(super) fn lock(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock()
    }
}

/// What a member is told by, and what it subscribes by if not by names.
#[derive(Debug)]
struct Enrolled {
    link: Arc<MemberLink>,
    pattern: Option<Pattern>,
}

#[derive(Debug)]
pub(super) struct LiveState {
    pub(super) group: Group,
    pub(super) offsets: BTreeMap<TopicPartition, Committed>,
    pub(super) windows: BTreeMap<TopicPartition, LagWindow>,
    /// Commits that wait until what they point to is durable, in their order.
    pub(super) queue: VecDeque<Queued>,
    members: BTreeMap<String, Enrolled>,
    /// Whether it never had a member.
    keeps_offsets_only: bool,
    empty_since: Timestamp,
    /// Whether the journal does not know yet what the group is.
    is_unnoted: bool,
    /// Tombstones of what is gone although they could not be written. They go before whatever is written next.
    unwritten: Vec<Entry>,
}

/// What a group works with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) journal: &'a Journal,
    pub(super) clock: &'a dyn Clock,
}

impl LiveGroup {
    /// As the journal has it. Who was a member is none any more: it was in a process that is gone.
    pub(super) fn new(id: &str, found: Replayed, topics: Arc<BTreeMap<String, u32>>, now: Timestamp) -> Self {
        let Replayed { metadata, offsets } = found;
        let metadata = metadata.filter(|metadata| metadata.protocol_type == CONSUMER);
        let epoch = metadata.as_ref().map_or(0, |metadata| u32::try_from(metadata.generation).unwrap_or(0));
        let had_members = metadata.as_ref().is_some_and(|metadata| !metadata.members.is_empty());
        let since = metadata.as_ref().and_then(|metadata| metadata.state_timestamp);
        let state = LiveState {
            group: Group::new(id, epoch, topics),
            offsets,
            windows: BTreeMap::new(),
            queue: VecDeque::new(),
            members: BTreeMap::new(),
            keeps_offsets_only: metadata.is_none(),
            empty_since: since.filter(|_| !had_members).unwrap_or(now),
            is_unnoted: had_members,
            unwritten: Vec::new(),
        };
        LiveGroup { id: id.into(), state: Mutex::new(state) }
    }
}

impl LiveState {
    /// Lets something happen in the group, and does what follows from it.
    pub(super) fn apply(&mut self, event: Event, means: Means<'_>) -> Result<()> {
        let now = means.clock.monotonic();
        if self.group.no_deadline_before() <= now {
            for (member_id, enrolled) in &self.members {
                let (heard, polled) = enrolled.link.signs_of_life(now);
                self.group.alive(member_id, heard, polled);
            }
        }
        let mut effects = Vec::new();
        let applied = self.group.apply(event, now, &mut effects);
        self.carry_out(effects, means);
        applied
    }

    /// The same for a consumer that joins, or that says something else than before.
    pub(super) fn join(
        &mut self,
        mut join: crate::group::Join,
        pattern: Option<Pattern>,
        link: &Arc<MemberLink>,
        topics: &BTreeMap<String, u32>,
        means: Means<'_>,
    ) -> Result<()> {
        if let Some(pattern) = &pattern {
            join.topics = pattern.matches(topics);
            join.pattern = Some(pattern.text().to_owned());
        }
        let member_id = join.member_id.clone();
        let before = self.members.insert(member_id.clone(), Enrolled { link: link.clone(), pattern });
        let joined = self.apply(Event::Join(join), means);
        match (&joined, before) {
            (Ok(()), _) => self.keeps_offsets_only = false,
            (Err(_), Some(before)) => drop(self.members.insert(member_id, before)),
            (Err(_), None) => drop(self.members.remove(&member_id)),
        }
        joined
    }

    /// Topics are not what they were: what was committed in those that are gone is taken away.
    pub(super) fn topics_changed(
        &mut self,
        topics: &Arc<BTreeMap<String, u32>>,
        gone: &BTreeSet<String>,
        means: Means<'_>,
    ) -> Result<()> {
        // Each pattern is looked for once, however many members have it.
        let mut found: BTreeMap<&str, Arc<BTreeSet<String>>> = BTreeMap::new();
        let matched = self.members.iter().filter_map(|(member_id, enrolled)| {
            let pattern = enrolled.pattern.as_ref()?;
            let topics = found.entry(pattern.text()).or_insert_with(|| pattern.matches(topics));
            Some((member_id.clone(), topics.clone()))
        });
        let event = Event::TopicsChanged { topics: topics.clone(), matched: matched.collect() };
        self.apply(event, means)?;
        if !gone.is_empty() {
            // Whoever reads one has to look, although he may own it still: another topic may have its name.
            self.tell_all();
        }
        let is_gone = |partition: &TopicPartition, _: &Committed| gone.contains(partition.topic());
        self.take_away_now(is_gone, means);
        Ok(())
    }

    /// Takes committed offsets away, even if that cannot be written now: nobody may find them, not even if there is a
    /// topic of this name again.
    pub(super) fn take_away_now(
        &mut self,
        which: impl Fn(&TopicPartition, &Committed) -> bool,
        means: Means<'_>,
    ) {
        if self.take_away(&which, means).is_err() {
            let group = self.group.group_id().to_owned();
            let gone = self.offsets.iter().filter(|(partition, committed)| which(partition, committed));
            let gone: Vec<TopicPartition> = gone.map(|(partition, _)| partition.clone()).collect();
            self.unwritten.extend(gone.iter().map(|partition| tombstone(&group, partition)));
            self.drop_offsets(&gone);
        }
    }

    /// Writes what is gone already and could not be written then.
    pub(super) fn write_unwritten(&mut self, means: Means<'_>) -> Result<()> {
        if self.unwritten.is_empty() { Ok(()) } else { self.append(Vec::new(), means).map(drop) }
    }

    /// Appends records of this group, behind those that could not be written before.
    fn append(&mut self, mut entries: Vec<Entry>, means: Means<'_>) -> Result<Place> {
        if !self.unwritten.is_empty() {
            entries.splice(0..0, self.unwritten.iter().cloned());
        }
        let place = means.journal.append(self.group.group_id(), &entries)?;
        self.unwritten.clear();
        Ok(place)
    }

    fn drop_offsets(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.offsets.remove(partition);
            self.windows.remove(partition);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>, means: Means<'_>) {
        for effect in effects {
            match effect {
                Effect::NewEpoch(_) => self.is_unnoted = true,
                Effect::AssignmentChanged { member_id } => {
                    self.members.get(&member_id).into_iter().for_each(|enrolled| enrolled.link.tell());
                }
                Effect::Removed { member_id, .. } => {
                    self.is_unnoted = true;
                    self.members.remove(&member_id).into_iter().for_each(|enrolled| enrolled.link.tell());
                }
                Effect::BecameEmpty => self.empty_since = means.clock.now(),
                // Everybody stays with what was assigned before, and the group says that it is assigning.
                Effect::AssignorFailed { .. } => {}
            }
        }
        self.note(means);
    }

    /// Writes the record of the group, if the journal does not have it yet. What fails is tried again later.
    pub(super) fn note(&mut self, means: Means<'_>) {
        if self.is_noted() || self.group.state() == GroupState::Dead {
            return;
        }
        let value = metadata::value(&self.group, self.empty_since).encode();
        self.is_unnoted = self.append(vec![self.own_entry(Some(value))], means).is_err();
    }

    /// Whether the journal knows all that it is to know.
    pub(super) fn is_noted(&self) -> bool {
        !self.is_unnoted && self.unwritten.is_empty()
    }

    /// Writes offsets; `ends` says where their partitions end now.
    pub(super) fn write(
        &mut self,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        ends: impl Fn(&TopicPartition) -> u64,
        means: Means<'_>,
    ) -> Result<Place> {
        let at = means.clock.now();
        let committed: Vec<(&TopicPartition, Committed)> = offsets
            .iter()
            .map(|(partition, offset)| (partition, Committed { offset: offset.clone(), at, expires: None }))
            .collect();
        let group = self.group.group_id();
        let entries: Vec<Entry> =
            committed.iter().map(|(partition, one)| commit_entry(group, partition, one)).collect();
        let place = self.append(entries, means)?;
        let at = means.clock.monotonic();
        for (partition, committed) in committed {
            let sample = LagSample { at, committed: committed.offset.offset, end: ends(partition) };
            self.windows.entry(partition.clone()).or_default().observe(sample);
            self.offsets.insert(partition.clone(), committed);
        }
        Ok(place)
    }

    /// Takes committed offsets away.
    pub(super) fn take_away(
        &mut self,
        which: impl Fn(&TopicPartition, &Committed) -> bool,
        means: Means<'_>,
    ) -> Result<()> {
        let gone: Vec<TopicPartition> = self
            .offsets
            .iter()
            .filter(|(partition, committed)| which(partition, committed))
            .map(|(partition, _)| partition.clone())
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let group = self.group.group_id();
        let entries: Vec<Entry> = gone.iter().map(|partition| tombstone(group, partition)).collect();
        self.append(entries, means)?;
        self.drop_offsets(&gone);
        Ok(())
    }

    /// Takes away what was kept long enough. Says whether nothing is left of the group.
    pub(super) fn expire_offsets(&mut self, retention: Duration, means: Means<'_>) -> Result<bool> {
        let (facts, now) = (self.facts(), means.clock.now());
        let subscribed: BTreeSet<String> = self
            .offsets
            .keys()
            .filter(|partition| self.group.is_subscribed(partition.topic()))
            .map(|partition| partition.topic().to_owned())
            .collect();
        let is_over = |partition: &TopicPartition, committed: &Committed| {
            is_expired(facts, subscribed.contains(partition.topic()), committed, retention, now)
        };
        self.take_away(is_over, means)?;
        Ok(self.offsets.is_empty() && self.queue.is_empty() && facts.state == GroupState::Empty)
    }

    /// Ends the group for good, and takes away all that the journal has of it.
    pub(super) fn delete(&mut self, means: Means<'_>) -> Result<()> {
        self.apply(Event::Tick, means)?;
        let members = self.group.members().len();
        if members > 0 {
            return Err(crate::error::Error::GroupNotEmpty {
                group: self.group.group_id().to_owned(),
                members,
            });
        }
        self.take_away(|_, _| true, means)?;
        if !self.keeps_offsets_only {
            self.append(vec![self.own_entry(None)], means)?;
        }
        self.apply(Event::Delete, means)?;
        let orphaned = orphaned(self.group.group_id());
        self.queue.drain(..).for_each(|queued| queued.ticket.settle(Err(orphaned.clone())));
        Ok(())
    }

    /// Wakes all members.
    pub(super) fn tell_all(&self) {
        self.members.values().for_each(|enrolled| enrolled.link.tell());
    }

    fn own_entry(&self, value: Option<Vec<u8>>) -> Entry {
        (Key::GroupMetadata { group: self.group.group_id().to_owned() }, value)
    }

    fn facts(&self) -> GroupFacts {
        GroupFacts {
            state: self.group.state(),
            keeps_offsets_only: self.keeps_offsets_only,
            empty_since: self.empty_since,
        }
    }
}
