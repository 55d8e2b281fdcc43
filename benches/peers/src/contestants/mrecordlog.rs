//! mrecordlog: many queues in one log, and all of them in memory besides.

use super::lock;
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Batch, Sink, Source};
use mrecordlog::{MultiRecordLog, SyncPolicy};
use std::path::Path;
use std::sync::Mutex;
use tokio::runtime::{Builder, Runtime};

pub(crate) const MRECORDLOG: Contestant = Contestant {
    name: "mrecordlog 0.4",
    acked: "in the page cache and in memory; nothing syncs, ever",
    checksum: "CRC-32 a frame",
    open,
};

/// The same at reading, of which its files have no part.
pub(crate) const MRECORDLOG_READS: Contestant =
    Contestant { name: "mrecordlog 0.4, from its copy in memory", ..MRECORDLOG };

struct Queues {
    /// Files are written by threads of the runtime.
    runtime: Runtime,
    log: Mutex<MultiRecordLog>,
}

fn name(partition: usize) -> String {
    format!("p{partition}")
}

fn open(dir: &Path, shape: &Shape) -> Result<Box<dyn Log>> {
    let runtime = Builder::new_current_thread().build()?;
    let mut log = runtime.block_on(MultiRecordLog::open_with_prefs(dir, SyncPolicy::OnAppend))?;
    for partition in 0..shape.partitions {
        runtime.block_on(log.create_queue(&name(partition)))?;
    }
    Ok(Box::new(Queues { runtime, log: Mutex::new(log) }))
}

impl Queues {
    fn append<'a>(&self, name: &str, records: impl Iterator<Item = &'a [u8]>) -> Result {
        let mut log = lock(&self.log);
        self.runtime.block_on(log.append_records(name, None, records))?;
        Ok(())
    }
}

impl Log for Queues {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        let name = name(partition);
        source.records(records).try_for_each(|record| self.append(&name, std::iter::once(record)))
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        let name = name(partition);
        source.batches(records).map(Batch::iter).try_for_each(|batch| self.append(&name, batch))
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let log = lock(&self.log);
        log.range(&name(partition), ..)
            .map_err(|error| format!("{error:?}"))?
            .for_each(|(_, record)| sink.take(&record));
        Ok(())
    }
}
