//! Kafka's checkpoint files: a version, a count, and that many lines of text.
//!
//! ```text
//! 0                       version
//! 2                       lines that follow
//! orders 0 17             topic, partition, offset      (or: epoch, start offset)
//! orders 1 4
//! ```
//! They carry no checksum, so we write them for Kafka and for people; our own truth stands in checksummed files beside
//! them. These are read when a directory is taken over from Kafka; the epochs also as a second copy, where the manifest ends
//! too early.

use super::epochs::LeaderEpochs;
use crate::error::{OrIo, Result};
use crate::io::{Fs, read_file, replace_file};
use crate::types::TopicPartition;
use std::collections::BTreeMap;
use std::path::Path;

/// The epochs of one log, in its directory.
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// Up to where each log was synced, in the root.
pub(crate) const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Where each log begins, if not with its first segment; in the root.
pub(crate) const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// Up to where each log was compacted, in the root.
pub(crate) const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";

const VERSION: &str = "0";
/// Larger files are not checkpoints: a hundred thousand partitions with the longest names make 27 MiB.
const BYTES_MAX: usize = 64 << 20;

/// Replaces a checkpoint of offsets.
pub(crate) fn write_offsets(fs: &dyn Fs, path: &Path, offsets: &BTreeMap<TopicPartition, u64>) -> Result<()> {
    let lines = offsets.iter().map(|(of, offset)| format!("{} {} {offset}", of.topic(), of.partition()));
    write(fs, path, lines)
}

/// Reads a checkpoint of offsets; empty if there is none or if it is not one, as in Kafka: what it would have said is
/// then found by reading more.
pub(crate) fn read_offsets(fs: &dyn Fs, path: &Path) -> Result<BTreeMap<TopicPartition, u64>> {
    let parse = |line: &str| {
        let (of, offset) = line.rsplit_once(' ')?;
        let (topic, partition) = of.rsplit_once(' ')?;
        Some((TopicPartition::new(topic, partition.parse().ok()?).ok()?, offset.parse().ok()?))
    };
    Ok(read(fs, path, parse)?.unwrap_or_default().into_iter().collect())
}

/// Replaces the checkpoint of a log's epochs.
pub(crate) fn write_epochs(fs: &dyn Fs, path: &Path, epochs: &LeaderEpochs) -> Result<()> {
    write(fs, path, epochs.entries().iter().map(|(epoch, start)| format!("{epoch} {start}")))
}

/// Reads the checkpoint of a log's epochs; none if there is none or if it is not one.
pub(crate) fn read_epochs(fs: &dyn Fs, path: &Path) -> Result<LeaderEpochs> {
    let parse = |line: &str| {
        let (epoch, start) = line.split_once(' ')?;
        Some((epoch.parse().ok()?, start.parse().ok()?))
    };
    Ok(read(fs, path, parse)?.and_then(LeaderEpochs::from_entries).unwrap_or_default())
}

fn write(fs: &dyn Fs, path: &Path, lines: impl ExactSizeIterator<Item = String>) -> Result<()> {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    lines.for_each(|line| {
        text.push_str(&line);
        text.push('\n');
    });
    replace_file(fs, path, text.as_bytes()).or_io("write", path)
}

fn read<T>(fs: &dyn Fs, path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Option<Vec<T>>> {
    let Some(bytes) = read_file(fs, path, BYTES_MAX).or_io("read", path)? else { return Ok(None) };
    Ok(std::str::from_utf8(&bytes).ok().and_then(|text| decode(text, parse)))
}

fn decode<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut lines = text.lines();
    if lines.next()? != VERSION {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let entries = lines.map(parse).collect::<Option<Vec<T>>>()?;
    (entries.len() == count).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemFs;

    #[test]
    fn offsets_come_back_and_look_like_kafkas() {
        let (fs, path) = (MemFs::new(), Path::new("/recovery"));
        let offsets = [("a-b", 0, 17), ("a-b", 1, 0)]
            .map(|(topic, partition, offset)| (TopicPartition::new(topic, partition).unwrap(), offset));
        write_offsets(&fs, path, &BTreeMap::from(offsets.clone())).unwrap();
        assert_eq!(read_file(&fs, path, 99).unwrap().unwrap(), "0\n2\na-b 0 17\na-b 1 0\n");
        assert_eq!(read_offsets(&fs, path).unwrap(), BTreeMap::from(offsets));
    }

    #[test]
    fn what_is_not_a_checkpoint_says_nothing() {
        let parse = |line: &str| Some(line.to_owned());
        for text in ["", "0", "1\n0\n", "0\n2\nx\n", "0\n0\nx\n", "0\nmany\n"] {
            assert_eq!(decode(text, parse), None, "{text:?}");
        }
        assert_eq!(decode("0\n0\n", parse), Some(vec![]));
    }
}
