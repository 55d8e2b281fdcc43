//! Directories, links and FIFOs where files should be, on the real file system: nothing is followed, nothing hangs.
#![cfg(unix)]

use crate::reading::read_on;
use crate::sample::{Files, Left, Sample, config, partition};
use brooklet::clock::ManualClock;
use brooklet::io::{Fs, OsFs, read_file};
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::{Error, Timestamp};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
enum Odd {
    Directory,
    LinkToTheFile,
    LinkToNothing,
    Fifo,
}

const ALL: [Odd; 4] = [Odd::Directory, Odd::LinkToTheFile, Odd::LinkToNothing, Odd::Fifo];

fn put(odd: Odd, at: &Path, outside: &Path) {
    match odd {
        Odd::Directory => OsFs::new().create_dir(at).expect("there is room"),
        Odd::LinkToTheFile => symlink(outside, at).expect("links can be made"),
        Odd::LinkToNothing => symlink(outside.with_extension("none"), at).expect("links can be made"),
        Odd::Fifo => mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFOs can be made"),
    }
}

/// The files of a directory that are files.
fn regular(root: &Path, paths: impl Iterator<Item = String>) -> Files {
    let read = |path: &String| read_file(&OsFs::new(), &root.join(path), 1 << 20).ok().flatten();
    paths.filter_map(|path| read(&path).map(|bytes| (path, bytes.to_vec()))).collect()
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let file = OsFs::new().create(&root.join(path)).expect("there is room");
    file.write_all_at(0, bytes).expect("there is room");
}

/// Opens and reads the first partition; an error names where it comes from.
fn use_it(root: &Path, path: &str, offsets_of_file: &[u64]) -> Result<(), Error> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let dir = LogDir::open_with(Arc::new(OsFs::new()), clock, root, LogDirOptions::default())?;
    let log = dir.open_log(&partition(0), config())?;
    let reading = read_on(&log, 0, 300).expect("damage has its own error");
    let followed = reading.offsets().into_iter().find(|offset| offsets_of_file.contains(offset));
    assert_eq!(followed, None, "{path} was followed");
    if !offsets_of_file.is_empty() {
        assert!(!log.damage().is_empty() && !reading.lost.is_empty(), "{path} is not missed");
    }
    drop(log.offset_for_time(Timestamp::from_millis(1_200)));
    drop(log.aborted_transactions(0, u64::MAX));
    drop(log);
    dir.close()
}

#[test]
fn what_is_no_file_is_refused_or_missed_but_never_used() {
    let sample = Sample::new(Left::Closed);
    for path in sample.paths().into_iter().chain([".lock".to_owned()]) {
        for odd in ALL {
            let scratch = tempfile::tempdir().expect("a scratch directory");
            let root = scratch.path().join("data");
            for dir in [&root, &root.join("orders-0"), &root.join("orders-1")] {
                OsFs::new().create_dir(dir).expect("there is room");
            }
            let outside = scratch.path().join("outside");
            let original = sample.files[&path].clone();
            write(scratch.path(), "outside", &original);
            for (other, bytes) in sample.files.iter().filter(|(other, _)| **other != path) {
                write(&root, other, bytes);
            }
            put(odd, &root.join(&path), &outside);

            let offsets = sample.batches.iter().filter(|place| place.file == path);
            let offsets: Vec<u64> = offsets.flat_map(|place| place.offsets.clone()).collect();
            if let Err(error) = use_it(&root, &path, &offsets) {
                let name = path.rsplit('/').next().unwrap_or(&path);
                let root_name = root.display().to_string();
                assert!(
                    error.to_string().contains(name) || error.to_string().contains(&root_name),
                    "{error}"
                );
            }
            let untouched =
                read_file(&OsFs::new(), &outside, 1 << 20).expect("it is a file").expect("it is there");
            assert!(untouched == original, "{path} as {odd:?}: written through");
            let logs =
                sample.files.keys().filter(|other| other.ends_with(".log") && **other != path).cloned();
            for (log, bytes) in regular(&root, logs) {
                assert!(bytes == sample.files[&log], "{path} as {odd:?}: {log} was changed");
            }
        }
    }
}

#[test]
fn a_partition_that_is_no_directory_is_no_partition() {
    for odd in ALL {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let options = LogDirOptions::default();
        let root = scratch.path().join("data");
        let dir = LogDir::open_with(Arc::new(OsFs::new()), clock, &root, options).expect("a new directory");
        put(odd, &root.join("orders-0"), scratch.path());
        if matches!(odd, Odd::Directory) {
            continue;
        }
        assert_eq!(dir.partitions().expect("it can be listed"), []);
        let error = dir.open_log(&partition(0), config()).map(drop).expect_err("it is no directory");
        assert!(matches!(error, Error::NotOurs { .. }), "{odd:?}: {error}");
        let error = dir.create_log(&partition(0), config()).map(drop).expect_err("the name is taken");
        assert!(matches!(error, Error::AlreadyExists { .. }), "{odd:?}: {error}");
    }
}
