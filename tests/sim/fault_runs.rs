//! Every fault at every operation: a scenario is run again and again, and each time another operation fails.
//!
//! What was refused must not be there, what was taken must be, what was indeterminate may be; a full disk must let the
//! log go on without reopening; and after a failed sync nothing counts that was not durable before.

use crate::disk::{Crash, Errno, Fault, SimDisk};
use crate::ledger::{Broken, End, Pending};
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
    disk.crash(if seed % 2 == 0 { Crash::PowerCut { seed: op } } else { Crash::Kill });
    disk.heal();
    run.open().map_err(|error| format!("opening after the crash: {error}"))?;
    let log = run.world.as_ref().expect("it is open").log.clone();
    run.ledger.check(&log, if seed % 2 == 0 { End::PowerCut } else { End::Kill })?;
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
    let mut runs = 0;
    for seed in 1..9 {
        runs += hunt(None, seed).unwrap_or_else(|broken| panic!("{broken}"));
    }
    eprintln!("{runs} runs with a fault");
    assert!(runs > 5_000);
}
