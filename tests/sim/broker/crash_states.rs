//! Every crash of every scenario: one run, ended at each of its operations, by a kill and by a power cut.
//!
//! `BROOKLET_SIM_BROKER_STATES` says how many states to go through (default 20,000), `BROOKLET_SIM_SEED` where to begin,
//! and `BROOKLET_SIM_BROKER_REPLAY`, as printed by a failure, runs just that one.

use super::partition::End;
use super::run::Run;
use super::script::{self, Step};
use super::world::{Mistake, Setup, World};
use crate::crash_states::Case;
use crate::crash_states::number_from;
use crate::disk::{Crash, Rng, SimDisk, Survival};
use crate::ledger::Broken;
use brooklet::{Error, Timestamp};

/// A kill, and a power cut.
const CUTS: u64 = 2;

/// A scenario that was run to its end, with what had been promised at each of its operations.
struct Scenario {
    run: Run,
    seed: u64,
}

/// How the world of a case ends: by a kill, or by a power cut that takes everything or chooses by chance.
fn crash_of(case: Case) -> (Crash, End) {
    let mut rng = Rng::new(case.seed ^ (case.op << 20) ^ (case.cut << 50));
    let seed = rng.draw();
    match case.cut {
        0 => (Crash::Kill, End::Kill),
        _ if rng.percent(20) => (Crash::PowerCutWith { seed, survival: Survival::Nothing }, End::PowerCut),
        _ => (Crash::PowerCut { seed }, End::PowerCut),
    }
}

/// Any end.
fn drawn_crash(rng: &mut Rng) -> (Crash, End) {
    if rng.percent(30) {
        (Crash::Kill, End::Kill)
    } else {
        (Crash::PowerCut { seed: rng.draw() }, End::PowerCut)
    }
}

impl Scenario {
    fn run(seed: u64, mistake: Option<Mistake>) -> Result<Scenario, Broken> {
        let disk = SimDisk::new();
        disk.remember_states();
        let mut run = Run::new(disk, Setup::drawn(seed, mistake));
        run.recover(End::Kill)?;
        for step in script::drawn(seed, 5 + (seed % 6) as usize) {
            run.take(&step).map_err(|failure| format!("{step:?}: {}", Broken::from(failure)))?;
        }
        Ok(Scenario { run, seed })
    }

    fn cases(&self) -> impl Iterator<Item = Case> {
        let seed = self.seed;
        (0..=self.run.disk.ops()).flat_map(move |op| (0..CUTS).map(move |cut| Case { seed, op, cut }))
    }

    /// Ends the run at an operation and looks what is left; says how many states that were.
    fn check(&self, case: Case) -> Result<u64, Broken> {
        let (crash, end) = crash_of(case);
        let mut rng = Rng::new(case.seed ^ case.op.rotate_left(32) ^ case.cut);
        let mut states = 1;
        let mut run = crashed(&self.run, case.op, crash)?;
        let first = run.disk.ops();
        reopened(&mut run, end)?;
        if rng.percent(50) {
            states += 1;
            let op = rng.between(first, run.disk.ops());
            let (crash, second) = drawn_crash(&mut rng);
            // What a kill left, a power cut may still take; what a power cut left is taken by a kill as it is.
            let ends = if second == End::Kill { end } else { End::PowerCut };
            let mut again = crashed(&run, op, crash)?;
            reopened(&mut again, ends)
                .map_err(|broken| format!("a second crash, within recovery: {broken}"))?;
        }
        if rng.percent(40) {
            states += live_on(run, &mut rng)?;
        }
        Ok(states)
    }
}

/// The run as it would go on from a crash after one of its operations.
fn crashed(run: &Run, op: u64, crash: Crash) -> Result<Run, Broken> {
    let disk = run.disk.state_after(op).ok_or("no such operation")?;
    disk.crash(crash);
    disk.remember_states();
    let mut next = Run::new(disk, run.setup.clone());
    next.ledger = run.ledger_at(op).clone();
    // A clock that went back would let tombstones go before their time.
    next.now = run.world.as_ref().map_or(run.now, World::clock_now);
    Ok(next)
}

