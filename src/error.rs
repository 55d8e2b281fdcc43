//! The one error: each variant says what happened and, in its sentence, what the caller does next.

use crate::types::InvalidName;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what the caller does about it.
///
/// [`Error::is_retriable`] and [`Error::is_fatal`] answer the two questions that a program asks; the text answers a
/// person's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to the file system failed. What was asked for did not happen.
    #[error("could not {action} {}: {source}; nothing was changed that was acknowledged, so mend the cause and try again", path.display())]
    Io {
        /// What was being done, as a verb: "open", "write to".
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// There is no space left. Nothing acknowledged is lost.
    #[error("the disk is full: could not {action} {}; free some space and go on, nothing needs to be reopened", path.display())]
    DiskFull {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Bytes that were once good are not what they were. Reading can go on behind the damage.
    #[error(
        "{} is damaged at byte {position}: expected {expected}, found {found}; offsets {} to {} cannot be read: \
         restore the file from a backup, or seek to {} to go on without them",
        path.display(), offsets.start, offsets.end.saturating_sub(1), offsets.end
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in it the damaged batch or entry begins.
        position: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// The offsets that are lost; their end is where reading can go on.
        offsets: Range<u64>,
    },

    /// Somebody has this directory open already: another process, or this one.
    #[error("{} is in use by another process or by this one; close that one first, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },

    /// A directory that this library did not make.
    #[error("{} is not a brooklet directory: {found}; choose an empty one, or adopt it if Kafka wrote it", path.display())]
    NotOurs {
        /// The directory or file.
        path: PathBuf,
        /// What was found there.
        found: String,
    },

    /// Written by a newer version of this library.
    #[error("{} has format version {found}, and this library knows up to {supported}; open it with a newer one", path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this library reads.
        supported: u32,
    },

    /// An offset that the log does not hold.
    #[error(
        "offset {requested} is out of range: the log holds {start} to {end} (exclusive); seek to one of these ends"
    )]
    OffsetOutOfRange {
        /// The offset asked for.
        requested: u64,
        /// The first offset that can be read.
        start: u64,
        /// The offset that the next record will get.
        end: u64,
    },

    /// A batch or record that is larger than the limit.
    #[error("{bytes} bytes are more than the limit of {limit}; send less at once or raise {setting}")]
    TooLarge {
        /// How large it is, headers included.
        bytes: u64,
        /// How large it may be.
        limit: u64,
        /// The setting that says so.
        setting: &'static str,
    },

    /// Bytes handed in that are not a record batch, or a record that cannot be one.
    #[error(
        "invalid record batch: {why}; nothing of it was appended or read, whoever makes it has to correct it"
    )]
    InvalidBatch {
        /// What is wrong, with what was expected and what was found.
        why: String,
    },

    /// A setting that cannot be.
    #[error("{setting} cannot be {value}: {why}")]
    InvalidConfig {
        /// The setting's name.
        setting: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        why: &'static str,
    },

    /// A name that Kafka's grammar does not allow.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),

    /// A batch that is compressed with a codec that was not compiled in.
    #[error("the codec {codec} is not compiled in; build with the feature {codec:?} of brooklet")]
    CodecMissing {
        /// The codec, which is also the feature's name.
        codec: &'static str,
    },

    /// Something with this name exists already.
    #[error("{} exists already; open it instead, or choose another name", path.display())]
    AlreadyExists {
        /// What exists.
        path: PathBuf,
    },

    /// Nothing has this name.
    #[error("{} does not exist; create it first, or check the name", path.display())]
    NotFound {
        /// What does not exist.
        path: PathBuf,
    },

    /// Whether it happened cannot be known: the system failed while making it durable.
    #[error(
        "it is not known whether offsets up to {until} of {} are durable: {cause}; \
         reopen the log, look at its end, and send again what is missing", path.display()
    )]
    Indeterminate {
        /// The log's directory.
        path: PathBuf,
        /// The end of what was to be made durable.
        until: u64,
        /// The failure, in words.
        cause: String,
    },

    /// An earlier failure made the state on disk unknowable; writing is refused until the log is opened anew.
    #[error("{} refuses writes since an earlier failure: {cause}; reads go on, reopen it to write again", path.display())]
    Poisoned {
        /// The log's directory.
        path: PathBuf,
        /// The failure, in words.
        cause: String,
    },

    /// Data that was durable is gone; the log is kept as it is, for reading only.
    #[error("{} was opened read-only: {lost}; restore the missing file from a backup and reopen", path.display())]
    ReadOnly {
        /// The log's directory.
        path: PathBuf,
        /// What is lost.
        lost: String,
    },

    /// It was closed.
    #[error("{} is closed; open it again", path.display())]
    Closed {
        /// What was closed.
        path: PathBuf,
    },
}

impl Error {
    /// Whether the same call may well succeed later, with nothing done but waiting or freeing space.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::DiskFull { .. } | Error::Locked { .. } => true,
            Error::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) || is_out_of_descriptors(source)
            }
            _ => false,
        }
    }

    /// Whether this log can take no more writes before it is opened anew.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Error::Poisoned { .. }
                | Error::Indeterminate { .. }
                | Error::ReadOnly { .. }
                | Error::Closed { .. }
        )
    }

    /// Puts words to a failure of the file system.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
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

/// Puts words to a `std::io` failure where it happens: `file.sync().or_io("sync", path)?`.
pub(crate) trait OrIo<T> {
    /// Names what was being done, and to what.
    fn or_io(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> OrIo<T> for io::Result<T> {
    fn or_io(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_and_can_be_retried() {
        let full = Error::io("write to", Path::new("x.log"), io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, Error::DiskFull { .. }));
        assert!(full.is_retriable() && !full.is_fatal());
        assert!(full.to_string().contains("x.log"));
    }

    #[test]
    fn damage_says_where_reading_can_go_on() {
        let corrupt = Error::Corrupt {
            path: "a/00000000000000000000.log".into(),
            position: 128,
            expected: "checksum 0x1".into(),
            found: "0x2".into(),
            offsets: 7..9,
        };
        let text = corrupt.to_string();
        assert!(
            text.contains("byte 128") && text.contains("offsets 7 to 8") && text.contains("seek to 9"),
            "{text}"
        );
    }

    #[test]
    fn the_error_travels_between_threads() {
        fn travels<T: Send + Sync + 'static>() {}
        travels::<Error>();
    }
}
