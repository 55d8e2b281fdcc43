//! Four threads append batches of a hundred: each to a partition of its own, or all to one. Nothing is synced.
//!
//! A peer that takes one writer at a time has a lock in front, and one without partitions a log for each. raft-engine
//! numbers the entries of a group by their writer, so it has no part in the second. One of our producers writes as much
//! alone, for comparison.

use super::appending::{Appending, How};
use super::{SIZES, compare, records_of};
use crate::contestants::{commitlog, file, mapped, mrecordlog, ours, raft_engine, walrus, yaque};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::table::Table;

const PRODUCERS: usize = 4;

pub(super) fn run(scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let on_one = [
        ours::SEND_BATCH,
        ours::ALONE,
        ours::LINGER,
        ours::PARTITION,
        commitlog::COMMITLOG,
        walrus::WALRUS_BATCH,
        yaque::YAQUE,
        mrecordlog::MRECORDLOG,
        file::FILE,
        mapped::WARMED,
        mapped::MAPPED,
    ];
    let mut on_four = on_one.to_vec();
    on_four.insert(on_one.len() - 3, raft_engine::RAFT_ENGINE);
    for record_bytes in SIZES {
        let records = effort.of(records_of(record_bytes, 400_000));
        for (partitions, contestants) in [(4, &on_four[..]), (1, &on_one[..])] {
            let appending =
                Appending { how: How::Batches, writers: PRODUCERS, partitions, records, record_bytes };
            let work = format!("{PRODUCERS} producers to {partitions}, batches of 100, {record_bytes} bytes");
            let alone = Appending { writers: 1, partitions: 1, records: PRODUCERS * records, ..appending };
            compare(table, effort, &work, contestants, |contestant, is_first| {
                let is_alone = contestant.name == ours::ALONE.name;
                if is_alone { &alone } else { &appending }.round(scratch, contestant, is_first)
            });
        }
    }
}
