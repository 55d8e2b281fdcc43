//! Sending from a task: awaiting room in the buffer instead of blocking for it.

use super::{Producer, Receipt};
use crate::engine::Alarm;
use crate::error::{Error, Result};
use crate::partition::Waiting;
use crate::record::NewRecord;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Awaits room for a record, and sends it: see [`Producer::send_async`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited: nothing is sent"]
pub struct SendFuture<'a> {
    producer: Producer,
    record: NewRecord<'a>,
    /// The partition that it goes to, once that is known.
    chosen: Option<u32>,
    waiting: Waiting,
    /// When what stands in the way is tried again.
    alarm: Option<Alarm>,
}

impl<'a> SendFuture<'a> {
    pub(super) fn new(producer: Producer, record: NewRecord<'a>) -> Self {
        Self { producer, record, chosen: None, waiting: Waiting::default(), alarm: None }
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let inner = &this.producer.inner;
        let mut try_send = || match inner.try_send(&this.record, &mut this.chosen) {
            Err(Error::BufferFull { .. }) => None,
            other => Some(other),
        };
        if let Some(sent) = try_send() {
            return Poll::Ready(sent);
        }
        inner.shared.make_room();
        let sent = inner.shared.memory.freed().poll(&mut this.waiting, context, try_send);
        if sent.is_pending() {
            let due = inner.shared.due();
            this.alarm = due.map(|due| inner.shared.engine.set_alarm(due, inner.shared.memory.freed()));
        }
        sent
    }
}
