//! Finding offsets by time.

use super::{Cursor, Log, ReadLimit};
use crate::error::Result;
use crate::segment::Segment;
use crate::types::Timestamp;
use std::sync::Arc;

/// How much of a segment is read at once.
const CHUNK_BYTES: usize = 64 << 10;

impl Log {
    /// The first record, in the order of the log, whose timestamp is at least `timestamp`: its offset and timestamp.
    /// None if there is no such record.
    ///
    /// Where timestamps do not ascend this is the first that qualifies, not the nearest, as in Kafka.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn offset_for_time(&self, timestamp: Timestamp) -> Result<Option<(u64, Timestamp)>> {
        let start = self.marks.start();
        let segments = self.segments.load_full();
        for segment in segments.reaching(start) {
            if segment.largest_timestamp().is_none_or(|largest| largest.timestamp < timestamp) {
                continue;
            }
            let known_older =
                segment.lookup_time(timestamp)?.map_or(segment.base_offset(), |entry| entry.offset);
            let found = self.find_record(segment, known_older, |at| at >= timestamp)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp, the first of them if there are more: its offset and timestamp. None if
    /// no record has a timestamp.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn max_timestamp(&self) -> Result<Option<(u64, Timestamp)>> {
        let start = self.marks.start();
        let segments = self.segments.load_full();
        let mut best: Option<(&Arc<Segment>, Timestamp)> = None;
        for segment in segments.reaching(start) {
            match segment.largest_timestamp().map(|largest| largest.timestamp) {
                Some(largest) if best.is_none_or(|(_, timestamp)| largest > timestamp) => {
                    best = Some((segment, largest))
                }
                _ => {}
            }
        }
        let Some((segment, largest)) = best else { return Ok(None) };
        let older = segment.lookup_time(Timestamp::from_millis(largest.as_millis().saturating_sub(1)))?;
        let from = older.map_or(segment.base_offset(), |entry| entry.offset);
        self.find_record(segment, from, |at| at >= largest)
    }

    /// The first record of a segment whose timestamp is wanted, from the batch of offset `from` on.
    fn find_record(
        &self,
        segment: &Arc<Segment>,
        from: u64,
        wanted: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<(u64, Timestamp)>> {
        let end = segment.end_offset().unwrap_or(u64::MAX);
        let start = self.marks.start();
        let mut cursor = Cursor::at(from.max(start));
        while cursor.offset() < end {
            let chunk = self.read(&cursor, ReadLimit::bytes(CHUNK_BYTES).until(end))?;
            for batch in chunk.batches() {
                let batch = batch?;
                if !batch.header().max_timestamp.is_some_and(&wanted) {
                    continue;
                }
                let records = batch.records()?;
                for record in records.iter() {
                    let record = record?;
                    match record.timestamp() {
                        Some(at) if record.offset() >= start && wanted(at) => {
                            return Ok(Some((record.offset(), at)));
                        }
                        _ => {}
                    }
                }
            }
            if chunk.is_empty() {
                break;
            }
            cursor = chunk.next().clone();
        }
        Ok(None)
    }
}
