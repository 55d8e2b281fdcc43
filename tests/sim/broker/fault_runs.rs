//! Every fault at every operation: a scenario is run again and again, and each time another operation fails.
//!
//! What was refused must not be there, what was taken must be, what was indeterminate may be. The fault strikes once, so
//! what failed must do when it is done again, without reopening unless the error asks for that; every other run does not
//! insist, and goes on with something else.
//!
//! `BROOKLET_SIM_BROKER_FAULT_SEEDS` says over how many scenarios (default 4).

use super::partition::End;
use super::run::{Failure, Run};
use super::script::{self, Step};
use super::world::{Mistake, Setup};
use crate::crash_states::number_from;
use crate::disk::{Crash, Errno, Fault, Rng, SimDisk};
use crate::ledger::Broken;
use brooklet::Error;

const STEPS: usize = 9;

/// The ways in which an operation fails; the first two are tried at each, and one of the others.
pub(super) const WAYS: [fn() -> Fault; 8] = [
    || Fault::fail(Errno::Io),
    || Fault::fail(Errno::NoSpace),
    || Fault::fail_after(Errno::Io),
    || Fault::short(5),
    || Fault::fail_partway(Errno::NoSpace, 7),
    || Fault::fail(Errno::Interrupted),
    || Fault::fail(Errno::TooManyFiles),
    || Fault::fail(Errno::ReadOnly),
];

/// Runs a scenario once for each operation and each way to fail.
pub(super) fn hunt(mistake: Option<Mistake>, seed: u64) -> Result<u64, Broken> {
    let mut runs = 0;
    for op in 1.. {
        for way in [0, 1, 2 + ((seed + op) % 6) as usize] {
            let struck = one_fault(mistake, seed, op, way)
                .map_err(|broken| format!("{broken} (BROOKLET_SIM_BROKER_FAULT={seed}:{op}:{way})"))?;
            if !struck {
                return Ok(runs);
            }
            runs += 1;
        }
    }
    Ok(runs)
}

/// One run with one fault; false if the run has no such operation.
fn one_fault(mistake: Option<Mistake>, seed: u64, op: u64, way: usize) -> Result<bool, Broken> {
    let disk = SimDisk::new();
    disk.number_reads();
    disk.inject(WAYS[way]().at(op));
    let mut run = Run::new(disk.clone(), Setup::drawn(seed, mistake));
    run.ledger.is_faulty = true;
    steps(&mut run, seed, op.is_multiple_of(2))?;
    let struck = disk.ops() >= op;
    let (crash, end) = match (seed + op).is_multiple_of(2) {
        true => (Crash::PowerCut { seed: op }, End::PowerCut),
        false => (Crash::Kill, End::Kill),
    };
    run.leave();
    disk.heal();
    disk.crash(crash);
    run.recover(end).map_err(|failure| format!("after the end: {}", Broken::from(failure)))?;
    Ok(struck)
}

fn steps(run: &mut Run, seed: u64, insists: bool) -> Result<(), Broken> {
    for step in script::drawn(seed, STEPS) {
        if run.world.is_none() {
            reopen(run)?;
        }
        one_step(run, &step, insists).map_err(|broken| format!("{step:?}: {broken}"))?;
    }
    Ok(())
}

/// One step, and the same again after an error, for whoever insists.
fn one_step(run: &mut Run, step: &Step, insists: bool) -> Result<(), Broken> {
    match run.take(step) {
        Ok(()) => return Ok(()),
        Err(Failure::Broken(broken)) => return Err(broken),
        Err(Failure::Error(error)) if error.is_fatal() || run.world.is_none() => return reopen(run),
        Err(Failure::Error(_)) if !insists => return Ok(()),
        Err(Failure::Error(_)) => {}
    }
    match run.take(step) {
        Ok(()) => Ok(()),
        Err(Failure::Broken(broken)) => Err(format!("done again: {broken}")),
        Err(Failure::Error(error)) if error.is_fatal() => reopen(run),
        Err(Failure::Error(error)) => Err(format!("fails again: {error}")),
    }
}

/// Opens the broker again after its process ended, and goes on from what is there.
fn reopen(run: &mut Run) -> Result<(), Broken> {
    match run.recover_from_kill() {
        Err(Failure::Broken(broken)) => Err(format!("after reopening: {broken}")),
        // The fault struck here; it strikes once.
        Err(Failure::Error(_)) => run
            .recover_from_kill()
            .map_err(|failure| format!("opened a second time: {}", Broken::from(failure))),
        Ok(()) => Ok(()),
    }
}

