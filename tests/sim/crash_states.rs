//! Every crash of every scenario: one run, ended at each of its operations, by a kill and by power cuts.
//!
//! Each crash state is opened, held against the ledger, written to, crashed again and opened again: most mistakes with
//! torn tails live behind the first recovery.
//!
//! `BROOKLET_SIM_STATES` says how many states to go through (default 20,000), `BROOKLET_SIM_SEED` where to begin, and
//! `BROOKLET_SIM_REPLAY`, as printed by a failure, runs just that one.

use crate::disk::{Crash, Rng, SimDisk, Survival};
use crate::ledger::{Broken, End, Ledger, Pending};
use crate::plant::Bug;
use crate::script::{self, Run, Step};
use crate::world::{Setup, World};
use brooklet::Error;
use brooklet::log::Log;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

const STEPS: usize = 14;
/// A tombstone goes with the second round that meets it.
const STEPS_OF_CLEANING: usize = 22;
const CUTS: u64 = 5;

/// One crash, replayable from its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) op: u64,
    pub(crate) cut: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.seed, self.op, self.cut)
    }
}

impl FromStr for Case {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split(':').map(str::parse);
        let mut next = || numbers.next().unwrap_or("".parse());
        Ok(Case { seed: next()?, op: next()?, cut: next()? })
    }
}

impl Case {
    /// Cut 0 is a kill; the next are the extremes; then chance.
    fn crash(&self) -> Crash {
        let mut rng = Rng::new(self.seed ^ (self.op << 20) ^ (self.cut << 50));
        let seed = rng.draw();
        match self.cut {
            0 => Crash::Kill,
            1 => Crash::PowerCutWith { seed, survival: Survival::Nothing },
            _ => Crash::PowerCut { seed },
        }
    }
}

/// A scenario that was run to its end, with what had been promised at each of its operations.
pub(crate) struct Scenario {
    pub(crate) disk: SimDisk,
    setup: Setup,
    seed: u64,
    /// Up to which operation, exclusive, which ledger holds.
    ledgers: Vec<(u64, Ledger)>,
    tombstones_taken: u64,
}

