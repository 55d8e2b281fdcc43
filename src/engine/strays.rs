//! What lies among our files and is none of ours: it is told, and left alone.

use super::Engine;
use crate::error::{OrIo, Result};
use crate::log::{DURABLE_END, LEADER_EPOCHS, MANIFEST};
use crate::segment::{FileName, Suffix};
use crate::topic::metadata::PARTITION_METADATA;
use std::io::ErrorKind;
use std::path::PathBuf;

impl Engine {
    /// Directories with the name of a partition that no topic has, and files in partitions that nobody here writes.
    pub(crate) fn strays(&self) -> Result<Vec<PathBuf>> {
        // Held while topics change, so no directory is met whose topic is about to be there.
        let _catalog = self.catalog.lock();
        self.check_open()?;
        let (topics, mut strays) = (self.topics.load_full(), Vec::new());
        for partition in self.dir.partitions()? {
            let path = self.path().join(partition.to_string());
            let count = topics.get(partition.topic()).map_or(0, |topic| topic.partition_count());
            if partition.partition() >= count {
                strays.push(path);
                continue;
            }
            let entries = match self.dir.fs().list(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                other => other.or_io("list", &path)?,
            };
            let foreign = entries.into_iter().filter(|entry| !is_ours(&entry.name));
            strays.extend(foreign.map(|entry| path.join(entry.name)));
        }
        Ok(strays)
    }
}

/// Whether a file of a partition has a name that we, or Kafka, would give it.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(".tmp").unwrap_or(name);
    let is_snapshot = || {
        let digits = name.strip_suffix(".snapshot");
        digits.is_some_and(|digits| FileName::parse(&format!("{digits}.log")).is_some())
    };
    [DURABLE_END, LEADER_EPOCHS, MANIFEST, PARTITION_METADATA].contains(&name)
        || FileName::parse(name).is_some()
        || Suffix::parse(name).is_some()
        || is_snapshot()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_almost_right_are_none_of_ours() {
        for name in [
            "00000000000000000007.log",
            "00000000000000000007.timeindex",
            "00000000000000000007.log.cleaned",
            "00000000000000000007.snapshot",
            "leader-epoch-checkpoint.tmp",
            "durable-end",
            "partition.metadata",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in
            ["7.log", "00000000000000000007.log.bak", "x.snapshot", "durable-end2", "notes.txt", ".swap"]
        {
            assert!(!is_ours(name), "{name}");
        }
    }
}
