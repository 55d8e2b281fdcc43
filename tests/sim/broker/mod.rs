//! The crash simulation of a whole broker: topics come and go, producers send, the world ends at every operation.
//!
//! - `script`: what is done, drawn from a seed; `run`, `produce`: it is done, and what was promised is entered.
//! - `ledger`: what was promised of topics; `partition`: of the records of one; `sequences`: of numbered batches.
//! - `cleaning`: what retention and compaction may take.
//! - `crash_states`: each run is ended at each of its operations. `fault_runs`: each operation fails once.
//! - `groups`: the same for members of a group and what they commit.
//! - `plant`: mistakes that a broker could make, and `plants`: each is found.

mod cleaning;
mod crash_states;
mod fault_runs;
mod groups;
mod ledger;
mod partition;
mod plant;
mod plants;
mod produce;
mod regressions;
mod renewal_tests;
mod run;
mod script;
mod sequences;
mod world;
