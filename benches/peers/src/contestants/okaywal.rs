//! okaywal: a durable log that keeps nothing for long: a checkpoint takes what is in a full segment, and it is used again.

use super::lock;
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use okaywal::{Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) const OKAYWAL: Contestant = Contestant {
    name: "okaywal 0.3",
    acked: "durable: fdatasync, shared by those who wait",
    checksum: "CRC-32C a record",
    open,
};

struct Wal {
    dir: PathBuf,
    open: RwLock<Option<WriteAheadLog>>,
    keeper: Keeper,
}

/// What checkpoints have taken, if anybody wants to know afterwards. Without, they throw it away.
#[derive(Debug, Clone)]
struct Keeper {
    keeps: bool,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn open(dir: &Path, shape: &Shape) -> Result<Box<dyn Log>> {
    let keeper = Keeper { keeps: shape.reads_back, kept: Arc::default() };
    let open = RwLock::new(Some(WriteAheadLog::recover(dir, keeper.clone())?));
    Ok(Box::new(Wal { dir: dir.to_owned(), open, keeper }))
}

impl LogManager for Keeper {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        if self.keeps {
            let chunks = entry.read_all_chunks()?;
            lock(&self.kept).extend(chunks.into_iter().flatten());
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        while self.keeps {
            let Some(mut entry) = entries.read_entry()? else { break };
            self.recover(&mut entry)?;
        }
        Ok(())
    }
}

impl Wal {
    fn append<'a>(&self, entries: impl Iterator<Item = impl Iterator<Item = &'a [u8]>>) -> Result {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let wal = open.as_ref().ok_or("it was closed to be read")?;
        for records in entries {
            let mut entry = wal.begin_entry()?;
            for record in records {
                entry.write_chunk(record)?;
            }
            entry.commit()?;
        }
        Ok(())
    }

    fn close(&self) -> Result {
        let wal = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        Ok(wal.map(WriteAheadLog::shutdown).transpose().map(drop)?)
    }
}

impl Log for Wal {
    fn append_each(&self, _partition: usize, source: &Source, records: usize) -> Result {
        self.append(source.records(records).map(std::iter::once))
    }

    fn append_batches(&self, _partition: usize, source: &Source, records: usize) -> Result {
        self.append(source.batches(records).map(|batch| batch.iter()))
    }

    /// What has been checkpointed it has forgotten, and what has not it tells when it is opened again.
    fn read(&self, _partition: usize, sink: &mut Sink<'_>) -> Result {
        self.close()?;
        WriteAheadLog::recover(&self.dir, self.keeper.clone())?.shutdown()?;
        lock(&self.keeper.kept).iter().for_each(|record| sink.take(record));
        Ok(())
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        // Its thread must not write into a directory that is being removed.
        let _ = self.close();
    }
}
