//! What happens in the background, for whoever wants to know.

use crate::error::Error;
use crate::log::{ClockDoubt, Compacted, RemovalReason, Removed};
use crate::types::TopicPartition;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Something that a broker did, or could not do, without being asked. Its text is a line for a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BrokerEvent {
    /// Retention has removed segments.
    Retained {
        /// Where.
        partition: TopicPartition,
        /// Which, and why.
        removed: Removed,
    },
    /// Retention could not be enforced. It is tried again with the next check.
    RetentionFailed {
        /// Where.
        partition: TopicPartition,
        /// What was in the way. Nothing was removed that was not to be.
        error: Error,
    },
    /// The wall clock has jumped ahead, and nothing is deleted by it for now. Told once in each check.
    ClockDoubted {
        /// What it says, what it should say, and for how long it is doubted.
        doubt: ClockDoubt,
    },
    /// A round of compaction is over.
    Compacted {
        /// Where.
        partition: TopicPartition,
        /// All of the round.
        compacted: Compacted,
    },
    /// Compaction failed: what it met is as it was, and what it did before that stays done.
    CompactionFailed {
        /// Where.
        partition: TopicPartition,
        /// What was in the way.
        error: Error,
        /// Whether the log is not compacted any more until the broker is opened anew; else it is tried again in a while.
        is_set_aside: bool,
    },
    /// When the broker was opened, something of a topic that was deleted before was in the way of its removal. All else
    /// is as ever; only the name of that topic is not free.
    DeletionUnfinished {
        /// The topic.
        topic: String,
        /// What is in the way: [`Error::DeletionUnfinished`], but for a disk that takes no notes.
        error: Error,
    },
}

impl fmt::Display for BrokerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retained { partition, removed } => {
                let count = |reason| removed.segments.iter().filter(|gone| gone.reason == reason).count();
                let [before, much, old] =
                    [RemovalReason::Start, RemovalReason::Size, RemovalReason::Time].map(count);
                write!(
                    f,
                    "{partition}: removed {} segments of {} bytes ({before} before the start, {much} too much, \
                     {old} too old); it begins at {} now",
                    removed.segments.len(),
                    removed.bytes(),
                    removed.start
                )
            }
            Self::RetentionFailed { partition, error } => {
                write!(f, "{partition}: retention was not enforced: {error}")
            }
            Self::ClockDoubted { doubt } => write!(
                f,
                "the wall clock says {} and should say {} (milliseconds): nothing is deleted by it for {:?}",
                doubt.wall.as_millis(),
                doubt.expected.as_millis(),
                doubt.remaining
            ),
            Self::Compacted { partition, compacted } => write!(
                f,
                "{partition}: compacted {} bytes to {}, {} records of {} dropped; compacted up to {} now",
                compacted.bytes_in,
                compacted.bytes_out,
                compacted.records_dropped,
                compacted.records_in,
                compacted.first_dirty
            ),
            Self::CompactionFailed { partition, error, is_set_aside } => {
                let next =
                    if *is_set_aside { "set aside until it is opened anew" } else { "tried again later" };
                write!(f, "{partition}: not compacted, {next}: {error}")
            }
            Self::DeletionUnfinished { topic, error } => {
                write!(f, "{topic}: not removed altogether: {error}")
            }
        }
    }
}

type Callback = dyn Fn(&BrokerEvent) + Send + Sync;

/// Who is told, if anybody is.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Callback>>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&BrokerEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// A listener that panics has its own trouble; whoever tells it has none.
    pub(super) fn tell(&self, event: &BrokerEvent) {
        if let Some(listener) = &self.0 {
            let _ = catch_unwind(AssertUnwindSafe(|| listener(event)));
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener(..)" } else { "Listener(none)" })
    }
}
