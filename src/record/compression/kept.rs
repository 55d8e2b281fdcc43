//! What a codec works with, kept by each thread from one batch to the next: to make it anew takes a good part of the time that
//! a small batch takes.

use std::cell::Cell;
use std::thread::LocalKey;

/// Lends what the thread has kept, or a new one.
pub(super) fn with_kept<T, R>(
    kept: &'static LocalKey<Cell<Option<T>>>,
    make: impl FnOnce() -> T,
    act: impl FnOnce(&mut T) -> R,
) -> R {
    // A thread that is about to end has none, and keeps none.
    let mut tool = kept.try_with(Cell::take).ok().flatten().unwrap_or_else(make);
    let done = act(&mut tool);
    let _ = kept.try_with(|kept| kept.set(Some(tool)));
    done
}
