//! walrus: blocks of mapped files, topics in them, and a cursor for each topic.
//!
//! It finds its directory through the environment, keeps every mapping until the process ends, and starts a thread for
//! each instance that never ends. So its files are emptied before they are removed, or the disk would fill.
//!
//! Its call for writing batches is not used: it syncs before it returns, and would be compared with nobody here. Its call
//! for reading them skips records where its limit of bytes ends within the last sealed block: it goes on with the block
//! that is being written. So it gets a limit that it cannot reach, for it never returns more than 2,000 records.

use super::lock;
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus, disable_fd_backend};

pub(crate) const WALRUS: Contestant = Contestant {
    name: "walrus-rust 0.2, mapped",
    acked: "in a mapped page; a thread syncs every 200 ms if it got its io_uring",
    checksum: "FNV-1a a record",
    open,
};

/// The same in rounds where others write batches.
pub(crate) const WALRUS_BATCH: Contestant =
    Contestant { name: "walrus-rust 0.2, mapped, record by record", ..WALRUS };

/// The most records that it reads at once, and the bytes that it puts in front of each.
const READ_RECORDS: usize = 2000;
const PREFIX_BYTES: usize = 64;

/// Tells it where it may write, and to write nothing to the terminal. To be called while there is one thread only.
#[expect(unsafe_code, reason = "it takes its directory from the environment and from nowhere else")]
pub(crate) fn prepare(scratch: &Path) {
    disable_fd_backend();
    // SAFETY: the only caller is `main`, before it starts any thread.
    unsafe {
        std::env::set_var("WALRUS_DATA_DIR", scratch);
        std::env::set_var("WALRUS_QUIET", "1");
    }
}

struct Topics {
    dir: PathBuf,
    walrus: Walrus,
    /// Two that write to one topic at once would be refused.
    names: Vec<Mutex<String>>,
    read_bytes: usize,
}

fn open(dir: &Path, shape: &Shape) -> Result<Box<dyn Log>> {
    // Which is below the directory of `prepare`, as all rounds are.
    let key = dir.file_name().and_then(|name| name.to_str()).ok_or("a round has a name")?;
    let consistency = ReadConsistency::AtLeastOnce { persist_every: 1_000_000 };
    let schedule = FsyncSchedule::Milliseconds(200);
    let walrus = Walrus::with_consistency_and_schedule_for_key(key, consistency, schedule)?;
    let names = (0..shape.partitions).map(|number| Mutex::new(format!("p{number}"))).collect();
    let read_bytes = READ_RECORDS * (shape.record_bytes + PREFIX_BYTES) + PREFIX_BYTES;
    Ok(Box::new(Topics { dir: dir.to_owned(), walrus, names, read_bytes }))
}

impl Log for Topics {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        let name = lock(&self.names[partition]);
        for record in source.records(records) {
            self.walrus.append_for_topic(&name, record)?;
        }
        Ok(())
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        for batch in source.batches(records) {
            let name = lock(&self.names[partition]);
            for record in batch.iter() {
                self.walrus.append_for_topic(&name, record)?;
            }
        }
        Ok(())
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let name = lock(&self.names[partition]);
        while !sink.is_full() {
            let entries = self.walrus.batch_read_for_topic(&name, self.read_bytes, true)?;
            if entries.is_empty() {
                break;
            }
            entries.iter().for_each(|entry| sink.take(&entry.data));
        }
        Ok(())
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            if let Ok(file) = std::fs::File::options().write(true).open(entry.path()) {
                // If it does not work the round's directory is removed all the same, and memory comes back at the end.
                let _ = file.set_len(0);
            }
        }
    }
}
