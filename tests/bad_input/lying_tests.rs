//! Bytes that lie under a checksum that holds: lengths, counts and varints inside batches, batches inside values, and
//! damage in two places at once.

use crate::batches::Spec;
use crate::exam::{Allowed, ask};
use crate::sample::{Files, Left, Place, Sample, config, disk, files, open_dir, partition, places};
use crate::sweep::{Expect, Sweep};
use brooklet::Error;
use brooklet::io::MemFs;
use brooklet::log::{Cursor, LogDir, ReadLimit};
use brooklet::record::layout::{ATTRIBUTES, BASE_TIMESTAMP, CRC, LAST_OFFSET_DELTA};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use std::ops::Range;

/// Changes bytes of a batch, and gives it the checksum that goes with them.
fn lie(files: &mut Files, place: &Place, at: usize, change: impl Fn(u8) -> u8) {
    let batch = &mut files.get_mut(&place.file).expect("one of its files")[place.bytes.clone()];
    batch[at] = change(batch[at]);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
}

const CHANGES: [fn(u8) -> u8; 5] = [|_| 0, |_| 0xff, |_| 0x7f, |_| 0x80, |byte| byte.wrapping_add(1)];

/// Lies about what a batch holds cost that batch, and mislead nobody about the others.
#[test]
fn a_lie_under_a_good_checksum_is_told_of_its_own_batch_only() {
    let mut sweep = Sweep::over(Left::Closed);
    let delta = LAST_OFFSET_DELTA..BASE_TIMESTAMP;
    for place in sweep.sample.batches.clone().iter().skip(1).step_by(4) {
        for at in (ATTRIBUTES..place.bytes.len()).filter(|at| !delta.contains(at)) {
            for (number, change) in CHANGES.iter().enumerate() {
                let mut damaged = sweep.sample.files.clone();
                lie(&mut damaged, place, at, change);
                let allowed = Allowed { lost: vec![place.offsets.clone()], lies: true, ..Allowed::default() };
                let name =
                    format!("{} byte {} of the batch at {}, lie {number}", place.file, at, place.bytes.start);
                sweep.case(&name, &damaged, &allowed, Expect::Served);
            }
        }
    }
    assert!(sweep.cases > 1000);
    sweep.finish();
}

/// Where a batch lies about how many offsets it takes, those behind it can be lost with it; nothing else is, and nobody
/// is sent where the log does not reach.
#[test]
fn a_lie_about_offsets_costs_nothing_before_it() {
    let mut sweep = Sweep::over(Left::Closed);
    for place in sweep.sample.batches.clone() {
        for at in LAST_OFFSET_DELTA..BASE_TIMESTAMP {
            for change in CHANGES {
                let mut damaged = sweep.sample.files.clone();
                lie(&mut damaged, &place, at, change);
                let behind = Range { start: place.offsets.start, end: u64::MAX };
                let allowed = Allowed { lost: vec![behind], cut_from: Some(place.offsets.start), lies: true };
                let name = format!("{} byte {} of the batch at {}", place.file, at, place.bytes.start);
                sweep.case(&name, &damaged, &allowed, Expect::Any);
            }
        }
    }
    sweep.finish();
}

/// A reader goes on where a batch ends, so no batch may pretend to end behind the log.
#[test]
fn a_lie_about_offsets_sends_nobody_behind_the_end() {
    let sample = Sample::new(Left::Closed);
    for place in &sample.batches {
        let mut damaged = sample.files.clone();
        lie(&mut damaged, place, LAST_OFFSET_DELTA, |_| 0x7f);
        let dir = open_dir(&disk(&damaged)).expect("it is ours");
        let log = dir.open_log(&partition(0), config()).expect("damage is met by its readers");
        let read = log.read(&Cursor::at(place.offsets.start), ReadLimit::bytes(1));
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{place:?}: {read:?}");
    }
}

