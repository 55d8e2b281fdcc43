//! The bytes of the catalog: an envelope that stays, and a payload that is bincode's. No other file names bincode.
//!
//! ```text
//! envelope   0 "brookcat" | 8 format version 4 = 1 | 12 payload length 4 | 16 payload | CRC-32 4 of all before
//! payload    catalog version 8 | topics count 8, topics | deleted count 8, deleted | next topic number 8
//!            | next producer id 8
//! topic      name text | id 16 | partitions 4 | created 4 | settings count 8, settings
//! setting    name text | value text
//! deleted    name text | id 16 | partitions 4
//! text       length 8 | UTF-8
//! ```
//!
//! Big-endian throughout. The checksum comes first, then the format version, then the payload: every version has this
//! envelope, so a flipped bit is never taken for a newer one. Topics ascend by name, and nothing stands behind the end.
//!
//! Texts are borrowed from the file, so a length that lies ends the decoding and sets nothing aside; a count that lies
//! sets aside a megabyte at most, which is serde's limit.

use super::{Catalog, DeletedTopic, TopicEntry};
use crate::config::TopicConfig;
use crate::topic::id::TopicId;
use crate::types::TopicPartition;
use bincode::config::{BigEndian, Configuration, Fixint};
use bincode::serde::{borrow_decode_from_slice, encode_to_vec};
use serde::{Deserialize, Serialize};

/// The format version that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"brookcat";
const VERSION_AT: usize = MAGIC.len();
const LENGTH_AT: usize = VERSION_AT + size_of::<u32>();
const PAYLOAD_AT: usize = LENGTH_AT + size_of::<u32>();
const CRC_LEN: usize = size_of::<u32>();
const _: () = assert!(PAYLOAD_AT == 16);

const CONFIG: Configuration<BigEndian, Fixint> =
    bincode::config::standard().with_big_endian().with_fixed_int_encoding();

/// Why bytes are not a catalog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CatalogDamage {
    /// A newer library wrote them.
    Newer { found: u32 },
    /// They are not what was written, or nothing that we write.
    Damaged(String),
}

/// The payload. Topics are a list: a map would hide names that do not ascend.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    version: u64,
    #[serde(borrow)]
    topics: Vec<Topic<'a>>,
    #[serde(borrow)]
    deleted: Vec<Deleted<'a>>,
    next_topic_number: u64,
    next_producer_id: u64,
}

#[derive(Serialize, Deserialize)]
struct Topic<'a> {
    name: &'a str,
    id: [u8; 16],
    partitions: u32,
    created: u32,
    #[serde(borrow)]
    config: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct Deleted<'a> {
    name: &'a str,
    id: [u8; 16],
    partitions: u32,
}

/// The file that says this. Equal catalogs have equal bytes.
pub(super) fn encode(catalog: &Catalog) -> Vec<u8> {
    let topics = catalog.topics.iter().map(|(name, entry)| Topic {
        name,
        id: *entry.id.as_bytes(),
        partitions: entry.partitions,
        created: entry.created,
        config: entry.config.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    });
    let deleted = catalog.deleted.iter().map(|topic| Deleted {
        name: &topic.name,
        id: *topic.id.as_bytes(),
        partitions: topic.partitions,
    });
    let payload = Payload {
        version: catalog.version,
        topics: topics.collect(),
        deleted: deleted.collect(),
        next_topic_number: catalog.next_topic_number,
        next_producer_id: catalog.next_producer_id,
    };
    let payload = encode_to_vec(payload, CONFIG).expect("numbers, texts and lists of them go into a vector");
    wrap(VERSION, &payload)
}

/// The catalog that the file says, or what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Catalog, CatalogDamage> {
    let payload = unwrap(bytes)?;
    match borrow_decode_from_slice(payload, CONFIG) {
        Ok((decoded, len)) if len == payload.len() => catalog(decoded).map_err(damaged),
        Ok((_, len)) => Err(damaged(format!("{} bytes behind its end", payload.len() - len))),
        Err(_) => Err(damaged("a payload that ends too early, or a text that is not UTF-8".into())),
    }
}

fn damaged(found: String) -> CatalogDamage {
    CatalogDamage::Damaged(found)
}

