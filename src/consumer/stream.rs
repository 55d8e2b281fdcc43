//! Records one by one, for tasks.

use super::Consumer;
use super::wait::Polling;
use crate::error::Result;
use crate::partition::{Record, Records};
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Records without an end: see [`Consumer::stream`].
///
/// It reads as much at once as a poll does and hands it out one by one; dropped, it has the consumer go back to the first
/// record that it has not handed out.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is awaited"]
pub struct RecordStream<'a> {
    consumer: &'a mut Consumer,
    polling: Polling,
    records: Records,
    handed_out: usize,
}

impl<'a> RecordStream<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer, polling: Polling::new(), records: Records::new(), handed_out: 0 }
    }

    /// The next record. Never `None`: the log has no end.
    #[expect(clippy::should_implement_trait, reason = "a stream's next is called so everywhere, and awaited")]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<Record>>> + Send + use<'_, 'a> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context))
    }
}

impl Stream for RecordStream<'_> {
    type Item = Result<Record>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(record) = this.records.get(this.handed_out) {
                this.handed_out += 1;
                return Poll::Ready(Some(Ok(record.detach())));
            }
            match this.polling.poll(this.consumer, context) {
                Poll::Ready(Ok(records)) => (this.records, this.handed_out) = (records, 0),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for RecordStream<'_> {
    fn drop(&mut self) {
        self.polling.abandon(self.consumer);
        self.consumer.give_back(&self.records, self.handed_out);
    }
}
