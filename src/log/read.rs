//! Reading: whole batches from an offset on, beside the writer and without its lock.
//!
//! A reader loads the list of segments, asks an index where to begin, and walks over batch headers to the first batch
//! that reaches its offset. What it is given is one run of bytes, shared and not copied; checksums are verified as its
//! batches are iterated.

use super::Log;
use super::order::{self, Expected};
use super::segments::SegmentList;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::record::{Batch, BatchHeader, Invalid};
use crate::segment::{AbortedTransaction, Segment, WHOLE_BATCH};
use bytes::Bytes;
use std::sync::{Arc, Weak};

/// Where a reader stands: at an offset, and perhaps with a note of where that is in a file. Pass on the one that the
/// last read handed out, and no index is asked again.
#[derive(Debug, Clone)]
pub struct Cursor {
    offset: u64,
    hint: Option<(Weak<Segment>, u64)>,
}

impl Cursor {
    /// A cursor at an offset.
    pub fn at(offset: u64) -> Self {
        Self { offset, hint: None }
    }

    /// The next offset to be read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn hint_for(&self, segment: &Arc<Segment>) -> Option<u64> {
        let (noted, position) = self.hint.as_ref()?;
        std::ptr::eq(noted.as_ptr(), Arc::as_ptr(segment)).then_some(*position)
    }
}

/// How much to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    pub(crate) bytes_max: usize,
    pub(crate) until: u64,
}

impl ReadLimit {
    /// At most so many bytes; but one batch at least, however large it is, or a reader would never get past it.
    pub fn bytes(bytes_max: usize) -> Self {
        Self { bytes_max, until: u64::MAX }
    }

    /// Nothing from this offset on; of several, the lowest counts.
    #[must_use]
    pub fn until(self, offset: u64) -> Self {
        Self { until: offset.min(self.until), ..self }
    }
}

/// A run of whole batches.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Bytes,
    /// Its segment, where in it the first batch begins, and behind which offset it has no records.
    from: Option<(Arc<Segment>, u64, u64)>,
    offset: u64,
    next: Cursor,
}

impl Chunk {
    fn empty(next_offset: u64) -> Self {
        Self { bytes: Bytes::new(), from: None, offset: next_offset, next: Cursor::at(next_offset) }
    }

    /// The batches, each with its checksum verified. The first may begin below the offset that was asked for: its
    /// earlier records are to be passed over. Ends behind an error.
    pub fn batches(&self) -> Batches<'_> {
        Batches { chunk: self, at: 0, offset: self.offset }
    }

    /// Where to go on. It may lie further on though there is no batch here: gaps are legal, and are stepped over.
    pub fn next(&self) -> &Cursor {
        &self.next
    }

    /// The batches as they lie in the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The error for a batch whose checksum holds and whose records cannot be read all the same: whoever wrote it wrote
    /// it wrong. It begins `at` bytes into the chunk.
    pub(crate) fn unreadable(&self, at: usize, header: &BatchHeader, invalid: Invalid) -> Error {
        let (Some((segment, position, _)), false) =
            (&self.from, matches!(invalid, Invalid::CodecMissing { .. }))
        else {
            return invalid.into();
        };
        Error::Corrupt {
            path: segment.log_path().into(),
            position: position + at as u64,
            expected: "records as the header of their batch describes them".into(),
            found: invalid.to_string(),
            offsets: header.base_offset..header.next_offset(),
        }
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The batch that begins `at` bytes into the chunk, behind those that end at `offset`; none at the end of the chunk.
    /// For whoever goes through a chunk in several goes: [`Chunk::batches`] is the same in one.
    pub(crate) fn batch_at(&self, at: usize, offset: u64) -> Option<Result<Batch<'_>>> {
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        Some(Batch::decode(rest).map_err(|invalid| {
            let (segment, position, end) =
                self.from.as_ref().expect("a chunk with bytes has them from somewhere");
            let found = invalid.to_string();
            segment.corrupt(position + at as u64, offset..*end, WHOLE_BATCH.into(), found)
        }))
    }

    /// The offset at which the first batch begins; without one, the offset to go on at.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

/// Iterates over the batches of a [`Chunk`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    chunk: &'a Chunk,
    at: usize,
    offset: u64,
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.chunk.batch_at(self.at, self.offset)?;
        match &batch {
            Ok(batch) => {
                self.at += batch.bytes().len();
                self.offset = batch.header().next_offset();
            }
            Err(_) => self.at = self.chunk.bytes.len(),
        }
        Some(batch)
    }
}

impl Log {
    /// Reads whole batches from a cursor on, as many as the limit allows.
    ///
    /// An empty chunk means that there is nothing there yet; its cursor may nevertheless have moved on.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if the log does not hold the offset; [`Error::Corrupt`] if it cannot be read any
    /// more, with the offset at which reading can go on.
    pub fn read(&self, from: &Cursor, limit: ReadLimit) -> Result<Chunk> {
        self.with_segments(|segments| self.read_in(segments, from, limit))
    }

