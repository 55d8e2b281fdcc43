//! One thread reads a partition from its beginning to its end, a mebibyte at a time where that can be said, and looks at
//! both ends of each record. All is in the page cache.
//!
//! mrecordlog gives what it has in memory; its files are read only when it is opened. yaque hands out each record in a
//! vector of its own, and so does walrus.

use super::appending::{Appending, How};
use super::{SIZES, compare, records_of};
use crate::contestant::{Contestant, Result};
use crate::contestants::{commitlog, file, mapped, mrecordlog, ours, raft_engine, walrus, yaque};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::source::Sink;
use crate::table::Table;
use std::time::Instant;

pub(super) fn run(scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let contestants = [
        ours::CONSUMER_READS,
        ours::PARTITION_READS,
        commitlog::COMMITLOG,
        walrus::WALRUS,
        yaque::YAQUE,
        mrecordlog::MRECORDLOG_READS,
        raft_engine::RAFT_ENGINE,
        Contestant { name: "limit: pread of a mebibyte at a time", ..file::FILE },
        Contestant { name: "limit: a mapped file, warm", ..mapped::MAPPED },
    ];
    for record_bytes in SIZES {
        let records = effort.of(records_of(record_bytes, 400_000));
        let appending = Appending { how: How::Batches, writers: 1, partitions: 1, records, record_bytes };
        let work = format!("read in order, {record_bytes} bytes");
        compare(table, effort, &work, &contestants, |contestant, is_first| {
            round(&appending, scratch, contestant, is_first)
        });
    }
}

/// Only the reading counts. When it is the first time, all is compared meanwhile.
fn round(appending: &Appending, scratch: &Scratch, contestant: &Contestant, is_first: bool) -> Result<f64> {
    let dir = scratch.round()?;
    let sources = appending.sources();
    let log = (contestant.open)(dir.path(), &appending.shape(true))?;
    appending.append(log.as_ref(), &sources)?;
    let mut sink = match is_first {
        true => Sink::checking(appending.records, &sources),
        false => Sink::new(appending.records),
    };
    let begun = Instant::now();
    log.read(0, &mut sink)?;
    let seconds = begun.elapsed().as_secs_f64();
    sink.verdict()?;
    Ok(appending.records as f64 / seconds)
}
