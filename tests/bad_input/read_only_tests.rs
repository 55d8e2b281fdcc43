//! A log of which something durable is gone: it says what, serves the rest, and changes nothing.

use crate::batches::{Spec, append_bytes};
use crate::reading::read_on;
use crate::sample::{Left, Sample, config, disk, files, open_dir, partition};
use brooklet::Error;
use std::path::Path;

const LOST: &str = "orders-0/00000000000000000012.log";

#[test]
fn a_log_that_lost_a_segment_names_it_and_takes_no_writes() {
    let sample = Sample::new(Left::Closed);
    let mut damaged = sample.files.clone();
    damaged.remove(LOST).expect("it is one of its files");
    let fs = disk(&damaged);
    let dir = open_dir(&fs).expect("it is ours");
    let log = dir.open_log(&partition(0), config()).expect("it opens for reading");

    let damage = log.damage();
    assert_eq!(damage.len(), 1);
    assert_eq!(
        (damage[0].path.as_path(), damage[0].offsets.clone()),
        (Path::new("/").join(LOST).as_path(), 12..21)
    );
    assert!(damage[0].to_string().contains("offsets 12 to 20 are lost"), "{}", damage[0]);

    let end = log.watermarks().end;
    let refusals = [
        append_bytes(&log, Spec::plain(1, &["new"]).encode()).map(drop),
        log.truncate(0),
        log.advance_start(1).map(drop),
    ];
    for refusal in refusals {
        let error = refusal.expect_err("it is read-only");
        assert!(matches!(&error, Error::ReadOnly { lost, .. } if lost.contains(LOST)), "{error}");
    }
    let reading = read_on(&log, 0, 300).expect("the rest is served");
    assert_eq!((reading.lost.len(), reading.lost[0].clone()), (1, 12..21));
    assert_eq!(log.watermarks().end, end);
    let other = dir.open_log(&partition(1), config()).expect("the other is whole");
    assert_eq!(other.damage(), []);
    Spec::plain(1, &["new"]).append_to(&other);
    drop((log, other));
    dir.close().expect("read-only is no failure to close");

    let mut restored = files(&fs);
    for (path, bytes) in damaged.iter().filter(|(path, _)| path.starts_with("orders-0")) {
        assert!(restored.get(path) == Some(bytes), "{path} was changed");
    }
    restored.insert(LOST.to_owned(), sample.files[LOST].clone());
    let dir = open_dir(&disk(&restored)).expect("it is ours");
    let log = dir.open_log(&partition(0), config()).expect("it is whole again");
    assert_eq!((log.damage(), log.watermarks().end), (&[][..], end));
    assert_eq!(Spec::plain(1, &["new"]).append_to(&log).base_offset, end);
}

#[test]
fn an_error_about_a_damaged_batch_says_where_and_what() {
    let sample = Sample::new(Left::Closed);
    let place = sample.batches[1].clone();
    let mut damaged = sample.files.clone();
    damaged.get_mut(&place.file).expect("it is there")[place.bytes.end - 1] ^= 1;
    let dir = open_dir(&disk(&damaged)).expect("it is ours");
    let log = dir.open_log(&partition(0), config()).expect("damage is met by its readers");
    let cursor = brooklet::log::Cursor::at(place.offsets.start);
    let chunk = log.read(&cursor, brooklet::log::ReadLimit::bytes(1)).expect("checksums come later");
    let error = chunk.batches().next().expect("there is a batch").map(drop).expect_err("it is damaged");
    let Error::Corrupt { path, position, expected, found, offsets } = &error else { panic!("{error}") };
    assert_eq!(path.as_path(), Path::new("/").join(&place.file));
    assert_eq!((*position, offsets), (place.bytes.start as u64, &place.offsets));
    assert!(expected.contains("checksum") && found.contains("0x"), "{error}");
}
