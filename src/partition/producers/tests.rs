//! The rules for one producer after another, each with numbers that one can follow.

use super::*;
use crate::partition::{BATCHES_RETAINED, Origin};

const PRODUCER: i64 = 1;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A log that appends what is accepted, as the leader does, with a high watermark that is moved by hand.
#[derive(Default)]
struct Log {
    producers: Producers,
    end: u64,
}

impl Log {
    /// A log in which `PRODUCER` has written one record per sequence.
    fn with_sequences(sequences: std::ops::Range<i32>) -> Self {
        let mut log = Log::default();
        for sequence in sequences {
            log.accept(batch(0, sequence));
        }
        log
    }

    fn append(&mut self, append: Append) -> Verdict {
        let append = Append { base_offset: self.end, ..append };
        let verdict = self.producers.check(&append);
        if verdict == Verdict::Accept {
            self.producers.apply(&append);
            self.end = append.last_offset() + 1;
        }
        verdict
    }

    /// As `append`, for what is only the scene.
    fn accept(&mut self, append: Append) {
        assert_eq!(self.append(append), Verdict::Accept, "{append:?}");
    }

    fn end_txn(&mut self, marker: EndTxnMarker) -> Result<Option<CompletedTxn>, MarkerVerdict> {
        let marker = EndTxnMarker { offset: self.end, ..marker };
        match self.producers.check_marker(&marker) {
            MarkerVerdict::Accept => {
                self.end += 1;
                Ok(self.producers.apply_marker(&marker))
            }
            refused => Err(refused),
        }
    }
}

/// One record of `PRODUCER`.
fn batch(producer_epoch: i16, base_sequence: i32) -> Append {
    Append {
        producer_id: PRODUCER,
        producer_epoch,
        base_sequence,
        base_offset: 0,
        last_offset_delta: 0,
        timestamp: Timestamp::from_millis(1_000),
        transactional: false,
        origin: Origin::Client,
        verified: true,
    }
}

/// `records` records of `PRODUCER`.
fn batch_of(records: i32, producer_epoch: i16, base_sequence: i32) -> Append {
    Append { last_offset_delta: records - 1, ..batch(producer_epoch, base_sequence) }
}

/// One record in a transaction.
fn in_txn(producer_id: i64, base_sequence: i32) -> Append {
    Append { producer_id, transactional: true, ..batch(0, base_sequence) }
}

fn commit(producer_id: i64, producer_epoch: i16) -> EndTxnMarker {
    let timestamp = Timestamp::from_millis(1_000);
    EndTxnMarker { producer_id, producer_epoch, coordinator_epoch: 0, offset: 0, timestamp, aborted: false }
}

fn out_of_order(expected: i32, found: i32) -> Verdict {
    Verdict::OutOfOrderSequence { expected, found }
}

fn is_duplicate_of(verdict: Verdict, offsets: (u64, u64)) -> bool {
    matches!(verdict, Verdict::Duplicate { first_offset, last_offset, .. } if (first_offset, last_offset) == offsets)
}

#[test]
fn only_the_next_sequence_is_accepted() {
    let mut log = Log::with_sequences(0..2);
    assert_eq!(log.append(batch(0, 5)), out_of_order(2, 5));
    assert_eq!(log.append(batch_of(2, 0, 1)), out_of_order(2, 1));
    assert_eq!(log.append(batch(0, 2)), Verdict::Accept);
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
    let mut log = Log::with_sequences(0..2);
    assert_eq!(log.append(batch(1, 2)), out_of_order(0, 2));
    assert_eq!(log.append(batch(1, 0)), Verdict::Accept);
    assert_eq!(log.append(batch(0, 2)), Verdict::InvalidProducerEpoch { current: 1, found: 0 });
}

#[test]
fn batches_of_an_older_epoch_are_not_duplicates() {
    let mut log = Log::with_sequences(0..1);
    assert_eq!(log.append(batch(1, 0)), Verdict::Accept);
    assert_eq!(log.append(batch(0, 0)), Verdict::InvalidProducerEpoch { current: 1, found: 0 });
    assert!(is_duplicate_of(log.append(batch(1, 0)), (1, 1)));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut log = Log::default();
    assert_eq!(log.append(batch(3, 17)), Verdict::Accept);
    assert_eq!(log.append(batch(3, 19)), out_of_order(18, 19));
}

