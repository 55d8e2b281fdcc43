//! A partition: a log, who may write to it, and who may read from it.
//!
//! Here is the half that only decides. It touches no file and no clock: offsets and times are handed in, and what it
//! answers follows from them alone.
//!
//! - `producers`: what the leader knows of each producer id, and what it makes of the next batch or marker.
//! - `producer_entry`: the same for one producer id: the order of the checks.
//! - `verdict`: the questions and the answers.
//! - `open_transactions`: which offsets a reader of committed records has to wait for.
//! - `producer_snapshot`: the bytes of a `.snapshot` file.
//!
//! Not here: why a transaction ends, and who may ask for a producer id. A partition only sees the markers, and the ids.

mod open_transactions;
mod producer_entry;
pub mod producer_snapshot;
mod producers;
mod verdict;

pub use producer_entry::{BATCHES_RETAINED, BatchMetadata, ProducerStateEntry};
pub use producers::{CompletedTxn, Producers};
pub use verdict::{Append, EndTxnMarker, MarkerVerdict, Origin, Verdict};
