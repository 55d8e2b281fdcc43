//! What consumers say to each other inside a group's metadata, which to Kafka's brokers is just bytes.
//!
//! ```text
//! subscription              versions          assignment
//! i16          all          version           i16          version
//! list         all          topics: text      list         topic: text, partitions: list of i32
//! bytes, null  all          user data         bytes, null  user data
//! list         1, 2, 3      owned: topic,
//!                           partitions
//! i32          2, 3         generation; -1
//! text, null   3            rack
//! ```
//! Later versions add behind; whoever knows less reads what it knows and leaves the rest.

use super::Undecodable;
use super::wire::{Reader, Writer};
use crate::types::TopicPartition;
use std::collections::BTreeSet;

const SUBSCRIPTION: i16 = 3;
const ASSIGNMENT: i16 = 3;

/// What a member subscribes to, and what it had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerSubscription {
    /// The topics.
    pub topics: Vec<String>,
    /// For the assignor.
    pub user_data: Option<Vec<u8>>,
    /// What it had.
    pub owned: BTreeSet<TopicPartition>,
    /// Since which epoch.
    pub generation: Option<u32>,
    /// Where it is.
    pub rack: Option<String>,
}

/// What a member was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerAssignment {
    /// The partitions.
    pub partitions: BTreeSet<TopicPartition>,
    /// From the assignor.
    pub user_data: Option<Vec<u8>>,
}

impl ConsumerSubscription {
    /// Its bytes, as version 3.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(SUBSCRIPTION);
        writer.list(&self.topics, |writer, topic| writer.text(topic));
        writer.nullable_bytes(self.user_data.as_deref());
        put_partitions(&mut writer, &self.owned);
        let generation = self.generation.and_then(|generation| i32::try_from(generation).ok());
        writer.put(generation.unwrap_or(-1).to_be_bytes());
        writer.nullable_text(self.rack.as_deref());
        writer.finish()
    }

    /// Reads one of any version, also of later ones.
    ///
    /// # Errors
    /// [`Undecodable::Corrupt`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        if version < 0 {
            return reader.corrupt("a negative version");
        }
        let (topics, user_data) = (reader.list(Reader::text)?, reader.nullable_bytes()?);
        let owned = if version >= 1 { partitions(&mut reader)? } else { BTreeSet::new() };
        let generation = if version >= 2 { u32::try_from(reader.i32()?).ok() } else { None };
        let rack = if version >= 3 { reader.nullable_text()? } else { None };
        Ok(ConsumerSubscription { topics, user_data, owned, generation, rack })
    }
}

impl ConsumerAssignment {
    /// Its bytes, as version 3.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(ASSIGNMENT);
        put_partitions(&mut writer, &self.partitions);
        writer.nullable_bytes(self.user_data.as_deref());
        writer.finish()
    }

    /// Reads one of any version, also of later ones.
    ///
    /// # Errors
    /// [`Undecodable::Corrupt`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut reader = Reader::new(bytes);
        if reader.i16()? < 0 {
            return reader.corrupt("a negative version");
        }
        let (partitions, user_data) = (partitions(&mut reader)?, reader.nullable_bytes()?);
        Ok(ConsumerAssignment { partitions, user_data })
    }
}

fn put_partitions(writer: &mut Writer, partitions: &BTreeSet<TopicPartition>) {
    let all: Vec<&TopicPartition> = partitions.iter().collect();
    let topics: Vec<&[&TopicPartition]> = all.chunk_by(|a, b| a.topic() == b.topic()).collect();
    writer.list(&topics, |writer, topic| {
        writer.text(topic[0].topic());
        writer.list(topic, |writer, partition| writer.put(partition.partition().to_be_bytes()));
    });
}

fn partitions(reader: &mut Reader<'_>) -> Result<BTreeSet<TopicPartition>, Undecodable> {
    let topics = reader.list(|reader| Ok((reader.text()?, reader.list(Reader::i32)?)))?;
    let mut partitions = BTreeSet::new();
    for (topic, numbers) in topics {
        for number in numbers {
            let partition = u32::try_from(number).ok();
            match partition.and_then(|number| TopicPartition::new(&topic, number).ok()) {
                Some(partition) => partitions.insert(partition),
                None => return reader.corrupt("no name of a partition"),
            };
        }
    }
    Ok(partitions)
}
