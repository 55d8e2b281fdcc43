//! What a real Kafka broker left on disk: our log opens it and gives the answers that Kafka gave.
//!
//! ```text
//! disk        a copy of a broker's log directory, in memory or in a scratch directory
//! expected    what a consumer of Kafka saw of it
//! reading     what a consumer of ours sees of it
//! answers     the two held against each other
//! ```
//! - `adoption`: directories that Kafka closed in order, taken over.
//! - `broker`: the same through the broker and its consumers.
//! - `compaction`: our cleaner over what Kafka's cleaned, to the same bytes.
//! - `recovery`: directories that `kill -9` left, some of them damaged.
//! - `damage`: what was durable and has changed since, which Kafka would throw away and we do not.
//! - `epochs`: leader epochs, of which Kafka's checkpoint may know too little or too much.
//! - `derived`: indexes that are lost or garbled.
//! - `interruption`: a process that is killed while it takes a directory over.
//! - `refusal`: without leave to adopt, nothing is touched.
//! - `vectors`: what Kafka's own classes computed for indexes and numbers.
//!
//! Where the fixtures are, and what happens without them: `common/fixtures.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "fixtures are read from the real disk, past the doors under test"
)]

#[path = "../common/fixtures.rs"]
mod fixtures;

mod adoption;
mod answers;
mod broker;
mod compaction;
mod damage;
mod derived;
mod disk;
mod epochs;
mod expected;
mod interruption;
mod mortal;
mod reading;
mod recovery;
mod refusal;
mod vectors;
