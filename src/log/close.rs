//! Closing a log in order: afterwards nothing has to be read to open it.

use super::{Log, Refusal};
use crate::error::Result;
use crate::segment::Segment;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Log {
    /// Makes everything durable, files all indexes, and refuses writes from now on. Reads go on.
    pub(super) fn close(&self) -> Result<()> {
        if !self.damage.is_empty() {
            return Ok(());
        }
        let closed = self.close_in_order();
        // Whoever opens the directory next has it alone: no later flush may touch it, whatever became of this one.
        self.without_flushes(|| self.is_shut.store(true, Ordering::Release));
        closed
    }

    fn close_in_order(&self) -> Result<()> {
        let was_cut = {
            let mut writer = self.writer.lock();
            self.check_writable()?;
            self.refuse(Refusal::Closed);
            writer.active.cut_space_ahead()?
        };
        self.cleaner.lock().give_up();
        self.flush()?;
        self.without_flushes(|| {
            let segments = self.segments.load_full();
            let (active, closed) = segments.all().split_last().expect("a log has at least one segment");
            if was_cut {
                // The flush had nothing to do if all batches were durable.
                active.sync_log()?;
            }
            // The flush may have filed some and failed to enter them in the manifest.
            let unfiled = std::mem::take(&mut self.writer.lock().unsynced);
            let is_due = |segment: &&Arc<Segment>| {
                segment.is_live() || unfiled.iter().any(|other| Arc::ptr_eq(other, segment))
            };
            let due: Vec<_> = closed.iter().filter(is_due).cloned().collect();
            self.file_closed(&due)?;
            active.finish_indexes();
            let sums = active.file_indexes()?;
            let end = self.marks.end();
            let mut state = self.durable_end.state();
            state.sums = sums;
            state.segment_base = active.base_offset();
            state.segment_bytes = active.bytes();
            state.largest = active.largest_timestamp();
            state.durable_end = end;
            state.first_unstable = self.writer.lock().first_unstable(end);
            state.reserved_end = end;
            if state != self.durable_end.state() { self.commit(|noted| *noted = state) } else { Ok(()) }
        })
    }
}
