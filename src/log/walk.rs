//! A walk over the batch headers of a segment: how a reader comes to the batch that holds its offset.
//!
//! Checksums are not verified on the way; what stands in the headers is held against what must stand there. Where it
//! does not, the walk looks for the next batch that is whole, and only a reader whose offset is lost is told.

use super::epochs::LeaderEpochs;
use super::order::{self, Expected};
use crate::error::{OrIo, Result};
use crate::record::layout::HEADER_LEN;
use crate::record::{BatchHeader, Invalid};
use crate::segment::{Segment, Step, WHOLE_BATCH};
use bytes::Bytes;
use std::sync::Arc;

/// The least that is read at once: an index entry stands for somewhat more than 4 KiB.
const READ_MIN: usize = 8 << 10;

/// A place between two batches.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    segment: &'a Arc<Segment>,
    epochs: &'a LeaderEpochs,
    position: u64,
    expected: Expected,
    /// The offset behind its last record, as far as that is known.
    end: u64,
    /// The batch before, whose header may have lied about its length or its offsets.
    previous: Option<(u64, Expected)>,
    read_len: usize,
    buffer: Bytes,
    buffer_at: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        segment: &'a Arc<Segment>,
        epochs: &'a LeaderEpochs,
        position: u64,
        expected: Expected,
        read_len: usize,
        end: u64,
    ) -> Self {
        let read_len = read_len.max(READ_MIN);
        let (buffer, buffer_at) = (Bytes::new(), position);
        Self { segment, epochs, position, expected, end, previous: None, read_len, buffer, buffer_at }
    }

    /// A walk that begins where the index says that `offset` is not far. It reads little at a time: what it passes on its
    /// way nobody has asked for.
    pub(crate) fn by_index(
        segment: &'a Arc<Segment>,
        epochs: &'a LeaderEpochs,
        offset: u64,
        end: u64,
    ) -> Result<Self> {
        let entry = segment.lookup(offset)?;
        let expected = match entry.position {
            0 => Expected::Base(segment.base_offset()),
            _ => Expected::Last(entry.offset),
        };
        Ok(Self::new(segment, epochs, entry.position.into(), expected, READ_MIN, end))
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Walks to the first batch that reaches `offset`, and stays before it. None if the segment ends before.
    ///
    /// A batch that begins below `offset` must be whole to be the one: its header may only pretend to reach so far, and
    /// a reader of what lies behind it would be held up by damage that is not its own.
    pub(crate) fn find(&mut self, offset: u64) -> Result<Option<BatchHeader>> {
        while self.position < self.segment.bytes() {
            match self.header()? {
                Ok(header) if header.base_offset >= offset => return Ok(Some(header)),
                Ok(header) if header.last_offset() >= offset => match self.invalid_at(self.position)? {
                    None => return Ok(Some(header)),
                    Some(invalid) => self.step_over(offset, WHOLE_BATCH.into(), invalid.to_string())?,
                },
                Ok(header) => {
                    self.previous = Some((self.position, self.expected));
                    self.position += u64::from(header.size);
                    self.expected = Expected::Base(header.next_offset());
                }
                Err((expected, found)) => self.step_over(offset, expected, found)?,
            }
        }
        self.check_last(offset).map(|()| None)
    }

    /// Where a segment ends before `offset`, and yet there are records up to there: either they are a gap, or the last
    /// header pretends to end too early.
    fn check_last(&self, offset: u64) -> Result<()> {
        let Some((position, expected)) = self.previous.filter(|_| offset < self.end) else { return Ok(()) };
        let Some(invalid) = self.invalid_at(position)? else { return Ok(()) };
        let first_lost = expected.first_lost(offset);
        Err(self.segment.corrupt(position, first_lost..self.end, WHOLE_BATCH.into(), invalid.to_string()))
    }

    /// Up to `len` bytes from here on.
    pub(crate) fn take(&mut self, len: usize) -> Result<Bytes> {
        self.fill(len)?;
        let at = (self.position - self.buffer_at) as usize;
        let end = self.buffer.len().min(at + len);
        Ok(self.buffer.slice(at..end))
    }

    /// The header here, or what is wrong with it.
    fn header(&mut self) -> Result<std::result::Result<BatchHeader, (String, String)>> {
        self.fill(HEADER_LEN)?;
        let ahead = &self.buffer[(self.position - self.buffer_at) as usize..];
        let header = match BatchHeader::read(ahead) {
            Ok(header) => header,
            Err(invalid) => return Ok(Err(("the header of a batch".into(), invalid.to_string()))),
        };
        let available = self.segment.bytes() - self.position;
        if u64::from(header.size) > available {
            return Ok(Err((
                format!("a batch of at most {available} bytes"),
                format!("one of {}", header.size),
            )));
        }
        if header.base_offset < self.end && header.next_offset() > self.end {
            let found = format!("offsets {} to {}", header.base_offset, header.last_offset());
            return Ok(Err((format!("a batch that ends before offset {}", self.end), found)));
        }
        Ok(order::check(&header, self.expected, self.segment.is_dense(), self.epochs)
            .map(|()| header)
            .map_err(|disorder| (disorder.expected, disorder.found)))
    }

    /// Steps over damage that does not concern a reader of `offset`; an error if it does.
    fn step_over(&mut self, offset: u64, expected: String, found: String) -> Result<()> {
        let (position, first_lost) = match self.previous {
            Some((position, expected)) if self.invalid_at(position)?.is_some() => (position, expected),
            _ => (self.position, self.expected),
        };
        let first_lost = first_lost.first_lost(offset);
        match self.segment.next_whole_batch(position, first_lost..self.end)? {
            Some((position, base_offset)) if base_offset <= offset => {
                self.position = position;
                self.expected = Expected::Base(base_offset);
                self.previous = None;
                Ok(())
            }
            None if self.end <= offset => {
                self.position = self.segment.bytes();
                self.previous = None;
                Ok(())
            }
            _ => Err(self.segment.corrupt(position, first_lost..self.end, expected, found)),
        }
    }

    /// What is wrong with the batch at `position`, its checksum included.
    fn invalid_at(&self, position: u64) -> Result<Option<Invalid>> {
        let mut scanner = self.segment.scan(position)?;
        match scanner.step().or_io("read", self.segment.log_path())? {
            Step::Invalid(invalid) => Ok(Some(invalid)),
            Step::Batch(..) | Step::End => Ok(None),
        }
    }

    /// Makes sure that as much as there is of the next `len` bytes is in the buffer.
    fn fill(&mut self, len: usize) -> Result<()> {
        let wanted = (len as u64).min(self.segment.bytes() - self.position);
        let have = self.buffer_at + self.buffer.len() as u64;
        if self.position < self.buffer_at || self.position + wanted > have {
            self.buffer = self.segment.read(self.position, len.max(self.read_len))?;
            self.buffer_at = self.position;
        }
        Ok(())
    }
}
