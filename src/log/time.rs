//! Finding offsets by time.

use super::segments::SegmentList;
use super::{Cursor, Log, ReadLimit};
use crate::error::Result;
use crate::segment::Segment;
use crate::types::Timestamp;
use std::cmp::Reverse;
use std::ops::ControlFlow;

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
        self.with_segments(|segments| self.offset_for_time_in(segments, timestamp))
    }

    fn offset_for_time_in(
        &self,
        segments: &SegmentList,
        timestamp: Timestamp,
    ) -> Result<Option<(u64, Timestamp)>> {
        let start = self.marks.start();
        for segment in segments.reaching(start) {
            if segment.largest_timestamp().is_none_or(|largest| largest.timestamp < timestamp) {
                continue;
            }
            let known_older =
                segment.lookup_time(timestamp)?.map_or(segment.base_offset(), |entry| entry.offset);
            let found = self.find_record(segment, known_older, timestamp)?;
            if let Some((offset, _)) = found {
                self.check_lost(start, offset)?;
                return Ok(found);
            }
        }
        self.check_lost(start, self.marks.end())?;
        Ok(None)
    }

    /// The record with the largest timestamp, the first of them if there are more: its offset and timestamp. None if
    /// no record has a timestamp.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn max_timestamp(&self) -> Result<Option<(u64, Timestamp)>> {
        self.with_segments(|segments| self.max_timestamp_in(segments))
    }

    fn max_timestamp_in(&self, segments: &SegmentList) -> Result<Option<(u64, Timestamp)>> {
        let start = self.marks.start();
        self.check_lost(start, self.marks.end())?;
        let mut segments = segments.reaching(start);
        let mut best = None;
        if let Some((first, others)) = segments.split_first().filter(|(first, _)| first.base_offset() < start)
        {
            // The largest that it knows of may lie before the start.
            best = self.largest_record(first)?;
            segments = others;
        }
        let stamped =
            segments.iter().filter_map(|segment| Some((segment.largest_timestamp()?.timestamp, segment)));
        let mut stamped: Vec<_> = stamped.collect();
        stamped.sort_by_key(|(timestamp, _)| Reverse(*timestamp));
        for (timestamp, segment) in stamped {
            let is_before =
                |(offset, at)| timestamp > at || (timestamp == at && segment.base_offset() < offset);
            if !best.is_none_or(is_before) {
                break;
            }
            let found = self.record_of_largest(segment, timestamp)?;
            let rank = |(offset, at): (u64, Timestamp)| (at, Reverse(offset));
            best = best.into_iter().chain(found).max_by_key(|record| rank(*record));
        }
        Ok(best)
    }

    /// The first record with the largest timestamp of a segment, which is `timestamp` unless compaction has left only the
    /// header of the batch that had it.
    fn record_of_largest(&self, segment: &Segment, timestamp: Timestamp) -> Result<Option<(u64, Timestamp)>> {
        let older = segment.lookup_time(Timestamp::from_millis(timestamp.as_millis().saturating_sub(1)))?;
        let from = older.map_or(segment.base_offset(), |entry| entry.offset);
        match self.find_record(segment, from, timestamp)? {
            None => self.largest_record(segment),
            found => Ok(found),
        }
    }

    /// The first record of a segment that is not older than `timestamp`, from the batch of offset `from` on.
    fn find_record(
        &self,
        segment: &Segment,
        from: u64,
        timestamp: Timestamp,
    ) -> Result<Option<(u64, Timestamp)>> {
        let mut found = None;
        self.visit_records(segment, from, timestamp, |offset, at| {
            found = Some((offset, at));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The first record with the largest timestamp of a segment.
    fn largest_record(&self, segment: &Segment) -> Result<Option<(u64, Timestamp)>> {
        let mut largest: Option<(u64, Timestamp)> = None;
        let any = Timestamp::from_millis(i64::MIN);
        self.visit_records(segment, segment.base_offset(), any, |offset, at| {
            if largest.is_none_or(|(_, timestamp)| at > timestamp) {
                largest = Some((offset, at));
            }
            ControlFlow::Continue(())
        })?;
        Ok(largest)
    }

    /// Goes through the records of a segment that are not older than `timestamp`, from the batch of offset `from` and
    /// the start of the log on.
    fn visit_records(
        &self,
        segment: &Segment,
        from: u64,
        timestamp: Timestamp,
        mut act: impl FnMut(u64, Timestamp) -> ControlFlow<()>,
    ) -> Result<()> {
        let end = segment.end_offset().unwrap_or(u64::MAX);
        let start = self.marks.start();
        let mut cursor = Cursor::at(from.max(start));
        while cursor.offset() < end {
            let chunk = self.read(&cursor, ReadLimit::bytes(CHUNK_BYTES).until(end))?;
            let mut behind = 0;
            for batch in chunk.batches() {
                let batch = batch?;
                let at = behind;
                behind += batch.bytes().len();
                if batch.header().max_timestamp.is_none_or(|largest| largest < timestamp) {
                    continue;
                }
                let unreadable = |invalid| chunk.unreadable(at, batch.header(), invalid);
                for record in batch.records().map_err(unreadable)?.iter() {
                    let record = record.map_err(unreadable)?;
                    let wanted = record.timestamp().filter(|at| record.offset() >= start && *at >= timestamp);
                    if wanted.is_some_and(|at| act(record.offset(), at).is_break()) {
                        return Ok(());
                    }
                }
            }
            if chunk.is_empty() {
                break;
            }
            cursor = chunk.next().clone();
        }
        Ok(())
    }
}