#[test]
fn after_the_largest_sequence_comes_zero() {
    let mut log = Log::default();
    log.accept(batch(0, i32::MAX));
    assert_eq!(log.append(batch(0, 1)), out_of_order(0, 1));
    assert_eq!(log.append(batch(0, 0)), Verdict::Accept);

    let mut log = Log::default();
    log.accept(batch_of(3, 0, i32::MAX - 1));
    assert_eq!(log.append(batch(0, 1)), Verdict::Accept);
    assert!(is_duplicate_of(log.append(batch_of(3, 0, i32::MAX - 1)), (0, 2)));
}

#[test]
fn the_fifth_batch_from_the_end_is_a_duplicate_and_the_sixth_is_out_of_order() {
    let mut log = Log::with_sequences(0..6);
    assert_eq!(log.append(batch(0, 0)), out_of_order(6, 0));
    for sequence in 1..6 {
        let offset = sequence as u64;
        assert!(is_duplicate_of(log.append(batch(0, sequence)), (offset, offset)), "sequence {sequence}");
    }
    assert_eq!(log.end, 6, "nothing was appended");
    assert_eq!(log.producers.get(PRODUCER).unwrap().batches().len(), BATCHES_RETAINED);
}

#[test]
fn a_duplicate_answers_the_first_offsets_and_time() {
    let mut log = Log::default();
    log.accept(batch_of(4, 0, 0));
    let late = Append { timestamp: Timestamp::from_millis(9_999), ..batch_of(4, 0, 0) };
    let first_time = Timestamp::from_millis(1_000);
    assert_eq!(
        log.append(late),
        Verdict::Duplicate { first_offset: 0, last_offset: 3, timestamp: first_time }
    );
}

#[test]
fn only_the_exact_batch_is_a_duplicate() {
    let mut log = Log::default();
    log.accept(batch_of(2, 0, 0));
    log.accept(batch_of(2, 0, 2));
    for (records, sequence) in [(1, 0), (1, 2), (3, 0), (4, 0), (3, 2), (2, 1)] {
        assert_eq!(log.append(batch_of(records, 0, sequence)), out_of_order(4, sequence));
    }
}

#[test]
fn a_duplicate_is_a_success_even_when_its_transaction_is_over() {
    let mut log = Log::default();
    log.accept(in_txn(PRODUCER, 0));
    log.end_txn(commit(PRODUCER, 0)).unwrap();
    let again = Append { verified: false, ..in_txn(PRODUCER, 0) };
    assert!(is_duplicate_of(log.append(again), (0, 0)));
}

#[test]
fn a_coordinator_counts_no_sequences_but_is_fenced_by_epoch() {
    let mut log = Log::default();
    let offsets =
        |epoch| Append { origin: Origin::Coordinator, producer_epoch: epoch, ..in_txn(PRODUCER, 0) };
    assert_eq!(log.append(offsets(1)), Verdict::Accept);
    assert_eq!(log.append(offsets(1)), Verdict::Accept, "not a duplicate");
    assert_eq!(log.append(offsets(0)), Verdict::InvalidProducerEpoch { current: 1, found: 0 });
}

#[test]
fn a_marker_alone_makes_the_producer_known() {
    let mut log = Log::default();
    assert_eq!(log.end_txn(commit(PRODUCER, 2)), Ok(None));
    assert_eq!(log.append(batch(0, 0)), Verdict::InvalidProducerEpoch { current: 2, found: 0 });
    assert_eq!(log.append(batch(2, 17)), out_of_order(0, 17));
    assert_eq!(log.append(batch(2, 0)), Verdict::Accept);
}

#[test]
fn a_marker_with_a_higher_epoch_forgets_the_batches() {
    let mut log = Log::with_sequences(0..2);
    assert_eq!(log.end_txn(commit(PRODUCER, 1)), Ok(None));
    let entry = log.producers.get(PRODUCER).unwrap();
    assert_eq!((entry.producer_epoch, entry.batches().len()), (1, 0));
    assert_eq!(log.append(batch(1, 2)), out_of_order(0, 2));
    assert_eq!(log.append(batch(1, 0)), Verdict::Accept);
}

