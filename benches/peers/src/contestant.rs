//! What a log has to be able to do to take part.

use crate::source::{Sink, Source};
use std::error::Error;
use std::path::Path;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many partitions a round has, and what will be written to all of them together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) partitions: usize,
    pub(crate) records: usize,
    pub(crate) record_bytes: usize,
    /// Whether the records are read back afterwards. Who throws them away otherwise has to keep them then.
    pub(crate) reads_back: bool,
}

/// Somebody who takes part.
#[derive(Clone, Copy)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// What it means that an append has returned.
    pub(crate) acked: &'static str,
    /// What tells damage from data.
    pub(crate) checksum: &'static str,
    /// Opens an empty directory.
    pub(crate) open: fn(&Path, &Shape) -> Result<Box<dyn Log>>,
}

/// An open log. Who takes one writer at a time has a lock in front.
pub(crate) trait Log: Sync {
    /// Appends so many records one by one, each acknowledged before the next one comes.
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result;

    /// Appends so many records in batches, each acknowledged before the next one comes.
    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result;

    /// Reads a partition from its beginning until the sink is full, or nothing is left.
    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result;
}
