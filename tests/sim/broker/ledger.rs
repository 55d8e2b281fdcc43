//! What was promised of topics, and whether it was kept.
//!
//! A change of topics that returned is certain. One that did not, or failed, may have happened, whole: it stays among
//! the `changes` that are possible until the next crash shows which it was, or a later promise says so.

use super::partition::{End, PartitionLedger};
use super::run::Failure;
use super::sequences::Sequences;
use super::world::{ROOT, World};
use crate::disk::SimDisk;
use crate::ledger::Broken;
use brooklet::io::EntryKind;
use brooklet::{Topic, TopicConfig, TopicId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A change that may have happened.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// With an id that is known if the call returned.
    Create {
        name: String,
        id: Option<TopicId>,
        config: TopicConfig,
    },
    Delete {
        name: String,
    },
    Grow {
        name: String,
        total: u32,
    },
    Alter {
        name: String,
        config: TopicConfig,
    },
}

impl Change {
    pub(super) fn name(&self) -> &str {
        match self {
            Change::Create { name, .. }
            | Change::Delete { name }
            | Change::Grow { name, .. }
            | Change::Alter { name, .. } => name,
        }
    }
}

/// A topic that was promised.
#[derive(Debug, Clone)]
pub(super) struct TopicLedger {
    pub(super) id: TopicId,
    /// Its settings, with the number of partitions.
    pub(super) config: TopicConfig,
    pub(super) partitions: Vec<PartitionLedger>,
}

impl TopicLedger {
    pub(super) fn new(id: TopicId, config: TopicConfig, is_faulty: bool) -> Self {
        let partitions = vec![PartitionLedger::empty(is_faulty); config.partitions as usize];
        Self { id, config, partitions }
    }

    pub(super) fn grow(&mut self, total: u32) {
        let is_faulty = self.partitions[0].is_faulty();
        self.partitions.resize(total as usize, PartitionLedger::empty(is_faulty));
        self.config.partitions = total;
    }
}

/// The promises.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    pub(super) topics: BTreeMap<String, TopicLedger>,
    pub(super) changes: Vec<Change>,
    /// Ids of topics that are gone. None comes again.
    pub(super) dead: BTreeSet<TopicId>,
    pub(super) sequences: Sequences,
    /// Numbers that were given to records and producers so far.
    pub(super) numbers: u64,
    /// Whether anything was made to fail.
    pub(super) is_faulty: bool,
}

impl Ledger {
    pub(super) fn created(&mut self, topic: &Topic, config: &TopicConfig) -> Result<(), Broken> {
        if self.dead.contains(&topic.id()) || self.topics.values().any(|known| known.id == topic.id()) {
            return Err(format!("the id {} of the new {} is another topic's", topic.id(), topic.name()));
        }
        self.forget_changes(topic.name());
        let ledger = TopicLedger::new(topic.id(), config.clone(), self.is_faulty);
        self.topics.insert(topic.name().to_owned(), ledger);
        Ok(())
    }

    pub(super) fn deleted(&mut self, name: &str) {
        self.forget_changes(name);
        if let Some(topic) = self.topics.remove(name) {
            self.dead.insert(topic.id);
        }
    }

    /// Something was promised of a topic, so it is there: it was not deleted after all.
    pub(super) fn is_there(&mut self, name: &str) {
        self.changes.retain(|change| !matches!(change, Change::Delete { name: deleted } if deleted == name));
    }

    fn forget_changes(&mut self, name: &str) {
        self.changes.retain(|change| change.name() != name);
    }

    /// Holds the promises against a broker that was opened after the end of the last life.
    pub(super) fn check(&self, world: &World, disk: &SimDisk, end: End) -> Result<Ledger, Failure> {
        let admin = world.broker.admin();
        let topics = admin.topics()?;
        let mut settled = Ledger { topics: BTreeMap::new(), changes: Vec::new(), ..self.clone() };
        for topic in &topics {
            let name = topic.name();
            let ledger = self.expected(topic).map_err(|broken| format!("topic {name}: {broken}"))?;
            let description = admin.describe_topic(name)?;
            let mut after = TopicLedger { partitions: Vec::new(), ..ledger.clone() };
            for (partition, before) in topic.partitions().iter().zip(&ledger.partitions) {
                let at = format!("{name}-{}", partition.number());
                let damage = &description.partitions[partition.number() as usize].damage;
                if !damage.is_empty() {
                    return Err(format!("{at}: nothing was damaged, and it says {damage:?}").into());
                }
                let checked = before.check(partition, end).map_err(|failure| failure.at(&at))?;
                after.partitions.push(checked);
                check_files(disk, topic, partition).map_err(|broken| format!("{at}: {broken}"))?;
                settled.sequences.check(disk, &at, before.has_gaps)?;
            }
            settled.topics.insert(name.to_owned(), after);
        }
        let is_missing = |name: &&String| !settled.topics.contains_key(*name);
        for name in self.topics.keys().filter(is_missing) {
            if !self.may_be_deleted(name) {
                return Err(format!("topic {name} is lost").into());
            }
        }
        let is_alive = |id: &TopicId| settled.topics.values().any(|topic| topic.id == *id);
        settled.dead.extend(self.topics.values().map(|topic| topic.id).filter(|id| !is_alive(id)));
        check_directories(disk, &settled)?;
        Ok(settled)
    }

