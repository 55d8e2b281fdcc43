//! The moment at which a compacted segment takes the place of those it was made from.
//!
//! ```text
//! .cleaned, bytes synced ──> .swap, names synced ──> manifest replaced ──> final names, synced ──> old files unlinked
//!     a crash here: the old segments are served,  │  from here on: the new one is, and an open finishes the rest
//!     and what lies around is removed             │  (survey.rs)
//! ```
//! The manifest is the one moment of truth, as where a log is truncated: a new segment has the name of an old one, so names
//! alone cannot tell. That the files have their names the manifest of the next swap says by the way; only behind the last
//! swap of a round, and before another one of the same name, it has to be told. Readers that have an old segment in hand
//! have its files open, and read on in them.

use super::{Round, Unfinished};
use crate::error::{OrIo, Result};
use crate::log::Log;
use crate::log::manifest::Fact;
use crate::log::segments::SegmentList;
use crate::segment::{CleanedSegment, SealedFacts, Segment, Suffix};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Log {
    /// Puts a written segment in the place of a group. False, and nothing is changed, if the group is not part of the log
    /// any more: retention takes segments away, and a truncation makes all of them anew.
    pub(super) fn swap(
        &self,
        group: Vec<Arc<Segment>>,
        facts: SealedFacts,
        unfinished: &mut Option<Unfinished>,
    ) -> Result<bool> {
        self.without_flushes(|| {
            self.check_writable()?;
            if self.place_of(&group).is_none() {
                return Ok(false);
            }
            if unfinished.as_ref().is_some_and(|last| last.facts.base_offset == facts.base_offset) {
                self.note(unfinished, None)?;
            }
            self.stand_behind(facts.end_offset)?;
            CleanedSegment::rename(&self.home, facts.base_offset, Some(Suffix::Swap))?;
            self.home.fs.sync_dir(self.path()).or_io("sync", self.path())?;
            self.swap_in_manifest(&group, facts)?;
            // Files and memory must follow now. If they cannot, whoever opens the log finishes it.
            let segment = self.take_place(&group, facts).map_err(|error| self.poison(error.to_string()))?;
            *unfinished = Some(Unfinished { segment, facts });
            self.remove_segments(group.into_iter().skip(1)).map(|()| true)
        })
    }

    /// Where in the list the group stands, all of it in order.
    fn place_of(&self, group: &[Arc<Segment>]) -> Option<usize> {
        let segments = self.segments.load();
        let at = segments.all().iter().position(|segment| Arc::ptr_eq(segment, &group[0]))?;
        let there = segments.all().get(at..at + group.len())?;
        there.iter().zip(group).all(|(one, other)| Arc::ptr_eq(one, other)).then_some(at)
    }

    /// Sees to it that the note of the durable end speaks of no segment that is about to go.
    fn stand_behind(&self, end_offset: u64) -> Result<()> {
        if self.durable_end.state().segment_base >= end_offset {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        self.flush_holding(&mut writer)?;
        self.commit(|state| self.stand(&writer, state))
    }

    fn swap_in_manifest(&self, group: &[Arc<Segment>], facts: SealedFacts) -> Result<()> {
        let mut contents = self.facts()?;
        for segment in group {
            contents.sealed.remove(&segment.base_offset());
            contents.removed.insert(segment.base_offset());
        }
        contents.removed.remove(&facts.base_offset);
        contents.sealed.insert(facts.base_offset, facts);
        contents.swapping.insert(facts.base_offset);
        self.put_manifest(&contents)
    }

    fn take_place(&self, group: &[Arc<Segment>], facts: SealedFacts) -> Result<Arc<Segment>> {
        // Whoever still reads an old segment must not open the new one under its name.
        for segment in group {
            segment.file().or_io("open", segment.log_path())?;
        }
        CleanedSegment::take_place(&self.home, facts.base_offset, facts.sums[2].count)?;
        let mut writer = self.writer.lock();
        writer.unsynced.retain(|segment| !group.iter().any(|gone| Arc::ptr_eq(gone, segment)));
        let at = self.place_of(group).expect("only those who hold the turn take segments out of the list");
        let mut segments = self.segments.load().all().to_vec();
        let cleaned = Arc::new(Segment::sealed(&self.home, facts));
        segments.splice(at..at + group.len(), [cleaned.clone()]);
        self.segments.store(Arc::new(SegmentList::new(segments)));
        Ok(cleaned)
    }

    /// Says in the manifest that a round is over: up to where the log is compacted, and that the files of the newest segment
    /// have their names. Without room for that the next round says it.
    pub(super) fn finish_round(&self, round: &Round, unfinished: &mut Option<Unfinished>) -> Result<()> {
        let compacted = Fact::Compacted(round.next_dirty);
        let noted = self.without_flushes(|| self.note(unfinished, Some(compacted)));
        noted.or_else(|error| self.unpoisoned(error))?;
        self.first_dirty.store(round.next_dirty, Ordering::Release);
        self.forget_epochs(round.written.clone(), &round.epochs);
        self.without_flushes(|| self.shorten_manifest())
    }

    fn note(&self, unfinished: &mut Option<Unfinished>, more: Option<Fact>) -> Result<()> {
        let is_there = |last: &&Unfinished| {
            self.segments.load().all().iter().any(|segment| Arc::ptr_eq(segment, &last.segment))
        };
        // Whoever has cut it or taken it away has said so, and it must not come back.
        let finished = unfinished.as_ref().filter(is_there).map(|last| Fact::Sealed(last.facts));
        let facts: Vec<Fact> = finished.into_iter().chain(more).collect();
        if !facts.is_empty() {
            self.with_manifest(|manifest| manifest.append(&facts)).map_err(|failure| self.failed(failure))?;
        }
        *unfinished = None;
        Ok(())
    }
}
