//! Every fault at every operation while a group is at work: the group goes on, or says what is wrong with the disk; what is
//! committed never goes back, and never leads the log.
//!
//! `BROOKLET_SIM_GROUP_FAULT_SEEDS` says over how many runs (default 3), and `BROOKLET_SIM_GROUP_FAULT`, as printed by a
//! failure, runs just that one.

use super::super::fault_runs::WAYS;
use super::super::run::Failure;
use super::super::world::Setup;
use super::ledger::Ledger;
use super::look::look;
use super::run::Run;
use crate::crash_states::number_from;
use crate::disk::{Crash, Rng, SimDisk};
use crate::ledger::Broken;
use brooklet::{Error, Timestamp};

const STEPS: usize = 26;

/// A run with one fault; false if it has no such operation.
fn one_fault(seed: u64, op: u64, way: usize) -> Result<bool, Broken> {
    let disk = SimDisk::new();
    disk.number_reads();
    disk.inject(WAYS[way]().at(op));
    let setup = Setup { seed, open_files: 512, mistake: None };
    let mut run = Run::new(disk.clone(), setup, Ledger::default(), Timestamp::from_millis(1_000_000), true);
    reopen(&mut run)?;
    let mut rng = Rng::new(seed);
    for step in 0..STEPS {
        one_step(&mut run, &mut rng, op.is_multiple_of(2))
            .map_err(|broken| format!("step {step}: {broken}"))?;
        // Most that is made good later is not yet: a third of the runs ends here.
        if op.is_multiple_of(3) && disk.ops() >= op {
            break;
        }
    }
    let struck = disk.ops() >= op;
    disk.heal();
    let (now, ledger) = (run.end(), run.ledger.clone());
    if let Some(world) = &run.world {
        look(&world.broker, &ledger, true).map_err(|broken| format!("in memory: {broken}"))?;
    }
    run.leave();
    let is_kill = (seed + op).is_multiple_of(2);
    disk.crash(if is_kill { Crash::Kill } else { Crash::PowerCut { seed: op } });
    let mut after = Run::new(disk, run.setup, ledger, now, false);
    after.open().map_err(|error| format!("after the end: {error}"))?;
    let world = after.world.as_ref().expect("just opened");
    look(&world.broker, &after.ledger, true).map_err(|broken| format!("after the end: {broken}"))?;
    Ok(struck)
}

/// One step. What failed is done again by whoever insists: the fault has struck, and strikes once.
fn one_step(run: &mut Run, rng: &mut Rng, insists: bool) -> Result<(), Broken> {
    let mut same = rng.clone();
    match run.step(rng) {
        Ok(()) => return Ok(()),
        Err(failure) => expect_of_the_disk(run, failure)?,
    }
    if run.world.is_none() {
        return reopen(run);
    }
    if !insists {
        return Ok(());
    }
    match run.step(&mut same) {
        Ok(()) => Ok(()),
        Err(Failure::Broken(broken)) => Err(format!("done again: {broken}")),
        Err(Failure::Error(error)) if error.is_fatal() => {
            run.leave();
            reopen(run)
        }
        Err(Failure::Error(error)) => Err(format!("fails again: {error}")),
    }
}

/// What a sick disk may be reported as. After some of it nothing goes on before it is opened again.
fn expect_of_the_disk(run: &mut Run, failure: Failure) -> Result<(), Broken> {
    match failure {
        Failure::Broken(broken) => Err(broken),
        Failure::Error(Error::Io { .. } | Error::DiskFull { .. } | Error::DeletionUnfinished { .. }) => {
            Ok(())
        }
        Failure::Error(
            Error::Indeterminate { .. }
            | Error::Poisoned { .. }
            | Error::ReadOnly { .. }
            | Error::HandleClosed { .. },
        ) => {
            run.leave();
            Ok(())
        }
        Failure::Error(other) => Err(format!("a sick disk is reported as: {other}")),
    }
}

/// Opens the broker, and goes on from what is there. The fault may strike here, once.
fn reopen(run: &mut Run) -> Result<(), Broken> {
    run.open().or_else(|_| run.open()).map_err(|error| format!("opened a second time: {error}"))?;
    let world = run.world.as_ref().expect("just opened");
    let told = |broken| format!("after reopening: {broken}");
    run.ledger = match look(&world.broker, &run.ledger, true) {
        // Reading may be what fails.
        Err(_) => look(&world.broker, &run.ledger, true).map_err(told)?,
        Ok(there) => there,
    };
    Ok(())
}

#[test]
fn no_fault_takes_a_commit_back_or_leaves_one_without_its_records() {
    if let Ok(line) = std::env::var("BROOKLET_SIM_GROUP_FAULT") {
        let numbers: Vec<u64> = line.split(':').map(|text| text.parse().expect("a number")).collect();
        let [seed, op, way] = numbers[..] else { panic!("a line is seed:operation:way") };
        one_fault(seed, op, way as usize).unwrap_or_else(|broken| panic!("{line}: {broken}"));
        return;
    }
    let (first, seeds) =
        (number_from("BROOKLET_SIM_SEED", 1), number_from("BROOKLET_SIM_GROUP_FAULT_SEEDS", 3));
    let mut runs = 0;
    for seed in first..first + seeds {
        'run: for op in 1.. {
            for way in [0, 1, 2 + ((seed + op) % 4) as usize] {
                let struck = one_fault(seed, op, way)
                    .unwrap_or_else(|broken| panic!("{broken} (BROOKLET_SIM_GROUP_FAULT={seed}:{op}:{way})"));
                if !struck {
                    break 'run;
                }
                runs += 1;
            }
        }
    }
    eprintln!("{runs} runs of a group with a fault");
    assert!(runs > 100 * seeds, "{runs}");
}
