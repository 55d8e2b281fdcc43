//! Every short history of two producers, and in each of them every question, against a model that keeps the whole
//! history and looks everything up in it.
//!
//! The model is slow and has no state to keep in step, which is what makes it worth asking. It knows each rule as a
//! sentence about the past: "its epoch is that of the last thing it wrote".

use super::*;
use crate::partition::producer_snapshot::{decode, encode};
use crate::partition::{BATCHES_RETAINED, Origin};

/// As far as histories go: longer ones only repeat what these show, but for the window, which has its own tests.
const EVENTS_MAX: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Event {
    Data(Append),
    Marker(EndTxnMarker),
}

impl Event {
    fn producer_id(&self) -> i64 {
        match self {
            Event::Data(append) => append.producer_id,
            Event::Marker(marker) => marker.producer_id,
        }
    }

    fn epoch(&self) -> i16 {
        match self {
            Event::Data(append) => append.producer_epoch,
            Event::Marker(marker) => marker.producer_epoch,
        }
    }

    fn next_offset(&self) -> u64 {
        match self {
            Event::Data(append) => append.last_offset() + 1,
            Event::Marker(marker) => marker.offset + 1,
        }
    }

    fn apply(&self, producers: &mut Producers) -> Option<CompletedTxn> {
        match self {
            Event::Data(append) => {
                producers.apply(append);
                None
            }
            Event::Marker(marker) => producers.apply_marker(marker),
        }
    }
}

/// Everything that two producers may try next. The sequences and epochs are few, but one more than a short history uses.
fn questions(offset: u64) -> Vec<Event> {
    let timestamp = Timestamp::from_millis(0);
    let mut all = Vec::new();
    for (producer_id, producer_epoch) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        for coordinator_epoch in [0, 1] {
            let aborted = coordinator_epoch == 0;
            let marker =
                EndTxnMarker { producer_id, producer_epoch, coordinator_epoch, offset, timestamp, aborted };
            all.push(Event::Marker(marker));
        }
        for (base_sequence, last_offset_delta) in [(0, 0), (0, 1), (1, 0), (2, 0)] {
            for (transactional, verified) in [(false, false), (true, true), (true, false)] {
                let base_offset = offset;
                let origin = Origin::Client;
                all.push(Event::Data(Append {
                    producer_id,
                    producer_epoch,
                    base_sequence,
                    base_offset,
                    last_offset_delta,
                    timestamp,
                    transactional,
                    origin,
                    verified,
                }));
            }
        }
    }
    all
}

/// What one producer wrote, oldest first.
fn of(history: &[Event], producer_id: i64) -> Vec<Event> {
    history.iter().filter(|event| event.producer_id() == producer_id).copied().collect()
}

/// The batches since the epoch last changed.
fn batches(own: &[Event]) -> Vec<Append> {
    let epoch = own.last().map(Event::epoch);
    let of_epoch = own.iter().rev().take_while(|event| Some(event.epoch()) == epoch);
    let mut batches: Vec<_> = of_epoch
        .filter_map(|event| match event {
            Event::Data(append) => Some(*append),
            Event::Marker(_) => None,
        })
        .take(BATCHES_RETAINED)
        .collect();
    batches.reverse();
    batches
}

/// Where the transaction begins that no marker has ended.
fn open_since(own: &[Event]) -> Option<u64> {
    let since_marker = own.iter().rev().take_while(|event| matches!(event, Event::Data(_)));
    since_marker
        .filter_map(|event| match event {
            Event::Data(append) if append.transactional => Some(append.base_offset),
            _ => None,
        })
        .last()
}

fn expected_verdict(history: &[Event], append: &Append) -> Verdict {
    let own = of(history, append.producer_id);
    let current = own.last().map(Event::epoch);
    let same_epoch = current == Some(append.producer_epoch);
    let range = |append: &Append| (append.base_sequence, append.last_sequence());
    let twin = batches(&own).into_iter().find(|batch| same_epoch && range(batch) == range(append));
    let next = batches(&own).last().filter(|_| same_epoch).map_or(0, |last| last.last_sequence() + 1);
    let open = open_since(&own);
    match (twin, current, open) {
        (Some(twin), ..) => Verdict::Duplicate {
            first_offset: twin.base_offset,
            last_offset: twin.last_offset(),
            timestamp: twin.timestamp,
        },
        (_, _, open) if append.transactional && !append.verified && !(open.is_some() && same_epoch) => {
            Verdict::InvalidTxnState { current_txn_first_offset: None }
        }
        (_, Some(current), _) if append.producer_epoch < current => {
            Verdict::InvalidProducerEpoch { current, found: append.producer_epoch }
        }
        (_, Some(_), _) if append.base_sequence != next => {
            Verdict::OutOfOrderSequence { expected: next, found: append.base_sequence }
        }
        (_, _, Some(_)) if !append.transactional => {
            Verdict::InvalidTxnState { current_txn_first_offset: open }
        }
        _ => Verdict::Accept,
    }
}

