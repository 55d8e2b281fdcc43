//! A partition: a log, who may write to it, who may read from it, and who wants to know of it.
//!
//! Who may write is decided by pure functions, which touch no file and no clock:
//!
//! - `producers`: what the leader knows of each producer id, and what it makes of the next batch or marker.
//! - `producer_entry`: the same for one producer id: the order of the checks.
//! - `verdict`: the questions and the answers.
//! - `open_transactions`: which offsets a reader of committed records has to wait for.
//! - `producer_snapshot`: the bytes of a `.snapshot` file.
//! - `admission`: what the topic's settings ask of whoever writes, and which records they take.
//!
//! And done by
//!
//! - `producer_state`: the same over a log: saved, and rebuilt when it is opened.
//! - `handle`: the partition as users hold it.
//! - `wakeup`: waiting for what is not there yet; the only place where a reader blocks. `sync`: what it is made of.
//!
//! Reading goes from a log to what users hold.
//!
//! - `reader`: one reader's position, what it has read ahead, and how much it hands out.
//! - `isolation`: which batches a reader of committed records leaves out. Pure.
//! - `records`: what a poll returns, and `record`: one of it, borrowed or owned.
//! - `entry`: the forty bytes that are kept of each record.
//!
//! Not here: why a transaction ends, and who may ask for a producer id. A partition only sees the markers, and the ids.
//! Nor where a reader begins, and what it does when its offset is gone: that is its consumer's to decide.

mod admission;
mod entry;
mod handle;
mod isolation;
mod open_transactions;
mod producer_entry;
pub mod producer_snapshot;
mod producer_state;
mod producers;
mod reader;
mod record;
mod records;
pub(crate) mod sync;
mod verdict;
mod wakeup;
// Not inside `wakeup`: the models compile that file without its tests.
#[cfg(test)]
mod wakeup_tests;

pub(crate) use admission::{Admission, SettingsCache};
pub use handle::{AppendInfo, Partition};
pub use producer_entry::{BATCHES_RETAINED, BatchMetadata, ProducerStateEntry};
pub use producer_state::producers_of;
pub use producers::{CompletedTxn, Producers};
pub(crate) use reader::{Fetched, PartitionReader};
pub use record::{Record, RecordRef};
pub use records::{Iter, Records};
pub use verdict::{Append, EndTxnMarker, MarkerVerdict, Origin, Verdict};
pub(crate) use wakeup::{Signal, Waiting};
