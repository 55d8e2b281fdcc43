//! The partition's side: waiting itself, over what is in `sync`.

pub(crate) mod sync;
#[path = "../../../src/partition/wakeup.rs"]
mod wakeup;

pub(crate) use wakeup::{Signal, Waiting, Watchers};
