//! raft-engine: the logs of many Raft groups in one; each writer has a group, as the entries of one are numbered by it.

use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use protobuf::well_known_types::Any;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};
use std::path::Path;

const CHECKSUM: &str = "CRC-32 a batch, and a record";

pub(crate) const RAFT_ENGINE: Contestant = Contestant {
    name: "raft-engine 0.4",
    acked: "in the page cache",
    checksum: CHECKSUM,
    open: |dir, shape| open(dir, shape, false),
};

pub(crate) const RAFT_ENGINE_DURABLE: Contestant = Contestant {
    acked: "durable: fdatasync, shared by those who wait",
    open: |dir, shape| open(dir, shape, true),
    ..RAFT_ENGINE
};

struct Groups {
    engine: Engine,
    partitions: usize,
    is_durable: bool,
}

/// An entry is some message with a number in it. `Any` is the plainest that has room for both.
#[derive(Clone)]
struct Entry;

impl MessageExt for Entry {
    type Entry = Any;

    fn index(entry: &Any) -> u64 {
        entry.type_url.parse().unwrap_or(0)
    }
}

fn entry(index: u64, value: &[u8]) -> Any {
    Any { type_url: index.to_string(), value: value.to_vec(), ..Any::default() }
}

fn open(dir: &Path, shape: &Shape, is_durable: bool) -> Result<Box<dyn Log>> {
    let config = Config {
        dir: dir.to_str().ok_or("a path of letters")?.to_owned(),
        // Nobody else compresses.
        batch_compression_threshold: ReadableSize::kb(0),
        ..Config::default()
    };
    Ok(Box::new(Groups { engine: Engine::open(config)?, partitions: shape.partitions, is_durable }))
}

impl Groups {
    /// The first entry of a group has the number 1.
    fn append(
        &self,
        source: &Source,
        next: &mut u64,
        values: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> Result {
        let entries: Vec<Any> =
            values.zip(*next..).map(|(value, index)| entry(index, value.as_ref())).collect();
        *next += entries.len() as u64;
        let mut batch = LogBatch::default();
        batch.add_entries::<Entry>(source.writer() as u64 + 1, &entries)?;
        self.engine.write(&mut batch, self.is_durable)?;
        Ok(())
    }
}

impl Log for Groups {
    fn append_each(&self, _partition: usize, source: &Source, records: usize) -> Result {
        let mut next = 1;
        source.records(records).try_for_each(|value| self.append(source, &mut next, std::iter::once(value)))
    }

    fn append_batches(&self, _partition: usize, source: &Source, records: usize) -> Result {
        let mut next = 1;
        source.batches(records).try_for_each(|batch| self.append(source, &mut next, batch.iter()))
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        const AT_ONCE: u64 = 1000;
        for group in self.engine.raft_groups() {
            if (group as usize - 1) % self.partitions != partition {
                continue;
            }
            let (first, last) = (self.engine.first_index(group), self.engine.last_index(group));
            let (first, end) = (first.unwrap_or(1), last.map_or(1, |last| last + 1));
            for begin in (first..end).step_by(AT_ONCE as usize) {
                let mut entries = Vec::new();
                let until = end.min(begin + AT_ONCE);
                self.engine.fetch_entries_to::<Entry>(group, begin, until, None, &mut entries)?;
                entries.iter().for_each(|entry| sink.take(&entry.value));
            }
        }
        Ok(())
    }
}
