//! Kafka's file `partition.metadata`: to which topic the directory of a partition belongs.
//!
//! ```text
//! version: 0                          a line feed behind it
//! topic_id: qiUcRnO7Q-2p3tzOU7Xd9g    none behind it: 43 bytes in all
//! ```
//! It carries no checksum. The catalog knows the ids of our topics; this file tells them to Kafka, and tells a
//! directory that was left over from one that belongs here.

use super::id::TopicId;
use crate::error::{OrIo, Result};
use crate::io::{Fs, read_file, replace_file};
use std::io::ErrorKind;
use std::path::Path;

/// The file's name, in the directory of a partition.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

const VERSION_KEY: &str = "version: ";
const TOPIC_ID_KEY: &str = "topic_id: ";
const VERSION: &str = "0";
/// A file that somebody edited may be a little longer than Kafka's.
const BYTES_MAX: usize = 1024;

/// Why bytes are not a `partition.metadata`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataDamage {
    /// It does not have its two lines.
    #[error("it is not made of the lines \"version: 0\" and \"topic_id: ..\"")]
    Lines,
    /// It has another version than 0.
    #[error("it has version {found:?}, and only 0 is known")]
    Version {
        /// Its version.
        found: String,
    },
    /// It names no topic.
    #[error("it names the topic id {found:?}, which no topic has")]
    TopicId {
        /// What it names.
        found: String,
    },
}

/// The file's bytes, exactly as Kafka writes them.
pub(crate) fn encode(id: TopicId) -> String {
    format!("{VERSION_KEY}{VERSION}\n{TOPIC_ID_KEY}{id}")
}

/// The topic that the file names, or what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<TopicId, MetadataDamage> {
    let text = std::str::from_utf8(bytes).map_err(|_| MetadataDamage::Lines)?;
    let mut lines = text.lines();
    let mut value_of = |key| lines.next()?.strip_prefix(key);
    let (version, id) = (value_of(VERSION_KEY), value_of(TOPIC_ID_KEY));
    let found = version.ok_or(MetadataDamage::Lines)?;
    if found != VERSION {
        return Err(MetadataDamage::Version { found: found.into() });
    }
    let found = id.filter(|_| lines.next().is_none()).ok_or(MetadataDamage::Lines)?;
    let id = found.parse().ok().filter(|id: &TopicId| !id.is_reserved());
    id.ok_or_else(|| MetadataDamage::TopicId { found: found.into() })
}

/// Reads the file of a partition's directory; `None` if it has none, as those that Kafka made before version 2.8.
pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> Result<Option<Result<TopicId, MetadataDamage>>> {
    let path = dir.join(PARTITION_METADATA);
    match read_file(fs, &path, BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(Err(MetadataDamage::Lines))),
        read => Ok(read.or_io("read", &path)?.map(|bytes| decode(&bytes))),
    }
}

/// Writes the file, or replaces it; durable when it returns.
pub(crate) fn write(fs: &dyn Fs, dir: &Path, id: TopicId) -> Result<()> {
    let path = dir.join(PARTITION_METADATA);
    replace_file(fs, &path, encode(id).as_bytes()).or_io("write", &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemFs;

    /// As a broker of Kafka 4 left it.
    const KAFKAS: &str = "version: 0\ntopic_id: qiUcRnO7Q-2p3tzOU7Xd9g";

    fn id() -> TopicId {
        "qiUcRnO7Q-2p3tzOU7Xd9g".parse().unwrap()
    }

    #[test]
    fn the_bytes_are_kafkas() {
        assert_eq!(encode(id()), KAFKAS);
        assert_eq!(encode(id()).len(), 43);
        assert_eq!(decode(KAFKAS.as_bytes()), Ok(id()));
    }

    #[test]
    fn an_editors_line_ends_are_taken() {
        for text in [format!("{KAFKAS}\n"), KAFKAS.replace('\n', "\r\n")] {
            assert_eq!(decode(text.as_bytes()), Ok(id()), "{text:?}");
        }
    }

    #[test]
    fn each_damage_has_its_verdict() {
        let reserved = TopicId::from_bytes([0; 16]).to_string();
        let id = |found: &str| MetadataDamage::TopicId { found: found.into() };
        for (text, damage) in [
            ("", MetadataDamage::Lines),
            ("version: 0", MetadataDamage::Lines),
            ("version 0\ntopic_id: x", MetadataDamage::Lines),
            ("version: 0\nid: qiUcRnO7Q-2p3tzOU7Xd9g", MetadataDamage::Lines),
            (&format!("{KAFKAS}\nmore: x"), MetadataDamage::Lines),
            ("version: 1\nother: x", MetadataDamage::Version { found: "1".into() }),
            ("version: 0\ntopic_id: ", id("")),
            ("version: 0\ntopic_id: qiUcRnO7Q-2p3tzOU7Xd9", id("qiUcRnO7Q-2p3tzOU7Xd9")),
            (&format!("version: 0\ntopic_id: {reserved}"), id(&reserved)),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(damage), "{text:?}");
        }
        assert_eq!(decode(b"version: 0\ntopic_id: \xff"), Err(MetadataDamage::Lines));
    }

    #[test]
    fn no_shorter_file_names_a_topic() {
        for len in 0..KAFKAS.len() {
            assert!(decode(&KAFKAS.as_bytes()[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let (fs, dir) = (MemFs::new(), Path::new("/orders-0"));
        fs.create_dir(dir).unwrap();
        assert_eq!(read(&fs, dir).unwrap(), None);
        write(&fs, dir, TopicId::from_bytes([7; 16])).unwrap();
        write(&fs, dir, id()).unwrap();
        assert_eq!(read(&fs, dir).unwrap(), Some(Ok(id())));
        let path = dir.join(PARTITION_METADATA);
        assert_eq!(read_file(&fs, &path, 99).unwrap().unwrap(), KAFKAS);
        replace_file(&fs, &path, &[b'x'; BYTES_MAX + 1]).unwrap();
        assert_eq!(read(&fs, dir).unwrap(), Some(Err(MetadataDamage::Lines)));
    }
}
