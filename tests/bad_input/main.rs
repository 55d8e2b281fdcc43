//! Hostile bytes on disk, hostile names, and directories that are not ours: what is asked must be answered as before,
//! or with an error that says what is lost; never with a panic, a wrong record, or a record less.

#[path = "../common/batches.rs"]
mod batches;
mod bytes_tests;
mod exam;
mod file_tests;
mod foreign_tests;
mod lying_tests;
mod mending_tests;
mod odd_files_tests;
mod read_only_tests;
#[path = "../common/reading.rs"]
mod reading;
mod sample;
mod sweep;
