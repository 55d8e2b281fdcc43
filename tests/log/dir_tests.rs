//! Directories: making and opening logs, and who may have one open.

use crate::batches::Spec;
use crate::world::{World, open_dir, partition, small};
use brooklet::clock::ManualClock;
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::LogDir;
use brooklet::{Error, LogConfig, Timestamp};
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_log_is_made_once_and_is_the_same_for_all_who_open_it() {
    let World { dir, log, .. } = World::new(small());
    let again = dir.create_log(&partition(0), small()).map(drop).expect_err("there is one");
    assert!(matches!(again, Error::AlreadyExists { ref path } if path == Path::new("/orders-0")), "{again}");
    let missing = dir.open_log(&partition(1), small()).map(drop).expect_err("there is none");
    assert!(matches!(missing, Error::NotFound { ref path } if path == Path::new("/orders-1")), "{missing}");
    let other = dir.open_log(&partition(0), LogConfig::default()).expect("it is there");
    assert!(Arc::ptr_eq(&log, &other));
    assert_eq!(dir.partitions().expect("memory does not fail"), [partition(0)]);
}

#[test]
fn a_setting_that_cannot_be_makes_nothing() {
    let World { dir, .. } = World::new(small());
    let config = LogConfig { segment_bytes: 1, ..small() };
    let error = dir.create_log(&partition(1), config.clone()).map(drop).expect_err("it cannot be");
    assert!(matches!(error, Error::InvalidConfig { setting: "segment_bytes", .. }), "{error}");
    assert_eq!(dir.partitions().expect("memory does not fail"), [partition(0)]);
    dir.create_log(&partition(1), small()).expect("nothing is in the way");
}

#[test]
fn a_directory_has_one_holder_at_a_time() {
    let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let first = open_dir(fs.clone(), &clock).expect("it is free");
    let error = open_dir(fs.clone(), &clock).map(drop).expect_err("it is not");
    assert!(matches!(error, Error::Locked { .. }) && error.is_retriable(), "{error}");
    drop(first);
    let second = open_dir(fs.clone(), &clock).expect("it is free again");
    second.close().expect("memory does not fail");
    open_dir(fs, &clock).expect("it is free again");
}

#[test]
fn a_directory_is_held_through_whatever_path_it_is_reached() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (path, link) = (scratch.path().join("data"), scratch.path().join("link"));
    let dir = LogDir::open(&path).expect("it is free");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&path, &link).expect("links can be made");
    #[cfg(not(unix))]
    let link = path.join(".");
    for way in [path.clone(), link.clone(), path.join("."), path.join("..").join("data")] {
        let error = LogDir::open(&way).map(drop).expect_err("somebody has it");
        assert!(matches!(error, Error::Locked { .. }), "{}: {error}", way.display());
    }
    let log = dir.create_log(&partition(0), small()).expect("a new log");
    Spec::plain(1, &["kept"]).append_to(&log);
    drop(log);
    dir.close().expect("there is room");
    let dir = LogDir::open(&link).expect("it is free again");
    assert_eq!(dir.open_log(&partition(0), small()).expect("it was closed").watermarks().end, 1);
}

#[test]
fn directories_are_made_with_those_above_them() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("one/two/three");
    LogDir::open(&path).expect("they can be made").close().expect("there is room");
    assert_eq!(
        OsFs::new().list(&path).expect("it is there").len(),
        5,
        "lock, format, marker and two checkpoints"
    );
}
