//! The catalog: which topics there are, and what they are set to. Changes are pure; `codec` knows the bytes of the file.
//!
//! It is the truth about topics. A directory that it does not know is left over, and one that it knows and is not there
//! is lost. So it changes in this order, each step durable before the next:
//!
//! ```text
//! create or grow   catalog: partitions = wanted  ->  the directories  ->  catalog: created = wanted
//! delete           catalog: moved to `deleted`   ->  the directories removed  ->  catalog: forgotten
//! ```
//! A crash between the steps leaves what the next open can finish. A change that is refused changes nothing.

mod codec;

use super::id::TopicId;
use crate::config::TopicConfig;
use crate::error::{Error, OrIo, Result};
use crate::io::{Fs, read_file, replace_file};
use crate::types::TopicPartition;
use codec::CatalogDamage;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The file's name, in the directory that holds all partitions.
pub(crate) const CATALOG: &str = "catalog";

/// A longer file is not a catalog: a hundred thousand topics with the longest names and many settings make 60 MiB.
const BYTES_MAX: usize = 1 << 30;

/// All topics of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Catalog {
    /// Raised with each change.
    pub(crate) version: u64,
    /// The topics, by name.
    pub(crate) topics: BTreeMap<String, TopicEntry>,
    /// Topics that are gone, and whose directories may still be there; in the order in which they were deleted.
    pub(crate) deleted: Vec<DeletedTopic>,
    /// Counts the topics that were ever created, so that no id comes twice.
    pub(crate) next_topic_number: u64,
    /// The first producer id that nobody was given yet.
    pub(crate) next_producer_id: u64,
}

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicEntry {
    pub(crate) id: TopicId,
    /// How many partitions are wanted.
    pub(crate) partitions: u32,
    /// Partitions 0 to here, exclusive, have a directory, and it is durable.
    pub(crate) created: u32,
    /// The settings that are not as by default, as [`TopicConfig::entries`] gives them.
    pub(crate) config: Vec<(String, String)>,
}

/// A topic whose directories have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeletedTopic {
    pub(crate) name: String,
    pub(crate) id: TopicId,
    pub(crate) partitions: u32,
}

impl TopicEntry {
    /// The settings, with the number of partitions.
    pub(crate) fn topic_config(&self) -> Result<TopicConfig> {
        let entries = self.config.iter().map(|(name, value)| (name, value));
        Ok(TopicConfig::from_entries(entries)?.partitions(self.partitions))
    }
}

impl Catalog {
    /// Adds a topic, none of whose partitions has a directory yet.
    ///
    /// A deleted topic may have had this name: its directories have to be out of the way before new ones are made.
    ///
    /// # Errors
    /// [`Error::InvalidName`] and [`Error::InvalidConfig`] for what cannot be; [`Error::TopicExists`] if there is one of
    /// this name, or of one with `.` for `_`; [`Error::PolicyViolation`] for an id that another one has.
    pub(crate) fn create(&mut self, name: &str, id: TopicId, config: &TopicConfig) -> Result<()> {
        config.validate()?;
        TopicPartition::new(name, 0)?;
        if let Some(existing) = self.topics.keys().find(|existing| collide(existing, name)) {
            return Err(Error::TopicExists { topic: name.into(), existing: existing.clone() });
        }
        if id.is_reserved() || self.ids().any(|known| known == id) {
            let why = "its id is reserved, or another topic has it; give it one of its own";
            return Err(Error::PolicyViolation { topic: name.into(), why });
        }
        let entry =
            TopicEntry { id, partitions: config.partitions, created: 0, config: owned(config.entries()) };
        self.topics.insert(name.into(), entry);
        self.next_topic_number = self.next_topic_number.saturating_add(1);
        self.changed();
        Ok(())
    }

    /// Wants that many partitions, all in all. As many as there are change nothing.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`]; [`Error::InvalidConfig`] for fewer than there are, or too many.
    pub(crate) fn add_partitions(&mut self, name: &str, total: u32) -> Result<()> {
        let entry = self.entry(name)?;
        let refused = |why| Error::InvalidConfig { setting: "partitions", value: total.to_string(), why };
        if total < entry.partitions {
            return Err(refused("a topic never gets fewer than it has"));
        }
        if !TopicConfig::PARTITIONS.contains(&total) {
            return Err(refused("a topic has 1 to 2147483647 of them"));
        }
        if total > entry.partitions {
            entry.partitions = total;
            self.changed();
        }
        Ok(())
    }

