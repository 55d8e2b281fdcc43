//! The partitions that a consumer reads, and where it stands in each.

use super::Start;
use crate::clock::Clock;
use crate::config::Isolation;
use crate::error::{Error, Result};
use crate::partition::{Fetched, Partition, PartitionReader, Records, Signal};
use crate::types::Timestamp;
use std::sync::Arc;

/// Where to read on, said and not looked up yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Start(Start),
    Time(Timestamp),
}

/// One partition in the hands of a consumer. While it exists, the consumer's signal is notified of what is new.
#[derive(Debug)]
pub(super) struct Assigned {
    partition: Partition,
    reader: PartitionReader,
    isolation: Isolation,
    /// What to look up before anything is read. A look-up is left to the moment when it counts, as in Kafka.
    goal: Option<Goal>,
    pub(super) is_paused: bool,
    /// What was committed of it last, as far as this consumer knows.
    committed: Option<u64>,
    signal: Arc<Signal>,
}

impl Drop for Assigned {
    fn drop(&mut self) {
        self.partition.watchers().remove(&self.signal);
    }
}

impl Assigned {
    pub(super) fn new(partition: Partition, isolation: Isolation, start: Start, signal: Arc<Signal>) -> Self {
        partition.watchers().add(&signal);
        let reader = PartitionReader::new(partition.id().clone(), partition.log().clone(), isolation, 0);
        let goal = Some(Goal::Start(start));
        Self { partition, reader, isolation, goal, is_paused: false, committed: None, signal }
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Goes on at an offset. Whether it is there, the next poll says.
    pub(super) fn seek(&mut self, offset: u64) {
        self.goal = None;
        self.reader.seek(offset);
    }

    pub(super) fn seek_to(&mut self, goal: Goal) {
        self.goal = Some(goal);
    }

    /// Begins where its group has got to.
    pub(super) fn begin_at_committed(&mut self, offset: u64) {
        self.seek(offset);
        self.committed = Some(offset);
    }

    pub(super) fn note_committed(&mut self, offset: u64) {
        self.committed = Some(offset);
    }

    pub(super) fn forget_committed(&mut self) {
        self.committed = None;
    }

    /// Whether it stands anywhere that was not committed.
    pub(super) fn is_uncommitted(&self) -> bool {
        self.known_position().is_some_and(|position| self.committed != Some(position))
    }

    /// The offset of the next record to be returned, if it need not be looked up.
    pub(super) fn known_position(&self) -> Option<u64> {
        self.goal.is_none().then(|| self.reader.position())
    }

    /// The offset of the next record to be returned, looked up if need be.
    pub(super) fn position(&mut self, clock: &dyn Clock) -> Result<u64> {
        if let Some(goal) = self.goal {
            let offset = self.look_up(goal, None, clock)?;
            self.seek(offset);
        }
        Ok(self.reader.position())
    }

    /// How many offsets lie between its position and the last one that it may read.
    pub(super) fn lag(&mut self, clock: &dyn Clock) -> Result<u64> {
        let position = self.position(clock)?;
        Ok(self.partition.visible_end(self.isolation).saturating_sub(position))
    }

    /// Adds what is there, up to these limits, and says what that was. A position that is not there any more is looked up
    /// anew.
    pub(super) fn fetch(
        &mut self,
        records: &mut Records,
        records_max: usize,
        bytes_max: usize,
        start: Start,
        clock: &dyn Clock,
    ) -> Result<Fetched> {
        self.partition.check_exists()?;
        let position = self.position(clock)?;
        let until = self.partition.visible_end(self.isolation);
        // It has read all that there is: the log need not be asked. Most looks of somebody who waits end here.
        if position == until && position >= self.partition.watermarks().start {
            return Ok(Fetched::default());
        }
        let fetched = match self.reader.fetch(records, records_max, bytes_max, until) {
            Err(Error::OffsetOutOfRange { .. }) => {
                let offset = self.look_up(Goal::Start(start), Some(position), clock)?;
                self.seek(offset);
                self.reader.fetch(records, records_max, bytes_max, until.max(offset))
            }
            other => other,
        };
        fetched.map_err(|error| self.partition.explain(error))
    }

    fn look_up(&self, goal: Goal, position: Option<u64>, clock: &dyn Clock) -> Result<u64> {
        if self.partition.is_deleted() {
            return Err(Error::UnknownTopic { topic: self.partition.topic().to_owned() });
        }
        let marks = self.partition.watermarks();
        let end = self.partition.visible_end(self.isolation);
        let timestamp = match goal {
            Goal::Start(Start::Earliest) => return Ok(marks.start),
            Goal::Start(Start::Latest) => return Ok(end),
            Goal::Start(Start::None) => {
                let partition = self.partition.id().as_ref().clone();
                return Err(Error::NoPosition { partition, requested: position, start: marks.start, end });
            }
            Goal::Start(Start::ByDuration(ago)) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(clock.now().as_millis().saturating_sub(ago))
            }
            Goal::Time(timestamp) => timestamp,
        };
        // Where nothing is that new, it is what comes next.
        Ok(self.partition.offset_for_time(timestamp)?.map_or(end, |(offset, _)| offset.min(end)))
    }
}