    fn may_be_deleted(&self, name: &str) -> bool {
        self.changes
            .iter()
            .any(|change| matches!(change, Change::Delete { name: deleted } if deleted == name))
    }

    /// What was promised of a topic that is there now.
    fn expected(&self, topic: &Topic) -> Result<TopicLedger, Broken> {
        let (id, config) = (topic.id(), topic.config());
        if self.dead.contains(&id) {
            return Err(format!("{id} was deleted, and is there again"));
        }
        let count = topic.partitions().len() as u32;
        if config.partitions != count {
            return Err(format!("it says {} partitions and has {count}", config.partitions));
        }
        let known = self.topics.get(topic.name()).filter(|known| known.id == id);
        let Some(known) = known else { return self.expected_new(topic) };
        let mine = || self.changes.iter().filter(|change| change.name() == topic.name());
        let same = |wanted: &TopicConfig| wanted.clone().partitions(count) == *config;
        let altered = mine().any(|change| matches!(change, Change::Alter { config, .. } if same(config)));
        if !same(&known.config) && !altered {
            return Err(format!(
                "its settings are {:?} instead of {:?}",
                config.entries(),
                known.config.entries()
            ));
        }
        let grown = mine().any(|change| matches!(change, Change::Grow { total, .. } if *total == count));
        if known.config.partitions != count && !grown {
            return Err(format!("it has {count} partitions instead of {}", known.config.partitions));
        }
        let mut ledger = TopicLedger { config: config.as_ref().clone(), ..known.clone() };
        ledger.grow(count);
        Ok(ledger)
    }

    /// One that a call was about to make when it ended; where there was another of this name, that had to be deleted.
    fn expected_new(&self, topic: &Topic) -> Result<TopicLedger, Broken> {
        let (found, name) = (topic.config(), topic.name());
        let matches = |change: &Change| match change {
            Change::Create { name: made, id, config } => {
                made == name && id.is_none_or(|id| id == topic.id()) && *config == *found
            }
            _ => false,
        };
        let is_free = !self.topics.contains_key(name) || self.may_be_deleted(name);
        if !is_free || !self.changes.iter().any(matches) {
            return Err(format!("nobody made {} with {:?}", topic.id(), found.entries()));
        }
        Ok(TopicLedger::new(topic.id(), found.as_ref().clone(), self.is_faulty))
    }
}

/// The directory says whose it is, and its logs end with their last batch.
fn check_files(disk: &SimDisk, topic: &Topic, partition: &brooklet::Partition) -> Result<(), Broken> {
    let dir = Path::new(ROOT).join(format!("{}-{}", topic.name(), partition.number()));
    let metadata =
        disk.peek(&dir.join("partition.metadata")).map_err(|error| format!("partition.metadata: {error}"))?;
    let (found, id) = (String::from_utf8_lossy(&metadata), topic.id());
    if !found.ends_with(&format!("topic_id: {id}")) {
        return Err(format!("partition.metadata says {found:?}, and the topic is {id}"));
    }
    let names = disk.peek_list(&dir).map_err(|error| format!("listing: {error}"))?;
    let logs = names.iter().filter(|entry| entry.name.ends_with(".log"));
    let bytes: u64 =
        logs.map(|entry| disk.peek(&dir.join(&entry.name)).map_or(0, |bytes| bytes.len() as u64)).sum();
    if bytes == partition.size_bytes() {
        Ok(())
    } else {
        Err(format!("the log files have {bytes} bytes, and their batches {}", partition.size_bytes()))
    }
}

/// Each directory is a partition's, and each partition has one.
fn check_directories(disk: &SimDisk, ledger: &Ledger) -> Result<(), Broken> {
    let entries = disk.peek_list(Path::new(ROOT)).map_err(|error| format!("listing: {error}"))?;
    let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
    let found: BTreeSet<String> = directories.map(|entry| entry.name).collect();
    let names = |(name, topic): (&String, &TopicLedger)| {
        let name = name.clone();
        (0..topic.partitions.len()).map(move |number| format!("{name}-{number}")).collect::<Vec<_>>()
    };
    let expected: BTreeSet<String> = ledger.topics.iter().flat_map(names).collect();
    if found == expected {
        Ok(())
    } else {
        Err(format!("there are the directories {found:?}, and the catalog knows {expected:?}"))
    }
}
