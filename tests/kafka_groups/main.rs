//! What Kafka computed and wrote for consumer groups: its assignors' answers, and the records of `__consumer_offsets`.
//!
//! - `assignors`: each answer of Kafka's four assignors against ours.
//! - `offsets`: every record of a broker's `__consumer_offsets`, decoded, encoded again, and added up.
//!
//! Where the fixtures are, and what happens without them: `common/fixtures.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "fixtures are read from the real disk, past the doors under test"
)]

#[path = "../common/fixtures.rs"]
#[expect(dead_code, reason = "no case of these holds hexadecimal digits")]
mod fixtures;

mod assignors;
mod offsets;
