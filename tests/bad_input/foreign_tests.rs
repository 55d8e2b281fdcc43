//! What is not ours, what is newer than we are, and names and settings that cannot be.

use crate::sample::{Files, Left, Sample, config, disk, files, open_dir, partition};
use brooklet::clock::ManualClock;
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::{Error, LogConfig, Timestamp, TopicPartition};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_directory_that_is_not_ours_is_refused_and_left_alone() {
    for name in ["notes.txt", "orders-0/00000000000000000000.log", "recovery-point-offset-checkpoint"] {
        let foreign = Files::from([(name.to_owned(), b"0\n0\n".to_vec())]);
        let fs = disk(&foreign);
        let error = open_dir(&fs).map(drop).expect_err("it is not ours");
        assert!(
            matches!(error, Error::NotOurs { ref path, .. } if path == Path::new("/")),
            "{name}: {error}"
        );
        let after: Files = files(&fs).into_iter().filter(|(path, _)| path != ".lock").collect();
        assert_eq!(after, foreign);
    }
}

/// A sample with one file changed, and what opening it and its log says.
fn open_changed(path: &str, change: impl Fn(&mut Vec<u8>)) -> brooklet::Result<()> {
    let mut sample = Sample::new(Left::Closed);
    change(sample.files.get_mut(path).expect("it is one of its files"));
    let fs = disk(&sample.files);
    let opened = open_dir(&fs).and_then(|dir| dir.open_log(&partition(0), config()).map(drop));
    let after = files(&fs);
    let changed = sample
        .files
        .iter()
        .find(|(path, bytes)| path.starts_with("orders") && after.get(*path) != Some(bytes));
    assert_eq!(changed.map(|(path, _)| path), None, "nothing is changed by whoever does not understand it");
    opened
}

type Change = fn(&mut Vec<u8>);

#[test]
fn a_newer_format_is_not_guessed_at() {
    let newer: [(&str, Change); 3] = [
        ("brooklet-format", |bytes| *bytes = b"2\n".to_vec()),
        ("orders-0/segment-manifest", |bytes| {
            bytes[8..12].copy_from_slice(&2_u32.to_be_bytes());
            let crc = crc32fast::hash(&[b"orders-0", &bytes[..12]].concat());
            bytes[12..16].copy_from_slice(&crc.to_be_bytes());
        }),
        ("orders-0/durable-end", |bytes| {
            bytes[4..6].copy_from_slice(&2_u16.to_be_bytes());
            let crc = crc32fast::hash(&[b"orders-0", &bytes[..508]].concat());
            bytes[508..512].copy_from_slice(&crc.to_be_bytes());
        }),
    ];
    for (path, change) in newer {
        let error = open_changed(path, change).expect_err("it is newer");
        let named = Path::new("/").join(path);
        assert!(
            matches!(&error, Error::NewerFormat { path, found: 2, supported: 1 } if *path == named),
            "{path:?}: {error}"
        );
    }
}

#[test]
fn a_format_that_is_no_number_is_not_ours() {
    for text in ["", "one\n", "-1\n", "99999999999\n"] {
        let error =
            open_changed("brooklet-format", |bytes| *bytes = text.into()).expect_err("it is not ours");
        assert!(matches!(error, Error::NotOurs { .. }), "{text:?}: {error}");
    }
}

fn open_on_disk(path: &Path) -> brooklet::Result<LogDir> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    LogDir::open_with(Arc::new(OsFs::new()), clock, path, LogDirOptions::default())
}

#[test]
fn a_path_that_cannot_be_made_is_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let file = scratch.path().join("file");
    OsFs::new().create(&file).expect("there is room");
    for path in [file.clone(), file.join("below"), file.join("far/below")] {
        let error = open_on_disk(&path).map(drop).expect_err("a file is in the way");
        assert!(
            matches!(&error, Error::Io { path, .. } if path.starts_with(&file)),
            "{}: {error}",
            path.display()
        );
    }
    let long = scratch.path().join("x".repeat(300));
    let error = open_on_disk(&long).map(drop).expect_err("no file system takes it");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let closed = scratch.path().join("closed");
    OsFs::new().create_dir(&closed).expect("there is room");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).expect("it is ours");
    if OsFs::new().create(&closed.join("probe")).is_ok() {
        return; // the superuser may do anything
    }
    for path in [closed.clone(), closed.join("below")] {
        let error = open_on_disk(&path).map(drop).expect_err("it may not be written to");
        assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(&closed)), "{error}");
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let options = LogDirOptions { open_files: 0, ..LogDirOptions::default() };
    let fs = MemFs::new();
    let error = LogDir::open_with(Arc::new(fs.clone()), clock, "/data", options)
        .map(drop)
        .expect_err("none is too few");
    assert!(matches!(error, Error::InvalidConfig { setting: "open_files", .. }), "{error}");
    assert_eq!(fs.list(Path::new("/")).expect("memory does not fail"), []);

    let dir = open_dir(&fs).expect("it is empty");
    for (name, wrong) in [
        ("segment_bytes", LogConfig { segment_bytes: 127, ..config() }),
        ("segment_bytes", LogConfig { segment_bytes: 1 << 31, ..config() }),
        ("index_interval_bytes", LogConfig { index_interval_bytes: u32::MAX, ..config() }),
        ("segment_index_bytes", LogConfig { segment_index_bytes: 23, ..config() }),
        ("max_message_bytes", LogConfig { max_message_bytes: 0, ..config() }),
        ("segment_age", LogConfig { segment_age: Duration::ZERO, ..config() }),
    ] {
        let error = dir.create_log(&partition(0), wrong.clone()).map(drop).expect_err(name);
        assert!(matches!(error, Error::InvalidConfig { setting, .. } if setting == name), "{name}: {error}");
        dir.create_log(&partition(1), config()).map(drop).or_else(exists).expect("it is valid");
        let error = dir.open_log(&partition(0), wrong).map(drop).expect_err(name);
        assert!(matches!(error, Error::NotFound { .. } | Error::InvalidConfig { .. }), "{name}: {error}");
    }
}

fn exists(error: Error) -> brooklet::Result<()> {
    if matches!(error, Error::AlreadyExists { .. }) { Ok(()) } else { Err(error) }
}

#[test]
fn a_name_is_never_a_path() {
    for name in
        ["..", ".", "", "a/b", "/etc", "../x", "a\\b", "a\0b", "a b", "\u{202e}", "a\n", &"x".repeat(250)]
    {
        let error = Error::from(TopicPartition::new(name, 0).expect_err("it is no name"));
        assert!(matches!(error, Error::InvalidName(_)), "{error}");
        assert!(
            !error.to_string().contains('\n') && !error.to_string().contains('\0'),
            "it is shown escaped: {error}"
        );
    }
    assert!(TopicPartition::new("orders", 1 << 31).is_err());
}
