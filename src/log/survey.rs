//! What is found in a log's directory before anything is done about it.

use super::checkpoint::{self, LEADER_EPOCHS};
use super::durable_end::{DurableEnd, DurableEndFile};
use super::epochs::LeaderEpochs;
use super::manifest::{Contents, Manifest};
use crate::error::{OrIo, Result};
use crate::io::{EntryKind, Metadata};
use crate::segment::{CleanedSegment, FileKind, FileName, Home, SealedFacts, Suffix};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// What the files say.
#[derive(Debug)]
pub(super) struct Survey {
    /// The length of each log file, by base offset.
    pub(super) logs: BTreeMap<u64, u64>,
    /// Removed segments of which there are still files.
    pub(super) leftovers: BTreeSet<u64>,
    /// Base offsets of which compaction, or a truncation, has left a segment that took nobody's place.
    pub(super) unswapped: BTreeSet<u64>,
    pub(super) durable_end: Option<DurableEndFile>,
    pub(super) manifest: Option<Manifest>,
    pub(super) contents: Contents,
}

/// What is known of one segment.
pub(super) struct Known<'s> {
    pub(super) base: u64,
    /// What the manifest says of it.
    pub(super) facts: Option<&'s SealedFacts>,
    /// How long its file is.
    pub(super) len: Option<u64>,
}

impl Survey {
    /// Looks at a directory. Reads no batches.
    ///
    /// One that was closed in order is believed to hold what its manifest says: only the segments' own files are looked for,
    /// each by its name, and not what else may lie there.
    pub(super) fn take(home: &Home, closed_in_order: bool) -> Result<Survey> {
        let durable_end = DurableEndFile::open(&home.fs, &home.dir)?;
        let (manifest, mut contents) = match Manifest::open(&home.fs, &home.dir)? {
            Some((manifest, contents)) => (Some(manifest), contents),
            None => (None, Contents::default()),
        };
        let whole = manifest.is_some() && contents.damaged == 0;
        let epochs = known_epochs(home, &contents.epochs, whole)?;
        contents.damaged += usize::from(epochs != contents.epochs);
        contents.epochs = epochs;
        let Found { logs, leftovers, unswapped } = match &durable_end {
            Some(file)
                if closed_in_order && manifest.is_some() && contents.knows_all_before(file.state()) =>
            {
                Found::of_known(home, &contents, file.state())?
            }
            _ => Found::of_listed(home, &contents)?,
        };
        Ok(Survey { logs, leftovers, unswapped, durable_end, manifest, contents })
    }

    /// Finishes what compaction had begun: the manifest is the moment at which a segment takes the place of others, and
    /// their files follow. The manifest's name may not be durable yet, if a process was killed just then; its bytes are,
    /// since it says so only where it was replaced as a whole.
    pub(super) fn finish_swaps(&mut self, home: &Home) -> Result<()> {
        let due: Vec<u64> = self.contents.swapping.intersection(&self.unswapped).copied().collect();
        if due.is_empty() {
            return Ok(());
        }
        home.fs.sync_dir(&home.dir).or_io("sync", &home.dir)?;
        for base_offset in due {
            let facts = self.contents.sealed.get(&base_offset);
            let aborted = facts.map_or(u32::MAX, |facts| facts.sums[2].count);
            CleanedSegment::take_place(home, base_offset, aborted)?;
            let path = home.path(base_offset, FileKind::Log);
            self.logs.insert(base_offset, home.fs.metadata(&path).or_io("look at", &path)?.len);
        }
        Ok(())
    }

    /// Takes segments out of the picture that the manifest says were removed: their files are what a crash left. And those
    /// that lie before the start of the log and are not there: a start is durable before a file goes, while a full disk may
    /// have had no room to note the removal.
    pub(super) fn set_aside_removed(&mut self) {
        let Contents { sealed, removed, .. } = &mut self.contents;
        for base in removed.iter() {
            self.logs.remove(base);
        }
        let start = self.durable_end.as_ref().map_or(0, |file| file.state().start_offset);
        let before = sealed.range(..=start).filter(|(_, facts)| facts.end_offset <= start);
        let gone: Vec<u64> =
            before.map(|(base, _)| *base).filter(|base| !self.logs.contains_key(base)).collect();
        for base in gone {
            sealed.remove(&base);
        }
    }