fn expected_marker_verdict(history: &[Event], marker: &EndTxnMarker) -> MarkerVerdict {
    let own = of(history, marker.producer_id);
    let last_marker = own.iter().rev().find_map(|event| match event {
        Event::Marker(marker) => Some(marker.coordinator_epoch),
        Event::Data(_) => None,
    });
    let found = marker.producer_epoch;
    match (own.last().map(Event::epoch), last_marker) {
        (Some(current), _) if found < current => MarkerVerdict::InvalidProducerEpoch { current, found },
        (_, Some(current)) if marker.coordinator_epoch < current => {
            MarkerVerdict::TransactionCoordinatorFenced { current, found: marker.coordinator_epoch }
        }
        _ => MarkerVerdict::Accept,
    }
}

/// The transaction that the last event of `history` ends.
fn expected_completion(history: &[Event]) -> Option<CompletedTxn> {
    let (last, before) = history.split_last()?;
    let Event::Marker(marker) = last else { return None };
    let first_offset = open_since(&of(before, marker.producer_id))?;
    let others = [1, 2].into_iter().filter(|&producer_id| producer_id != marker.producer_id);
    let last_stable = others.filter_map(|producer_id| open_since(&of(before, producer_id))).min();
    Some(CompletedTxn {
        producer_id: marker.producer_id,
        first_offset,
        last_offset: marker.offset,
        aborted: marker.aborted,
        last_stable_offset: last_stable.unwrap_or(marker.offset + 1),
    })
}

fn expected_first_unstable(history: &[Event], high_watermark: u64) -> Option<u64> {
    let open = [1, 2].into_iter().filter_map(|producer_id| open_since(&of(history, producer_id)));
    let completed = (1..=history.len()).filter_map(|end| expected_completion(&history[..end]));
    let in_doubt = completed.filter(|txn| txn.last_offset >= high_watermark).map(|txn| txn.first_offset);
    open.chain(in_doubt).min()
}

fn replay(mut producers: Producers, events: &[Event]) -> Producers {
    for event in events {
        let _ = event.apply(&mut producers);
    }
    producers
}

/// A snapshot of any earlier moment and a replay lead to the same state, but that fewer batches may be remembered.
fn assert_recoverable(history: &[Event], producers: &Producers) {
    for taken_at in 0..=history.len() {
        let then = replay(Producers::new(), &history[..taken_at]);
        let snapshot = decode(&encode(&then)).expect("it was just encoded");
        let mut recovered = replay(snapshot, &history[taken_at..]);

        assert_eq!(encode(&recovered), encode(producers), "a snapshot after {taken_at} of {history:?}");
        for (ours, theirs) in recovered.iter().zip(producers.iter()) {
            let forgotten = theirs.batches().len() - ours.batches().len();
            assert!(ours.batches().eq(theirs.batches().skip(forgotten)), "{taken_at} of {history:?}");
        }
        recovered.high_watermark_advanced(u64::MAX);
        let mut settled = producers.clone();
        settled.high_watermark_advanced(u64::MAX);
        assert_eq!(recovered.first_unstable_offset(), settled.first_unstable_offset());
    }
}

/// Asks every question of this moment, then goes on from each that was answered with yes.
fn explore(history: &mut Vec<Event>, producers: &Producers, visited: &mut usize) {
    *visited += 1;
    let end = history.last().map_or(0, Event::next_offset);
    for high_watermark in 0..=end {
        let mut settled = producers.clone();
        settled.high_watermark_advanced(high_watermark);
        let expected = expected_first_unstable(history, high_watermark);
        assert_eq!(settled.first_unstable_offset(), expected, "{high_watermark}: {history:?}");
    }
    assert_recoverable(history, producers);
    for event in questions(end) {
        let accepted = match &event {
            Event::Data(append) => {
                let verdict = producers.check(append);
                assert_eq!(verdict, expected_verdict(history, append), "{append:?} after {history:?}");
                verdict == Verdict::Accept
            }
            Event::Marker(marker) => {
                let verdict = producers.check_marker(marker);
                assert_eq!(verdict, expected_marker_verdict(history, marker), "{marker:?} after {history:?}");
                verdict == MarkerVerdict::Accept
            }
        };
        // Once accepted, a batch is the same whether it was verified or not: one of the two is enough to go on from.
        let is_twin = matches!(&event, Event::Data(append) if append.transactional && !append.verified);
        if accepted && !is_twin && history.len() < EVENTS_MAX {
            let mut after = producers.clone();
            let completed = event.apply(&mut after);
            history.push(event);
            assert_eq!(completed, expected_completion(history), "{history:?}");
            explore(history, &after, visited);
            history.pop();
        }
    }
}

#[test]
fn every_short_history_is_judged_as_a_look_at_all_of_it_would() {
    let mut visited = 0;
    explore(&mut Vec::new(), &Producers::new(), &mut visited);
    assert!(visited > 10_000, "only {visited} histories were visited");
}
