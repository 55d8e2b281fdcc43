//! Every crash within a compaction, and every power cut within the recovery from a kill there.
//!
//! Chance hardly ever meets these: a swap has a few operations among hundreds, what takes a promise with it is one name
//! of a dozen that survives without another, and half of the mistakes show only where two such moments come together.

use crate::crash_states::reopened;
use crate::disk::{Crash, SimDisk};
use crate::ledger::{Broken, End, Ledger, Pending};
use crate::script::{self, Run, Step};
use crate::world::Setup;
use brooklet::LogConfig;
use std::time::Duration;

/// How many power cuts are tried at one operation.
const CUTS: u64 = 16;

pub(crate) fn setup() -> Setup {
    let config = LogConfig {
        segment_bytes: 500,
        segment_age: Duration::from_secs(3600),
        index_interval_bytes: 0,
        segment_index_bytes: 4096,
        max_message_bytes: 2000,
    };
    Setup { config, open_files: 512, delete_retention: Duration::ZERO, bug: None }
}

/// A log of several segments, most of which newer ones supersede, closed in order and opened again; and its ledger while
/// it is compacted. The disk remembers every operation of that.
fn compacted() -> (Run, Ledger, u64) {
    let mut run = Run::new(SimDisk::new(), setup());
    run.open().unwrap();
    for key in "abcabacabbcaabcdab".chars() {
        run.take(&Step::Append(script::keyed(&key.to_string()))).0.unwrap();
    }
    run.take(&Step::Reopen).0.unwrap();
    let first = run.disk.ops();
    run.disk.remember_states();
    let compact = Step::Compact { budget: u64::MAX };
    let ledger = Ledger { pending: run.pending(&compact), ..run.ledger.clone() };
    run.take(&compact).0.unwrap();
    assert!(matches!(ledger.pending[..], [Pending::Compact]) && run.ledger.may_be_compacted);
    (run, ledger, first)
}

fn crashed(disk: &SimDisk, op: u64, crash: Crash) -> Run {
    let disk = disk.state_after(op).unwrap();
    disk.crash(crash);
    Run::new(disk, setup())
}

/// Ends a run at each operation from `first` on, by a kill and by many power cuts, and holds what is left against what
/// was promised before.
pub(crate) fn end_at_each(run: &Run, ledger: &Ledger, first: u64) -> Result<(), Broken> {
    for op in first..=run.disk.ops() {
        let cuts = (0..CUTS).map(|seed| (Crash::PowerCut { seed }, End::PowerCut));
        for (crash, end) in cuts.chain([(Crash::Kill, End::Kill)]) {
            reopened(&mut crashed(&run.disk, op, crash), ledger, end)
                .map_err(|broken| format!("operation {op}, {crash:?}: {broken}"))?;
        }
    }
    Ok(())
}

#[test]
fn no_crash_of_a_swap_breaks_a_promise() {
    let (run, ledger, first) = compacted();
    end_at_each(&run, &ledger, first).unwrap_or_else(|broken| panic!("{broken}"));
}

#[test]
fn no_power_cut_breaks_a_promise_while_a_swap_is_finished_after_a_kill() {
    let (run, ledger, first) = compacted();
    for op in first..=run.disk.ops() {
        let mut killed = crashed(&run.disk, op, Crash::Kill);
        killed.disk.remember_states();
        let (recovery, (_, recovered)) =
            (killed.disk.ops(), reopened(&mut killed, &ledger, End::Kill).unwrap());
        for second in recovery..=recovered {
            for seed in 0..CUTS {
                reopened(
                    &mut crashed(&killed.disk, second, Crash::PowerCut { seed }),
                    &ledger,
                    End::PowerCut,
                )
                .unwrap_or_else(|broken| panic!("operations {op} and {second}, cut {seed}: {broken}"));
            }
        }
    }
}
