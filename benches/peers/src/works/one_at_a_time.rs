//! One thread sends one record at a time, and each is acknowledged before the next: in the page cache, nothing is synced.

use super::appending::{Appending, How};
use super::{SIZES, compare, records_of};
use crate::contestants::{commitlog, file, mapped, mrecordlog, ours, raft_engine, walrus, yaque};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::table::Table;

pub(super) fn run(scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let contestants = [
        ours::PRODUCER,
        ours::PARTITION,
        commitlog::COMMITLOG,
        walrus::WALRUS,
        yaque::YAQUE,
        mrecordlog::MRECORDLOG,
        raft_engine::RAFT_ENGINE,
        file::FILE,
        mapped::WARMED,
        mapped::MAPPED,
    ];
    for record_bytes in SIZES {
        let records = effort.of(records_of(record_bytes, 400_000));
        let appending = Appending { how: How::Each, writers: 1, partitions: 1, records, record_bytes };
        let work = format!("one at a time, {record_bytes} bytes");
        compare(table, effort, &work, &contestants, |contestant, is_first| {
            appending.round(scratch, contestant, is_first)
        });
    }
}
