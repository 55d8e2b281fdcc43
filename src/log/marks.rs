//! The marks of a log: four offsets in a fixed order, moved by one setter that asserts it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a log stands, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that can be read.
    pub start: u64,
    /// Everything below survives a power cut.
    pub durable_end: u64,
    /// Everything from the start to here is decided: no transaction that is still open has a record there.
    pub last_stable: u64,
    /// The offset that the next record gets.
    pub end: u64,
}

/// Which mark to move; the end has a way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Start,
    DurableEnd,
    LastStable,
}

/// The marks, to be read by anybody at any time and moved under the log's locks.
#[derive(Debug)]
pub(crate) struct Marks {
    start: AtomicU64,
    durable_end: AtomicU64,
    last_stable: AtomicU64,
    end: AtomicU64,
}

impl Marks {
    pub(crate) fn new(marks: Watermarks) -> Self {
        assert_order(marks);
        Self {
            start: marks.start.into(),
            durable_end: marks.durable_end.into(),
            last_stable: marks.last_stable.into(),
            end: marks.end.into(),
        }
    }

    /// Moves one mark, in the order of all; to break it is a mistake of the caller's, and so is to move one back. Only
    /// the last stable offset may go back: a truncation can take away the marker that ended a transaction.
    pub(crate) fn set(&self, mark: Mark, offset: u64) {
        let cell = match mark {
            Mark::Start => &self.start,
            Mark::DurableEnd => &self.durable_end,
            Mark::LastStable => &self.last_stable,
        };
        let before = cell.load(Ordering::Relaxed);
        assert!(
            before <= offset || mark == Mark::LastStable,
            "{mark:?} would go back from {before} to {offset}"
        );
        cell.store(offset, Ordering::Release);
        assert_order(self.get());
    }

    /// Moves the end forward, and the last stable offset to where it is then.
    pub(crate) fn set_end(&self, end: u64, last_stable: u64) {
        let before = self.end.load(Ordering::Relaxed);
        assert!(before <= end, "the end would go back from {before} to {end}");
        assert!(last_stable <= end, "{last_stable} would be stable and not be there: the end is {end}");
        self.end.store(end, Ordering::Release);
        self.last_stable.store(last_stable, Ordering::Release);
    }

    /// All of them. The end is read last: it only grows, so what is read before it can only be too small for it. A
    /// transaction that was open when its records were deleted holds nothing back but what comes from the start on.
    pub(crate) fn get(&self) -> Watermarks {
        let start = self.start.load(Ordering::Acquire);
        let durable_end = self.durable_end.load(Ordering::Acquire);
        let last_stable = self.last_stable.load(Ordering::Acquire).max(start);
        Watermarks { start, durable_end, last_stable, end: self.end() }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn durable_end(&self) -> u64 {
        self.durable_end.load(Ordering::Acquire)
    }
}

fn assert_order(marks: Watermarks) {
    let Watermarks { start, durable_end, last_stable, end } = marks;
    assert!(start <= durable_end && durable_end <= end, "durable end out of order: {marks:?}");
    assert!(start <= last_stable && last_stable <= end, "last stable offset out of order: {marks:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        Marks::new(Watermarks { start: 1, durable_end: 5, last_stable: 6, end: 9 })
    }

    #[test]
    fn marks_move_forward_in_order() {
        let marks = marks();
        marks.set_end(12, 6);
        marks.set(Mark::DurableEnd, 12);
        marks.set(Mark::Start, 12);
        assert_eq!(marks.get(), Watermarks { start: 12, durable_end: 12, last_stable: 12, end: 12 });
    }

    #[test]
    #[should_panic(expected = "out of order")]
    fn nothing_is_durable_that_is_not_there() {
        marks().set(Mark::DurableEnd, 10);
    }

    #[test]
    #[should_panic(expected = "would go back")]
    fn no_mark_goes_back() {
        marks().set_end(8, 8);
    }
}
