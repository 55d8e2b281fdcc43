//! Each planted bug does what it says, and without its occasion does nothing.

use crate::disk::{Crash, Errno, Fault, Op, SimDisk, Survival};
use crate::plant::{Bug, Planted};
use brooklet::io::{File, Fs};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

fn p(path: &str) -> &Path {
    Path::new(path)
}

/// A library with the bug, on a disk with the durable directory `/t`.
fn library(bug: Bug) -> (SimDisk, Planted) {
    let disk = SimDisk::new();
    disk.create_dir(p("/t")).unwrap();
    disk.sync_dir(p("/")).unwrap();
    (disk.clone(), Planted::new(disk, bug))
}

/// A new file with these bytes, properly synced but for the bug.
fn put(library: &Planted, path: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = library.create(p(path)).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.sync().unwrap();
    library.sync_dir(p(path).parent().unwrap()).unwrap();
    file
}

/// The file's bytes if nothing unsynced survives.
fn durable(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let disk = disk.fork();
    disk.crash(Crash::PowerCutWith { seed: 0, survival: Survival::Nothing });
    disk.peek(p(path)).ok()
}

fn is_durable(disk: &SimDisk, path: &str, bytes: &[u8]) -> bool {
    durable(disk, path).as_deref() == Some(bytes)
}

/// The operations since `since`, as words.
fn done(disk: &SimDisk, act: impl FnOnce()) -> Vec<String> {
    disk.keep_trace();
    let before = disk.trace().len();
    act();
    let words = |line: &String| line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
    disk.trace()[before..].iter().map(words).collect()
}

#[test]
fn without_its_occasion_a_bug_does_nothing() {
    for bug in Bug::ALL.into_iter().filter(|bug| {
        !matches!(bug, Bug::DropDirSync | Bug::NoDirSyncAfterCreate | Bug::SyncTooLate | Bug::WriteTooLate)
    }) {
        let (disk, library) = library(bug);
        put(&library, "/t/x", b"bytes");
        assert!(is_durable(&disk, "/t/x", b"bytes"), "{bug:?}");
        library.metadata(p("/t/x")).unwrap();
        library.remove_dir(p("/t")).unwrap_err();
        assert_eq!(library.list(p("/t")).unwrap().len(), 1);
    }
}

#[test]
fn syncs_of_logs_and_sidecars_are_dropped_by_their_names() {
    let cases = [
        (Bug::DropLogSync, [false, false, true]),
        (Bug::DropOldSegmentSync, [true, true, true]),
        (Bug::DropSidecarSync, [true, true, false]),
    ];
    for (bug, kept) in cases {
        let (disk, library) = library(bug);
        let files =
            ["/t/00.log", "/t/10.log", "/t/durable-end"].map(|path| (path, put(&library, path, b"1")));
        assert_eq!(files.each_ref().map(|(path, _)| is_durable(&disk, path, b"1")), kept, "{bug:?}");
        let kept_by_old = bug != Bug::DropLogSync && bug != Bug::DropOldSegmentSync;
        files[0].1.write_at(1, b"2").unwrap();
        files[0].1.sync().unwrap();
        assert_eq!(is_durable(&disk, "/t/00.log", b"12"), kept_by_old, "{bug:?}");
    }
}

#[test]
fn directory_syncs_are_dropped_by_their_rule() {
    // The name of a file in a partition's directory, of that directory, and of a second file later.
    let cases = [
        (Bug::DropDirSync, [false, false, false]),
        (Bug::DropParentDirSync, [false, false, false]),
        (Bug::NoDirSyncAfterCreate, [false, false, false]),
        (Bug::NoDirSyncAfterRename, [true, true, true]),
        (Bug::SyncDirOnlyOnce, [true, true, false]),
    ];
    for (bug, kept) in cases {
        let (disk, library) = library(bug);
        library.create_dir(p("/t/p")).unwrap();
        library.sync_dir(p("/t")).unwrap();
        put(&library, "/t/p/0.log", b"");
        let first = is_durable(&disk, "/t/p/0.log", b"");
        let dir = disk.is_durable(p("/t")).unwrap();
        put(&library, "/t/p/1.log", b"");
        assert_eq!([first, dir, is_durable(&disk, "/t/p/1.log", b"")], kept, "{bug:?}");
    }
}

#[test]
fn a_parent_is_a_directory_that_holds_directories() {
    let (disk, library) = library(Bug::DropParentDirSync);
    library.sync_dir(p("/")).unwrap();
    put(&library, "/t/0.log", b"1");
    assert!(is_durable(&disk, "/t/0.log", b"1"));
    library.create_dir(p("/t/p")).unwrap();
    library.sync_dir(p("/t")).unwrap();
    assert!(!disk.is_durable(p("/t")).unwrap());
}

