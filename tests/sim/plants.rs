//! The harness itself on trial: every planted bug must be found by the hunt that is meant for it.

use crate::crash_states;
use crate::fault_runs;
use crate::plant::Bug;

/// How many states a bug may hide in.
const STATES: u64 = 60_000;

fn found_by_crashes(bug: Bug) -> Option<String> {
    crash_states::hunt(Some(bug), 1.., STATES).err().map(|(case, broken)| format!("{case}: {broken}"))
}

fn found_by_faults(bug: Bug) -> Option<String> {
    (1..40).find_map(|seed| fault_runs::hunt(Some(bug), seed).err())
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match found_by_crashes(bug).or_else(|| found_by_faults(bug)) {
            Some(how) => eprintln!("{bug:?} found: {how}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, []);
}
