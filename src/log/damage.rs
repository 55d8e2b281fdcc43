//! What was found to be lost: data that was durable, and is gone.

use super::Log;
use crate::error::{Error, Result};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Something durable that is gone, found when a log was opened. Nothing is deleted to heal it: the log is read-only,
/// its other records can be read, and a restored file makes it whole again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file that is missing or too short.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// The offsets that cannot be read.
    pub offsets: Range<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.offsets;
        write!(
            f,
            "offsets {start} to {} are lost: {} {}",
            end.saturating_sub(1),
            self.path.display(),
            self.what
        )
    }
}

impl Log {
    /// An error if `offset` lies in what is lost, or something is lost between it and `until`: for whoever would answer
    /// with what lies at `until`.
    pub(super) fn check_lost(&self, offset: u64, until: u64) -> Result<()> {
        let concerns = |damage: &&Damage| {
            damage.offsets.end > offset && (damage.offsets.start <= offset || damage.offsets.start < until)
        };
        match self.damage.iter().find(concerns) {
            None => Ok(()),
            Some(damage) => Err(Error::Corrupt {
                path: damage.path.clone(),
                position: 0,
                expected: "the file as it was synced".into(),
                found: damage.what.clone(),
                offsets: offset..damage.offsets.end,
            }),
        }
    }
}
