//! Going on in a log that is damaged or was taken over: what is changed then must not cost what could still be read.

use crate::batches::Spec;
use crate::reading::read_on;
use crate::sample::{Files, Left, Sample, config, disk, open_dir, partition};
use brooklet::clock::ManualClock;
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::{LogConfig, Timestamp};
use std::sync::Arc;

/// A truncation once took the first damaged batch of a segment for its end, and all behind it along.
#[test]
fn a_truncation_behind_damage_keeps_what_lies_between() {
    let sample = Sample::new(Left::Closed);
    for damaged_one in 0..5 {
        let place = &sample.batches[damaged_one];
        let last = &sample.batches[4];
        assert_eq!(place.file, last.file, "all in the first segment");
        let mut damaged = sample.files.clone();
        damaged.get_mut(&place.file).expect("it is there")[place.bytes.end - 1] ^= 1;
        let dir = open_dir(&disk(&damaged)).expect("it is ours");
        let log = dir.open_log(&partition(0), config()).expect("damage is met by its readers");
        log.truncate(last.offsets.start).expect("it is in range");
        let kept = sample.batches[..4].iter().filter(|other| other.offsets != place.offsets);
        let kept: Vec<u64> = kept.flat_map(|place| place.offsets.clone()).collect();
        let reading = read_on(&log, 0, 100).expect("damage has its own error");
        assert_eq!(reading.offsets(), kept, "batch {damaged_one} was damaged");
    }
}

/// Kafka's followers may have gaps in the segment that they write to; once it was ours, these were taken for damage.
#[test]
fn gaps_in_the_last_segment_of_a_log_that_was_taken_over_stay_gaps() {
    let mut bytes = Vec::new();
    for base_offset in [0_u64, 5, 20] {
        let mut batch = Spec::plain(1, &["value"]).encode();
        batch[..8].copy_from_slice(&base_offset.to_be_bytes());
        batch[12..16].copy_from_slice(&0_i32.to_be_bytes());
        bytes.extend(batch);
    }
    let foreign = Files::from([
        ("orders-0/00000000000000000000.log".to_owned(), bytes),
        (".kafka_cleanshutdown".to_owned(), Vec::new()),
    ]);
    let fs = disk(&foreign);
    let (mut expected, mut adopt) = (vec![0, 5, 20], true);
    for _ in 0..3 {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(5_000)));
        let options = LogDirOptions { adopt, ..LogDirOptions::default() };
        let dir = LogDir::open_with(Arc::new(fs.clone()), clock, "/", options).expect("it is taken over");
        let log = dir.open_log(&partition(0), LogConfig::default()).expect("it is a log");
        let reading = read_on(&log, 0, 1 << 20).expect("nothing is damaged");
        assert_eq!((reading.offsets(), reading.lost), (expected.clone(), vec![]));
        expected.push(Spec::plain(1, &["more"]).append_to(&log).base_offset);
        adopt = false;
        drop(log);
        dir.close().expect("memory does not fail");
    }
}