impl Scenario {
    pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Result<Scenario, Broken> {
        let disk = SimDisk::new();
        disk.remember_states();
        let mut run = Run::new(disk.clone(), Setup::drawn(seed, bug));
        let mut ledgers = Vec::new();
        run.open().map_err(|error| format!("opening: {error}"))?;
        ledgers.push((disk.ops(), Ledger::default()));
        for step in script::drawn(seed, if seed < script::CLEANING { STEPS } else { STEPS_OF_CLEANING }) {
            let mut before = run.ledger.clone();
            before.pending = run.pending(&step);
            let (result, bytes) = run.take(&step);
            result.map_err(|error| format!("{step:?}: {error}"))?;
            before.pending.extend(bytes.map(Pending::Append));
            ledgers.push((disk.ops(), before));
        }
        ledgers.push((u64::MAX, run.ledger.clone()));
        let tombstones_taken = run.tombstones_taken;
        Ok(Scenario { disk, setup: run.setup, seed, ledgers, tombstones_taken })
    }

    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        let seed = self.seed;
        (0..=self.disk.ops()).flat_map(move |op| (0..CUTS).map(move |cut| Case { seed, op, cut }))
    }

    /// Ends the run at an operation and looks what is left; says how many states that were.
    pub(crate) fn check(&self, case: Case) -> Result<u64, Broken> {
        let disk = self.disk.state_after(case.op).ok_or("no such operation")?;
        let ledger =
            &self.ledgers.iter().find(|(until, _)| case.op < *until).expect("the last one has no end").1;
        disk.crash(case.crash());
        let end = if case.cut == 0 { End::Kill } else { End::PowerCut };
        let mut rng = Rng::new(case.seed ^ case.op.rotate_left(32) ^ case.cut);
        disk.remember_states();
        let first = disk.ops();
        let mut run = Run::new(disk.clone(), self.setup.clone());
        let (settled, recovered) = reopened(&mut run, ledger, end)?;
        self.crash_in_recovery(&disk, ledger, end, rng.between(first, recovered), &mut rng)
            .map_err(|broken| format!("a second crash within recovery: {broken}"))?;
        Ok(1 + self.live_on(run, settled, &mut rng)?)
    }

    /// Ends a recovery at one of its operations, and recovers from that.
    fn crash_in_recovery(
        &self,
        disk: &SimDisk,
        ledger: &Ledger,
        end: End,
        op: u64,
        rng: &mut Rng,
    ) -> Result<(), Broken> {
        let disk = disk.state_after(op).ok_or("no such operation")?;
        let kill = rng.percent(30);
        disk.crash(if kill { Crash::Kill } else { Crash::PowerCut { seed: rng.draw() } });
        let end = if kill { end } else { End::PowerCut };
        reopened(&mut Run::new(disk, self.setup.clone()), ledger, end).map(drop)
    }

    /// Goes on after a recovery: appends, syncs perhaps, crashes at some operation, recovers.
    fn live_on(&self, mut run: Run, mut ledger: Ledger, rng: &mut Rng) -> Result<u64, Broken> {
        let mut now = 2_000_000;
        for round in 0..2 {
            run.disk.remember_states();
            let first = run.disk.ops();
            let mut ledgers = Vec::new();
            run.ledger = ledger;
            for index in 0..3 {
                let step = match (index, rng.percent(50)) {
                    (0, _) | (2, true) => {
                        Step::Append(script::batch(rng, &mut now, 1000 + 10 * round + index))
                    }
                    _ => Step::Flush,
                };
                let mut before = run.ledger.clone();
                let (result, bytes) = run.take(&step);
                result.map_err(|error| format!("after recovery: {step:?}: {error}"))?;
                before.pending.extend(bytes.map(Pending::Append));
                ledgers.push((run.disk.ops(), before));
            }
            ledgers.push((u64::MAX, run.ledger.clone()));
            let op = rng.between(first, run.disk.ops());
            let disk = run.disk.state_after(op).ok_or("no such operation")?;
            let kill = rng.percent(30);
            disk.crash(if kill { Crash::Kill } else { Crash::PowerCut { seed: rng.draw() } });
            let before = &ledgers.iter().find(|(until, _)| op < *until).expect("the last one has no end").1;
            let mut next = Run::new(disk, run.setup.clone());
            let end = if kill { End::Kill } else { End::PowerCut };
            (ledger, _) = reopened(&mut next, before, end)
                .map_err(|broken| format!("crash {}: {broken}", round + 2))?;
            run = next;
        }
        Ok(3)
    }
}

/// Opens a crashed disk, holds it against the ledger, and does both a second time: recovering twice is recovering once.
/// Says what is there, and with which operation the first recovery was over.
pub(crate) fn reopened(run: &mut Run, ledger: &Ledger, end: End) -> Result<(Ledger, u64), Broken> {
    run.open().map_err(|error| format!("opening: {error}"))?;
    let recovered = run.disk.ops();
    let log = run.world.as_ref().expect("it is open").log.clone();
    let settled = ledger.check(&log, end)?;
    check_directory(run, &log)?;
    let epoch = log.leader_epoch();
    drop(log);
    run.open().map_err(|error| format!("opening again: {error}"))?;
    let log = run.world.as_ref().expect("it is open").log.clone();
    let again = settled.check(&log, End::Kill).map_err(|broken| format!("opened again: {broken}"))?;
    if again.batches != settled.batches || again.shown_end != settled.shown_end || log.leader_epoch() != epoch
    {
        return Err("recovering twice is not recovering once".into());
    }
    Ok((again, recovered))
}

