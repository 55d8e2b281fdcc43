//! Walking through bytes that were durable once: what continues the log is handed out, damage is stepped over.
//!
//! A checksum does not cover a batch's offsets, so they are held against those of the batches before it. Without that,
//! one bit in a header would send an index, or the end of the log, anywhere.

use super::recover::{Decision, Found, Place, Zone, judge};
use super::scan::{Scanner, Skipped, Step};
use super::{OffsetEntry, Segment};
use crate::error::{OrIo, Result};
use crate::io::File;
use crate::record::{Batch, BatchHeader};
use std::io;
use std::ops::ControlFlow;

/// The durable bytes of one segment.
#[derive(Debug)]
pub(crate) struct Durable<'a> {
    pub(crate) file: &'a dyn File,
    pub(crate) base_offset: u64,
    /// How many bytes there are.
    pub(crate) bytes: u64,
    /// No batch reaches this offset.
    pub(crate) end_offset: u64,
    /// Whether a gap between offsets is damage.
    pub(crate) dense: bool,
}

/// Where a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Behind the last batch.
    pub(crate) next_offset: u64,
    /// Whether there were gaps that damage does not explain.
    pub(crate) gaps: bool,
    /// Whether there was damage.
    pub(crate) damaged: bool,
    /// Whether it came to the end from batch to batch. If not, the end is no place where a batch ended.
    lands: bool,
    /// Whether any batch continued the log.
    met: bool,
}

impl Walked {
    /// Whether these are the bytes that were written here, though some may be damaged, and not those of another file.
    pub(crate) fn is_ours(self) -> bool {
        self.lands && self.met
    }
}

/// What the next batch must be.
#[derive(Debug, Clone, Copy)]
enum Next {
    At(u64),
    Behind(u64),
    /// It ends at this offset, as an index says.
    EndsAt(u64),
}

impl Durable<'_> {
    /// Hands out each batch from an entry of the offset index on, and where it begins.
    pub(crate) fn walk(
        &self,
        from: OffsetEntry,
        mut act: impl FnMut(u64, &Batch<'_>) -> ControlFlow<()>,
    ) -> io::Result<Walked> {
        let mut scanner = Scanner::new(self.file, from.position.into(), self.bytes);
        let (next_offset, mut next) = match from.position {
            0 => (self.base_offset, self.behind(self.base_offset)),
            _ => (from.offset, Next::EndsAt(from.offset)),
        };
        let mut walked = Walked { next_offset, gaps: false, damaged: false, lands: true, met: false };
        let mut exact = from.position == 0;
        loop {
            let contradicted = !self.dense && scanner.is_contradicted(walked.next_offset)?;
            let invalid = match scanner.step()? {
                Step::End => return Ok(walked),
                Step::Batch(position, batch) if !contradicted && self.continues(batch.header(), next) => {
                    let header = batch.header();
                    walked.gaps |= exact && header.base_offset != walked.next_offset;
                    exact = true;
                    walked.next_offset = header.next_offset();
                    next = self.behind(walked.next_offset);
                    walked.met = true;
                    if act(position, &batch).is_break() {
                        return Ok(walked);
                    }
                    continue;
                }
                Step::Batch(..) => false,
                Step::Invalid(_) => true,
            };
            let found = if invalid { Found::Bad } else { Found::OutOfOrder };
            debug_assert_eq!(judge(found, Zone::Durable, Place::Followed).decision, Decision::StepOver);
            (walked.damaged, exact) = (true, false);
            next = Next::Behind(walked.next_offset);
            if invalid {
                let skipped = scanner.skip_damage(walked.next_offset..self.end_offset)?;
                walked.lands = skipped != Skipped::Lost;
            }
        }
    }

    fn behind(&self, offset: u64) -> Next {
        if self.dense { Next::At(offset) } else { Next::Behind(offset) }
    }

    /// Whether a batch continues the log, and lies where an index can say so.
    fn continues(&self, header: &BatchHeader, next: Next) -> bool {
        let fits = match next {
            Next::At(offset) => header.base_offset == offset,
            Next::Behind(offset) => header.base_offset >= offset,
            Next::EndsAt(offset) => {
                header.last_offset() == offset || (!self.dense && header.last_offset() < offset)
            }
        };
        let last = header.last_offset();
        fits && header.base_offset >= self.base_offset
            && last < self.end_offset
            && last - self.base_offset <= i32::MAX as u64
    }
}

impl Segment {
    /// Walks through its batches from an entry of its offset index on.
    pub(crate) fn walk_durable(
        &self,
        from: OffsetEntry,
        act: impl FnMut(u64, &Batch<'_>) -> ControlFlow<()>,
    ) -> Result<Walked> {
        let file = self.file().or_io("open", self.log_path())?.as_ref();
        let (base_offset, bytes, dense) = (self.base_offset, self.bytes(), self.dense);
        let end_offset = self.end_offset().unwrap_or(u64::MAX);
        let durable = Durable { file, base_offset, bytes, end_offset, dense };
        durable.walk(from, act).or_io("read", self.log_path())
    }

    /// The beginning, as an entry of its offset index.
    pub(crate) fn origin(&self) -> OffsetEntry {
        OffsetEntry { offset: self.base_offset, position: 0 }
    }
}
