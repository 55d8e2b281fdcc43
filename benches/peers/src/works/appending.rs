//! A round of appending: an empty directory, so many writers at once, and how many records a second there were.

use crate::contestant::{Contestant, Log, Result, Shape};
use crate::scratch::Scratch;
use crate::source::{Sink, Source};
use std::sync::Barrier;
use std::time::Instant;

/// How the records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Each,
    Batches,
}

/// What is to be appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appending {
    pub(super) how: How,
    pub(super) writers: usize,
    pub(super) partitions: usize,
    /// Of each writer.
    pub(super) records: usize,
    pub(super) record_bytes: usize,
}

impl Appending {
    /// A round of it. When it is the first, all is read back and compared.
    pub(super) fn round(&self, scratch: &Scratch, contestant: &Contestant, is_first: bool) -> Result<f64> {
        let dir = scratch.round()?;
        let sources = self.sources();
        let log = (contestant.open)(dir.path(), &self.shape(is_first))?;
        let seconds = self.append(log.as_ref(), &sources)?;
        if is_first {
            for partition in 0..self.partitions {
                let mut sink = Sink::checking(self.in_partition(partition), &sources);
                log.read(partition, &mut sink)?;
                sink.verdict()?;
            }
        }
        Ok((self.writers * self.records) as f64 / seconds)
    }

    pub(super) fn shape(&self, reads_back: bool) -> Shape {
        let Self { partitions, record_bytes, .. } = *self;
        Shape { partitions, records: self.writers * self.records, record_bytes, reads_back }
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        (0..self.writers).map(|writer| Source::new(writer, self.record_bytes)).collect()
    }

    fn partition(&self, writer: usize) -> usize {
        writer % self.partitions
    }

    fn in_partition(&self, partition: usize) -> usize {
        let writers = (0..self.writers).filter(|writer| self.partition(*writer) == partition);
        writers.count() * self.records
    }

    /// Has all writers write, and says how many seconds that took: from the first that began to the last that was done.
    pub(super) fn append(&self, log: &dyn Log, sources: &[Source]) -> Result<f64> {
        let begin = Barrier::new(sources.len());
        let write = |source: &Source| -> Result<(Instant, Instant)> {
            begin.wait();
            let begun = Instant::now();
            let partition = self.partition(source.writer());
            match self.how {
                How::Each => log.append_each(partition, source, self.records)?,
                How::Batches => log.append_batches(partition, source, self.records)?,
            }
            Ok((begun, Instant::now()))
        };
        let write = &write;
        let times = std::thread::scope(|scope| {
            let (first, others) = sources.split_first().ok_or("somebody has to write")?;
            let others: Vec<_> = others.iter().map(|source| scope.spawn(move || write(source))).collect();
            let mut times = vec![write(first)?];
            for other in others {
                times.push(other.join().map_err(|_| "a writer panicked")??);
            }
            Result::Ok(times)
        })?;
        let begun = times.iter().map(|(begun, _)| *begun).min().ok_or("somebody wrote")?;
        let done = times.iter().map(|(_, done)| *done).max().ok_or("somebody wrote")?;
        Ok((done - begun).as_secs_f64())
    }
}
