//! What becomes of a log when something cannot be made durable.
//!
//! A write that fails changes nothing, and can be tried again. A sync that fails is another matter: what it covered may
//! be on disk or not, and the page cache may believe that it is. From then on the log takes no writes, and whoever opens
//! it next is told not to trust what it reads of the tail.

use super::Log;
use super::durable_end::DurableEnd;
use crate::error::{Error, Result};

/// Why something could not be made durable.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    /// It was not written; what was before stands, and it can be tried again.
    Write(Error),
    /// Whether it is on disk is not known.
    Sync(Error),
}

impl From<CommitFailure> for Error {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Write(error) | CommitFailure::Sync(error) => error,
        }
    }
}

impl Log {
    /// Changes what `durable-end` says, durably.
    pub(super) fn commit(&self, change: impl FnOnce(&mut DurableEnd)) -> Result<()> {
        self.durable_end.commit(change).map_err(|failure| self.failed(failure))
    }

    /// Refuses writes from now on if a sync failed.
    pub(super) fn failed(&self, failure: CommitFailure) -> Error {
        match failure {
            CommitFailure::Write(error) => error,
            CommitFailure::Sync(error) => self.poison(error.to_string()),
        }
    }

    /// Refuses all writes, and leaves a note for whoever opens the log while the page cache lives. If not even that can
    /// be written there is nothing better to be done.
    pub(super) fn poison(&self, cause: String) -> Error {
        let _ = self.poison.set(cause.clone());
        let _ = self.durable_end.hint(|state| state.sync_failed = true);
        Error::Indeterminate { path: self.path().to_owned(), until: self.marks.end(), cause }
    }
}
