//! The receipts of many records: made one by one when somebody asks, since most of them nobody asks for.

use super::lane::Lane;
use super::receipt::{Receipt, RecordMetadata, Stage};
use crate::config::Acks;
use crate::error::Result;
use crate::types::Timestamp;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What [`Producer::send_batch`](super::Producer::send_batch) hands out: a [`Receipt`] for each record, in their order.
///
/// Dropping it costs nothing and changes nothing, as with one receipt.
///
/// ```
/// # use brooklet::{Broker, NewRecord, TopicConfig};
/// # let broker = Broker::in_memory()?;
/// # broker.ensure_topic("orders", TopicConfig::new())?;
/// let producer = broker.producer().build()?;
/// let receipts = producer.send_batch(["a", "b"].map(|value| NewRecord::to("orders").value(value)))?;
/// assert_eq!(receipts.len(), 2);
/// assert_eq!(receipts.wait()?[1].offset, 1);
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Default)]
pub struct Receipts {
    batches: Vec<SentBatch>,
    places: Places,
}

/// A batch that is on its way.
pub(super) struct SentBatch {
    pub(super) lane: Arc<Lane>,
    /// That of its first record.
    pub(super) stage: Stage,
    /// When the log stamped it, if it did and that is known.
    pub(super) stamped: Option<Timestamp>,
    pub(super) acks: Acks,
}

/// Where each record is: in which batch, and which of its records it is. Most lie in one batch with the one before, and were
/// made when that was.
#[derive(Default)]
pub(super) struct Places {
    stretches: Vec<Stretch>,
    len: usize,
}

/// Records of one batch, one behind the other there and here.
struct Stretch {
    /// Which record the first of them is here.
    first: usize,
    batch: usize,
    /// Which one it is there.
    number: usize,
    made_at: Timestamp,
}

impl Places {
    #[inline]
    pub(super) fn push(&mut self, batch: usize, number: usize, made_at: Timestamp) {
        let first = self.len;
        let goes_on = self.stretches.last().is_some_and(|last| {
            last.batch == batch && last.made_at == made_at && last.number + (first - last.first) == number
        });
        if !goes_on {
            self.stretches.push(Stretch { first, batch, number, made_at });
        }
        self.len += 1;
    }

    /// The batch of a record, its number there, and when it was made.
    fn get(&self, index: usize) -> (usize, usize, Timestamp) {
        assert!(index < self.len, "there are {} records, and no {index}", self.len);
        let behind = self.stretches.partition_point(|stretch| stretch.first <= index);
        let Stretch { first, batch, number, made_at } = &self.stretches[behind - 1];
        (*batch, number + (index - first), *made_at)
    }
}

impl Receipts {
    pub(super) fn new(batches: Vec<SentBatch>, places: Places) -> Self {
        Self { batches, places }
    }

    /// How many records they are for.
    pub fn len(&self) -> usize {
        self.places.len
    }

    /// Whether no record was sent.
    pub fn is_empty(&self) -> bool {
        self.places.len == 0
    }

    /// The receipts, in the order of the records.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Receipt> + ExactSizeIterator {
        (0..self.len()).map(|index| self.receipt(index))
    }

    /// Waits until all of the records count as sent.
    ///
    /// # Errors
    /// As [`Receipt::wait`], for the first record of which that is so.
    pub fn wait(self) -> Result<Vec<RecordMetadata>> {
        self.iter().map(Receipt::wait).collect()
    }

    fn receipt(&self, index: usize) -> Receipt {
        let (batch, number, made_at) = self.places.get(index);
        let SentBatch { lane, stage, stamped, acks } = &self.batches[batch];
        let (timestamp, stage) = (stamped.unwrap_or(made_at), stage.of_record(number));
        Receipt { lane: lane.clone(), timestamp, stage, acks: *acks }
    }
}

impl fmt::Debug for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// For records that were sent one by one.
impl FromIterator<Receipt> for Receipts {
    fn from_iter<I: IntoIterator<Item = Receipt>>(receipts: I) -> Self {
        let mut all = Self::default();
        for (batch, Receipt { lane, timestamp, stage, acks }) in receipts.into_iter().enumerate() {
            all.batches.push(SentBatch { lane, stage, stamped: None, acks });
            all.places.push(batch, 0, timestamp);
        }
        all
    }
}

impl IntoIterator for Receipts {
    type Item = Receipt;
    type IntoIter = IntoReceipts;

    fn into_iter(self) -> IntoReceipts {
        IntoReceipts { left: 0..self.len(), receipts: self }
    }
}

/// The receipts one by one: see [`Receipts`].
#[derive(Debug)]
pub struct IntoReceipts {
    receipts: Receipts,
    left: Range<usize>,
}

impl Iterator for IntoReceipts {
    type Item = Receipt;

    fn next(&mut self) -> Option<Receipt> {
        self.left.next().map(|index| self.receipts.receipt(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for IntoReceipts {
    fn next_back(&mut self) -> Option<Receipt> {
        self.left.next_back().map(|index| self.receipts.receipt(index))
    }
}

impl ExactSizeIterator for IntoReceipts {}
