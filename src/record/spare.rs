//! A builder for whoever makes a batch now and then: each thread keeps the one that it used last, and its buffers.
//!
//! It lies with the thread and not with what is written to, since there are many partitions and few threads.

use super::{BatchBuilder, Compression};
use std::cell::Cell;

/// Larger buffers are not kept: what goes into them costs more than they do.
const KEPT_BYTES_MAX: usize = 1 << 20;

thread_local! {
    static SPARE: Cell<Option<BatchBuilder>> = const { Cell::new(None) };
}

impl BatchBuilder {
    /// Lends an empty builder. Whoever asks for another one meanwhile gets one of his own.
    pub(crate) fn with_spare<R>(compression: Compression, fill: impl FnOnce(&mut Self) -> R) -> R {
        let mut builder = Self::spare(compression);
        let filled = fill(&mut builder);
        builder.keep_as_spare();
        filled
    }

    /// The one that the thread kept, empty; else a new one.
    pub(crate) fn spare(compression: Compression) -> Self {
        // A thread that is about to end has none, and keeps none.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let mut builder = spare.unwrap_or_else(|| Self::new(compression));
        builder.reset(compression);
        builder
    }

    /// Leaves it to whoever asks this thread next.
    pub(crate) fn keep_as_spare(self) {
        if self.capacity_bytes() <= KEPT_BYTES_MAX {
            let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordParts;

    fn push(builder: &mut BatchBuilder, value: &[u8]) {
        builder.push(&RecordParts { value: Some(value), ..RecordParts::default() }).expect("it is plain");
    }

    fn kept() -> Option<usize> {
        let spare = SPARE.take();
        let bytes = spare.as_ref().map(BatchBuilder::capacity_bytes);
        SPARE.set(spare);
        bytes
    }

    #[test]
    fn what_is_lent_is_empty_and_compresses_as_asked() {
        BatchBuilder::with_spare(Compression::Lz4, |builder| push(builder, &[7; 3000]));
        BatchBuilder::with_spare(Compression::None, |builder| {
            assert!(builder.is_empty());
            push(builder, b"x");
            let batch = builder.build().expect("it has a record");
            assert_eq!(batch.header().compression(), Compression::None);
        });
        assert!(kept().is_some_and(|bytes| bytes >= 3000), "it is the same one again");
    }

    #[test]
    fn whoever_asks_while_it_is_lent_gets_another() {
        BatchBuilder::with_spare(Compression::None, |outer| {
            push(outer, b"outer");
            BatchBuilder::with_spare(Compression::None, |inner| assert!(inner.is_empty()));
            assert_eq!(outer.records(), 1);
        });
    }

    #[test]
    fn a_large_one_is_not_kept() {
        BatchBuilder::with_spare(Compression::None, |builder| push(builder, &vec![7; KEPT_BYTES_MAX + 1]));
        assert_eq!(kept(), None);
    }
}