/// Opens a crashed disk, holds it against the ledger, and does both a second time: recovering twice is recovering once.
fn reopened(run: &mut Run, end: End) -> Result<(), Broken> {
    run.recover(end).map_err(Broken::from)?;
    let first = described(run)?;
    run.recover_from_kill().map_err(|failure| format!("opened again: {}", Broken::from(failure)))?;
    if described(run)? != first {
        return Err("recovering twice is not recovering once".into());
    }
    match World::open(&run.disk, &run.setup, Timestamp::from_millis(0)) {
        Err(Error::Locked { .. }) => Ok(()),
        Err(error) => Err(format!("a second open fails with: {error}")),
        Ok(_) => Err("a second open succeeds".into()),
    }
}

/// All topics as an operator sees them.
fn described(run: &Run) -> Result<Vec<String>, Broken> {
    let admin = run.world().broker.admin();
    let topics = admin.topics().map_err(|error| error.to_string())?;
    let describe =
        |topic: &brooklet::Topic| admin.describe_topic(topic.name()).map(|topic| topic.to_string());
    topics.iter().map(|topic| describe(topic).map_err(|error| error.to_string())).collect()
}

/// Goes on after a recovery: sends, makes durable, changes topics perhaps; crashes at some operation, recovers.
fn live_on(mut run: Run, rng: &mut Rng) -> Result<u64, Broken> {
    const ROUNDS: u64 = 2;
    for round in 0..ROUNDS {
        let first = run.disk.ops();
        for index in 0..3 {
            let step = match index {
                0 => script::send(rng),
                1 if rng.percent(50) => Step::FlushPartition { pick: rng.draw() },
                _ => script::step(rng),
            };
            run.take(&step)
                .map_err(|failure| format!("after recovery: {step:?}: {}", Broken::from(failure)))?;
        }
        let op = rng.between(first, run.disk.ops());
        let (crash, end) = drawn_crash(rng);
        run = crashed(&run, op, crash)?;
        reopened(&mut run, end).map_err(|broken| format!("crash {}: {broken}", round + 2))?;
    }
    Ok(ROUNDS)
}

/// Goes through the crash states of scenario after scenario; the broken promise, if there is one.
pub(super) fn hunt(
    mistake: Option<Mistake>,
    seeds: impl Iterator<Item = u64>,
    states: u64,
) -> Result<u64, (Case, Broken)> {
    let mut seen = 0;
    for seed in seeds {
        let scenario =
            Scenario::run(seed, mistake).map_err(|broken| (Case { seed, op: 0, cut: 0 }, broken))?;
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
fn no_crash_of_a_broker_breaks_a_promise() {
    if let Ok(line) = std::env::var("BROOKLET_SIM_BROKER_REPLAY") {
        let case: Case = line.parse().expect("a replay line is seed:operation:cut");
        let scenario = Scenario::run(case.seed, None).unwrap_or_else(|broken| panic!("{case}: {broken}"));
        scenario.check(case).unwrap_or_else(|broken| panic!("{case}: {broken}"));
        return;
    }
    let wanted = number_from("BROOKLET_SIM_BROKER_STATES", 20_000);
    let seen = hunt(None, number_from("BROOKLET_SIM_SEED", 1).., wanted)
        .unwrap_or_else(|(case, broken)| panic!("{broken}\nreplay with BROOKLET_SIM_BROKER_REPLAY={case}"));
    eprintln!("{seen} crash states of a broker");
    assert!(seen >= wanted);
}

/// Else the model of what may be taken would never be asked.
#[test]
fn scenarios_of_cleaning_take_something() {
    let runs =
        (1..40).map(|seed| Scenario::run(3 * seed, None).unwrap_or_else(|broken| panic!("{broken}")).run);
    let runs: Vec<Run> = runs.collect();
    let count = |takes: fn(&Run) -> bool| runs.iter().filter(|run| takes(run)).count();
    let (records, segments) = (count(|run| run.records_taken > 0), count(|run| run.segments_taken > 0));
    let tombstones = count(|run| run.tombstones_taken > 0);
    let are_many = records > 10 && segments > 8 && tombstones > 5;
    assert!(are_many, "{records}, {segments} and {tombstones} of {}", runs.len());
}

#[test]
fn the_same_seed_of_a_broker_gives_the_same_trace() {
    let hash = |seed| {
        Scenario::run(seed, None).unwrap_or_else(|broken| panic!("{seed}: {broken}")).run.disk.trace_hash()
    };
    for seed in 1..6 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(1), hash(2));
}
