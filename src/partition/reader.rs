//! Reading one partition in order: from chunks of a log to the records that a user gets.
//!
//! ```text
//! log ──> chunk ──> batch ──> records          a chunk is read when there is nothing else to hand out
//!         kept      kept          handed out   a batch is checked once, whole, when its turn comes
//! ```
//! What does not fit into one fetch is kept for the next: batches of the chunk as they are, and of a batch that was cut
//! through the rest of its entries. Nothing is read, checked or copied twice.
//!
//! A batch gives all its records or none. If it is damaged, what lies before it is handed out, and the next fetch says
//! so; and every one after that, because it reads it anew. Who mends the file can go on without a seek.

use super::isolation::AbortedTransactions;
use super::records::Records;
use crate::config::Isolation;
use crate::error::Result;
use crate::log::{Chunk, Cursor, Log, ReadLimit};
use crate::record::{BatchHeader, RECORD_LEN_MIN};
use crate::types::TopicPartition;
use std::sync::Arc;

/// The most that is read at once, whatever is asked for: places in a chunk are 32-bit numbers.
const CHUNK_BYTES_MAX: usize = 1 << 30;

/// One reader of one partition. It knows nothing of groups, and where to begin is for others to decide.
#[derive(Debug)]
pub(crate) struct PartitionReader {
    partition: Arc<TopicPartition>,
    log: Arc<Log>,
    isolation: Isolation,
    position: u64,
    /// Where the log is read next, behind `chunk`.
    cursor: Cursor,
    chunk: Option<ChunkInHand>,
    rest: Rest,
}

/// A chunk, from its next batch on.
#[derive(Debug)]
struct ChunkInHand {
    chunk: Chunk,
    at: usize,
    offset: u64,
    aborted: AbortedTransactions,
}

/// What is left of a batch that was cut through.
#[derive(Debug)]
struct Rest {
    records: Records,
    handed_out: usize,
    /// The offset behind the batch.
    next_offset: u64,
}

impl Rest {
    const NONE: Rest = Rest { records: Records::new(), handed_out: 0, next_offset: 0 };

    fn is_empty(&self) -> bool {
        self.handed_out == self.records.len()
    }
}

/// What a fetch added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// How many records.
    pub(crate) records: usize,
    /// The size of the batches that were begun, those included that nobody gets to see.
    pub(crate) bytes: usize,
    /// Whether an earlier fetch had read the first of them: whoever waits for more has waited for these already.
    pub(crate) was_in_hand: bool,
}

impl PartitionReader {
    /// A reader at an offset, which need not exist.
    pub(crate) fn new(
        partition: Arc<TopicPartition>,
        log: Arc<Log>,
        isolation: Isolation,
        position: u64,
    ) -> Self {
        let cursor = Cursor::at(position);
        Self { partition, log, isolation, position, cursor, chunk: None, rest: Rest::NONE }
    }

    /// The offset of the next record to hand out, if there is one of that offset.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at another offset. Whether the log holds it, the next fetch will say.
    pub(crate) fn seek(&mut self, offset: u64) {
        if offset != self.position {
            self.position = offset;
            self.forget_read_ahead();
        }
    }

    /// Up to where this reader gets records, of those that are visible.
    pub(crate) fn upper_bound(&self, visible_end: u64) -> u64 {
        match self.isolation {
            Isolation::ReadUncommitted => visible_end,
            Isolation::ReadCommitted => visible_end.min(self.log.watermarks().last_stable),
        }
    }

    /// Adds at most `records_max` records that lie below `until`, of batches of roughly `bytes_max` bytes, but of one at
    /// least; and takes note of the new position, if it has moved. It may move without a record.
    ///
    /// It may stop short of all limits: the log is not asked for more as long as there is something to hand out. Only a
    /// fetch that gives no record and does not move the position has found that there is nothing.
    ///
    /// # Errors
    /// [`crate::Error::OffsetOutOfRange`] if the log does not hold the position, [`crate::Error::Corrupt`] if what
    /// stands there cannot be read. Nothing was added then.
    pub(crate) fn fetch(
        &mut self,
        records: &mut Records,
        records_max: usize,
        bytes_max: usize,
        until: u64,
    ) -> Result<Fetched> {
        let before = self.position;
        let until = self.upper_bound(until);
        let was_in_hand = self.chunk.is_some() || !self.rest.is_empty();
        let mut fetched = Fetched { was_in_hand, ..Fetched::default() };
        let result = self.fill(records, &mut fetched, records_max, ReadLimit { bytes_max, until });
        if self.position != before {
            records.set_next_offset(&self.partition, self.position);
        }
        match result {
            // It comes again with the next fetch, which has nothing to hand out before it.
            Err(_) if fetched.records > 0 => Ok(fetched),
            other => other.map(|()| fetched),
        }
    }