    /// As [`Log::read`], with the aborted transactions that have records in what was read. Both are of the same segments:
    /// compaction drops what was aborted, and later what says so, and whoever asked twice might see the one and not the
    /// other.
    pub(crate) fn read_with_aborted(
        &self,
        from: &Cursor,
        limit: ReadLimit,
    ) -> Result<(Chunk, Vec<AbortedTransaction>)> {
        self.with_segments(|segments| {
            let chunk = self.read_in(segments, from, limit)?;
            let aborted = match chunk.is_empty() {
                true => Vec::new(),
                false => self.aborted_in(segments, from.offset, chunk.next.offset)?,
            };
            Ok((chunk, aborted))
        })
    }

    pub(super) fn read_in(&self, segments: &SegmentList, from: &Cursor, limit: ReadLimit) -> Result<Chunk> {
        let (end, start) = (self.marks.end(), self.marks.start());
        if from.offset < start || from.offset > end {
            return Err(Error::OffsetOutOfRange { requested: from.offset, start, end });
        }
        self.read_from(segments, from, ReadLimit { until: limit.until.min(end), ..limit }, end)
    }

    /// Asks something of the segments as they are now; anew, if they were replaced meanwhile and the answer is an error.
    /// A truncation takes files away from whoever still goes by the old list.
    pub(super) fn with_segments<T>(&self, ask: impl Fn(&SegmentList) -> Result<T>) -> Result<T> {
        loop {
            let segments = self.segments.load();
            let answer = ask(&segments);
            if answer.is_ok() || Arc::ptr_eq(&segments, &self.segments.load()) {
                return answer;
            }
        }
    }

    fn read_from(&self, segments: &SegmentList, from: &Cursor, limit: ReadLimit, end: u64) -> Result<Chunk> {
        let until = limit.until;
        let mut offset = from.offset;
        for segment in segments.reaching(offset) {
            if offset >= until || segment.base_offset() >= until {
                break;
            }
            self.check_lost(offset, segment.base_offset())?;
            let end = segment.end_offset().unwrap_or(end);
            if let Some(chunk) = self.read_segment(segment, offset, from.hint_for(segment), limit, end)? {
                return Ok(chunk);
            }
            self.check_lost(offset, end.min(until))?;
            offset = offset.max(end).min(until);
        }
        self.check_lost(offset, until)?;
        Ok(Chunk::empty(offset.max(until)))
    }

    /// The first run of batches of one segment that reaches `offset`; none if there is none below `until`.
    fn read_segment(
        &self,
        segment: &Arc<Segment>,
        offset: u64,
        hint: Option<u64>,
        ReadLimit { bytes_max, until }: ReadLimit,
        end_offset: u64,
    ) -> Result<Option<Chunk>> {
        let epochs = self.epochs.load();
        let mut walk = match hint {
            Some(position) => {
                Walk::new(segment, &epochs, position, Expected::Base(offset), bytes_max, end_offset)
            }
            None => Walk::by_index(segment, &epochs, offset, end_offset)?,
        };
        let Some(first) = walk.find(offset)?.filter(|first| first.base_offset < until) else {
            return Ok(None);
        };
        let position = walk.position();
        let bytes = walk.take((first.size as usize).max(bytes_max))?;
        if bytes.len() < first.size as usize {
            let (expected, found) =
                (format!("a batch of {} bytes", first.size), format!("{} bytes", bytes.len()));
            let first_lost = first.base_offset.max(offset);
            return Err(segment.corrupt(position, first_lost..end_offset, expected, found));
        }
        let mut len = first.size as usize;
        let mut next_offset = first.next_offset();
        while let Ok(header) = BatchHeader::read(&bytes[len..]) {
            let end = len + header.size as usize;
            let continues =
                order::check(&header, Expected::Base(next_offset), segment.is_dense(), &epochs).is_ok();
            let within = header.base_offset < until && header.next_offset() <= end_offset;
            if !continues || !within || end > bytes.len() || end > bytes_max {
                break;
            }
            len = end;
            next_offset = header.next_offset();
        }
        let hint = Some((Arc::downgrade(segment), position + len as u64));
        Ok(Some(Chunk {
            bytes: bytes.slice(..len),
            from: Some((segment.clone(), position, end_offset)),
            offset: first.base_offset,
            next: Cursor { offset: next_offset, hint },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogDir;
    use crate::record::{BatchBuilder, Compression, RecordParts};
    use crate::{LogConfig, TopicPartition};
    use std::cell::Cell;

    #[test]
    fn a_read_that_a_truncation_overtakes_is_of_what_was_there() {
        let dir = LogDir::in_memory().unwrap();
        let log = dir.create_log(&TopicPartition::new("t", 0).unwrap(), LogConfig::default()).unwrap();
        for _ in 0..9 {
            let mut batch = BatchBuilder::new(Compression::None);
            batch.push(&RecordParts::default()).unwrap();
            log.append(&mut batch.build().unwrap()).unwrap();
        }
        let (asked, limit) = (Cell::new(0), ReadLimit::bytes(1 << 20).until(9));
        let read = log.with_segments(|segments| {
            if asked.replace(asked.get() + 1) == 0 {
                log.truncate(4).unwrap();
            }
            log.read_from(segments, &Cursor::at(6), limit, 9)
        });
        assert_eq!((read.unwrap().batches().filter(Result::is_ok).count(), asked.get()), (3, 1));
        assert!(log.read(&Cursor::at(6), limit).unwrap().is_empty(), "who asks now finds nothing");
    }
}