/// The directory is one that Kafka can load, with nothing behind the last batch of a file; and it is ours alone.
fn check_directory(run: &Run, log: &Log) -> Result<(), Broken> {
    let dir = Path::new("/data/sim-0");
    let names = run.disk.peek_list(dir).map_err(|error| format!("listing: {error}"))?;
    let logs = names.iter().filter(|entry| entry.name.ends_with(".log"));
    let sizes = logs.map(|entry| run.disk.peek(&dir.join(&entry.name)).map_or(0, |bytes| bytes.len() as u64));
    let (bytes, expected) = (sizes.sum::<u64>(), log.size_bytes());
    if bytes != expected {
        return Err(format!("the log files have {bytes} bytes, and their batches {expected}"));
    }
    match World::open(&run.disk, &run.setup) {
        Err(Error::Locked { .. }) => Ok(()),
        Err(error) => Err(format!("a second open fails with: {error}")),
        Ok(_) => Err("a second open succeeds".into()),
    }
}

/// What whoever runs the tests wants of something, or what is usual.
pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn states_wanted() -> u64 {
    number_from("BROOKLET_SIM_STATES", 20_000)
}

fn first_seed() -> u64 {
    number_from("BROOKLET_SIM_SEED", 1)
}

/// Goes through the crash states of scenario after scenario; the broken promise, if there is one.
pub(crate) fn hunt(
    bug: Option<Bug>,
    seeds: impl Iterator<Item = u64>,
    states: u64,
) -> Result<u64, (Case, Broken)> {
    let mut seen = 0;
    for seed in seeds {
        let scenario = Scenario::run(seed, bug).map_err(|broken| (Case { seed, op: 0, cut: 0 }, broken))?;
        for case in scenario.cases() {
            seen += scenario.check(case).map_err(|broken| (case, broken))?;
        }
        if seen >= states {
            break;
        }
    }
    Ok(seen)
}

#[test]
fn no_crash_breaks_a_promise() {
    if let Ok(line) = std::env::var("BROOKLET_SIM_REPLAY") {
        let case: Case = line.parse().expect("a replay line is seed:operation:cut");
        let scenario = Scenario::run(case.seed, None).expect("the scenario itself runs");
        scenario.check(case).unwrap_or_else(|broken| panic!("{case}: {broken}"));
        return;
    }
    let seen = hunt(None, first_seed().., states_wanted())
        .unwrap_or_else(|(case, broken)| panic!("{broken}\nreplay with BROOKLET_SIM_REPLAY={case}"));
    eprintln!("{seen} crash states");
    assert!(seen >= states_wanted());
}

#[test]
fn no_crash_while_it_is_cleaned_breaks_a_promise() {
    let first = script::CLEANING + first_seed();
    let seen = hunt(None, first.., states_wanted())
        .unwrap_or_else(|(case, broken)| panic!("{broken}\nreplay with BROOKLET_SIM_REPLAY={case}"));
    assert!(seen >= states_wanted());
}

/// What compaction does wrong by itself shows at the end of a run as well; so there can be many of them.
#[test]
fn no_run_of_cleaning_breaks_a_promise() {
    for seed in (script::CLEANING..).skip(first_seed() as usize).take(400) {
        let scenario = Scenario::run(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let case = Case { seed, op: scenario.disk.ops(), cut: 0 };
        scenario
            .check(case)
            .unwrap_or_else(|broken| panic!("{broken}\nreplay with BROOKLET_SIM_REPLAY={case}"));
    }
}

/// Else the model of what is deleted would never be asked.
#[test]
fn scenarios_of_cleaning_take_tombstones() {
    let takes =
        |seed: &u64| Scenario::run(script::CLEANING + seed, None).expect("it runs").tombstones_taken > 0;
    let count = (1..100).filter(takes).count();
    assert!(count > 10, "{count}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = |seed| Scenario::run(seed, None).expect("it runs").disk.trace_hash();
    for seed in 1..6 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(1), hash(2));
}
