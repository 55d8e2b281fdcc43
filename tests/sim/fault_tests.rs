//! What goes wrong by plan, and that nothing else does.

use crate::disk::{Crash, Errno, Fault, Op, SimDisk, Stop, Survival};
use brooklet::io::{File, Fs};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

fn log() -> &'static Path {
    Path::new("/d/0.log")
}

/// A disk with `/d/0.log`, empty; its name is durable.
fn disk_with_log() -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("/d")).unwrap();
    let file = disk.create(log()).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, file)
}

/// What is left when nothing survives that is not durable.
fn durable(disk: &SimDisk) -> Vec<u8> {
    let disk = disk.fork();
    disk.crash(Crash::PowerCutWith { seed: 0, survival: Survival::Nothing });
    disk.peek(log()).unwrap()
}

/// Asks for every operation once.
fn ask(disk: &SimDisk, file: &dyn File, op: Op) -> io::Result<()> {
    let (dir, new) = (Path::new("/d/dir"), Path::new("/d/new"));
    match op {
        Op::CreateDir => disk.create_dir(dir),
        Op::RemoveDir => disk.remove_dir(dir),
        Op::Create => disk.create(new).map(drop),
        Op::Rename => disk.rename(new, Path::new("/d/newer")),
        Op::Remove => disk.remove(Path::new("/d/newer")),
        Op::SyncDir => disk.sync_dir(Path::new("/d")),
        Op::Lock => disk.lock(Path::new("/d/lock")).map(drop),
        Op::Write => file.write_at(0, b"bytes").map(drop),
        Op::Allocate => file.allocate(100),
        Op::Truncate => file.truncate(5),
        Op::Sync => file.sync(),
        Op::Open => disk.open(log()).map(drop),
        Op::List => disk.list(Path::new("/d")).map(drop),
        Op::Metadata => disk.metadata(log()).map(drop),
        Op::Read => file.read_at(0, 5).map(drop),
        Op::Len => file.len().map(drop),
    }
}

#[test]
fn every_operation_can_fail_with_every_error_and_is_not_done_then() {
    for errno in Errno::ALL {
        let (disk, file) = disk_with_log();
        for op in Op::ALL {
            disk.inject(Fault::fail(errno).on(op));
            let error = ask(&disk, &*file, op).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno as i32), "{op:?}");
            disk.heal();
            ask(&disk, &*file, op)
                .unwrap_or_else(|error| panic!("{op:?} was done though it failed: {error}"));
        }
    }
    assert_eq!(Errno::NoSpace.error().kind(), ErrorKind::StorageFull);
    assert_eq!(Errno::Interrupted.error().kind(), ErrorKind::Interrupted);
}

#[test]
fn every_change_can_fail_although_it_was_done() {
    let (disk, file) = disk_with_log();
    for op in [Op::CreateDir, Op::RemoveDir, Op::Create, Op::Rename, Op::Remove] {
        disk.inject(Fault::fail_after(Errno::Io).on(op));
        assert_eq!(ask(&disk, &*file, op).unwrap_err().raw_os_error(), Some(5));
        disk.heal();
        assert!(ask(&disk, &*file, op).is_err(), "{op:?} was not done");
    }
    file.write_at(0, b"bytes").unwrap();
    disk.inject(Fault::fail_after(Errno::Io).on(Op::Sync));
    file.sync().unwrap_err();
    assert_eq!(durable(&disk), b"bytes");
}

#[test]
fn a_fault_strikes_where_and_when_it_should() {
    let (disk, file) = disk_with_log();
    let other = disk.create(Path::new("/d/0.index")).unwrap();
    disk.inject(Fault::fail(Errno::Io).on(Op::Write).path(".log").nth(2));
    let write = |file: &dyn File| file.write_at(0, b"x").is_ok();
    assert_eq!(
        [write(&*other), write(&*file), write(&*other), write(&*file), write(&*file)],
        [true, true, true, false, true]
    );
    disk.inject(Fault::fail(Errno::ReadOnly).on(Op::Write).nth(2).forever());
    assert_eq!([write(&*file), write(&*file), write(&*other)], [true, false, false]);
    disk.heal();
    disk.inject(Fault::fail(Errno::Io).at(disk.ops() + 2));
    assert_eq!([write(&*file), file.sync().is_ok(), write(&*file)], [true, false, true]);
    disk.inject(Fault::fail(Errno::Io).path(".swap"));
    assert!(disk.rename(log(), Path::new("/d/0.swap")).is_err());
    disk.heal();
    disk.inject(Fault::fail(Errno::Io).forever());
    assert!(file.read_at(0, 1).is_ok(), "what is not numbered fails only if it is named");
    assert!(!write(&*file));
}

