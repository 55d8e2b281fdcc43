//! What a program does when partitions come and go, for tasks: instead of callbacks within a poll, events between polls.
//!
//! ```text
//! poll_event_async ── records ── Records
//!        │
//!        ├── something new ── Assigned: where to begin may still be said
//!        ├── something to give up ── Revoked: a guard. Its own until that is completed or dropped: only then told
//!        └── it is no member any more ── Lost: names, and nothing to do anything with
//! ```
//! A guard borrows its consumer, so nothing is read while there is one. Nobody waits for it for ever: who does not give up
//! in time is removed from the group, as anybody is. A guard that was forgotten is the same as none: the next poll hands
//! out another one.

use super::Consumer;
use super::listener::RebalanceCx;
use super::wait::Polling;
use crate::error::Result;
use crate::partition::Records;
use crate::types::TopicPartition;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What awaiting a consumer's next event returns: see [`Consumer::poll_event_async`].
#[derive(Debug)]
pub enum ConsumerEvent<'a> {
    /// Records, as from a poll.
    Records(Records),
    /// These partitions were added. Where reading begins in them is not looked up yet: a seek decides it.
    Assigned {
        /// Those that were added.
        partitions: Vec<TopicPartition>,
        /// What may be done before they are read.
        cx: RebalanceCx<'a>,
    },
    /// These partitions are about to go.
    Revoked {
        /// Those that go; the others are read on.
        partitions: Vec<TopicPartition>,
        /// They do not go before this is completed or dropped.
        guard: RevocationGuard<'a>,
    },
    /// These partitions belong to others already: the group has gone on without this consumer. So there is nothing to
    /// commit with.
    Lost {
        /// What it had.
        partitions: Vec<TopicPartition>,
    },
}

/// Holds partitions that are about to go. They still belong to this consumer: what it has dealt with can be committed, and
/// nobody else gets them as long as this is there. It may do what a [`RebalanceCx`] may.
///
/// [`complete`](Self::complete) gives them up and says how that went. Dropped, it gives them up too, and commits nothing:
/// whoever gets them begins at what was committed before. A consumer that holds it for longer than its
/// [`max_poll_interval`](crate::ConsumerBuilder::max_poll_interval) is removed from the group: others get its partitions,
/// its commits are refused, and its next event is [`ConsumerEvent::Lost`].
#[derive(Debug)]
#[must_use = "dropped, it gives its partitions up at once"]
pub struct RevocationGuard<'a> {
    cx: RebalanceCx<'a>,
    partitions: Vec<TopicPartition>,
    is_complete: bool,
}

impl RevocationGuard<'_> {
    /// Gives them up, once the commits that were made of them have come to pass: whoever gets them finds those. Commits
    /// that were awaited are waited for no more.
    ///
    /// # Errors
    /// [`Error::UnknownMember`](crate::Error::UnknownMember) and the like: it took too long, and they are lost. The next
    /// event says so.
    pub fn complete(mut self) -> Result<()> {
        self.is_complete = true;
        self.cx.consumer().give_up(&self.partitions)
    }
}

impl<'a> Deref for RevocationGuard<'a> {
    type Target = RebalanceCx<'a>;

    fn deref(&self) -> &Self::Target {
        &self.cx
    }
}

impl DerefMut for RevocationGuard<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.cx
    }
}

impl Drop for RevocationGuard<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            self.cx.consumer().give_up_unheard(&self.partitions);
        }
    }
}

/// Awaits what happens next: see [`Consumer::poll_event_async`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct PollEventFuture<'a> {
    /// None once it is handed on with an event.
    consumer: Option<&'a mut Consumer>,
    polling: Polling,
}

impl<'a> PollEventFuture<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Self { consumer: Some(consumer), polling: Polling::of_events() }
    }
}

impl<'a> Future for PollEventFuture<'a> {
    type Output = Result<ConsumerEvent<'a>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { consumer, polling } = &mut *self;
        // Once it was ready it has nothing to poll any more.
        let Some(ours) = consumer.take() else { return Poll::Pending };
        let records = match polling.poll(ours, context) {
            Poll::Ready(records) => records,
            Poll::Pending => {
                *consumer = Some(ours);
                return Poll::Pending;
            }
        };
        Poll::Ready(records.map(|records| match ours.take_change() {
            None => ConsumerEvent::Records(records),
            Some(Change::Assigned(partitions)) => {
                ConsumerEvent::Assigned { partitions, cx: RebalanceCx::new(ours) }
            }
            Some(Change::Revoked(partitions)) => {
                let cx = RebalanceCx::new(ours);
                let guard = RevocationGuard { cx, partitions: partitions.clone(), is_complete: false };
                ConsumerEvent::Revoked { partitions, guard }
            }
            Some(Change::Lost(partitions)) => ConsumerEvent::Lost { partitions },
        }))
    }
}

impl Drop for PollEventFuture<'_> {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.as_deref_mut() {
            self.polling.abandon(consumer);
        }
    }
}

/// What has changed for a consumer, and its program does not know yet.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}
