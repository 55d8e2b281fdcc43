//! The machine's limit without a map: `pwrite`, and `fdatasync` after each where it is to be durable.

use super::partition_dirs;
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const FILE: Contestant = Contestant {
    name: "limit: one pwrite for each append",
    acked: "in the page cache",
    checksum: "none",
    open: |dir, shape| open(dir, shape, false),
};

pub(crate) const FILE_DURABLE: Contestant = Contestant {
    name: "limit: pwrite and fdatasync, each for itself, into a file of zeros",
    acked: "durable: fdatasync, one for each record",
    open: |dir, shape| open(dir, shape, true),
    ..FILE
};

struct Plain {
    record_bytes: usize,
    is_durable: bool,
    files: Vec<(File, AtomicUsize)>,
}

fn open(dir: &Path, shape: &Shape, is_durable: bool) -> Result<Box<dyn Log>> {
    let Shape { record_bytes, records, .. } = *shape;
    let open = |dir: std::path::PathBuf| -> Result<(File, AtomicUsize)> {
        let file = File::options().read(true).write(true).create_new(true).open(dir.join("plain"))?;
        if is_durable {
            // Written once, it has its blocks, and a sync has no others to note.
            file.write_all_at(&vec![0; record_bytes * records], 0)?;
            file.sync_all()?;
        }
        Ok((file, AtomicUsize::new(0)))
    };
    let files = partition_dirs(dir, shape.partitions)?.into_iter().map(open).collect::<Result<_>>()?;
    Ok(Box::new(Plain { record_bytes, is_durable, files }))
}

impl Plain {
    fn append(&self, partition: usize, bytes: &[u8]) -> Result {
        let (file, end) = &self.files[partition];
        let begin = end.fetch_add(bytes.len(), Ordering::Relaxed);
        file.write_all_at(bytes, begin as u64)?;
        if self.is_durable {
            file.sync_data()?;
        }
        Ok(())
    }
}

impl Log for Plain {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        source.records(records).try_for_each(|record| self.append(partition, record))
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        source.batches(records).try_for_each(|batch| self.append(partition, batch.bytes()))
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let (file, end) = &self.files[partition];
        let end = end.load(Ordering::Acquire);
        let mut buffer = vec![0; super::ours::READ_BYTES / self.record_bytes * self.record_bytes];
        let mut begin = 0;
        while begin < end {
            let len = buffer.len().min(end - begin);
            file.read_exact_at(&mut buffer[..len], begin as u64)?;
            buffer[..len].chunks_exact(self.record_bytes).for_each(|record| sink.take(record));
            begin += len;
        }
        Ok(())
    }
}
