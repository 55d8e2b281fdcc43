//! commitlog: an embedded, segmented log of single messages, each in its index.

use super::{lock, partition_dirs};
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};
use std::path::Path;
use std::sync::Mutex;

pub(crate) const COMMITLOG: Contestant = Contestant {
    name: "commitlog 0.2",
    acked: "in the page cache; nothing syncs the data, ever",
    checksum: "CRC-32C a record",
    open,
};

struct Logs(Vec<Mutex<CommitLog>>);

fn open(dir: &Path, shape: &Shape) -> Result<Box<dyn Log>> {
    let open = |dir: std::path::PathBuf| CommitLog::new(LogOptions::new(dir)).map(Mutex::new);
    let logs =
        partition_dirs(dir, shape.partitions)?.into_iter().map(open).collect::<std::io::Result<_>>()?;
    Ok(Box::new(Logs(logs)))
}

impl Log for Logs {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        let mut log = lock(&self.0[partition]);
        let mut buffer = MessageBuf::default();
        for record in source.records(records) {
            buffer.clear();
            buffer.push(record).map_err(|error| format!("{error:?}"))?;
            log.append(&mut buffer)?;
        }
        Ok(())
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        let mut buffer = MessageBuf::default();
        for batch in source.batches(records) {
            buffer.clear();
            for record in batch.iter() {
                buffer.push(record).map_err(|error| format!("{error:?}"))?;
            }
            lock(&self.0[partition]).append(&mut buffer)?;
        }
        Ok(())
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let log = lock(&self.0[partition]);
        let mut next = 0;
        while !sink.is_full() {
            let messages = log.read(next, ReadLimit::max_bytes(super::ours::READ_BYTES))?;
            if messages.is_empty() {
                break;
            }
            for message in messages.iter() {
                sink.take(message.payload());
                next = message.offset() + 1;
            }
        }
        Ok(())
    }
}
