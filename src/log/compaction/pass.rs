//! Writing a group of segments anew, as one.

use super::rewrite::{Decision, Rewritten, Rule};
use super::{Compacted, Round, Unfinished};
use crate::error::Result;
use crate::log::{Log, Refusal};
use crate::record::BatchHeader;
use crate::segment::{CleanedSegment, SealedFacts, Segment};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

impl Log {
    /// Replaces a group by one segment of what stays of it. False if the log has changed meanwhile in a way that the round
    /// knows nothing of.
    ///
    /// If it fails before the new segment took its place, nothing is left of it.
    pub(super) fn clean_group(
        &self,
        round: &mut Round,
        group: Vec<Arc<Segment>>,
        delete_retention: Duration,
        is_last_of_producer: &dyn Fn(&BatchHeader) -> bool,
        unfinished: &mut Option<Unfinished>,
        done: &mut Compacted,
    ) -> Result<bool> {
        let (base_offset, end_offset) = (group[0].base_offset(), end_of(&group));
        let mut tally = Compacted::default();
        let Round { keys, newest, keys_end, now, writing, written: searched, epochs, .. } = round;
        let (keys_end, now) = (*keys_end, *now);
        let rule = Rule { keys, newest, keys_end, now, delete_retention, is_last_of_producer };
        let mut decide = |batch: &crate::record::Batch<'_>| {
            let decision = rule.rewrite(batch, writing)?;
            if decision.rewritten != Rewritten::Dropped {
                epochs.insert(batch.header().leader_epoch);
            }
            Ok(decision)
        };
        let written = self.write_group(&group, &mut decide, &mut tally).and_then(|written| match written {
            Some(facts) => {
                tally.bytes_out = facts.bytes;
                self.swap(group, facts, unfinished)
            }
            None => {
                tally = Compacted { records_in: tally.records_in, ..Compacted::default() };
                CleanedSegment::discard(&self.home, base_offset).map(|()| true)
            }
        });
        let is_its_own =
            matches!(self.refusal.get(), None | Some(Refusal::Closed)) && self.poison.get().is_none();
        if !matches!(written, Ok(true)) && is_its_own {
            // The first failure is what the caller needs to hear, and the next attempt removes what stays.
            let _ = CleanedSegment::discard(&self.home, base_offset);
        }
        if matches!(written, Ok(true)) {
            done.add(&tally);
            searched.end = end_offset;
        }
        written
    }

    /// Writes what stays, under names of its own; none if that is all of a segment that has no company.
    fn write_group(
        &self,
        group: &[Arc<Segment>],
        decide: &mut dyn FnMut(&crate::record::Batch<'_>) -> Result<Decision>,
        tally: &mut Compacted,
    ) -> Result<Option<SealedFacts>> {
        let bytes = group.iter().map(|segment| segment.bytes()).sum();
        let interval = self.config().index_interval_bytes;
        let mut cleaned = CleanedSegment::create(&self.home, group[0].base_offset(), bytes, interval)?;
        let mut is_changed = group.len() > 1;
        for segment in group {
            self.clean_walk(segment, segment.origin(), |batch| {
                let decision = decide(batch)?;
                is_changed |= decision.rewritten != Rewritten::AsItWas;
                tally.count(&decision);
                if let Some(aborted) = decision.aborted {
                    cleaned.push_aborted(aborted);
                }
                match &decision.rewritten {
                    Rewritten::AsItWas => cleaned.push(batch.header(), batch.bytes())?,
                    Rewritten::Changed(bytes) | Rewritten::Emptied(bytes) => {
                        cleaned.push(&BatchHeader::read(bytes)?, bytes)?;
                    }
                    Rewritten::Dropped => {}
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        if !is_changed {
            return Ok(None);
        }
        tally.segments_in = group.len() as u64;
        tally.segments_out = 1;
        tally.bytes_in = bytes;
        cleaned.finish(end_of(group)).map(Some)
    }
}

fn end_of(group: &[Arc<Segment>]) -> u64 {
    let last = group.last().expect("a group has a segment");
    last.end_offset().expect("only closed segments are compacted")
}

impl Compacted {
    fn count(&mut self, decision: &Decision) {
        self.records_in += decision.records;
        self.records_dropped += decision.records_dropped;
        self.tombstones_dropped += decision.tombstones_dropped;
        self.markers_dropped += decision.markers_dropped;
    }

    /// The sum of what was done by two calls, one after the other, and where it stands after the second.
    pub(crate) fn followed_by(mut self, next: &Compacted) -> Self {
        self.add(next);
        let Compacted { progress, first_dirty, keys, .. } = *next;
        Self { progress, first_dirty, keys: self.keys.max(keys), ..self }
    }

    fn add(&mut self, group: &Compacted) {
        self.records_in += group.records_in;
        self.segments_in += group.segments_in;
        self.segments_out += group.segments_out;
        self.bytes_in += group.bytes_in;
        self.bytes_out += group.bytes_out;
        self.records_dropped += group.records_dropped;
        self.tombstones_dropped += group.tombstones_dropped;
        self.markers_dropped += group.markers_dropped;
    }
}