    /// The segments that begin before `limit`, each once and in order, if the manifest or the directory has it.
    pub(super) fn known_before(&self, limit: u64) -> impl Iterator<Item = Known<'_>> {
        let mut logs = self.logs.range(..limit).peekable();
        let mut sealed = self.contents.sealed.range(..limit).peekable();
        iter::from_fn(move || {
            let found = logs.peek().map(|(base, _)| **base);
            let filed = sealed.peek().map(|(base, _)| **base);
            let base = found.into_iter().chain(filed).min()?;
            let facts = sealed.next_if(|(other, _)| **other == base).map(|(_, facts)| facts);
            let len = logs.next_if(|(other, _)| **other == base).map(|(_, len)| *len);
            Some(Known { base, facts, len })
        })
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
        let knows_better = |last: &SealedFacts| {
            last.base_offset >= state.segment_base || last.end_offset > state.segment_base
        };
        if superseded || last.is_some_and(knows_better) {
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

impl Contents {
    /// Whether it says which segments there are before the one that is appended to. A manifest that was cut between two
    /// records looks whole; the last segments that it knows are then not the last.
    fn knows_all_before(&self, state: DurableEnd) -> bool {
        let reaches = self.sealed.values().next_back().map_or(state.start_offset, |last| last.end_offset);
        self.damaged == 0 && self.swapping.is_empty() && reaches >= state.segment_base
    }
}

/// The names that are there.
#[derive(Debug, Default)]
struct Found {
    logs: BTreeMap<u64, u64>,
    leftovers: BTreeSet<u64>,
    unswapped: BTreeSet<u64>,
}

impl Found {
    fn of_listed(home: &Home, contents: &Contents) -> Result<Found> {
        let mut found = Found::default();
        for entry in home.fs.list(&home.dir).or_io("list", &home.dir)? {
            if entry.kind != EntryKind::File {
                continue;
            }
            found.unswapped.extend(Suffix::parse(&entry.name).map(|(name, _)| name.base_offset));
            let Some(name) = FileName::parse(&entry.name) else { continue };
            if contents.removed.contains(&name.base_offset) {
                found.leftovers.insert(name.base_offset);
            }
            if name.kind == FileKind::Log {
                let path = home.dir.join(&entry.name);
                let len = home.fs.metadata(&path).or_io("look at", &path)?.len;
                found.logs.insert(name.base_offset, len);
            }
        }
        Ok(found)
    }

    /// Those of the segments that are filed, of the one that is appended to, and of those that were to be removed: of a
    /// segment the log goes last.
    fn of_known(home: &Home, contents: &Contents, state: DurableEnd) -> Result<Found> {
        let filed = contents.sealed.keys().chain(&contents.removed).copied();
        let mut known: Vec<u64> = filed.chain([state.segment_base, state.durable_end]).collect();
        known.sort(); // Rows that are in order; the stable sort sees that.
        known.dedup();
        let name = |base: &u64| FileName { base_offset: *base, kind: FileKind::Log }.to_string();
        let names: Vec<String> = known.iter().map(name).collect();
        let there = home.fs.metadata_of(&home.dir, &names).or_io("look at", &home.dir)?;
        let len = |metadata: Metadata| (metadata.kind == EntryKind::File).then_some(metadata.len);
        let logs: BTreeMap<u64, u64> =
            known.into_iter().zip(there).filter_map(|(base, there)| Some((base, len(there?)?))).collect();
        let leftovers = contents.removed.iter().filter(|base| logs.contains_key(base)).copied().collect();
        Ok(Found { logs, leftovers, unswapped: BTreeSet::new() })
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