#[test]
fn a_fault_outlives_a_crash_until_it_is_healed() {
    let (disk, _) = disk_with_log();
    disk.inject(Fault::fail(Errno::Io).on(Op::Open).forever());
    disk.crash(Crash::Kill);
    assert!(disk.open(log()).is_err() && disk.fork().open(log()).is_err());
    disk.heal();
    assert!(disk.open(log()).is_ok());
}

#[test]
fn short_writes_and_reads_say_so() {
    let (disk, file) = disk_with_log();
    disk.inject(Fault::short(3).on(Op::Write));
    assert_eq!(file.write_at(0, b"abcdef").unwrap(), 3);
    assert_eq!(disk.peek(log()).unwrap(), b"abc");
    disk.inject(Fault::short(0).on(Op::Write).nth(1).forever());
    file.write_all_at(3, b"defg").unwrap();
    disk.inject(Fault::short(2).on(Op::Read));
    assert_eq!(file.read_at(0, 7).unwrap(), &b"ab"[..]);
    assert_eq!(file.read_exact_at(0, 7).unwrap(), &b"abcdefg"[..]);
}

#[test]
fn a_write_can_fail_with_a_part_of_it_done() {
    let (disk, file) = disk_with_log();
    disk.inject(Fault::fail_partway(Errno::NoSpace, 4).on(Op::Write));
    assert_eq!(file.write_at(0, b"abcdef").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.peek(log()).unwrap(), b"abcd");
}

#[test]
fn a_failed_sync_loses_what_it_should_have_made_durable() {
    let (disk, file) = disk_with_log();
    file.write_at(0, b"synced").unwrap();
    file.sync().unwrap();
    file.write_all_at(0, &[b'x'; 600]).unwrap();
    disk.inject(Fault::fail(Errno::Io).on(Op::Sync));
    file.sync().unwrap_err();
    assert_eq!(disk.peek(log()).unwrap(), vec![b'x'; 600], "it stays visible");
    file.sync().unwrap();
    assert_eq!(durable(&disk), b"synced", "a later success proves nothing");
    assert!(!disk.is_durable(log()).unwrap());
    let any = |seed| {
        let fork = disk.fork();
        fork.crash(Crash::PowerCut { seed });
        fork.peek(log()).unwrap() == vec![b'x'; 600]
    };
    assert!((0..100).any(any), "but it may have come through");
    file.write_at(0, b"y").unwrap();
    file.sync().unwrap();
    let left = durable(&disk);
    assert!(left.starts_with(b"yxx") && left[511] == b'x', "what is written again is synced again");
    assert!(left[512..].iter().all(|&byte| byte == 0), "and nothing else is");
}

#[test]
fn an_interrupted_sync_loses_nothing() {
    let (disk, file) = disk_with_log();
    file.write_at(0, b"bytes").unwrap();
    disk.inject(Fault::fail(Errno::Interrupted).on(Op::Sync));
    assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(durable(&disk).is_empty());
    file.sync().unwrap();
    assert_eq!(durable(&disk), b"bytes");
}

