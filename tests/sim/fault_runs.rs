//! Every fault at every operation: a scenario is run again and again, and each time another operation fails.
//!
//! What was refused must not be there, what was taken must be, what was indeterminate may be; a full disk must let the
//! log go on without reopening; and after a failed sync nothing counts that was not durable before.

use crate::disk::{Crash, Errno, Fault, Op, SimDisk};
use crate::ledger::{Broken, End, Pending, read_all};
use crate::plant::Bug;
use crate::script::{self, Run, Step};
use crate::world::Setup;
use brooklet::Error;

const STEPS: usize = 9;

/// One way in which an operation fails.
const WAYS: [fn() -> Fault; 8] = [
    || Fault::fail(Errno::Io),
    || Fault::fail(Errno::NoSpace),
    || Fault::fail(Errno::Interrupted),
    || Fault::fail(Errno::TooManyFiles),
    || Fault::fail(Errno::ReadOnly),
    || Fault::fail_after(Errno::Io),
    || Fault::fail_partway(Errno::NoSpace, 7),
    || Fault::short(5),
];

/// Runs a scenario once for each operation and each way to fail.
pub(crate) fn hunt(bug: Option<Bug>, seed: u64) -> Result<u64, Broken> {
    let mut runs = 0;
    for way in 0..WAYS.len() {
        let mut op = 1;
        while one_fault(bug, seed, op, way)
            .map_err(|broken| format!("seed {seed}, operation {op}, way {way}: {broken}"))?
        {
            op += 1;
            runs += 1;
        }
    }
    Ok(runs)
}

/// One run with one fault; false if the run has no such operation.
fn one_fault(bug: Option<Bug>, seed: u64, op: u64, way: usize) -> Result<bool, Broken> {
    let disk = SimDisk::new();
    disk.number_reads();
    disk.inject(WAYS[way]().at(op));
    let mut run = Run::new(disk.clone(), Setup::drawn(seed, bug));
    for step in script::drawn(seed, STEPS) {
        one_step(&mut run, &step)?;
    }
    let struck = disk.ops() >= op;
    let (crash, end) = match seed.is_multiple_of(2) {
        true => (Crash::PowerCut { seed: op }, End::PowerCut),
        false => (Crash::Kill, End::Kill),
    };
    disk.crash(crash);
    disk.heal();
    run.open().map_err(|error| format!("opening after the crash: {error}"))?;
    let log = run.world.as_ref().expect("it is open").log.clone();
    run.ledger.check(&log, end)?;
    Ok(struck)
}

fn one_step(run: &mut Run, step: &Step) -> Result<(), Broken> {
    if run.world.is_none() {
        reopen(run)?;
    }
    let pending = run.pending(step);
    let (result, bytes) = run.take(step);
    let Err(error) = result else { return Ok(()) };
    let appended = matches!(step, Step::Append(_));
    let indeterminate = matches!(error, Error::Indeterminate { .. }) || !appended;
    match bytes.filter(|_| appended) {
        Some(bytes) if indeterminate => run.ledger.pending.push(Pending::Append(bytes)),
        Some(bytes) => run.ledger.gone.push(bytes),
        None => run.ledger.pending.extend(pending),
    }
    if run.world.is_none() {
        return Ok(());
    }
    if error.is_fatal() || !appended {
        // The process goes on, so the page cache does: all that was taken is still there to be read.
        return reopen(run);
    }
    // The fault is over, and nothing was said of reopening: so the next append must do.
    let (again, bytes) = run.take(step);
    match again {
        Ok(()) => Ok(()),
        Err(error) if error.is_fatal() => {
            run.ledger.gone.extend(bytes);
            reopen(run)
        }
        Err(error) => Err(format!("{step:?} fails again: {error}")),
    }
}

/// Opens the log again after the process ended, and goes on from what is there.
fn reopen(run: &mut Run) -> Result<(), Broken> {
    run.world = None;
    run.disk.crash(Crash::Kill);
    if run.open().is_err() {
        // The fault struck here; it strikes once.
        run.disk.crash(Crash::Kill);
        run.open().map_err(|error| format!("opening a second time: {error}"))?;
    }
    let log = run.world.as_ref().expect("it is open").log.clone();
    run.ledger = run.ledger.check(&log, End::Kill).map_err(|broken| format!("after reopening: {broken}"))?;
    Ok(())
}

#[test]
fn no_fault_breaks_a_promise() {
    let seeds = crate::crash_states::number_from("BROOKLET_SIM_FAULT_SEEDS", 16);
    let mut runs = 0;
    for seed in 1..=seeds {
        runs += hunt(None, seed).unwrap_or_else(|broken| panic!("{broken}"));
    }
    eprintln!("{runs} runs with a fault");
    assert!(runs > 500 * seeds);
}

