//! The two questions that a program asks of an error, and how one is made from a failure of the file system.

use super::Error;
use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl Error {
    /// Whether the same call may well succeed later, with nothing done but waiting or freeing space.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::DiskFull { .. }
            | Error::Locked { .. }
            | Error::Timeout { .. }
            | Error::BufferFull { .. }
            | Error::RebalanceInProgress { .. }
            | Error::WokenUp => true,
            Error::Io { source, .. } | Error::DeletionUnfinished { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) || is_out_of_descriptors(source)
            }
            _ => false,
        }
    }

    /// Whether whoever met it can go on only with a new one: the log opened anew, the producer built anew.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Error::ProducerFenced { .. }
                | Error::CoordinatorFenced { .. }
                | Error::OutOfOrderSequence { .. }
                | Error::HandleClosed { .. }
                | Error::FencedInstance { .. }
                | Error::Poisoned { .. }
                | Error::Indeterminate { .. }
                | Error::ReadOnly { .. }
                | Error::Closed { .. }
        )
    }

    /// Puts words to a panic of what was handed in.
    pub(crate) fn panicked(what: &'static str, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::Panicked { what, message: message.unwrap_or_else(|| "something that is no text".into()) }
    }

    /// Puts words to a failure to remove what is left of a deleted topic.
    pub(crate) fn deletion_unfinished(self, topic: &str) -> Self {
        match self {
            Error::Io { path, source, .. } | Error::DiskFull { path, source, .. } => {
                Error::DeletionUnfinished { topic: topic.to_owned(), path, source }
            }
            other => other,
        }
    }

    /// Puts words to a failure of the file system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let (path, source) = (path.into(), Arc::new(source));
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::DiskFull { action, path, source }
            }
            _ => Error::Io { action, path, source },
        }
    }
}

/// EMFILE and ENFILE have no kind of their own.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
