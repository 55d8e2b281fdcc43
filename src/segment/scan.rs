//! Walking through a log file batch by batch, every checksum verified: how recovery and the rebuilding of indexes read.

use crate::io::File;
use crate::record::layout::{HEADER_LEN, MAGIC, MAGIC_V2};
use crate::record::{Batch, BatchHeader, Invalid};
use bytes::Bytes;
use std::io;

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

    /// Moves behind damage: to the next batch whose checksum holds and whose offsets are at least `offset_min`.
    /// Says whether there is one; without one it stands at the end.
    ///
    /// The length in a damaged header cannot be trusted, so every byte is tried that could be the magic of a header.
    pub(crate) fn skip_damage(&mut self, offset_min: u64) -> io::Result<bool> {
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
                    if self.batch_stands_here(offset_min)? {
                        return Ok(true);
                    }
                }
            }
        }
        self.position = self.end;
        Ok(false)
    }

    fn batch_stands_here(&mut self, offset_min: u64) -> io::Result<bool> {
        let at = self.position;
        let stands =
            matches!(self.step()?, Step::Batch(_, batch) if batch.header().base_offset >= offset_min);
        self.position = at;
        Ok(stands)
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[(self.position - self.buffer_at) as usize..]
    }

    /// Makes sure that the next `len` bytes are in the buffer; the caller has checked that the file has them.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        let have = self.buffer_at + self.buffer.len() as u64;
        if self.position + len as u64 <= have {
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
