//! What users hold, as the specification has it: brokers, topics, partitions, producers, consumers and admins, on a disk
//! and under a clock that the test holds. Nothing here waits for the wall clock.

mod admin;
mod bad_input;
mod cleaned;
mod committing;
mod compaction;
mod consuming;
mod debts;
mod deletion;
mod disk;
mod full;
mod futures;
mod gathering;
mod groups;
mod lifecycle;
mod numbering;
mod own_process;
mod partition;
#[path = "../common/passing.rs"]
mod passing;
mod producing;
mod receipts;
mod retention;
mod sending_many;
mod topics;
mod trouble;
mod waiting;
mod world;