#[test]
fn a_marker_with_the_same_epoch_lets_the_sequences_run_on() {
    let mut log = Log::default();
    log.accept(in_txn(PRODUCER, 0));
    log.end_txn(commit(PRODUCER, 0)).unwrap();
    assert_eq!(
        log.append(in_txn(PRODUCER, 0)),
        Verdict::Duplicate { first_offset: 0, last_offset: 0, timestamp: Timestamp::from_millis(1_000) }
    );
    assert_eq!(log.append(in_txn(PRODUCER, 1)), Verdict::Accept);
}

#[test]
fn an_older_coordinator_or_producer_cannot_end_a_transaction() {
    let mut log = Log::default();
    log.accept(Append { producer_epoch: 1, ..in_txn(PRODUCER, 0) });
    log.end_txn(EndTxnMarker { coordinator_epoch: 5, ..commit(PRODUCER, 1) }).unwrap();
    log.accept(Append { producer_epoch: 1, ..in_txn(PRODUCER, 1) });

    let older_coordinator = EndTxnMarker { coordinator_epoch: 4, ..commit(PRODUCER, 2) };
    let fenced = MarkerVerdict::TransactionCoordinatorFenced { current: 5, found: 4 };
    assert_eq!(log.end_txn(older_coordinator), Err(fenced));

    let older_producer = EndTxnMarker { coordinator_epoch: 4, ..commit(PRODUCER, 0) };
    let fenced = MarkerVerdict::InvalidProducerEpoch { current: 1, found: 0 };
    assert_eq!(log.end_txn(older_producer), Err(fenced), "the producer's epoch is looked at first");

    let same_coordinator = EndTxnMarker { coordinator_epoch: 5, ..commit(PRODUCER, 1) };
    assert!(log.end_txn(same_coordinator).unwrap().is_some());
}

#[test]
fn a_plain_batch_does_not_slip_into_a_transaction() {
    let mut log = Log::with_sequences(0..3);
    log.accept(in_txn(PRODUCER, 3));
    let refused = Verdict::InvalidTxnState { current_txn_first_offset: Some(3) };
    assert_eq!(log.append(batch(0, 4)), refused);
    assert_eq!(log.append(batch(1, 0)), refused, "the transaction outlives the epoch");
    assert_eq!(log.append(batch(0, 5)), out_of_order(4, 5), "the sequence is looked at first");
}

#[test]
fn a_transaction_that_the_coordinator_does_not_know_is_not_opened() {
    let mut log = Log::default();
    let unverified = Append { verified: false, ..in_txn(PRODUCER, 0) };
    let refused = Verdict::InvalidTxnState { current_txn_first_offset: None };
    assert_eq!(log.append(unverified), refused);
    assert_eq!(log.append(in_txn(PRODUCER, 0)), Verdict::Accept);

    let next = Append { base_sequence: 1, ..unverified };
    assert_eq!(log.append(next), Verdict::Accept, "an open one needs no second verification");
    let other_epoch = Append { producer_epoch: 1, ..unverified };
    assert_eq!(log.append(other_epoch), refused, "unless the epoch is another one");
    assert_eq!(
        log.append(Append { verified: false, ..batch(1, 0) }),
        Verdict::InvalidTxnState { current_txn_first_offset: Some(0) }
    );
}

#[test]
fn the_first_unstable_offset_is_where_the_earliest_open_transaction_begins() {
    let mut log = Log { end: 992_342, ..Log::default() };
    let starts = [992_342, 992_342 + 25, 992_342 + 25 + 57];
    for (producer_id, start) in (1..).zip(starts) {
        log.end = start;
        log.accept(in_txn(producer_id, 0));
    }
    assert_eq!(log.producers.first_unstable_offset(), Some(starts[0]));

    let mut complete = |producer_id| {
        let completed = log.end_txn(commit(producer_id, 0)).unwrap().unwrap();
        log.producers.high_watermark_advanced(log.end);
        (completed.first_offset, completed.last_stable_offset, log.producers.first_unstable_offset())
    };
    assert_eq!(complete(1), (starts[0], starts[1], Some(starts[1])));
    assert_eq!(complete(3), (starts[2], starts[1], Some(starts[1])));
    assert_eq!(complete(2), (starts[1], log.end, None));
}

