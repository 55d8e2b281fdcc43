//! The harness itself on trial: every planted bug must be found, of the broker and some of the log below it.

use super::plant::BrokerBug;
use super::world::Mistake;
use super::{crash_states, fault_runs};
use crate::plant::Bug;

/// Bugs that break no promise, because the design does not lean on what they take away.
const ABSORBED: [(BrokerBug, &str); 2] =
    [(BrokerBug::MarkerStays, MARKER), (BrokerBug::MarkerRemovalNotSynced, MARKER)];

/// Why a marker of a clean shutdown that lies does no harm.
const MARKER: &str = "the marker saves a sync of notes and names, no look at a batch: whoever wrote since has reserved \
                      offsets, and to go on from a reservation syncs notes and names anyway";

/// Mistakes of the log that a broker must not hide from the harness.
const OF_THE_LOG: [Bug; 6] = [
    Bug::DropLogSync,
    Bug::DropDirSync,
    Bug::SyncTooLate,
    Bug::WriteTooLate,
    Bug::SwallowSyncError,
    Bug::ShortWriteTakenAsWhole,
];

fn found(mistake: Mistake) -> Option<String> {
    let crashes = |states| match crash_states::hunt(Some(mistake), 1.., states) {
        Err((case, broken)) => Some(format!("crash {case}: {broken}")),
        Ok(_) => None,
    };
    let faults = || (1..9).find_map(|seed| fault_runs::hunt(Some(mistake), seed).err());
    crashes(3_000).or_else(faults).or_else(|| crashes(40_000))
}

#[test]
fn every_planted_bug_of_a_broker_is_found() {
    let is_absorbed = |bug: &BrokerBug| ABSORBED.iter().any(|(absorbed, _)| absorbed == bug);
    let of_the_broker = BrokerBug::ALL.into_iter().filter(|bug| !is_absorbed(bug)).map(Mistake::OfTheBroker);
    let mut missed = Vec::new();
    for mistake in of_the_broker.chain(OF_THE_LOG.map(Mistake::OfTheLog)) {
        match found(mistake) {
            Some(how) => eprintln!("{mistake:?} found: {}", how.chars().take(150).collect::<String>()),
            None => missed.push(mistake),
        }
    }
    assert_eq!(missed, []);
}
