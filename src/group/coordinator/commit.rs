//! Committing offsets: judged, made sure, written; in this order, and in the order in which they came.
//!
//! ```text
//! commit ── is all of it durable that it points to, and nobody before it? ── yes: judged and written at once
//!                                                                        └── no: in the queue of its group
//! queue  ── sync the partitions ── judge again ── write         by whoever waits, or by maintenance
//! ```
//! So a crash never leaves a commit of something that it took away. Judged again, because whoever made it may have been
//! removed while it waited, and somebody else may have committed since.

use super::Coordinator;
use super::journal::Place;
use super::live::{LiveGroup, LiveState};
use super::ticket::{Need, Queued, Request, Ticket, orphaned};
use crate::config::Acks;
use crate::error::{Error, Result};
use crate::group::offsets::OffsetAndMetadata;
use crate::group::{Admission, Caller, Commit, Event, check_commit};
use crate::partition::Waiting;
use crate::types::TopicPartition;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Where a commit stands.
#[derive(Debug)]
enum Stage {
    /// There was nothing to write.
    Empty,
    Queued(Arc<Ticket>),
    Written(Place),
}

/// A commit that was made and may not be durable yet: wait for it, await it, or drop it and let it come to pass.
#[derive(Debug)]
#[must_use = "whether it succeeds is not known before it is waited for"]
pub struct PendingCommit {
    coordinator: Arc<Coordinator>,
    group: Arc<LiveGroup>,
    stage: Stage,
    waiting: Waiting,
}

impl Coordinator {
    /// Commits offsets in the name of a member, or of nobody in particular.
    pub(crate) fn commit(
        self: &Arc<Self>,
        group_id: &str,
        by: Option<&Caller>,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) -> Result<PendingCommit> {
        refuse_large_metadata(&offsets)?;
        let request = Request { by: by.cloned(), offsets };
        let group = match self.find(group_id)? {
            Some(group) => group,
            None => {
                check_commit(group_id, None, &spoken_by(by))?;
                self.find_or_make(group_id)?
            }
        };
        let stage = self.begin(&group, request)?;
        Ok(PendingCommit { coordinator: self.clone(), group, stage, waiting: Waiting::default() })
    }

    fn begin(&self, group: &LiveGroup, request: Request) -> Result<Stage> {
        let mut state = group.lock();
        self.judge(&mut state, request.by.as_ref())?;
        if request.offsets.is_empty() {
            return Ok(Stage::Empty);
        }
        let needs = self.needs(&request.offsets)?;
        if needs.iter().all(Need::is_met) && state.queue.is_empty() {
            return self.write(&mut state, &request).map(Stage::Written);
        }
        let ticket = Arc::<Ticket>::default();
        state.queue.push_back(Queued { ticket: ticket.clone(), request, needs });
        drop(state);
        self.schedule(Duration::ZERO);
        Ok(Stage::Queued(ticket))
    }

    fn judge(&self, state: &mut LiveState, by: Option<&Caller>) -> Result<()> {
        // Whose time is over must not commit any more.
        state.apply(Event::Tick, self.means())?;
        match check_commit(state.group.group_id(), Some(&state.group), &spoken_by(by))? {
            Admission::Accepted | Admission::NewSimpleGroup => Ok(()),
        }
    }

    /// What has to be durable before each of these offsets may be. An offset behind the end may be committed, as in
    /// Kafka; of such a partition it is all that there is.
    fn needs(&self, offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Result<Vec<Need>> {
        let need = |(id, offset): &(TopicPartition, OffsetAndMetadata)| {
            let partition = self.engine.topic(id.topic())?.partition(id.partition())?;
            let end = offset.offset.min(partition.watermarks().end);
            Ok(Need { partition, end })
        };
        offsets.iter().map(need).collect()
    }

    fn write(&self, state: &mut LiveState, request: &Request) -> Result<Place> {
        let end_of = |id: &TopicPartition| {
            let partition = self.engine.topic(id.topic()).and_then(|topic| topic.partition(id.partition()));
            partition.map_or(0, |partition| partition.watermarks().end)
        };
        let place = state.write(&request.offsets, end_of, self.means())?;
        self.schedule_upkeep();
        Ok(place)
    }

    /// Writes what waits in the queue of a group, and makes durable first what each commit points to. The lock is not
    /// held meanwhile.
    pub(super) fn drain(&self, group: &LiveGroup) {
        loop {
            let (ticket, needs) = match group.lock().queue.front() {
                Some(first) => (first.ticket.clone(), first.needs.clone()),
                None => return,
            };
            let synced = needs.iter().try_for_each(Need::meet);
            let mut state = group.lock();
            if state.queue.front().is_none_or(|first| !Arc::ptr_eq(&first.ticket, &ticket)) {
                // Somebody else has been here.
                continue;
            }
            let Some(mut first) = state.queue.pop_front() else { continue };
            let outcome = synced
                .and_then(|()| self.judge(&mut state, first.request.by.as_ref()))
                .and_then(|()| first.leave_out_deleted())
                .and_then(|()| self.write(&mut state, &first.request));
            drop(state);
            ticket.settle(outcome);
        }
    }
}

fn spoken_by(by: Option<&Caller>) -> Commit<'_> {
    Commit {
        member_id: by.map(|caller| caller.member_id.as_str()),
        instance_id: by.and_then(|caller| caller.instance_id.as_deref()),
        epoch: by.map(|caller| caller.epoch),
        transactional: false,
    }
}