#[test]
fn replacing_a_file_goes_wrong_in_four_ways() {
    let replace = |bug| {
        let (disk, library) = library(bug);
        put(&library, "/t/f", b"old");
        let steps = done(&disk, || {
            let file = library.create(p("/t/f.tmp")).unwrap();
            file.write_all_at(0, b"new").unwrap();
            file.sync().unwrap();
            library.rename(p("/t/f.tmp"), p("/t/f")).unwrap();
            library.sync_dir(p("/t")).unwrap();
        });
        let left = durable(&disk, "/t/f").map(|bytes| String::from_utf8(bytes).unwrap());
        (steps[2..].join(", "), left.unwrap_or_default())
    };
    let proper = "Sync /t/f.tmp, Rename /t/f.tmp, SyncDir /t";
    let expect = |steps: &str, left: &str| (steps.to_owned(), left.to_owned());
    assert_eq!(replace(Bug::DropLogSync), expect(proper, "new"));
    assert_eq!(replace(Bug::NoSyncBeforeRename), expect("Rename /t/f.tmp, SyncDir /t", ""));
    assert_eq!(replace(Bug::SyncAfterRename), expect("Rename /t/f.tmp, Sync /t/f, SyncDir /t", "new"));
    assert_eq!(replace(Bug::NoDirSyncAfterRename), expect("Sync /t/f.tmp, Rename /t/f.tmp", "old"));
    let in_two_steps = "Sync /t/f.tmp, Remove /t/f, Rename /t/f.tmp, SyncDir /t";
    assert_eq!(replace(Bug::RemoveBeforeRename), expect(in_two_steps, "new"));
}

#[test]
fn a_late_sync_is_done_before_the_change_after_next() {
    let (disk, library) = library(Bug::SyncTooLate);
    let file = put(&library, "/t/0.log", b"1");
    library.sync_dir(p("/t")).unwrap();
    assert!(is_durable(&disk, "/t/0.log", b"1"), "two changes later");
    let steps = done(&disk, || {
        file.write_at(1, b"2").unwrap();
        file.sync().unwrap();
        file.write_at(2, b"3").unwrap();
        file.read_at(0, 9).unwrap();
        assert!(is_durable(&disk, "/t/0.log", b"1"), "a read is no change");
        library.sync_dir(p("/t")).unwrap();
    });
    assert_eq!(steps, ["Write /t/0.log", "Write /t/0.log", "Sync /t/0.log", "SyncDir /t"]);
}

#[test]
fn a_late_write_is_lost_with_the_process_but_never_seen_missing() {
    let (disk, library) = library(Bug::WriteTooLate);
    let file = put(&library, "/t/0.log", b"1");
    assert!(is_durable(&disk, "/t/0.log", b"1"));
    assert_eq!(file.write_at(1, b"23").unwrap(), 2);
    assert_eq!(disk.peek(p("/t/0.log")).unwrap(), b"1");
    assert_eq!(file.len().unwrap(), 3);
    assert_eq!(disk.peek(p("/t/0.log")).unwrap(), b"123");
}

#[test]
fn the_sidecar_overtakes_the_data() {
    let (disk, library) = library(Bug::SidecarBeforeData);
    let sidecar = put(&library, "/t/durable-end", b"0");
    let log = put(&library, "/t/0.log", b"1");
    assert!(is_durable(&disk, "/t/0.log", b""));
    let steps = done(&disk, || sidecar.write_all_at(0, b"1").unwrap());
    assert_eq!(steps, ["Write /t/durable-end", "Sync /t/0.log"]);
    assert!(is_durable(&disk, "/t/0.log", b"1"));
    assert_eq!(log.len().unwrap(), 1);
}

#[test]
fn cuts_are_off_by_one_or_not_made_durable() {
    let cut = |bug| {
        let (disk, library) = library(bug);
        let file = put(&library, "/t/0.log", b"abcdef");
        file.truncate(4).unwrap();
        file.sync().unwrap();
        (file.len().unwrap(), durable(&disk, "/t/0.log").unwrap().len(), disk, file)
    };
    assert!(matches!(cut(Bug::CutTooLittle), (5, 5, ..)));
    assert!(matches!(cut(Bug::CutTooMuch), (3, 3, ..)));
    let (seen, left, disk, file) = cut(Bug::DropTruncateSync);
    assert_eq!((seen, left), (4, 6));
    file.allocate(8).unwrap();
    file.sync().unwrap();
    assert_eq!(
        durable(&disk, "/t/0.log").unwrap(),
        b"abcd\0\0\0\0",
        "only the sync after the cut is dropped"
    );
}

