//! The one segment that is written to.

use super::aborted_index::AbortedTransaction;
use super::ahead::Ahead;
use super::index::Quiet;
use super::transactions::OpenTransactions;
use super::{Indexes, Segment};
use crate::config::LogConfig;
use crate::error::{Error, OrIo, Result};
use crate::record::{BatchHeader, EncodedBatch};
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The right to append to a segment. There is one per log, behind its write lock.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    segment: Arc<Segment>,
    ahead: Ahead,
    segment_bytes: u32,
    index_interval: u32,
    index_bytes_max: u32,
    indexes_are_full: bool,
    /// What the indexes were not told yet, because it would change nothing.
    quiet: Quiet,
    /// What the age of the segment is counted from: see [`ActiveSegment::first_timestamp`].
    first_timestamp: Option<Option<Timestamp>>,
    opened_at: Timestamp,
}

/// An append that failed.
#[derive(Debug)]
pub(crate) struct AppendFailure {
    /// Why.
    pub(crate) source: io::Error,
    /// Whether the file is known to be as it was before. If not, nothing is known of what lies behind its end.
    pub(crate) undone: bool,
}

impl ActiveSegment {
    /// The right to go on where a segment ends. Its file ends there too.
    pub(crate) fn new(segment: Arc<Segment>, config: &LogConfig, now: Timestamp) -> Self {
        let mut active = Self {
            ahead: Ahead::ending_at(segment.bytes()),
            segment,
            segment_bytes: config.segment_bytes,
            index_interval: config.index_interval_bytes,
            index_bytes_max: config.segment_index_bytes,
            indexes_are_full: false,
            quiet: Quiet::default(),
            first_timestamp: None,
            opened_at: now,
        };
        (active.indexes_are_full, active.quiet) = match &*active.segment.indexes.read() {
            Indexes::Live(live) => (live.is_full(active.index_bytes_max), live.quiet(active.index_interval)),
            Indexes::Filed(_) => unreachable!("the indexes of the active segment are in memory"),
        };
        active
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// When this segment was opened or created, on the wall clock.
    pub(crate) fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// The largest timestamp of the first batch, which is what Kafka counts a segment's age from. `None` if there is
    /// no batch yet, or if it has none, or is damaged: then those who read it are told.
    pub(crate) fn first_timestamp(&mut self) -> Result<Option<Timestamp>> {
        if self.segment.bytes() == 0 {
            return Ok(None);
        }
        if let Some(known) = self.first_timestamp {
            return Ok(known);
        }
        let first = match self.segment.first_timestamp() {
            Err(Error::Corrupt { .. }) => None,
            first => first?,
        };
        Ok(*self.first_timestamp.insert(first))
    }

    /// Whether an index is as large as it was to become when the segment was begun.
    pub(crate) fn indexes_are_full(&self) -> bool {
        self.indexes_are_full
    }

    /// Writes a batch behind the others, notes it in the indexes, and publishes it.
    ///
    /// After a failure the file is cut back to where it was, and this is synced: without that, a power cut could bring
    /// back what was reported as not appended.
    pub(crate) fn append(
        &mut self,
        batch: &EncodedBatch<'_>,
        open: &mut OpenTransactions,
    ) -> Result<(), AppendFailure> {
        let position = self.segment.bytes();
        self.write(position, batch.bytes())?;
        let is_transactional = batch.header().is_transactional();
        let aborted = if is_transactional { open.observe(&batch.as_batch()) } else { None };
        if aborted.is_some() || !self.quiet.takes(batch.header()) {
            self.note_in_indexes(batch.header(), position, aborted);
        }
        if position == 0 {
            self.first_timestamp = Some(batch.header().max_timestamp);
        }
        self.segment.bytes.store(position + batch.bytes().len() as u64, Ordering::Release);
        Ok(())
    }

    fn note_in_indexes(&mut self, header: &BatchHeader, position: u64, aborted: Option<AbortedTransaction>) {
        match &mut *self.segment.indexes.write() {
            Indexes::Live(live) => {
                live.pass(self.quiet);
                live.observe(header, position, self.index_interval);
                if let Some(aborted) = aborted {
                    live.push_aborted(aborted);
                }
                self.quiet = live.quiet(self.index_interval);
                self.indexes_are_full = live.is_full(self.index_bytes_max);
            }
            Indexes::Filed(_) => unreachable!("the indexes of the active segment are in memory"),
        }
    }

    fn write(&mut self, position: u64, bytes: &[u8]) -> Result<(), AppendFailure> {
        let Self { segment, ahead, .. } = self;
        let file = segment.file().map_err(|source| AppendFailure { source, undone: true })?;
        ahead.make_room(file.as_ref(), position + bytes.len() as u64, self.segment_bytes.into());
        file.write_all_at(position, bytes).map_err(|source| {
            let undone = ahead.cut(file.as_ref(), position).and_then(|()| file.sync()).is_ok();
            AppendFailure { source, undone }
        })
    }

    /// Gives back the space behind its last batch, before it is closed; says whether there was any. The next sync makes
    /// this durable.
    pub(crate) fn cut_space_ahead(&mut self) -> Result<bool> {
        let bytes = self.segment.bytes();
        let reaches = self.ahead.reaches_behind(bytes);
        if reaches {
            let path = self.segment.log_path();
            self.segment.file().and_then(|file| self.ahead.cut(file.as_ref(), bytes)).or_io("cut", path)?;
        }
        Ok(reaches)
    }
}
