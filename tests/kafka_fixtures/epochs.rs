//! Leader epochs of a log that is taken over. Kafka's checkpoint of them may lag behind its log, run ahead of it, or be
//! gone; a batch carries its own outside its checksum.

use crate::answers::check;
use crate::disk::Disk;
use crate::expected::{Partition, states};
use crate::fixtures::fixtures;
use brooklet::log::Log;
use brooklet::record::layout::LEADER_EPOCH;
use brooklet::record::{BatchBuilder, BatchHeader, Compression, RecordParts};
use std::sync::Arc;

const CHECKPOINT: &str = "leader-epoch-checkpoint";

/// A log in whose last segment every batch has epoch 5, and the offset where that begins.
fn in_two_epochs(closed_in_order: bool) -> Option<(Disk, Partition, u64)> {
    let state = states(&fixtures()?, "idempotent").pop().expect("it has one state");
    let kafka = state.partitions[0].clone();
    let disk = Disk::copy_of(&state.folder);
    if !closed_in_order {
        disk.remove(".kafka_cleanshutdown");
        disk.remove("recovery-point-offset-checkpoint");
    }
    let (last, _) = disk.files(&kafka.id.to_string(), ".log").pop().expect("it has segments");
    let mut first = None;
    disk.change(&format!("{}/{last}", kafka.id), |log| {
        let mut at = 0;
        while at < log.len() {
            let header = BatchHeader::read(&log[at..]).expect("the fixture is whole");
            first.get_or_insert(header.base_offset);
            log[at + LEADER_EPOCH..at + LEADER_EPOCH + 4].copy_from_slice(&5i32.to_be_bytes());
            at += header.size as usize;
        }
    });
    Some((disk, kafka, first.expect("the last segment has batches")))
}

fn adopted(disk: &Disk, kafka: &Partition) -> Arc<Log> {
    disk.adopt().open_log(&kafka.id, kafka.config.clone()).unwrap_or_else(|error| panic!("{error}"))
}

fn append(log: &Log, kafka: &mut Partition) {
    let mut batch = BatchBuilder::new(Compression::None);
    let timestamp = Some(brooklet::Timestamp::from_millis(0));
    batch.push(&RecordParts { timestamp, value: Some(b"new"), ..RecordParts::default() }).expect("a record");
    log.append(&mut batch.build().expect("it has a record")).unwrap_or_else(|error| panic!("{error}"));
    log.flush().unwrap_or_else(|error| panic!("{error}"));
    kafka.extend(b"new");
}

#[test]
fn an_epoch_that_the_checkpoint_does_not_know_is_learned_from_the_batches() {
    for closed_in_order in [true, false] {
        for remove_checkpoint in [false, true] {
            let Some((disk, mut kafka, first)) = in_two_epochs(closed_in_order) else { return };
            let checkpoint = format!("{}/{CHECKPOINT}", kafka.id);
            if remove_checkpoint {
                disk.remove(&checkpoint);
            }
            let log = adopted(&disk, &kafka);
            check(&log, &kafka, true);
            assert_eq!(log.leader_epoch(), 5);
            assert_eq!(log.epoch_end_offset(4), Some((0, first)));
            append(&log, &mut kafka);
            check(&log, &kafka, true);
            let text = format!("0\n2\n0 0\n5 {first}\n");
            assert_eq!(disk.read(&checkpoint).expect("it is written"), text.into_bytes());
        }
    }
}

/// Kafka notes an epoch when it begins, before there is a batch of it; then a tail before it may be cut.
#[test]
fn an_epoch_that_begins_behind_the_end_begins_at_the_end() {
    let Some((disk, mut kafka, first)) = in_two_epochs(true) else { return };
    let text = format!("0\n3\n0 0\n5 {first}\n7 {}\n", kafka.end + 10);
    disk.change(&format!("{}/{CHECKPOINT}", kafka.id), |file| *file = text.into_bytes());
    let log = adopted(&disk, &kafka);
    assert_eq!(log.leader_epoch(), 7);
    assert_eq!(log.epoch_end_offset(5), Some((5, kafka.end)));
    append(&log, &mut kafka);
    check(&log, &kafka, true);
}
