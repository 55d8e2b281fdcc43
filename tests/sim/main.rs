//! The crash simulation: brooklet on a disk that loses power, fills up and lies.

mod crash_states;
mod crash_tests;
mod disk;
mod disk_tests;
mod fault_runs;
mod fault_tests;
mod ledger;
mod model;
mod name_crash_tests;
mod plant;
mod plant_tests;
mod plants;
mod script;
mod trace_tests;
mod world;