/// A log of logs: values that are batches themselves, with the offsets that would be right there.
#[test]
fn a_batch_inside_a_value_is_never_taken_for_one_of_the_log() {
    let fs = MemFs::new();
    let dir = open_dir(&fs).expect("an empty disk");
    let log = dir.create_log(&partition(0), config()).expect("a new log");
    for _ in 0..6 {
        let end = log.watermarks().end;
        let mut inner = BatchBuilder::new(Compression::None);
        inner.push(&RecordParts { value: Some(b"inner"), ..RecordParts::default() }).expect("a record");
        let mut inner = inner.build().expect("a batch");
        inner.assign(end, 0);
        let mut outer = BatchBuilder::new(Compression::None);
        for _ in 0..2 {
            outer
                .push(&RecordParts { value: Some(inner.bytes()), ..RecordParts::default() })
                .expect("a record");
        }
        log.append(&mut outer.build().expect("a batch")).expect("it fits");
    }
    drop(log);
    dir.close().expect("memory does not fail");

    let whole = files(&fs);
    let truth = ask(&whole, &[], 1000).expect("nothing is damaged");
    for place in places(&whole) {
        for at in 0..place.bytes.len() {
            let mut damaged = whole.clone();
            damaged.get_mut(&place.file).expect("it is there")[place.bytes.start + at] ^= 0x04;
            let found =
                ask(&damaged, &[], 1000).unwrap_or_else(|why| panic!("byte {at} of {place:?}: {why:?}"));
            for record in &found.reading.seen {
                assert!(truth.reading.seen.contains(record), "byte {at} of {place:?}: {record:?}");
            }
        }
    }
}

fn without(sample: &Sample, is_gone: impl Fn(&str) -> bool) -> Files {
    sample
        .files
        .iter()
        .filter(|(path, _)| !is_gone(path))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

type Select = fn(&str) -> bool;

/// Without what we note beside the batches, all of them are read when the log is opened, damage included.
#[test]
fn damage_is_survived_without_indexes_or_notes_too() {
    let gone: [(&str, Select); 4] = [
        ("indexes", |path| path.contains("orders") && path.ends_with("index")),
        ("manifest", |path| path.ends_with("segment-manifest")),
        ("durable-end", |path| path.ends_with("durable-end")),
        ("all of these", |path| path.contains("orders") && !path.ends_with(".log")),
    ];
    for left in [Left::Closed, Left::Crashed] {
        for (what, is_gone) in gone {
            let mut sweep = Sweep::over(left);
            let rest = without(&sweep.sample, is_gone);
            for place in sweep.sample.batches.clone() {
                for at in (0..place.bytes.len()).filter(|at| *at < 64 || at % 29 == 0) {
                    let mut damaged = rest.clone();
                    damaged.get_mut(&place.file).expect("it is there")[place.bytes.start + at] ^= 0x11;
                    let behind = Range { start: place.offsets.start, end: u64::MAX };
                    let cut_from = Some(place.offsets.start);
                    let allowed = Allowed { lost: vec![behind], cut_from, lies: true };
                    let name = format!("no {what}, {} byte {}", place.file, place.bytes.start + at);
                    sweep.case(&name, &damaged, &allowed, Expect::Any);
                }
            }
            sweep.finish();
        }
    }
}

/// Offsets and lengths at the far ends, in a directory that is taken over and so has nothing to hold them against.
#[test]
fn a_directory_that_is_taken_over_may_hold_anything() {
    let mut bytes = Spec::plain(1, &["one", "two"]).encode();
    for base_offset in [0, 1, i64::MAX as u64 - 1, u64::from(u32::MAX), 1 << 40] {
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        for name in ["00000000000000000000.log", "00000000000000000001.log", "09223372036854775807.log"] {
            for clean in [false, true] {
                let mut foreign = Files::from([(format!("orders-0/{name}"), bytes.repeat(3))]);
                if clean {
                    foreign.insert(".kafka_cleanshutdown".into(), Vec::new());
                }
                let fs = disk(&foreign);
                let opened = open_adopting(&fs).and_then(|dir| {
                    let log = dir.open_log(&partition(0), config())?;
                    drop(crate::reading::read_on(&log, log.watermarks().start, 100));
                    drop(log.offset_for_time(brooklet::Timestamp::from_millis(0)));
                    drop(crate::batches::append_bytes(&log, Spec::plain(1, &["more"]).encode()));
                    dir.close()
                });
                drop(opened);
            }
        }
    }
}

fn open_adopting(fs: &MemFs) -> brooklet::Result<LogDir> {
    let clock =
        std::sync::Arc::new(brooklet::clock::ManualClock::new(brooklet::Timestamp::from_millis(5_000)));
    let options = brooklet::log::LogDirOptions { adopt: true, ..Default::default() };
    LogDir::open_with(std::sync::Arc::new(fs.clone()), clock, "/", options)
}
