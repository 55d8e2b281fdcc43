//! yaque: a queue of segments, with one sender and one receiver.

use super::{lock, partition_dirs};
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use yaque::{QueueIter, Sender};

pub(crate) const YAQUE: Contestant = Contestant {
    name: "yaque 0.6",
    acked: "in the page cache; nothing syncs, ever",
    checksum: "none of the data",
    open,
};

struct Queues(Vec<(PathBuf, Mutex<Sender>)>);

fn open(dir: &Path, shape: &Shape) -> Result<Box<dyn Log>> {
    let open = |dir: PathBuf| Sender::open(&dir).map(|sender| (dir, Mutex::new(sender)));
    let queues =
        partition_dirs(dir, shape.partitions)?.into_iter().map(open).collect::<std::io::Result<_>>()?;
    Ok(Box::new(Queues(queues)))
}

impl Log for Queues {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        let mut sender = lock(&self.0[partition].1);
        for record in source.records(records) {
            sender.try_send(record).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        for batch in source.batches(records) {
            let mut sender = lock(&self.0[partition].1);
            sender.try_send_batch(batch.iter()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let mut queue = QueueIter::open(&self.0[partition].0)?;
        while !sink.is_full() {
            let Some(record) = queue.next().transpose()? else { break };
            sink.take(&record);
        }
        Ok(())
    }
}
