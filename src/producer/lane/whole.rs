//! Batches that come whole: filled without the lane's lock, and appended under it.

use super::super::batch::ProducerBatch;
use super::super::receipt::Stage;
use super::{Lane, Open, State};
use crate::error::{Error, Result};
use crate::partition::{Admission, AppendInfo};
use crate::record::{BatchBuilder, EncodedBatch};
use crate::types::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Lane {
    /// Appends a batch that its maker filled without the lock, or has it stand in the queue, if there is memory for that.
    pub(in super::super) fn send_built(
        &self,
        admission: Admission<'_>,
        builder: &mut BatchBuilder,
    ) -> Result<(Stage, Option<Timestamp>)> {
        if let Some(id) = self.shared.producer_id {
            // Right, unless another thread sends meanwhile; then the batch is stamped again.
            builder.producer(id, 0, self.state().next_sequence);
        }
        let mut encoded = builder.build_within(admission.batch_bytes_max())?;
        let sent = self.append_or_queue(&mut self.state(), admission, &mut encoded);
        self.run_calls();
        sent
    }

    fn append_or_queue(
        &self,
        state: &mut State,
        admission: Admission<'_>,
        encoded: &mut EncodedBatch<'_>,
    ) -> Result<(Stage, Option<Timestamp>)> {
        let failure = match state.sealed.is_empty().then(|| self.append(state, admission, encoded)) {
            Some(Ok(info)) => {
                return Ok((Stage { batch: None, number: info.first_offset }, info.log_append_time));
            }
            Some(Err(error)) => Some(error).filter(|error| !error.is_retriable()),
            None => None,
        };
        let batch = Arc::<ProducerBatch>::default();
        match failure {
            Some(error) => {
                state.failure.get_or_insert_with(|| error.clone());
                batch.settle(Err(error));
            }
            None => {
                let memory = encoded.bytes().len();
                if !self.shared.memory.try_take(memory) {
                    return Err(Error::BufferFull { limit: self.shared.memory.limit() as u64 });
                }
                let open = Open { batch: batch.clone(), created_at: self.shared.clock.monotonic(), memory };
                self.queued.fetch_add(1, Ordering::Relaxed);
                self.seal(state, encoded.bytes().to_vec(), open);
            }
        }
        Ok((Stage { batch: Some(batch), number: 0 }, None))
    }

    /// Appends a batch that is not in the lane's own builder.
    pub(super) fn append(
        &self,
        state: &mut State,
        admission: Admission<'_>,
        encoded: &mut EncodedBatch<'_>,
    ) -> Result<AppendInfo> {
        if let Some(id) = self.shared.producer_id {
            encoded.stamp_producer(id, 0, state.next_sequence);
        }
        let info = self.partition.append_batch(admission, encoded)?;
        self.written(state, admission, info);
        Ok(info)
    }
}
