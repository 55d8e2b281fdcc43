//! What waiting is made of, in one place. The models (`tests/models/`) put loom's things of the same names here, compile
//! `wakeup.rs` and a consumer's `wakeup_handle.rs` once more over those, and try them in every order of their steps.

pub(crate) use crate::clock::give_way;
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// How often a thread looks before it goes to sleep. All the pauses in between are a few microseconds, no more than it
/// would cost to fall asleep and to be woken.
pub(super) const LOOKS_BEFORE_SLEEP: u32 = 9;

/// Lets a moment pass before the next look: a few nanoseconds at first and each time twice as many, and in the end
/// whatever other threads want of this processor.
pub(super) fn pause(step: u32) {
    match step {
        0..6 => (0..1 << step).for_each(|_| std::hint::spin_loop()),
        _ => give_way(),
    }
}
