//! Every crash within a retention that writes the manifest anew, for which the logs of other runs are too short.

use crate::crash_states::reopened;
use crate::disk::{Crash, SimDisk};
use crate::ledger::{End, Ledger};
use crate::script::{self, Run, Step};
use crate::world::Setup;
use brooklet::LogConfig;
use std::time::Duration;

/// How many power cuts are tried at one operation.
const CUTS: u64 = 8;

fn setup() -> Setup {
    let config = LogConfig {
        segment_bytes: 130,
        segment_age: Duration::from_secs(3600),
        index_interval_bytes: 0,
        segment_index_bytes: 4096,
        max_message_bytes: 2000,
    };
    Setup { config, delete_retention: Duration::ZERO, open_files: 512, bug: None }
}

#[test]
fn no_crash_breaks_a_promise_while_retention_writes_the_manifest_anew() {
    let mut run = Run::new(SimDisk::new(), setup());
    run.open().unwrap();
    let retain = Step::Retain { bytes: 200 };
    let bytes = |run: &Run| {
        let path = run.world.as_ref().expect("it is open").log.path().join("segment-manifest");
        run.disk.peek(&path).expect("it is there").len()
    };
    run.disk.remember_states();
    let mut is_shorter = false;
    for _ in 0..8 {
        for _ in 0..6 {
            run.take(&Step::Append(script::keyed("a"))).0.unwrap();
        }
        let (first, before) = (run.disk.ops(), bytes(&run));
        let ledger = Ledger { pending: run.pending(&retain), ..run.ledger.clone() };
        run.take(&retain).0.unwrap();
        is_shorter |= bytes(&run) < before;
        for op in first..=run.disk.ops() {
            for seed in 0..CUTS {
                let disk = run.disk.state_after(op).unwrap();
                disk.crash(Crash::PowerCut { seed });
                reopened(&mut Run::new(disk, setup()), &ledger, End::PowerCut)
                    .unwrap_or_else(|broken| panic!("operation {op}, cut {seed}: {broken}"));
            }
        }
    }
    assert!(is_shorter, "it was never written anew");
}