#[test]
fn lengthening_is_not_a_cut() {
    let (_, library) = library(Bug::CutTooLittle);
    let file = put(&library, "/t/0.log", b"ab");
    file.truncate(4).unwrap();
    assert_eq!(file.len().unwrap(), 4);
}

#[test]
fn two_removals_or_renames_change_places_and_one_alone_does_not_wait_for_ever() {
    let (disk, swapped) = library(Bug::SwapRemoves);
    ["/t/a", "/t/b", "/t/c"].iter().for_each(|path| drop(put(&swapped, path, b"")));
    let steps = done(&disk, || {
        swapped.remove(p("/t/a")).unwrap();
        swapped.remove(p("/t/b")).unwrap();
        swapped.remove(p("/t/c")).unwrap();
        swapped.sync_dir(p("/t")).unwrap();
    });
    assert_eq!(steps, ["Remove /t/b", "Remove /t/a", "Remove /t/c", "SyncDir /t"]);
    let (disk, swapped) = library(Bug::SwapRenames);
    ["/t/a", "/t/b"].iter().for_each(|path| drop(put(&swapped, path, b"")));
    let steps = done(&disk, || {
        swapped.rename(p("/t/a"), p("/t/x")).unwrap();
        swapped.rename(p("/t/b"), p("/t/y")).unwrap();
        swapped.rename(p("/t/x"), p("/t/z")).unwrap();
        assert!(swapped.open(p("/t/z")).is_ok());
    });
    assert_eq!(steps, ["Rename /t/b", "Rename /t/a", "Rename /t/x"]);
}

#[test]
fn a_rename_that_builds_on_the_one_before_keeps_its_place() {
    let (disk, swapped) = library(Bug::SwapRenames);
    put(&swapped, "/t/a", b"a");
    swapped.rename(p("/t/a"), p("/t/b")).unwrap();
    swapped.rename(p("/t/b"), p("/t/c")).unwrap();
    assert_eq!(disk.peek(p("/t/c")).unwrap(), b"a");
}

#[test]
fn failures_are_swallowed_but_the_end_of_the_process_is_not() {
    let failing = |bug, op| {
        let (disk, library) = library(bug);
        let file = put(&library, "/t/0.log", b"1");
        file.write_at(1, b"2").unwrap();
        disk.inject(Fault::fail(Errno::Io).on(op));
        (disk, library, file)
    };
    let (disk, library, file) = failing(Bug::SwallowSyncError, Op::Sync);
    file.sync().unwrap();
    assert!(is_durable(&disk, "/t/0.log", b"1"));
    disk.inject(Fault::fail(Errno::Io).on(Op::SyncDir));
    library.sync_dir(p("/t")).unwrap();
    let (disk, _, file) = failing(Bug::RetryFailedSync, Op::Sync);
    file.sync().unwrap();
    assert!(is_durable(&disk, "/t/0.log", b"1"));
    let (disk, _, file) = failing(Bug::ShortWriteTakenAsWhole, Op::Write);
    assert_eq!(file.write_at(2, b"34").unwrap(), 2);
    disk.inject(Fault::short(1).on(Op::Write));
    assert_eq!(file.write_at(2, b"56").unwrap(), 2);
    assert_eq!(disk.peek(p("/t/0.log")).unwrap(), b"125");
    let (_, _, file) = failing(Bug::ReadErrorTakenAsEnd, Op::Read);
    assert!(file.read_at(0, 1).unwrap().is_empty());
}

#[test]
fn the_end_of_the_process_passes_through_every_bug() {
    for bug in Bug::ALL.into_iter().filter(|bug| *bug != Bug::WriteTooLate) {
        let (disk, library) = library(bug);
        let file = put(&library, "/t/x", b"1");
        disk.stop_at(disk.ops() + 1, crate::disk::Stop::Before);
        let ended = |result: io::Result<()>| SimDisk::is_crash_stop(&result.unwrap_err());
        assert!(ended(file.write_at(1, b"2").map(drop)), "{bug:?}");
        assert!(ended(file.read_at(0, 1).map(drop)), "{bug:?}");
        assert!(bug == Bug::SyncTooLate || ended(file.sync()), "{bug:?}");
    }
}

#[test]
fn what_should_be_exclusive_is_not() {
    let (disk, library) = library(Bug::CreateNotExclusive);
    put(&library, "/t/0.log", b"1");
    assert!(library.create(p("/t/0.log")).is_ok());
    assert!(disk.peek(p("/t/0.log")).unwrap().is_empty());
    assert_eq!(library.create(p("/t")).unwrap_err().kind(), ErrorKind::InvalidInput);
    let library = Planted::new(disk, Bug::LockNotExclusive);
    let _held = library.lock(p("/t/.lock")).unwrap();
    assert!(library.lock(p("/t/.lock")).is_ok());
}
