//! What a verdict means for whoever wants to append: go on, an answer that is known already, or an error. Pure.

use super::AppendedBatch;
use crate::error::{Error, Result};
use crate::partition::{Append, EndTxnMarker, MarkerVerdict, Verdict};
use crate::types::TopicPartition;

/// `None` if the batch is to be appended.
pub(super) fn to_batch(
    partition: &TopicPartition,
    question: &Append,
    verdict: Verdict,
) -> Result<Option<AppendedBatch>> {
    let (partition, producer_id) = (partition.clone(), question.producer_id);
    Err(match verdict {
        Verdict::Accept => return Ok(None),
        Verdict::Duplicate { first_offset: base_offset, last_offset, timestamp } => {
            return Ok(Some(AppendedBatch { base_offset, last_offset, is_duplicate: true, timestamp }));
        }
        Verdict::OutOfOrderSequence { expected, found } => {
            Error::OutOfOrderSequence { partition, producer_id, expected, found }
        }
        Verdict::InvalidProducerEpoch { current, found } => {
            Error::ProducerFenced { partition, producer_id, current, found }
        }
        Verdict::InvalidTxnState { current_txn_first_offset } => {
            let why = match current_txn_first_offset {
                Some(first) => {
                    format!("it belongs to no transaction, and the one from offset {first} on is open")
                }
                None => "the partition was not added to its transaction".into(),
            };
            Error::InvalidTxnState { partition, producer_id, why }
        }
    })
}

/// `Ok` if the marker is to be appended.
pub(super) fn to_marker(
    partition: &TopicPartition,
    question: &EndTxnMarker,
    verdict: MarkerVerdict,
) -> Result<()> {
    let (partition, producer_id) = (partition.clone(), question.producer_id);
    Err(match verdict {
        MarkerVerdict::Accept => return Ok(()),
        MarkerVerdict::InvalidProducerEpoch { current, found } => {
            Error::ProducerFenced { partition, producer_id, current, found }
        }
        MarkerVerdict::TransactionCoordinatorFenced { current, found } => {
            Error::CoordinatorFenced { partition, current, found }
        }
    })
}