/// Puts a payload into its envelope.
fn wrap(version: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(PAYLOAD_AT + payload.len() + CRC_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// Takes the payload out of its envelope, if nothing has changed and it is of our version.
fn unwrap(bytes: &[u8]) -> Result<&[u8], CatalogDamage> {
    let number = |bytes: &[u8], at: usize| {
        u32::from_be_bytes(*bytes[at..].first_chunk().expect("the length was looked at"))
    };
    if bytes.len() < PAYLOAD_AT + CRC_LEN {
        return Err(damaged(format!("{} bytes, which are too few", bytes.len())));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(damaged("another kind of file".into()));
    }
    let (said, crc) = bytes.split_at(bytes.len() - CRC_LEN);
    let (header, payload) = said.split_at(PAYLOAD_AT);
    let length = number(header, LENGTH_AT);
    if u32::try_from(payload.len()) != Ok(length) {
        return Err(damaged(format!("a payload of {} bytes where {length} were announced", payload.len())));
    }
    let (expected, found) = (number(crc, 0), crc32fast::hash(said));
    if expected != found {
        return Err(damaged(format!("checksum {found:#010x} where {expected:#010x} was announced")));
    }
    match number(header, VERSION_AT) {
        VERSION => Ok(payload),
        0 => Err(damaged("format version 0".into())),
        found => Err(CatalogDamage::Newer { found }),
    }
}

/// Whoever computes a checksum can write anything, so what is written is held against the rules of a catalog.
fn catalog(payload: Payload<'_>) -> Result<Catalog, String> {
    if let Some(pair) = payload.topics.windows(2).find(|pair| pair[0].name >= pair[1].name) {
        return Err(format!("topic {} behind {}", quoted(pair[1].name), quoted(pair[0].name)));
    }
    let topics = payload.topics.into_iter().map(|topic| Ok((topic.name.to_owned(), entry(topic)?)));
    let deleted = payload.deleted.into_iter().map(|topic| {
        let id = checked(topic.name, topic.id, topic.partitions)?;
        Ok(DeletedTopic { name: topic.name.into(), id, partitions: topic.partitions })
    });
    let catalog = Catalog {
        version: payload.version,
        topics: topics.collect::<Result<_, String>>()?,
        deleted: deleted.collect::<Result<_, String>>()?,
        next_topic_number: payload.next_topic_number,
        next_producer_id: payload.next_producer_id,
    };
    let mut ids: Vec<_> = catalog.ids().collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two topics with the id {}", pair[0]));
    }
    if i64::try_from(catalog.next_producer_id).is_err() {
        return Err(format!("the producer id {}, which no producer can have", catalog.next_producer_id));
    }
    Ok(catalog)
}

fn entry(topic: Topic<'_>) -> Result<TopicEntry, String> {
    let id = checked(topic.name, topic.id, topic.partitions)?;
    let Topic { name, partitions, created, config, .. } = topic;
    if created > partitions {
        return Err(format!("topic {name} with {created} directories for {partitions} partitions"));
    }
    let config: Vec<_> =
        config.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let entry = TopicEntry { id, partitions, created, config };
    match entry.topic_config() {
        Ok(_) => Ok(entry),
        Err(error) => Err(format!("topic {name} with a setting that cannot be: {error}")),
    }
}

/// What a topic and a deleted one have in common.
fn checked(name: &str, id: [u8; 16], partitions: u32) -> Result<TopicId, String> {
    if !TopicConfig::PARTITIONS.contains(&partitions) {
        return Err(format!("topic {} with {partitions} partitions", quoted(name)));
    }
    TopicPartition::new(name, 0).map_err(|error| error.to_string())?;
    let id = TopicId::from_bytes(id);
    if id.is_reserved() {
        return Err(format!("topic {name} with the reserved id {id}"));
    }
    Ok(id)
}

/// A name that was not looked at yet, at the length of a line at most.
fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(100).collect::<String>())
}

/// An empty catalog of another format version.
#[cfg(test)]
pub(super) fn of_version(version: u32) -> Vec<u8> {
    wrap(version, &[])
}

#[cfg(test)]
mod tests;
