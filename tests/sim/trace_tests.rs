//! What was done is told by a number, by lines, and by the states in between.

use crate::disk::{Crash, Errno, Fault, Op, SimDisk, Stop};
use brooklet::io::Fs;
use std::path::Path;

/// Eight operations: a file is created, written twice, and put in place.
fn run(disk: &SimDisk, second: &[u8]) -> std::io::Result<()> {
    let file = disk.create(Path::new("/f.tmp"))?;
    disk.sync_dir(Path::new("/"))?;
    file.write_all_at(0, b"first")?;
    file.sync()?;
    file.write_all_at(5, second)?;
    file.sync()?;
    disk.rename(Path::new("/f.tmp"), Path::new("/f"))?;
    disk.sync_dir(Path::new("/"))
}

fn hash_of(prepare: impl FnOnce(&SimDisk), second: &[u8]) -> u64 {
    let disk = SimDisk::new();
    prepare(&disk);
    let _ = run(&disk, second);
    disk.trace_hash()
}

#[test]
fn equal_runs_have_equal_hashes_and_others_do_not() {
    let same = hash_of(|_| {}, b"second");
    assert_eq!(hash_of(|_| {}, b"second"), same);
    assert_eq!(hash_of(SimDisk::keep_trace, b"second"), same);
    assert_eq!(hash_of(SimDisk::remember_states, b"second"), same);
    let others = [
        hash_of(|_| {}, b"Second"),
        hash_of(|_| {}, b"second\0"),
        hash_of(|disk| disk.crash(Crash::Kill), b"second"),
        hash_of(|disk| disk.crash(Crash::PowerCut { seed: 1 }), b"second"),
        hash_of(|disk| disk.crash(Crash::PowerCut { seed: 2 }), b"second"),
        hash_of(|disk| disk.inject(Fault::short(3).on(Op::Write)), b"second"),
        hash_of(|disk| disk.inject(Fault::fail(Errno::Io).on(Op::Rename)), b"second"),
        hash_of(|disk| disk.inject(Fault::fail(Errno::NoSpace).on(Op::Rename)), b"second"),
        hash_of(|disk| disk.stop_at(8, Stop::Before), b"second"),
    ];
    let distinct: std::collections::BTreeSet<u64> = others.into_iter().chain([same]).collect();
    assert_eq!(distinct.len(), others.len() + 1);
}

#[test]
fn crashes_with_one_seed_leave_one_state() {
    let disk = SimDisk::new();
    run(&disk, b"second").unwrap();
    let file = disk.open(Path::new("/f")).unwrap();
    file.write_all_at(0, &[9; 4000]).unwrap();
    for seed in 0..50 {
        let (one, two) = (disk.fork(), disk.fork());
        one.crash(Crash::PowerCut { seed });
        two.crash(Crash::PowerCut { seed });
        assert_eq!(one.peek(Path::new("/f")).unwrap(), two.peek(Path::new("/f")).unwrap(), "seed {seed}");
        assert_eq!(one.trace_hash(), two.trace_hash());
    }
}

#[test]
fn changes_are_numbered_and_reads_only_on_demand() {
    let disk = SimDisk::new();
    run(&disk, b"second").unwrap();
    assert_eq!(disk.ops(), 8);
    let read = || disk.open(Path::new("/f")).unwrap().read_at(0, 99).unwrap();
    assert_eq!(read(), &b"firstsecond"[..]);
    assert_eq!(disk.ops(), 8);
    disk.number_reads();
    read();
    assert_eq!(disk.ops(), 8 + 2, "one open and one read");
}

#[test]
fn lines_tell_a_person_what_was_done() {
    let disk = SimDisk::new();
    disk.keep_trace();
    disk.inject(Fault::fail(Errno::Io).on(Op::Sync).nth(2));
    run(&disk, b"second").unwrap_err();
    disk.crash(Crash::Kill);
    let lines = disk.trace();
    assert_eq!(lines[0], "#1 Create /f.tmp -> 1");
    assert_eq!(lines[4], "#5 Write /f.tmp @5+6 -> 6");
    assert!(lines[5].starts_with("#6 Sync /f.tmp -> ") && lines[5].contains("os error 5"), "{}", lines[5]);
    assert_eq!(lines[6], "crash: Kill");
    let renamed = SimDisk::new();
    renamed.keep_trace();
    run(&renamed, b"second").unwrap();
    assert_eq!(renamed.trace()[6], "#7 Rename /f.tmp to /f -> 0");
    assert_eq!(format!("{renamed:?}"), format!("SimDisk(operation 8, trace {:016x})", renamed.trace_hash()));
}

#[test]
fn every_state_of_a_run_can_be_had_again() {
    let disk = SimDisk::new();
    disk.create(Path::new("/before")).unwrap();
    disk.remember_states();
    run(&disk, b"second").unwrap();
    assert!(disk.state_after(0).is_none() && disk.state_after(10).is_none());
    for number in 1..=disk.ops() {
        let again = SimDisk::new();
        again.create(Path::new("/before")).unwrap();
        again.stop_at(number + 1, Stop::Before);
        let _ = run(&again, b"second");
        let state = disk.state_after(number).unwrap();
        assert_eq!(state.ops(), number);
        for name in ["/before", "/f.tmp", "/f"] {
            assert_eq!(
                state.peek(Path::new(name)).ok(),
                again.peek(Path::new(name)).ok(),
                "{name} after {number}"
            );
        }
    }
    let last = disk.state_after(disk.ops()).unwrap();
    assert_eq!(last.trace_hash(), disk.trace_hash());
}
