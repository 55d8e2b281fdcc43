//! Moving the start of a log: what lies before it cannot be read any more.

use super::Log;
use super::marks::Mark;
use crate::error::{Error, Result};

impl Log {
    /// Makes `offset` the first that can be read, and says what the first is now: a start never goes back. It may lie
    /// in the middle of a batch. The files of what lies before are for retention to free.
    ///
    /// Durable when it returns; and so is everything below `offset`, lest a start lie behind the end.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if the log ends before `offset`.
    pub fn advance_start(&self, offset: u64) -> Result<u64> {
        let end = self.marks.end();
        if offset > end {
            return Err(Error::OffsetOutOfRange { requested: offset, start: self.marks.start(), end });
        }
        self.flush_to(offset)?;
        let _writer = self.writer.lock();
        self.check_writable()?;
        if offset > self.marks.start() {
            // Retention may have moved it further, durably, and is about to say so.
            self.commit(|state| state.start_offset = offset.max(state.start_offset))?;
            self.marks.set(Mark::Start, offset);
        }
        Ok(self.marks.start())
    }
}