fn refuse_large_metadata(offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Result<()> {
    let limit = OffsetAndMetadata::METADATA_BYTES_MAX;
    match offsets.iter().map(|(_, offset)| offset.metadata.len()).find(|bytes| *bytes > limit) {
        None => Ok(()),
        Some(bytes) => {
            let (bytes, limit) = (bytes as u64, limit as u64);
            Err(Error::TooLarge { bytes, limit, setting: "offset.metadata.max.bytes" })
        }
    }
}

impl PendingCommit {
    /// What became of it, for whoever does not wait: none for a commit that was written at once.
    pub(crate) fn ticket(&self) -> Option<Arc<Ticket>> {
        match &self.stage {
            Stage::Queued(ticket) => Some(ticket.clone()),
            Stage::Empty | Stage::Written(_) => None,
        }
    }

    /// Waits until the offsets are committed, as surely as the broker's `acks` ask.
    ///
    /// # Errors
    /// Why they could not be: the member was removed while what it committed was made durable, or the disk failed.
    pub fn wait(self) -> Result<()> {
        let place = match self.stage {
            Stage::Empty => return Ok(()),
            Stage::Written(place) => place,
            Stage::Queued(ticket) => {
                self.coordinator.drain(&self.group);
                // Somebody else may be at this very one.
                let clock = self.coordinator.engine.clock().as_ref();
                let outcome = ticket.settled().wait(clock, Duration::MAX, || ticket.outcome());
                outcome.unwrap_or_else(|| Err(orphaned(&self.group.id)))?
            }
        };
        match self.coordinator.engine.acks() {
            Acks::Durable => place.partition.flush_to(place.end),
            Acks::None | Acks::Written => Ok(()),
        }
    }

    /// None: there is nothing that could be written.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Place>>> {
        match &self.stage {
            Stage::Empty => Poll::Ready(Ok(None)),
            Stage::Written(place) => Poll::Ready(Ok(Some(place.clone()))),
            Stage::Queued(ticket) => {
                let written = ticket.settled().poll(&mut self.waiting, context, || ticket.outcome());
                written.map(|written| written.map(Some))
            }
        }
    }

    fn poll_durable(&mut self, place: &Place, context: &mut Context<'_>) -> Poll<Result<()>> {
        let coordinator = &self.coordinator;
        let done = || match place.is_durable() {
            true => Some(Ok(())),
            false => coordinator.sync_failure().map(Err),
        };
        let synced = place.partition.synced().poll(&mut self.waiting, context, done);
        if synced.is_pending() {
            coordinator.request_sync();
        }
        synced
    }
}

impl Future for PendingCommit {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        let engine = &this.coordinator.engine;
        let by_itself = engine.clock().runs_by_itself() && engine.check_open().is_ok();
        if !by_itself {
            // Nobody works in the background, or nobody does any more: what is to be done is done here.
            this.coordinator.drain(&this.group);
        }
        let place = match this.poll_written(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(Some(place))) => place,
        };
        this.stage = Stage::Written(place.clone());
        if this.coordinator.engine.acks() != Acks::Durable {
            return Poll::Ready(Ok(()));
        }
        match by_itself {
            true => this.poll_durable(&place, context),
            false => Poll::Ready(place.partition.flush_to(place.end)),
        }
    }
}
