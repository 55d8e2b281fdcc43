//! What is found in a log's directory before anything is done about it.

use super::checkpoint::{self, LEADER_EPOCHS};
use super::durable_end::{DurableEnd, DurableEndFile};
use super::epochs::LeaderEpochs;
use super::manifest::{Contents, Manifest};
use crate::error::{OrIo, Result};
use crate::io::EntryKind;
use crate::segment::{FileKind, FileName, Home};
use std::collections::{BTreeMap, BTreeSet};

/// What the files say.
#[derive(Debug)]
pub(super) struct Survey {
    /// The length of each log file, by base offset.
    pub(super) logs: BTreeMap<u64, u64>,
    /// Base offsets of which there is a file of any kind.
    pub(super) bases: BTreeSet<u64>,
    pub(super) durable_end: Option<DurableEndFile>,
    pub(super) manifest: Option<Manifest>,
    pub(super) contents: Contents,
}

impl Survey {
    /// Looks at a directory. Reads no batches.
    pub(super) fn take(home: &Home) -> Result<Survey> {
        let (mut logs, mut bases) = (BTreeMap::new(), BTreeSet::new());
        for entry in home.fs.list(&home.dir).or_io("list", &home.dir)? {
            let Some(name) = FileName::parse(&entry.name).filter(|_| entry.kind == EntryKind::File) else {
                continue;
            };
            bases.insert(name.base_offset);
            if name.kind == FileKind::Log {
                let path = home.dir.join(&entry.name);
                logs.insert(name.base_offset, home.fs.metadata(&path).or_io("look at", &path)?.len);
            }
        }
        let durable_end = DurableEndFile::open(&home.fs, &home.dir)?;
        let (manifest, mut contents) = match Manifest::open(&home.fs, &home.dir)? {
            Some((manifest, contents)) => (Some(manifest), contents),
            None => (None, Contents::default()),
        };
        let whole = manifest.is_some() && contents.damaged == 0;
        let epochs = known_epochs(home, &contents.epochs, whole)?;
        contents.damaged += usize::from(epochs != contents.epochs);
        contents.epochs = epochs;
        Ok(Survey { logs, bases, durable_end, manifest, contents })
    }

    /// Takes segments out of the picture that the manifest says were removed: their files are what a crash left.
    pub(super) fn set_aside_removed(&mut self) {
        self.logs.retain(|base, _| !self.contents.removed.contains(base));
    }

    /// Removed segments of which there are still files.
    pub(super) fn removed_leftovers(&self) -> Vec<u64> {
        self.bases.intersection(&self.contents.removed).copied().collect()
    }

    /// The durable end that everything found agrees on: what `durable-end` says, unless the manifest knows better. A
    /// segment is entered there after it was synced, and a note of the durable end may be lost.
    pub(super) fn durable_state(&self) -> DurableEnd {
        let first = self.logs.keys().next().copied().unwrap_or(0);
        let mut state = match &self.durable_end {
            Some(file) => file.state(),
            None => DurableEnd::starting_at(first),
        };
        let superseded = self.contents.removed.contains(&state.segment_base);
        let last = self.contents.sealed.values().next_back();
        if superseded || last.is_some_and(|last| last.base_offset >= state.segment_base) {
            let (behind, end) =
                last.map_or((0, state.start_offset), |last| (last.base_offset + 1, last.end_offset));
            state.durable_end = end;
            state.first_unstable = state.first_unstable.min(end);
            state.segment_base = self.logs.range(behind..).next().map_or(end, |(base, _)| *base);
            state.segment_bytes = 0;
            state.largest = None;
            state.sums = Default::default();
        }
        state
    }
}

/// Epochs, of which Kafka's own file is the second copy. It has no checksum, so where the manifest looks whole it only
/// counts if it goes on where the manifest ends: then that was cut short between two records.
fn known_epochs(home: &Home, from_manifest: &LeaderEpochs, whole: bool) -> Result<LeaderEpochs> {
    let written_for_kafka = checkpoint::read_epochs(home.fs.as_ref(), &home.dir.join(LEADER_EPOCHS))?;
    let newer = match whole {
        true => written_for_kafka.entries().starts_with(from_manifest.entries()),
        false => written_for_kafka.latest() >= from_manifest.latest(),
    };
    Ok(if newer { written_for_kafka } else { from_manifest.clone() })
}
