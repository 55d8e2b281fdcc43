//! Which aborted transactions concern a reader of committed records.

use super::Log;
use super::segments::SegmentList;
use crate::error::Result;
use crate::segment::{AbortedTransaction, OpenTransactions, Segment};
use std::sync::Arc;

impl Log {
    /// The aborted transactions that have records in `from..until`, in the order of their markers.
    ///
    /// # Errors
    /// Those of the file system, or of damage met while a lost index is made anew.
    pub fn aborted_transactions(&self, from: u64, until: u64) -> Result<Vec<AbortedTransaction>> {
        self.with_segments(|segments| self.aborted_in(segments, from, until))
    }

    pub(super) fn aborted_in(
        &self,
        segments: &SegmentList,
        from: u64,
        until: u64,
    ) -> Result<Vec<AbortedTransaction>> {
        let mut all = Vec::new();
        for segment in segments.reaching(from) {
            let (found, complete) = match segment.aborted(from, until)? {
                Ok(found) => found,
                Err(_unusable) => {
                    rebuild_with_history(segments.all(), segment)?;
                    segment.aborted(from, until)?.unwrap_or_default()
                }
            };
            all.extend(found);
            if complete {
                self.check_lost(from, segment.base_offset())?;
                return Ok(all);
            }
        }
        self.check_lost(from, self.marks.end())?;
        Ok(all)
    }
}

/// Makes the indexes of a segment anew, with the transactions that were open where it begins: only all that lies before
/// can tell.
pub(super) fn rebuild_with_history(segments: &[Arc<Segment>], target: &Arc<Segment>) -> Result<()> {
    let mut open = OpenTransactions::default();
    for segment in segments.iter().take_while(|segment| !Arc::ptr_eq(segment, target)) {
        segment.replay_transactions(&mut open)?;
    }
    target.rebuild_with(&mut open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::log::{CompactionConfig, Cursor, LogDir, ReadLimit};
    use crate::record::{BatchBuilder, Compression, ControlRecord, EncodedBatch, RecordParts};
    use crate::types::{Timestamp, TopicPartition};
    use std::cell::Cell;
    use std::time::Duration;

    fn append(log: &Log, mut bytes: Vec<u8>) {
        log.append(&mut EncodedBatch::from_bytes(&mut bytes).unwrap()).unwrap();
    }

    fn records(producer_id: Option<i64>) -> Vec<u8> {
        let mut batch = BatchBuilder::new(Compression::None);
        if let Some(producer_id) = producer_id {
            batch.producer(producer_id, 0, 0).transactional(true);
        }
        batch
            .push(&RecordParts { key: Some(b"key"), value: Some(b"value"), ..RecordParts::default() })
            .unwrap();
        batch.build().unwrap().bytes().to_vec()
    }

    /// Two passes: the first drops what was aborted, the second what says that it was.
    fn compact(log: &Log) {
        let config = CompactionConfig {
            min_dirty_ratio: -1.0,
            delete_retention: Duration::ZERO,
            ..CompactionConfig::default()
        };
        for _ in 0..3 {
            (0..4).for_each(|_| append(log, records(None)));
            let _ = log.compact(&config, &|_| false, u64::MAX).unwrap();
        }
    }

    #[test]
    fn a_read_that_compaction_overtakes_is_told_of_what_it_has_in_hand() {
        let dir = LogDir::in_memory().unwrap();
        let config = LogConfig { segment_bytes: 200, ..LogConfig::default() };
        let log = dir.create_log(&TopicPartition::new("t", 0).unwrap(), config).unwrap();
        append(&log, records(Some(7)));
        let abort = ControlRecord::Abort { coordinator_epoch: 0 };
        append(&log, abort.encode(7, 0, Timestamp::default()).unwrap());
        let asked = Cell::new(0);
        let (chunk, aborted) = log
            .with_segments(|segments| {
                let chunk = log.read_in(segments, &Cursor::at(0), ReadLimit::bytes(1))?;
                if asked.replace(asked.get() + 1) == 0 {
                    compact(&log);
                }
                Ok((chunk, log.aborted_in(segments, 0, 1)?))
            })
            .unwrap();
        assert_eq!((chunk.offset(), aborted.len()), (0, 1));
        assert!(log.aborted_transactions(0, 1).unwrap().is_empty(), "who asks now has nothing in hand");
        let (chunk, aborted) = log.read_with_aborted(&Cursor::at(0), ReadLimit::bytes(1)).unwrap();
        assert!(chunk.offset() > 0 && aborted.is_empty());
    }
}
