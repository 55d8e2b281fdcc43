//! What a log promises in fair weather: what was appended is read back, in order, from anywhere, across segments,
//! reopenings and truncations, beside a writer, and in thousands of partitions at once.

#[path = "../common/batches.rs"]
mod batches;
mod compacted_tests;
mod compaction_tests;
mod concurrent_tests;
mod dir_tests;
#[path = "../broker/disk.rs"]
#[expect(dead_code, reason = "the tests of the broker do more with it")]
mod disk;
mod gated;
#[path = "../common/passing.rs"]
mod passing;
mod read_tests;
#[path = "../common/reading.rs"]
mod reading;
mod removal_tests;
mod reopen_tests;
mod retention_tests;
mod roll_tests;
mod space_ahead_tests;
mod time_tests;
mod transaction_tests;
mod truncate_tests;
mod watched;
mod world;
