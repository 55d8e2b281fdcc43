//! Walking through a log file batch by batch, every checksum verified: how recovery and the rebuilding of indexes read.

use crate::io::File;
use crate::record::layout::{HEADER_LEN, LENGTH, LOG_OVERHEAD, MAGIC, MAGIC_V2};
use crate::record::{Batch, BatchHeader, Invalid};
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// How much is read at once. A batch that is larger is read by itself.
const BLOCK: usize = 256 << 10;

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A batch whose checksum holds, and where it begins.
    Batch(u64, Batch<'a>),
    /// The end, exactly behind the last batch.
    End,
    /// No batch: what begins at the scanner's position is not one.
    Invalid(Invalid),
}

/// What lies behind damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// A batch.
    ToBatch,
    /// The end, and the damaged batch says so itself.
    ToEnd,
    /// Nothing that could be told from noise.
    Lost,
}

/// A walk through the bytes `position..end` of a file.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a dyn File,
    position: u64,
    end: u64,
    buffer: Bytes,
    buffer_at: u64,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(file: &'a dyn File, position: u64, end: u64) -> Self {
        Self { file, position, end, buffer: Bytes::new(), buffer_at: position }
    }

    /// Where the next step begins: behind the last batch, or at what is none.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes one batch further; stays where it is if there is none.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let remaining = self.end.saturating_sub(self.position);
        if remaining == 0 {
            return Ok(Step::End);
        }
        self.fill(HEADER_LEN.min(remaining as usize))?;
        let size = match BatchHeader::read(self.ahead()) {
            Ok(header) => header.size as usize,
            Err(invalid) => return Ok(Step::Invalid(invalid)),
        };
        if size as u64 > remaining {
            return Ok(Step::Invalid(Invalid::Incomplete { needed: size, available: remaining as usize }));
        }
        self.fill(size)?;
        let at = self.position;
        let start = (at - self.buffer_at) as usize;
        match Batch::decode(&self.buffer[start..]) {
            Ok(batch) => {
                self.position += size as u64;
                Ok(Step::Batch(at, batch))
            }
            Err(invalid) => Ok(Step::Invalid(invalid)),
        }
    }

    /// Whether there is nothing here but zeros, where a header would be.
    pub(crate) fn is_unwritten(&mut self) -> io::Result<bool> {
        let len = (HEADER_LEN as u64).min(self.end.saturating_sub(self.position)) as usize;
        self.fill(len)?;
        Ok(len > 0 && self.ahead()[..len].iter().all(|byte| *byte == 0))
    }

    /// Whether the batch here cannot be where it says, which its checksum does not cover: it leaves a gap behind
    /// `next_offset`, and the batch that follows it begins in there.
    pub(crate) fn is_contradicted(&mut self, next_offset: u64) -> io::Result<bool> {
        let remaining = self.end.saturating_sub(self.position);
        self.fill((HEADER_LEN as u64).min(remaining) as usize)?;
        let header = match BatchHeader::read(self.ahead()) {
            Ok(header) if header.base_offset > next_offset && u64::from(header.size) <= remaining => header,
            _ => return Ok(false),
        };
        let at = self.position;
        self.position += u64::from(header.size);
        let contradicted = match self.step()? {
            Step::Batch(_, behind) => {
                (next_offset..header.next_offset()).contains(&behind.header().base_offset)
            }
            Step::End | Step::Invalid(_) => false,
        };
        self.position = at;
        Ok(contradicted)
    }

    /// Moves behind damage: to the next batch whose checksum holds and whose offsets lie in `offsets`. Without one it
    /// stands at the end.
    ///
    /// A value may hold a batch, and that is none of the log. So where the length in the damaged header leads to a batch,
    /// or to the end, it is believed, and what lies between is not looked at. Else every byte is tried that could be the
    /// magic of a header; and then the headers from there on must lead to the end, as those inside a value do not.
    pub(crate) fn skip_damage(&mut self, offsets: Range<u64>) -> io::Result<Skipped> {
        let damaged_at = self.position;
        if let Some(position) = self.position_behind()? {
            self.position = position;
            if position == self.end {
                return Ok(Skipped::ToEnd);
            }
            if self.batch_stands_here(&offsets)? {
                return Ok(Skipped::ToBatch);
            }
            self.position = damaged_at;
        }
        while self.position < self.end {
            self.position += 1;
            let remaining = (self.end - self.position) as usize;
            if remaining < HEADER_LEN {
                break;
            }
            self.fill(HEADER_LEN)?;
            let ahead = self.ahead();
            let candidates = &ahead[MAGIC..ahead.len() - (HEADER_LEN - 1 - MAGIC)];
            match candidates.iter().position(|&byte| byte == MAGIC_V2) {
                None => self.position += candidates.len() as u64 - 1,
                Some(distance) => {
                    self.position += distance as u64;
                    if self.batch_stands_here(&offsets)? && self.leads_to_end()? {
                        return Ok(Skipped::ToBatch);
                    }
                }
            }
        }
        self.position = self.end;
        Ok(Skipped::Lost)
    }

    /// The position behind what begins here, if the length that stands here is one.
    fn position_behind(&mut self) -> io::Result<Option<u64>> {
        let remaining = self.end.saturating_sub(self.position);
        if remaining < HEADER_LEN as u64 {
            return Ok(None);
        }
        self.fill(HEADER_LEN)?;
        let length = self.ahead()[LENGTH..].first_chunk().map(|length| i32::from_be_bytes(*length));
        let size =
            length.and_then(|length| u64::try_from(length).ok()).map(|length| length + LOG_OVERHEAD as u64);
        Ok(size
            .filter(|size| (HEADER_LEN as u64..=remaining).contains(size))
            .map(|size| self.position + size))
    }

    /// Whether one comes from here to the end by the lengths alone.
    fn leads_to_end(&mut self) -> io::Result<bool> {
        let at = self.position;
        while let Some(position) = self.position_behind()? {
            self.position = position;
        }
        let leads = self.position == self.end;
        self.position = at;
        Ok(leads)
    }

    fn batch_stands_here(&mut self, offsets: &Range<u64>) -> io::Result<bool> {
        let at = self.position;
        let stands = match self.step()? {
            Step::Batch(_, batch) => {
                offsets.start <= batch.header().base_offset && batch.header().last_offset() < offsets.end
            }
            Step::End | Step::Invalid(_) => false,
        };
        self.position = at;
        Ok(stands)
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[(self.position - self.buffer_at) as usize..]
    }

    /// Makes sure that the next `len` bytes are in the buffer; the caller has checked that the file has them.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        let have = self.buffer_at + self.buffer.len() as u64;
        if self.buffer_at <= self.position && self.position + len as u64 <= have {
            return Ok(());
        }
        let wanted = len.max(BLOCK).min((self.end - self.position) as usize);
        self.buffer = self.file.read_up_to(self.position, wanted)?;
        self.buffer_at = self.position;
        if self.buffer.len() < len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        Ok(())
    }
}
