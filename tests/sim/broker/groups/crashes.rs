//! Every crash of a group: the world ends at each operation of the disk, by a kill and by a power cut; what is left is opened
//! twice, and lives on now and then: consumers join anew, read and commit, and it ends again.
//!
//! `BROOKLET_SIM_GROUP_STATES` says how many states to go through (default 6,000), `BROOKLET_SIM_SEED` where to begin.

use super::super::plant::BrokerBug;
use super::super::run::Failure;
use super::super::world::{Mistake, Setup, World};
use super::ledger::Ledger;
use super::look::look;
use super::run::Run;
use crate::crash_states::number_from;
use crate::disk::{Crash, Rng, SimDisk};
use crate::ledger::Broken;
use crate::plant::Bug;
use brooklet::Timestamp;

const STEPS: usize = 22;
/// Of a life after a crash; there are two.
const STEPS_LATER: usize = 9;
const LIVES_LATER: u64 = 2;
/// In so many of a hundred states.
const LIVE_ON: u64 = 30;

fn life(mut run: Run, seed: u64, steps: usize) -> Result<Run, Broken> {
    run.open().map_err(|error| error.to_string())?;
    let mut rng = Rng::new(seed);
    for step in 0..steps {
        run.step(&mut rng).map_err(|failure: Failure| format!("step {step}: {}", Broken::from(failure)))?;
    }
    Ok(run)
}

fn first_life(seed: u64, mistake: Option<Mistake>) -> Result<Run, Broken> {
    let disk = SimDisk::new();
    disk.remember_states();
    let setup = Setup { seed, open_files: 512, mistake };
    life(Run::new(disk, setup, Ledger::default(), Timestamp::from_millis(1_000_000), false), seed, STEPS)
}

/// Ends a run at an operation, and holds what is left against what was promised; what is there is promised from then on.
fn check(run: &Run, op: u64, crash: Crash) -> Result<(SimDisk, Ledger), Broken> {
    let disk = run.disk.state_after(op).ok_or("no such operation")?;
    disk.crash(crash);
    let setup = Setup { seed: op, open_files: 512, mistake: None };
    let open = || World::open(&disk, &setup, run.end()).map_err(|error| error.to_string());
    let first = look(&open()?.broker, run.ledger_at(op), crash != Crash::Kill)?;
    disk.crash(Crash::Kill);
    look(&open()?.broker, &first, false).map_err(|broken| format!("opened again: {broken}"))?;
    disk.crash(Crash::Kill);
    Ok((disk, first))
}

/// Goes on after a crash, and crashes again, twice.
fn live_on(run: &Run, mut left: (SimDisk, Ledger), rng: &mut Rng) -> Result<(), Broken> {
    let mut now = run.end();
    for _ in 0..LIVES_LATER {
        let (disk, ledger) = left;
        disk.remember_states();
        let first = disk.ops();
        let setup = Setup { seed: rng.draw() >> 20, open_files: 512, mistake: run.setup.mistake };
        let later = life(Run::new(disk, setup, ledger, now, false), rng.draw(), STEPS_LATER)?;
        let op = rng.between(first, later.disk.ops());
        let crash = if rng.percent(50) { Crash::Kill } else { Crash::PowerCut { seed: rng.draw() } };
        left = check(&later, op, crash).map_err(|broken| format!("op {op}, {crash:?}: {broken}"))?;
        now = later.end();
    }
    Ok(())
}

/// Goes through the crash states of run after run; the broken promise, if there is one.
fn hunt(mistake: Option<Mistake>, states: u64) -> Result<u64, Broken> {
    let mut seen = 0;
    for seed in number_from("BROOKLET_SIM_SEED", 1).. {
        let run = first_life(seed, mistake).map_err(|error| format!("seed {seed}: {error}"))?;
        for op in 0..=run.disk.ops() {
            for crash in [Crash::Kill, Crash::PowerCut { seed: seed ^ op << 20 }] {
                let at = |broken: Broken| format!("seed {seed}, op {op}, {crash:?}: {broken}");
                let left = check(&run, op, crash).map_err(at)?;
                seen += 1;
                let mut rng = Rng::new(seed ^ op << 24 ^ u64::from(crash == Crash::Kill) << 60);
                if rng.percent(LIVE_ON) {
                    live_on(&run, left, &mut rng).map_err(|broken| at(format!("a later life: {broken}")))?;
                    seen += LIVES_LATER;
                }
            }
        }
        if seen >= states {
            break;
        }
    }
    Ok(seen)
}

#[test]
fn no_crash_takes_a_commit_back_or_leaves_one_without_its_records() {
    let wanted = number_from("BROOKLET_SIM_GROUP_STATES", 6_000);
    let seen = hunt(None, wanted).unwrap_or_else(|broken| panic!("{broken}"));
    eprintln!("{seen} crash states of a group");
    assert!(seen >= wanted);
}

#[test]
fn a_commit_that_is_ahead_of_its_records_is_found() {
    for mistake in [
        Mistake::OfTheBroker(BrokerBug::DataNotSynced),
        Mistake::OfTheLog(Bug::SyncTooLate),
        Mistake::OfTheLog(Bug::DropLogSync),
    ] {
        let found = hunt(Some(mistake), 20_000);
        assert!(found.is_err(), "{mistake:?} was not found");
    }
}
