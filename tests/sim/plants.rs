//! The harness itself on trial: every planted bug must be found.
//!
//! The hunts are those of `crash_states` and `fault_runs`, over the same seeds; there they must find nothing.

use crate::crash_states;
use crate::fault_runs;
use crate::plant::Bug;

/// Bugs that break no promise, because the design does not lean on what they take away.
const ABSORBED: [(Bug, &str); 3] = [
    (
        Bug::RemoveBeforeRename,
        "the files that are replaced are notes, and each can be lost: see row 9 of the guarantees",
    ),
    (
        Bug::CreateNotExclusive,
        "a file that should be new and is there was left by an attempt that failed, and is emptied",
    ),
    (
        Bug::SwapRemoves,
        "the files of a segment that is no part of the log may go in any order, and one that stays is remembered",
    ),
];

/// The seeds that break under a bug, in the order in which it is cheap to look for them.
fn found(bug: Bug) -> Option<String> {
    let crashes = |states| match crash_states::hunt(Some(bug), 1.., states) {
        Err((case, broken)) => Some(format!("crash {case}: {broken}")),
        Ok(_) => None,
    };
    let faults = |seeds: std::ops::Range<u64>| {
        seeds.into_iter().find_map(|seed| fault_runs::hunt(Some(bug), seed).err())
    };
    crashes(2_000).or_else(|| faults(1..17)).or_else(|| crashes(20_000)).or_else(|| faults(17..80))
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL.into_iter().filter(|bug| !ABSORBED.iter().any(|(absorbed, _)| absorbed == bug)) {
        match found(bug) {
            Some(how) => eprintln!("{bug:?} found: {how}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, []);
}
