//! Models of waiting: the library's own `partition/wakeup.rs` and `consumer/wakeup_handle.rs`, over loom's locks, atomics
//! and fences instead of the real ones.
//!
//! Loom runs each model for every order in which its threads can meet, and for every value that a load may see by the
//! rules of the language's memory; with at most three preemptions in a run, which nearly all such mistakes need less than.
//! A model fails when somebody sleeps for ever (to loom, a deadlock) or is woken for less than he waits for.
//!
//! `partition/sync.rs` is the seam: the same names as in the library's file, and loom's things behind them.

mod consumer;
mod consumer_tests;
mod partition;
mod signal_tests;
mod watchers_tests;
mod world;

/// What the files under test know as `crate::clock`.
mod clock {
    pub(crate) use brooklet::clock::Clock;
}
