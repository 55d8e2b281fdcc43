//! Reading the dirty part of a log: which keys there are, and the newest offset of each.
//!
//! What was aborted says nothing of its keys, and markers have none. When the memory for keys is used up the round ends
//! there, in the middle of a batch if need be, and what lies behind is left as it is.

use super::Round;
use super::newest::Newest;
use super::plan;
use crate::error::{OrIo, Result};
use crate::log::Log;
use crate::record::Batch;
use crate::segment::{OffsetEntry, Segment, WHOLE_BATCH};
use std::ops::ControlFlow;

/// So small a part of the memory for keys goes to their bits at most; that is a bit for four million offsets a mebibyte.
const NEWEST_SHARE: usize = 8;

impl Log {
    /// Reads the keys of one more segment; after the last one the groups stand.
    pub(super) fn read_keys(&self, round: &mut Round, segment: &Segment) -> Result<()> {
        let from = segment.lookup(round.first_dirty)?;
        let mut is_full = false;
        self.clean_walk(segment, from, |batch| {
            is_full = !round.note_keys(batch)?;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if is_full {
            round.unread.clear();
            round.next_dirty = round.keys_end;
        }
        if round.unread.is_empty() {
            let dirty = round.first_dirty..round.keys_end;
            round.newest = Newest::of(&round.keys, dirty, round.keys.bytes_max() / NEWEST_SHARE);
            round.make_groups();
        }
        Ok(())
    }

    /// Walks through a segment, and stops at damage: what cannot be read cannot be said to be superseded. Stops as well
    /// when the log is closed meanwhile.
    pub(super) fn clean_walk(
        &self,
        segment: &Segment,
        from: OffsetEntry,
        mut act: impl FnMut(&Batch<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut behind, mut next) = (u64::from(from.position), segment.base_offset());
        let mut stopped = Ok(());
        let mut is_damaged = false;
        let walked = segment.walk_durable(from, |position, batch| {
            if position != behind {
                is_damaged = true;
                return ControlFlow::Break(());
            }
            (behind, next) = (position + batch.bytes().len() as u64, batch.header().next_offset());
            match self.check_writable().and_then(|()| act(batch)) {
                Ok(flow) => flow,
                Err(error) => {
                    stopped = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        stopped?;
        if is_damaged || walked.damaged {
            let end = segment.end_offset().unwrap_or(next);
            let mut scanner = segment.scan(behind)?;
            let found = match scanner.step().or_io("read", segment.log_path())? {
                crate::segment::Step::Invalid(invalid) => invalid.to_string(),
                _ => "a batch that does not continue the one before".into(),
            };
            return Err(segment.corrupt(behind, next..end, WHOLE_BATCH.into(), found));
        }
        Ok(())
    }
}

impl Round {
    /// Notes the keys of a batch; false if there was no room for all.
    fn note_keys(&mut self, batch: &Batch<'_>) -> Result<bool> {
        let header = batch.header();
        if header.is_control() {
            self.reading.meet_marker(header, batch.control()?);
        } else if !self.reading.meet_records(header) {
            for record in batch.records()?.iter() {
                let record = record?;
                let Some(key) = record.key().filter(|_| record.offset() >= self.first_dirty) else {
                    continue;
                };
                if !self.keys.put(key, record.offset()) {
                    self.keys_end = self.keys_end.max(record.offset());
                    return Ok(false);
                }
            }
        }
        self.keys_end = self.keys_end.max(header.next_offset());
        Ok(true)
    }

    /// All segments up to the end of the keys are rewritten: the clean ones may hold what newer records supersede.
    fn make_groups(&mut self) {
        let concerned: Vec<_> = std::mem::take(&mut self.segments)
            .into_iter()
            .filter(|(_, part)| part.base_offset < self.keys_end)
            .collect();
        let parts: Vec<_> = concerned.iter().map(|(_, part)| *part).collect();
        let together = |group: std::ops::Range<usize>| {
            concerned[group].iter().map(|(segment, _)| segment.clone()).collect::<Vec<_>>()
        };
        self.groups = plan::group(&parts, self.limits).into_iter().map(together).collect();
    }
}