    fn fill(
        &mut self,
        records: &mut Records,
        fetched: &mut Fetched,
        records_max: usize,
        ReadLimit { bytes_max, until }: ReadLimit,
    ) -> Result<()> {
        while fetched.records < records_max {
            let room = records_max - fetched.records;
            if !self.rest.is_empty() {
                match self.hand_out_rest(records, room, until) {
                    0 => break,
                    count => fetched.records += count,
                }
                continue;
            }
            if fetched.bytes > 0 && fetched.bytes >= bytes_max {
                break;
            }
            if self.chunk.is_none() {
                let has_something = fetched.records > 0;
                if has_something || !self.read(ReadLimit { bytes_max: bytes_max - fetched.bytes, until })? {
                    break;
                }
            }
            if self.position >= until {
                break;
            }
            let before = records.len();
            let taken = self.take_batch(records, room, until).inspect_err(|_| self.forget_read_ahead());
            fetched.bytes += taken?;
            fetched.records += records.len() - before;
        }
        Ok(())
    }

    /// Reads the next chunk. If there is none, the position may have moved all the same: over a gap.
    fn read(&mut self, limit: ReadLimit) -> Result<bool> {
        let limit = ReadLimit { bytes_max: limit.bytes_max.min(CHUNK_BYTES_MAX), ..limit };
        let (chunk, aborted) = match self.isolation {
            Isolation::ReadUncommitted => (self.log.read(&self.cursor, limit)?, Vec::new()),
            Isolation::ReadCommitted => self.log.read_with_aborted(&self.cursor, limit)?,
        };
        let next = chunk.next();
        if chunk.is_empty() {
            // The old cursor may know its place in the file; one that has not moved would only forget it.
            if next.offset() > self.cursor.offset() {
                self.cursor = next.clone();
                self.position = next.offset();
            }
            return Ok(false);
        }
        let aborted = AbortedTransactions::new(aborted);
        self.cursor = next.clone();
        self.chunk = Some(ChunkInHand { at: 0, offset: chunk.offset(), chunk, aborted });
        Ok(true)
    }

    /// Takes the next batch of the chunk: straight to `records` if all of it fits, else to the rest. Says its size.
    fn take_batch(&mut self, records: &mut Records, room: usize, until: u64) -> Result<usize> {
        let Some(ChunkInHand { chunk, at, offset, aborted }) = &mut self.chunk else { return Ok(0) };
        let batch = chunk.batch_at(*at, *offset).expect("a chunk is dropped behind its last batch")?;
        let header = *batch.header();
        if !header.is_control() && !aborted.contain(&header) {
            let fits = header.records_count as usize <= room && header.next_offset() <= until;
            let target = if fits {
                records.make_room(header.records_count as usize, records_in(chunk, *at, &header).min(room));
                records
            } else {
                self.rest = Rest { next_offset: header.next_offset(), ..Rest::NONE };
                &mut self.rest.records
            };
            target
                .add_batch(&self.partition, &batch, chunk.bytes(), self.position)
                .map_err(|invalid| chunk.unreadable(*at, &header, invalid))?;
        }
        if self.rest.is_empty() {
            self.position = header.next_offset();
        }
        *at += header.size as usize;
        *offset = header.next_offset();
        if *at == chunk.bytes().len() {
            self.chunk = None;
        }
        Ok(header.size as usize)
    }

    fn hand_out_rest(&mut self, records: &mut Records, room: usize, until: u64) -> usize {
        let Rest { records: rest, handed_out, next_offset } = &mut self.rest;
        let count = records.add_some(rest, *handed_out, room, until);
        *handed_out += count;
        if *handed_out == rest.len() {
            self.position = *next_offset;
            self.rest = Rest::NONE;
        } else if let Some(last) = records.iter().next_back().filter(|_| count > 0) {
            self.position = last.offset() + 1;
        }
        count
    }

    fn forget_read_ahead(&mut self) {
        self.cursor = Cursor::at(self.position);
        self.chunk = None;
        self.rest = Rest::NONE;
    }
}

/// About how many records there are in a chunk from this batch on, if all batches are like this one; never more than the
/// bytes can hold, whatever the header says.
fn records_in(chunk: &Chunk, at: usize, header: &BatchHeader) -> usize {
    let bytes_left = (chunk.bytes().len() - at) as u64;
    let alike = u64::from(header.records_count) * bytes_left / u64::from(header.size);
    alike.min(bytes_left / RECORD_LEN_MIN as u64) as usize
}

/// Reads once: as much as the limit allows, from an offset on. Where to go on is the [`Records::next_offset`]; if there
/// is none, there is nothing there yet.
///
/// # Errors
/// As [`PartitionReader::fetch`].
pub(crate) fn read_records(
    log: &Arc<Log>,
    partition: &Arc<TopicPartition>,
    offset: u64,
    limit: ReadLimit,
    isolation: Isolation,
) -> Result<Records> {
    let mut records = Records::new();
    let mut reader = PartitionReader::new(partition.clone(), log.clone(), isolation, offset);
    reader.fetch(&mut records, usize::MAX, limit.bytes_max, limit.until)?;
    Ok(records)
}

#[cfg(test)]
mod tests;
