//! The crash simulation: brooklet on a disk that loses power, fills up and lies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broker;
mod compaction;
mod crash_states;
mod crash_tests;
mod disk;
mod disk_tests;
mod failure_tests;
mod fault_runs;
mod fault_tests;
#[path = "../fs_suite/mod.rs"]
mod fs_suite;
mod ledger;
mod model;
mod name_crash_tests;
#[path = "../common/passing.rs"]
mod passing;
mod plant;
mod plant_tests;
mod plants;
mod round_tests;
mod script;
mod shorten_tests;
mod swap_tests;
mod trace_tests;
mod world;

fn sim_disk() -> (std::sync::Arc<disk::SimDisk>, std::path::PathBuf, ()) {
    (std::sync::Arc::new(disk::SimDisk::new()), "/".into(), ())
}

/// The disk keeps the contracts that the library relies on, like any other.
mod the_simulated_disk {
    crate::fs_suite::conformance!(crate::sim_disk);
}
