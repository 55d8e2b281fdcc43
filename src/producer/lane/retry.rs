//! Batches that failed with something that may pass: kept as they are, and tried again in their order.
//!
//! Those behind one wait for it, so nothing overtakes. Once its time is up it fails for good, with the reason itself.

use super::super::batch::ProducerBatch;
use super::{Lane, State};
use crate::error::Result;
use crate::partition::AppendInfo;
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
    /// Keeps what is in the builder, to be tried again.
    pub(super) fn seal(&self, state: &mut State, batch: Arc<ProducerBatch>, memory: usize) -> Result<()> {
        let bytes = state.builder.build()?.bytes().to_vec();
        let (created_at, backoff) = (self.shared.clock.monotonic(), self.shared.config.retry_backoff);
        let retry_at = created_at.saturating_add(backoff);
        self.shared.schedule(retry_at);
        state.sealed.push_back(Sealed { batch, bytes, memory, created_at, retry_at, backoff });
        Ok(())
    }

    /// Tries the sealed batches again, in order, as far as they succeed.
    pub(super) fn retry(&self, state: &mut State, drive: Drive) {
        while let Some(mut front) = state.sealed.pop_front() {
            let (now, is_due) = match drive {
                Drive::Due(now) => (now, front.retry_at <= now),
                Drive::All(now) => (now, true),
            };
            if !is_due {
                state.sealed.push_front(front);
                return;
            }
            match self.write_sealed(state, &mut front) {
                Err(error) if error.is_retriable() && now < self.expiry(&front) => {
                    front.retry_at = now.saturating_add(front.backoff).min(self.expiry(&front));
                    front.backoff = (front.backoff * 2).min(self.shared.config.retry_backoff_max);
                    self.shared.schedule(front.retry_at);
                    state.sealed.push_front(front);
                    return;
                }
                outcome => self.settle(state, &front.batch, front.memory, outcome),
            }
        }
    }

    fn expiry(&self, sealed: &Sealed) -> Duration {
        sealed.created_at.saturating_add(self.shared.config.delivery_timeout)
    }

    fn write_sealed(&self, state: &mut State, sealed: &mut Sealed) -> Result<AppendInfo> {
        let mut encoded = EncodedBatch::from_bytes(&mut sealed.bytes)?;
        if let Some(id) = self.shared.producer_id {
            encoded.stamp_producer(id, 0, state.next_sequence);
        }
        let info = self.partition.append_batch(&mut encoded)?;
        self.written(state, info);
        Ok(info)
    }
}