    /// Notes that partitions 0 to `created`, exclusive, have directories that are durable. Never takes any back.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`]; [`Error::UnknownPartition`] for more than are wanted.
    pub(crate) fn mark_created(&mut self, name: &str, created: u32) -> Result<()> {
        let entry = self.entry(name)?;
        if created > entry.partitions {
            let (topic, partition) = (name.into(), created - 1);
            return Err(Error::UnknownPartition { topic, partition, partitions: entry.partitions });
        }
        if created > entry.created {
            entry.created = created;
            self.changed();
        }
        Ok(())
    }

    /// Gives a topic other settings, and all of them: what `config` has by default is then by default.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`]; [`Error::InvalidConfig`] for settings that cannot be, and for another number of
    /// partitions.
    pub(crate) fn alter(&mut self, name: &str, config: &TopicConfig) -> Result<()> {
        let entry = self.entry(name)?;
        config.validate()?;
        if config.partitions != entry.partitions {
            let (setting, value) = ("partitions", config.partitions.to_string());
            let why = "an alteration leaves their number as it is; add partitions instead";
            return Err(Error::InvalidConfig { setting, value, why });
        }
        let entries = owned(config.entries());
        if entry.config != entries {
            entry.config = entries;
            self.changed();
        }
        Ok(())
    }

    /// Takes a topic away. Its directories are then to be removed, and it is to be forgotten.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub(crate) fn delete(&mut self, name: &str) -> Result<()> {
        let (name, entry) = self.topics.remove_entry(name).ok_or_else(|| unknown(name))?;
        // A crash may have left directories that `created` does not count yet.
        self.deleted.push(DeletedTopic { name, id: entry.id, partitions: entry.partitions });
        self.changed();
        Ok(())
    }

    /// Forgets a deleted topic, whose directories are gone, durably. One that is not known is forgotten already.
    pub(crate) fn forget_deleted(&mut self, id: TopicId) {
        let before = self.deleted.len();
        self.deleted.retain(|topic| topic.id != id);
        if self.deleted.len() < before {
            self.changed();
        }
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::CatalogDamaged`], [`Error::NewerFormat`], or what the file system says.
    pub(crate) fn load(fs: &dyn Fs, path: &Path) -> Result<Option<Self>> {
        let damaged = |found: String| Error::CatalogDamaged { path: path.into(), found };
        let bytes = match read_file(fs, path, BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damaged(error.to_string()));
            }
            Err(error) => return Err(Error::io("read", path, error)),
        };
        codec::decode(&bytes).map(Some).map_err(|damage| match damage {
            CatalogDamage::Newer { found } => {
                Error::NewerFormat { path: path.into(), found, supported: codec::VERSION }
            }
            CatalogDamage::Damaged(found) => damaged(found),
        })
    }

    /// Replaces the file, in one step; durable when it returns.
    ///
    /// # Errors
    /// What the file system says. The file then holds what it held, or this.
    pub(crate) fn store(&self, fs: &dyn Fs, path: &Path) -> Result<()> {
        let bytes = codec::encode(self);
        if bytes.len() > BYTES_MAX {
            let sentence =
                format!("{} bytes of topics, and at most {BYTES_MAX} can be read again", bytes.len());
            return Err(Error::io("write", path, io::Error::new(io::ErrorKind::FileTooLarge, sentence)));
        }
        replace_file(fs, path, &bytes).or_io("write", path)
    }

    /// The ids that are taken.
    fn ids(&self) -> impl Iterator<Item = TopicId> {
        let deleted = self.deleted.iter().map(|topic| topic.id);
        self.topics.values().map(|topic| topic.id).chain(deleted)
    }

    fn entry(&mut self, name: &str) -> Result<&mut TopicEntry> {
        self.topics.get_mut(name).ok_or_else(|| unknown(name))
    }

    fn changed(&mut self) {
        self.version = self.version.saturating_add(1);
    }
}

/// Metrics have one name for both, so Kafka refuses the second.
fn collide(name: &str, other: &str) -> bool {
    let unified = |byte: u8| if byte == b'.' { b'_' } else { byte };
    name.bytes().map(unified).eq(other.bytes().map(unified))
}

fn owned(entries: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn unknown(name: &str) -> Error {
    Error::UnknownTopic { topic: name.into() }
}

#[cfg(test)]
mod tests;
