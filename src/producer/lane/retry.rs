//! Batches that failed with something that may pass: kept as they are, and tried again in their order.
//!
//! Those behind one wait for it, so nothing overtakes. Once its time is up it fails for good, with the reason itself. As
//! in Kafka that time begins when the batch does, with its first record; what it lingered is part of it. But whatever its
//! time, each is tried once.

use super::super::batch::ProducerBatch;
use super::{Lane, Open, State};
use crate::error::Result;
use crate::partition::{Admission, AppendInfo};
use crate::record::EncodedBatch;
use std::sync::Arc;
use std::time::Duration;

/// A batch that failed and is tried again, or that stands behind one that is.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) batch: Arc<ProducerBatch>,
    bytes: Vec<u8>,
    pub(super) memory: usize,
    created_at: Duration,
    pub(super) retry_at: Duration,
    backoff: Duration,
}

/// What is to be done with a lane's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drive {
    /// What is due by now.
    Due(Duration),
    /// Everything; the time is for what fails again.
    All(Duration),
}

impl Lane {
    /// Keeps the batch that is in the builder, to be tried again.
    pub(super) fn seal_built(&self, state: &mut State, admission: Admission<'_>, open: Open) -> Result<()> {
        let bytes = state.builder.build_within(admission.batch_bytes_max())?.bytes().to_vec();
        self.seal(state, bytes, open);
        Ok(())
    }

    /// Keeps a batch, to be tried again.
    pub(super) fn seal(&self, state: &mut State, bytes: Vec<u8>, open: Open) {
        let Open { batch, created_at, memory } = open;
        let (now, backoff) = (self.shared.clock.monotonic(), self.shared.config.retry_backoff);
        let retry_at = now.saturating_add(backoff).min(self.expiry(created_at));
        self.shared.schedule(retry_at);
        state.sealed.push_back(Sealed { batch, bytes, memory, created_at, retry_at, backoff });
    }

    /// Whether a batch that failed has no time left to be tried again.
    pub(super) fn is_expired(&self, open: &Open) -> bool {
        self.shared.clock.monotonic() >= self.expiry(open.created_at)
    }

    /// Tries the sealed batches again, in order, as far as they succeed.
    pub(super) fn retry(&self, state: &mut State, admission: Admission<'_>, drive: Drive) {
        while let Some(mut front) = state.sealed.pop_front() {
            let (now, is_due) = match drive {
                Drive::Due(now) => (now, front.retry_at <= now),
                Drive::All(now) => (now, true),
            };
            if !is_due {
                state.sealed.push_front(front);
                return;
            }
            match self.write_sealed(state, admission, &mut front) {
                Err(error) if error.is_retriable() && now < self.expiry(front.created_at) => {
                    front.retry_at = now.saturating_add(front.backoff).min(self.expiry(front.created_at));
                    front.backoff = (front.backoff * 2).min(self.shared.config.retry_backoff_max);
                    self.shared.schedule(front.retry_at);
                    state.sealed.push_front(front);
                    return;
                }
                outcome => self.settle(state, &front.batch, front.memory, outcome),
            }
        }
    }

    fn expiry(&self, created_at: Duration) -> Duration {
        created_at.saturating_add(self.shared.config.delivery_timeout)
    }

    fn write_sealed(
        &self,
        state: &mut State,
        admission: Admission<'_>,
        sealed: &mut Sealed,
    ) -> Result<AppendInfo> {
        self.append(state, admission, &mut EncodedBatch::from_bytes(&mut sealed.bytes)?)
    }
}
