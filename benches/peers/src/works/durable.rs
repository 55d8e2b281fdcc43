//! Threads append one record at a time, and each waits until its record is durable. Those that wait share a sync, except
//! where each does it for itself.
//!
//! Who never syncs, or syncs some time later, has no part in this.

use super::appending::{Appending, How};
use super::{SIZES, compare};
use crate::contestants::{file, okaywal, ours, raft_engine};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::table::Table;

/// How many threads, and how many records each of them appends.
pub(crate) const THREADS: [(usize, usize); 4] = [(1, 1600), (4, 800), (16, 400), (64, 200)];

pub(super) fn run(scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let contestants = [
        ours::DURABLE_PRODUCER,
        ours::DURABLE_PARTITION,
        okaywal::OKAYWAL,
        raft_engine::RAFT_ENGINE_DURABLE,
        file::FILE_DURABLE,
    ];
    for record_bytes in SIZES {
        for (writers, records) in THREADS {
            let records = effort.of(records);
            let appending = Appending { how: How::Each, writers, partitions: 1, records, record_bytes };
            compare(table, effort, &name(writers, record_bytes), &contestants, |contestant, is_first| {
                appending.round(scratch, contestant, is_first)
            });
        }
    }
}

/// What the work is called.
pub(crate) fn name(writers: usize, record_bytes: usize) -> String {
    let threads = if writers == 1 { "thread" } else { "threads" };
    format!("durable, {writers} {threads}, {record_bytes} bytes")
}