#[test]
fn a_completed_transaction_is_unstable_until_the_high_watermark_passes_its_marker() {
    let mut log = Log::default();
    log.accept(in_txn(1, 0));
    log.accept(in_txn(2, 0));
    let completed = log.end_txn(EndTxnMarker { aborted: true, ..commit(1, 0) });
    let expected = CompletedTxn {
        producer_id: 1,
        first_offset: 0,
        last_offset: 2,
        aborted: true,
        last_stable_offset: 1,
    };
    assert_eq!(completed, Ok(Some(expected)));

    log.producers.high_watermark_advanced(2);
    assert_eq!(log.producers.first_unstable_offset(), Some(0), "the marker itself is at 2");
    log.producers.high_watermark_advanced(3);
    assert_eq!(log.producers.first_unstable_offset(), Some(1));
}

#[test]
fn a_marker_without_a_transaction_completes_nothing() {
    let mut log = Log::with_sequences(0..1);
    assert_eq!(log.end_txn(commit(PRODUCER, 0)), Ok(None));
    assert_eq!(log.producers.first_unstable_offset(), None);
}

#[test]
fn the_silent_are_forgotten_and_those_in_a_transaction_are_not() {
    let mut log = Log::with_sequences(0..1);
    log.accept(in_txn(2, 0));
    let last_heard_of = Timestamp::from_millis(1_000);

    assert_eq!(log.producers.expire(last_heard_of + (DAY - Duration::from_millis(1)), DAY), 0);
    assert_eq!(log.producers.expire(last_heard_of + DAY, DAY), 1);
    assert_eq!(log.producers.iter().map(|entry| entry.producer_id).collect::<Vec<_>>(), [2]);
    assert_eq!(log.append(batch(0, 41)), Verdict::Accept, "any sequence, as from a stranger");

    log.end_txn(EndTxnMarker { timestamp: last_heard_of + DAY, ..commit(2, 0) }).unwrap();
    assert_eq!(log.producers.expire(last_heard_of + DAY, DAY), 1, "the marker is a sign of life");
    assert_eq!(log.producers.expire(last_heard_of + DAY + DAY, DAY), 1);
}

#[test]
fn a_clock_that_went_back_expires_nobody() {
    let mut log = Log::with_sequences(0..1);
    assert_eq!(log.producers.expire(Timestamp::from_millis(i64::MIN), DAY), 0);
}

#[test]
fn producers_come_in_the_order_of_their_ids() {
    let mut log = Log::default();
    for producer_id in [5, 1, i64::MAX, 3] {
        log.accept(Append { producer_id, ..batch(0, 0) });
    }
    let ids: Vec<_> = log.producers.iter().map(|entry| entry.producer_id).collect();
    assert_eq!(ids, [1, 3, 5, i64::MAX]);
}

#[test]
fn what_the_log_says_is_applied_unchecked() {
    let mut producers = Producers::new();
    for append in [batch(4, 9), batch(4, 2), batch(1, 7), in_txn(PRODUCER, -1), batch_of(i32::MIN + 1, 0, -5)]
    {
        producers.apply(&append);
    }
    producers.apply(&Append { base_offset: u64::MAX, last_offset_delta: i32::MAX, ..batch(0, i32::MAX) });
    producers.apply_marker(&EndTxnMarker { offset: u64::MAX, coordinator_epoch: -7, ..commit(PRODUCER, -3) });
    assert_eq!(producers.get(PRODUCER).unwrap().producer_epoch, -3);
}

#[test]
fn a_batch_without_a_sequence_leaves_zero_to_come_next() {
    let mut producers = Producers::new();
    producers.apply(&batch_of(4, 0, -1));
    assert_eq!(producers.check(&batch(0, 3)), out_of_order(0, 3));
    assert_eq!(producers.check(&batch(0, 0)), Verdict::Accept);
}