#[test]
fn space_runs_out_at_the_byte_and_comes_back_when_files_shrink_or_go() {
    let (disk, file) = disk_with_log();
    disk.set_capacity(Some(10));
    assert_eq!(file.write_at(0, b"abcdefg").unwrap(), 7);
    assert_eq!(file.write_at(7, b"hijkl").unwrap(), 3, "what fits is written");
    assert_eq!(file.write_at(10, b"k").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_at(0, b"ABC").unwrap(), 3, "what has its space needs no more");
    assert_eq!(file.allocate(11).unwrap_err().kind(), ErrorKind::StorageFull);
    file.truncate(4).unwrap();
    let other = disk.create(Path::new("/d/other")).unwrap();
    assert_eq!((disk.used(), other.write_at(0, &[0; 9]).unwrap()), (4, 6));
    disk.remove(Path::new("/d/other")).unwrap();
    assert_eq!(disk.used(), 10, "an open file takes space without a name");
    drop(other);
    assert_eq!((disk.used(), file.write_at(4, &[0; 9]).unwrap()), (4, 6));
    disk.rename(log(), log()).unwrap();
    disk.crash(Crash::Kill);
    assert_eq!(disk.used(), 10);
    disk.create(Path::new("/d/empty")).unwrap();
    disk.rename(Path::new("/d/empty"), log()).unwrap();
    assert_eq!(disk.used(), 0, "what is replaced is gone as well");
}

#[test]
fn a_dead_handle_gives_no_space_back() {
    let (disk, of_the_dead) = disk_with_log();
    disk.crash(Crash::Kill);
    let file = disk.open(log()).unwrap();
    file.write_at(0, b"bytes").unwrap();
    disk.remove(log()).unwrap();
    drop(of_the_dead);
    assert_eq!(disk.used(), 5, "it is still open in this life");
}

#[test]
fn allocated_space_is_there_when_it_is_needed() {
    let (disk, file) = disk_with_log();
    disk.set_capacity(Some(1000));
    file.allocate(800).unwrap();
    let other = disk.create(Path::new("/d/other")).unwrap();
    other.write_all_at(0, &[1; 200]).unwrap();
    assert!(other.write_at(200, b"x").is_err());
    file.write_all_at(0, &[1; 800]).unwrap();
    other.truncate(5000).unwrap();
    assert_eq!(disk.used(), 1000, "a length alone takes no space");
    disk.crash(Crash::PowerCutWith { seed: 0, survival: Survival::Nothing });
    assert_eq!(disk.used(), 0, "what did not survive takes none either");
    disk.open(log()).unwrap().write_all_at(0, &[1; 1000]).unwrap();
}

#[test]
fn a_stop_comes_before_within_or_after_the_operation_and_is_final() {
    let expected: [(Stop, &[u8]); 3] = [(Stop::Before, b""), (Stop::Half, b"abc"), (Stop::After, b"abcdef")];
    assert_eq!(expected.map(|(stop, _)| stop), Stop::ALL);
    for (stop, left) in expected {
        let (disk, file) = disk_with_log();
        disk.stop_at(disk.ops() + 1, stop);
        assert!(file.read_at(0, 1).is_ok() && !disk.is_stopped());
        assert!(SimDisk::is_crash_stop(&file.write_at(0, b"abcdef").unwrap_err()));
        assert!(disk.is_stopped());
        for op in Op::ALL {
            let error = ask(&disk, &*file, op).unwrap_err();
            assert!(SimDisk::is_crash_stop(&error) && error.kind() == ErrorKind::Other, "{op:?}");
            assert!(error.to_string().contains("crash-stop"));
        }
        disk.crash(Crash::Kill);
        assert_eq!(disk.peek(log()).unwrap(), left, "{stop:?}");
        assert!(disk.open(log()).is_ok() && !disk.is_stopped());
    }
}

#[test]
fn a_stopped_change_of_names_is_done_only_if_the_stop_comes_after() {
    for (stop, is_done) in Stop::ALL.into_iter().zip([false, false, true]) {
        let (disk, _) = disk_with_log();
        disk.stop_at(disk.ops() + 1, stop);
        disk.remove(log()).unwrap_err();
        assert_eq!(disk.peek(log()).is_err(), is_done, "{stop:?}");
    }
    let (disk, _) = disk_with_log();
    disk.stop_at(disk.ops() + 1, Stop::Before);
    disk.crash(Crash::Kill);
    assert!(disk.remove(log()).is_ok(), "a crash ends the plan of the stop");
    assert!(!SimDisk::is_crash_stop(&Errno::Io.error()));
    assert!(!SimDisk::is_crash_stop(&io::Error::other("something else")));
}