#[test]
fn no_fault_of_a_broker_breaks_a_promise() {
    if let Ok(line) = std::env::var("BROOKLET_SIM_BROKER_FAULT") {
        let numbers: Vec<u64> = line.split(':').map(|text| text.parse().expect("a number")).collect();
        let [seed, op, way] = numbers[..] else { panic!("a line is seed:operation:way") };
        one_fault(None, seed, op, way as usize).unwrap_or_else(|broken| panic!("{line}: {broken}"));
        return;
    }
    let seeds = number_from("BROOKLET_SIM_BROKER_FAULT_SEEDS", 4);
    let mut runs = 0;
    let first = number_from("BROOKLET_SIM_SEED", 1);
    for seed in first..first + seeds {
        runs += hunt(None, seed).unwrap_or_else(|broken| panic!("{broken}"));
    }
    eprintln!("{runs} runs of a broker with a fault");
    assert!(runs > 100 * seeds);
}

/// The disk is full at a byte: what is refused says so, everything acknowledged stays, and when there is space again the
/// same broker goes on.
#[test]
fn a_broker_on_a_disk_that_is_full_at_any_byte_loses_nothing_and_goes_on() {
    let mut refused = 0;
    let first = number_from("BROOKLET_SIM_SEED", 1);
    for seed in first..first + number_from("BROOKLET_SIM_BROKER_FAULT_SEEDS", 4) {
        let full_size = {
            let (run, _) = with_space(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
            run.disk.used()
        };
        let mut rng = Rng::new(seed);
        for _ in 0..120 {
            let bytes = rng.below(full_size);
            let at = format!("seed {seed}, {bytes} bytes");
            let (mut run, times) =
                with_space(seed, Some(bytes)).unwrap_or_else(|broken| panic!("{at}: {broken}"));
            refused += times;
            run.leave();
            run.disk.crash(Crash::PowerCut { seed: bytes });
            if let Err(failure) = run.recover(End::PowerCut) {
                // Recovery writes a few notes; without space for them it says so, and nothing is lost.
                expect_full(failure).unwrap_or_else(|broken| panic!("{at}: {broken}"));
                run.leave();
                run.disk.set_capacity(None);
                run.disk.crash(Crash::Kill);
                run.recover(End::PowerCut)
                    .unwrap_or_else(|failure| panic!("{at}: {}", Broken::from(failure)));
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

/// A scenario on a disk of so many bytes, which grows once it was full; how often it was.
fn with_space(seed: u64, bytes: Option<u64>) -> Result<(Run, u64), Broken> {
    let disk = SimDisk::new();
    disk.set_capacity(bytes);
    let mut run = Run::new(disk.clone(), Setup::drawn(seed, None));
    run.ledger.is_faulty = true;
    let mut refused = 0;
    if let Err(failure) = run.recover(End::Kill) {
        expect_full(failure)?;
        refused += 1;
        disk.set_capacity(None);
        run.recover_from_kill().map_err(|failure| format!("with space again: {}", Broken::from(failure)))?;
    }
    for step in script::drawn(seed, STEPS + 6) {
        if let Err(failure) = run.take(&step) {
            expect_full(failure).map_err(|broken| format!("{step:?}: {broken}"))?;
            refused += 1;
            disk.set_capacity(None);
            if run.world.is_none() {
                reopen(&mut run)?;
            }
            let again = run.take(&step).or_else(|failure| match failure {
                Failure::Error(Error::UnknownTopic { .. }) => Ok(()),
                failure => Err(failure),
            });
            if run.world.is_none() {
                reopen(&mut run)?;
            }
            again.map_err(|failure| format!("with space again: {step:?}: {}", Broken::from(failure)))?;
        }
    }
    Ok((run, refused))
}

fn expect_full(failure: Failure) -> Result<(), Broken> {
    match failure {
        Failure::Error(Error::DiskFull { .. } | Error::Timeout { .. }) => Ok(()),
        // What lingered on its way to a topic that was deleted meanwhile; that has nothing to do with the disk.
        Failure::Error(Error::UnknownTopic { .. }) => Ok(()),
        Failure::Error(other) => Err(format!("a full disk is reported as: {other}")),
        Failure::Broken(broken) => Err(broken),
    }
}