/// The disk is full at byte B, for every B: appends are refused with a typed error, everything acknowledged stays, and
/// when there is space again the same log goes on.
#[test]
fn a_disk_that_is_full_at_any_byte_loses_nothing_and_the_log_goes_on() {
    let mut refused = 0;
    for seed in 1..=4 {
        let full_size = {
            let (run, _) =
                run_with_space(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
            run.disk.used()
        };
        for bytes in (0..full_size).step_by(13) {
            let at = format!("seed {seed}, {bytes} bytes");
            let (run, times) =
                run_with_space(seed, Some(bytes)).unwrap_or_else(|broken| panic!("{at}: {broken}"));
            refused += times;
            run.disk.crash(Crash::PowerCut { seed: bytes });
            let mut again = Run::new(run.disk.clone(), run.setup.clone());
            if let Err(error) = again.open() {
                // Recovery writes a few notes; without space for them it says so, and nothing is lost.
                expect_full(&error).unwrap_or_else(|broken| panic!("{at}: {broken}"));
                again.disk.set_capacity(None);
                again.disk.crash(Crash::Kill);
                again.open().unwrap_or_else(|error| panic!("{at}: opening: {error}"));
            }
            let log = again.world.as_ref().expect("it is open").log.clone();
            run.ledger.check(&log, End::PowerCut).unwrap_or_else(|broken| panic!("{at}: {broken}"));
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn no_fault_while_it_is_cleaned_breaks_a_promise() {
    for seed in 0..12 {
        hunt(None, script::CLEANING + seed).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

/// Appends, flushes, retention and compaction on a disk of so many bytes, which grows when it is full; how often it was.
fn run_with_space(seed: u64, bytes: Option<u64>) -> Result<(Run, u64), Broken> {
    let disk = SimDisk::new();
    disk.set_capacity(bytes);
    let mut run = Run::new(disk.clone(), Setup::drawn(seed, None));
    let mut refused = 0;
    if let Err(error) = run.open() {
        expect_full(&error)?;
        refused += 1;
        disk.set_capacity(None);
        disk.crash(Crash::Kill);
        run.open().map_err(|error| format!("with space again: {error}"))?;
    }
    for step in script::drawn(seed, STEPS + 5) {
        if !matches!(step, Step::Append(_) | Step::Flush | Step::Retain { .. } | Step::Compact { .. }) {
            continue;
        }
        let (result, bytes) = run.take(&step);
        if let Err(error) = result {
            expect_full(&error)?;
            refused += 1;
            run.ledger.gone.extend(bytes);
            let log = &run.world.as_ref().expect("it is open").log;
            read_all(log).map_err(|broken| format!("on a full disk: {broken}"))?;
            disk.set_capacity(None);
            run.take(&step).0.map_err(|error| format!("with space again: {step:?}: {error}"))?;
        }
    }
    Ok((run, refused))
}

fn expect_full(error: &Error) -> Result<(), Broken> {
    match error {
        Error::DiskFull { .. } if error.is_retriable() => Ok(()),
        other => Err(format!("a full disk is reported as: {other}")),
    }
}

/// Retention needs no room: it works on the disk that it is to make room on, and appends go on then.
#[test]
fn retention_frees_a_full_disk() {
    for seed in 1..=40 {
        let disk = SimDisk::new();
        let mut run = Run::new(disk.clone(), Setup::drawn(seed, None));
        run.open().expect("there is room");
        let mut steps = script::drawn(seed, 60).into_iter().filter(|step| matches!(step, Step::Append(_)));
        for step in steps.by_ref().take(24) {
            run.take(&step).0.expect("there is room");
        }
        disk.set_capacity(Some(disk.used()));
        let log = run.world.as_ref().expect("it is open").log.clone();
        let segments = log.segment_base_offsets().len();
        run.take(&Step::Retain { bytes: 900 }).0.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(segments < 4 || log.segment_base_offsets().len() < segments, "seed {seed}");
        disk.crash(Crash::PowerCut { seed });
        let ledger = run.ledger.clone();
        run.disk.set_capacity(None);
        run.open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let log = run.world.as_ref().expect("it is open").log.clone();
        ledger.check(&log, End::PowerCut).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

/// Nearly nothing would be left of the group; but that is not known before it is written, so there has to be room for all.
#[test]
fn compaction_begins_no_group_without_room_for_all_of_it() {
    let disk = SimDisk::new();
    let mut run = Run::new(disk.clone(), Setup::drawn(2, None));
    run.open().expect("there is room");
    let log = run.world.as_ref().expect("it is open").log.clone();
    while log.segment_base_offsets().len() < 3 {
        run.take(&Step::Append(script::keyed("key"))).0.expect("there is room");
    }
    run.take(&Step::Flush).0.expect("there is room");
    let names = || disk.peek_list(log.path()).expect("it is there").len();
    let (used, before) = (disk.used(), names());
    disk.set_capacity(Some(used + 400));
    let compact = Step::Compact { budget: u64::MAX };
    let error = run.take(&compact).0.expect_err("there is no room");
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert_eq!((disk.used(), names()), (used, before));
    assert!(!error.is_fatal() && log.uncleanable().is_none());
    disk.set_capacity(None);
    run.take(&compact).0.expect("there is room again");
    assert!(disk.used() < used, "{} instead of {used}", disk.used());
}

/// An attempt that is reported as failed may have been carried out all the same.
#[test]
fn a_file_ends_with_its_last_batch_though_setting_space_aside_seemed_to_fail() {
    let disk = SimDisk::new();
    disk.inject(Fault::fail_after(Errno::Io).on(Op::Allocate).forever());
    let mut run = Run::new(disk.clone(), Setup::drawn(1, None));
    run.open().unwrap();
    for _ in 0..20 {
        run.take(&Step::Append(script::keyed("a"))).0.unwrap();
    }
    run.take(&Step::Reopen).0.unwrap();
    let log = &run.world.as_ref().expect("it is open").log;
    let logs = disk.peek_list(log.path()).unwrap().into_iter().filter(|entry| entry.name.ends_with(".log"));
    let lens: Vec<usize> = logs.map(|entry| disk.peek(&log.path().join(entry.name)).unwrap().len()).collect();
    assert_eq!(lens.iter().sum::<usize>() as u64, log.size_bytes(), "{lens:?}");
}
