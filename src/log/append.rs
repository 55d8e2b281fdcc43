//! Appending: offsets are given here, and nowhere else.

use super::Log;
use super::roll::{RollParams, reason_to_roll};
use crate::config::LogConfig;
use crate::error::{Error, Result};
use crate::record::EncodedBatch;
use crate::segment::{ActiveSegment, AppendFailure, OpenTransactions, Segment};
use std::sync::Arc;

/// The first reservation of offsets. They grow with the log, so that a crash skips no more offsets than this, or than some
/// thirty times as many as were given out since it was opened: a sync for each is paid a few times, and then no more.
const RESERVATION_MIN: u64 = 1 << 10;
const RESERVATION_GROWTH: u64 = 16;
/// Beyond this the sync of a reservation costs nothing any more.
pub(super) const RESERVATION_MAX: u64 = 1 << 20;

/// What an append was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the batch's first record.
    pub base_offset: u64,
    /// The offset of its last record.
    pub last_offset: u64,
}

/// Everything that only the holder of the write lock may touch.
#[derive(Debug)]
pub(super) struct Writer {
    /// The settings and the epoch of the log, at hand for each append.
    pub(super) config: Arc<LogConfig>,
    pub(super) epoch: i32,
    pub(super) active: ActiveSegment,
    pub(super) transactions: OpenTransactions,
    /// The end when the log was opened, from which reservations grow.
    pub(super) opened_end: u64,
    pub(super) reserved_end: u64,
    /// Closed segments that are not synced and filed yet, in order.
    pub(super) unsynced: Vec<Arc<Segment>>,
    /// Whether a file was made whose name is not synced yet.
    pub(super) names_unsynced: bool,
}

impl Writer {
    /// Below this offset every transaction is decided.
    pub(super) fn last_stable(&self, end: u64) -> u64 {
        self.transactions.first_offset().unwrap_or(end)
    }

    /// From there on recovery looks for open transactions.
    pub(super) fn first_unstable(&self, end: u64) -> u64 {
        self.transactions.unsettled_from().unwrap_or(end)
    }
}

impl Log {
    /// Appends a batch: gives its records the next offsets, writes it behind the others, and shows it to readers.
    ///
    /// When this returns, the batch survives the end of the process; a power cut it survives once [`Log::flush_to`]
    /// its end has returned.
    ///
    /// # Errors
    /// If it fails, nothing was appended, but for [`Error::Indeterminate`], which says so. [`Error::DiskFull`] needs no
    /// reopening: free some space and append again.
    pub fn append(&self, batch: &mut EncodedBatch<'_>) -> Result<Appended> {
        let mut writer = self.writer.lock();
        self.check_writable()?;
        check_size(&writer.config, batch)?;
        let base_offset = self.marks.end();
        let last_offset = base_offset + u64::from(batch.header().last_offset_delta);
        if i64::try_from(last_offset).is_err() {
            return Err(Error::InvalidBatch { why: "the log has no offsets left".into() });
        }
        self.reserve(&mut writer, last_offset + 1)?;
        batch.assign(base_offset, writer.epoch);
        if self.must_roll(&mut writer, batch)? {
            self.roll(&mut writer, base_offset)?;
        }
        let Writer { active, transactions, .. } = &mut *writer;
        active
            .append(batch, transactions)
            .map_err(|failure| self.append_failed(active.segment(), failure))?;
        let end = last_offset + 1;
        self.marks.set_end(end, writer.last_stable(end));
        Ok(Appended { base_offset, last_offset })
    }

    /// Makes sure that all offsets below `end` are reserved, durably, before any of them is shown to anybody.
    fn reserve(&self, writer: &mut Writer, end: u64) -> Result<()> {
        if end <= writer.reserved_end {
            return Ok(());
        }
        let grown = (end - writer.opened_end).next_power_of_two().saturating_mul(RESERVATION_GROWTH);
        let reserved_end =
            end.saturating_add(grown.clamp(RESERVATION_MIN, RESERVATION_MAX)).min(i64::MAX as u64);
        self.commit(|state| state.reserved_end = reserved_end)?;
        writer.reserved_end = reserved_end;
        Ok(())
    }

    fn must_roll(&self, writer: &mut Writer, batch: &EncodedBatch<'_>) -> Result<bool> {
        let header = batch.header();
        let Writer { config, active, .. } = writer;
        let first_timestamp = active.first_timestamp()?;
        // The wall clock is only asked where it counts: it costs as much as encoding a record.
        let by_records = first_timestamp.is_some_and(|first| first.as_millis() >= 0);
        let params = RollParams {
            base_offset: active.segment().base_offset(),
            bytes: active.segment().bytes(),
            first_timestamp,
            opened_at: active.opened_at(),
            indexes_are_full: active.indexes_are_full(),
            incoming_bytes: header.size.into(),
            incoming_last_offset: header.last_offset(),
            incoming_timestamp: header.max_timestamp,
            now: if by_records { active.opened_at() } else { self.clock.now() },
        };
        Ok(reason_to_roll(&params, config).is_some())
    }

    /// Closes the active segment and begins a new one at `base_offset`. Nothing is synced here; the next flush does it.
    pub(super) fn roll(&self, writer: &mut Writer, base_offset: u64) -> Result<()> {
        writer.active.cut_space_ahead()?;
        let segment = Segment::create_or_empty(&self.home, base_offset)?;
        writer.names_unsynced = true;
        writer.active.segment().seal(base_offset);
        writer.unsynced.push(writer.active.segment().clone());
        writer.active = ActiveSegment::new(segment.clone(), &writer.config, self.clock.now());
        self.segments.store(Arc::new(self.segments.load().with(segment)));
        Ok(())
    }

    /// Closes the active segment, if it has any batches, and begins a new one; says where that begins. What is in closed
    /// segments can be compacted, and freed by itself.
    ///
    /// # Errors
    /// Those of the disk; then the log goes on in the segment that it has.
    pub fn begin_segment(&self) -> Result<u64> {
        let mut writer = self.writer.lock();
        self.check_writable()?;
        if writer.active.segment().bytes() > 0 {
            self.roll(&mut writer, self.marks.end())?;
        }
        Ok(writer.active.segment().base_offset())
    }

    fn append_failed(&self, segment: &Segment, failure: AppendFailure) -> Error {
        let AppendFailure { source, undone } = failure;
        if undone {
            return Error::io("append to", segment.log_path(), source);
        }
        self.poison(format!("an append failed and could not be undone: {source}"))
    }
}

fn check_size(config: &LogConfig, batch: &EncodedBatch<'_>) -> Result<()> {
    let bytes = batch.bytes().len() as u64;
    let limits = [("max_message_bytes", config.max_message_bytes), ("segment_bytes", config.segment_bytes)];
    for (setting, limit) in limits {
        if bytes > u64::from(limit) {
            return Err(Error::TooLarge { bytes, limit: limit.into(), setting });
        }
    }
    Ok(())
}
