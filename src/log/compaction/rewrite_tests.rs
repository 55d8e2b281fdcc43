//! The rule, case by case.

use super::*;
use crate::record::{BatchBuilder, Compression, ControlRecord, RecordParts};

const RETENTION: Duration = Duration::from_millis(100);

/// A batch of records: keys, and values where they have one.
fn batch(base_offset: u64, producer_id: Option<i64>, records: &[(Option<&str>, Option<&str>)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some(producer_id) = producer_id {
        builder.producer(producer_id, 0, 5).transactional(true);
    }
    for (key, value) in records {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let timestamp = Some(Timestamp::from_millis(7));
        builder.push(&RecordParts { timestamp, key, value, headers: &[] }).unwrap();
    }
    let mut batch = builder.build().unwrap();
    batch.assign(base_offset, 0);
    batch.bytes().to_vec()
}

fn marker(base_offset: u64, control: ControlRecord) -> Vec<u8> {
    let mut bytes = control.encode(1, 0, Timestamp::from_millis(7)).unwrap();
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes
}

/// A pass at `now` over one batch, when these keys had been read up to offset 100.
fn pass(now: i64, keys: &[(&str, u64)], aborted: &[AbortedTransaction], bytes: &[u8]) -> Decision {
    passes(now, keys, aborted, &[bytes], false).remove(0)
}

fn passes(
    now: i64,
    keys: &[(&str, u64)],
    aborted: &[AbortedTransaction],
    batches: &[&[u8]],
    is_last: bool,
) -> Vec<Decision> {
    let mut map = KeyMap::new(1 << 20);
    keys.iter().for_each(|(key, offset)| assert!(map.put(key.as_bytes(), *offset)));
    let rule = Rule {
        keys: &map,
        newest: &Newest::default(),
        keys_end: 100,
        now: Timestamp::from_millis(now),
        delete_retention: RETENTION,
        is_last_of_producer: &|_| is_last,
    };
    let mut transactions = CleanedTransactions::new(aborted.to_vec());
    let decide = |bytes: &&[u8]| rule.rewrite(&Batch::decode(bytes).unwrap(), &mut transactions).unwrap();
    batches.iter().map(decide).collect()
}

fn offsets(bytes: &[u8]) -> Vec<u64> {
    let batch = Batch::decode(bytes).unwrap();
    batch.records().unwrap().iter().map(|record| record.unwrap().offset()).collect()
}

fn changed(decision: &Decision) -> Vec<u8> {
    match &decision.rewritten {
        Rewritten::Changed(bytes) => bytes.clone(),
        other => panic!("it is {other:?}"),
    }
}

fn horizon(bytes: &[u8]) -> Option<i64> {
    Batch::decode(bytes).unwrap().header().delete_horizon().map(Timestamp::as_millis)
}

const A: (Option<&str>, Option<&str>) = (Some("a"), Some("1"));
const B: (Option<&str>, Option<&str>) = (Some("b"), Some("2"));
const NO_KEY: (Option<&str>, Option<&str>) = (None, Some("3"));
const TOMBSTONE: (Option<&str>, Option<&str>) = (Some("t"), None);

#[test]
fn of_each_key_the_newest_stays() {
    let bytes = batch(10, None, &[A, B, A]);
    let newest = [("a", 12), ("b", 11)];
    let decision = pass(0, &newest, &[], &bytes);
    assert_eq!((offsets(&changed(&decision)), decision.records_dropped), (vec![11, 12], 1));
    let decision = pass(0, &[("a", 50), ("b", 11)], &[], &bytes);
    assert_eq!(offsets(&changed(&decision)), [11]);
    let decision = pass(0, &[("a", 50), ("b", 51)], &[], &bytes);
    assert_eq!((decision.rewritten, decision.records_dropped), (Rewritten::Dropped, 3));
    assert_eq!(
        pass(0, &[], &[], &bytes).rewritten,
        Rewritten::AsItWas,
        "of these keys there is nothing newer"
    );
}

#[test]
fn what_has_no_key_goes_and_what_lies_behind_the_keys_stays() {
    assert_eq!(pass(0, &[], &[], &batch(10, None, &[NO_KEY])).rewritten, Rewritten::Dropped);
    let behind = batch(99, None, &[NO_KEY, NO_KEY, A, TOMBSTONE]);
    let kept = changed(&pass(0, &[("a", 150)], &[], &behind));
    assert_eq!((offsets(&kept), horizon(&kept)), (vec![100, 101, 102], Some(100)));
}

#[test]
fn a_tombstone_is_stamped_by_the_first_pass_and_dropped_by_one_after_its_horizon() {
    let bytes = batch(10, None, &[A, TOMBSTONE]);
    let keys = [("a", 10), ("t", 11)];
    let stamped = changed(&pass(1_000, &keys, &[], &bytes));
    assert_eq!((offsets(&stamped), horizon(&stamped)), (vec![10, 11], Some(1_100)));
    assert_eq!(pass(1_099, &keys, &[], &stamped).rewritten, Rewritten::AsItWas);
    let dropped = pass(1_100, &keys, &[], &stamped);
    assert_eq!((offsets(&changed(&dropped)), dropped.tombstones_dropped), (vec![10], 1));
    assert_eq!(horizon(&changed(&dropped)), Some(1_100));
    let superseded = pass(1_000, &[("a", 10), ("t", 50)], &[], &stamped);
    assert_eq!(offsets(&changed(&superseded)), [10], "a newer record of its key needs no horizon");
}

#[test]
fn what_was_aborted_goes_at_once_and_its_marker_two_passes_later() {
    let entry =
        AbortedTransaction { producer_id: 1, first_offset: 10, last_offset: 12, last_stable_offset: 13 };
    let (data, abort) =
        (batch(10, Some(1), &[A, B]), marker(12, ControlRecord::Abort { coordinator_epoch: 0 }));
    let first = passes(1_000, &[], &[entry], &[&data, &abort], false);
    assert_eq!((&first[0].rewritten, first[0].records_dropped), (&Rewritten::Dropped, 2));
    assert_eq!((&first[1].rewritten, first[1].aborted), (&Rewritten::AsItWas, Some(entry)));
    let second = pass(2_000, &[], &[entry], &abort);
    assert_eq!((horizon(&changed(&second)), second.aborted), (Some(2_100), None));
    let stamped = changed(&second);
    assert_eq!(pass(2_099, &[], &[], &stamped).rewritten, Rewritten::AsItWas);
    let third = pass(2_100, &[], &[], &stamped);
    assert_eq!((&third.rewritten, third.markers_dropped), (&Rewritten::Dropped, 1));
}

#[test]
fn a_commit_stays_as_long_as_there_is_a_batch_that_it_speaks_for() {
    let (data, commit) =
        (batch(10, Some(1), &[A]), marker(12, ControlRecord::Commit { coordinator_epoch: 0 }));
    for keys in [&[("a", 10)][..], &[("a", 50)]] {
        assert_eq!(passes(0, keys, &[], &[&data, &commit], false)[1].rewritten, Rewritten::AsItWas);
    }
    assert_eq!(horizon(&changed(&pass(5, &[], &[], &commit))), Some(105));
    let emptied = passes(0, &[("a", 50)], &[], &[&data, &commit], true);
    let Rewritten::Emptied(bytes) = &emptied[0].rewritten else { panic!("{emptied:?}") };
    let again = passes(0, &[("a", 50)], &[], &[bytes, &commit], true);
    assert_eq!((&again[0].rewritten, &again[1].rewritten), (&Rewritten::AsItWas, &Rewritten::AsItWas));
}

#[test]
fn the_last_batch_of_a_producer_and_of_the_pass_is_emptied_and_not_dropped() {
    let newer = [("a", 500)];
    let of_producer = passes(0, &newer, &[], &[&batch(10, Some(1), &[A])], true).remove(0);
    let Rewritten::Emptied(bytes) = of_producer.rewritten else { panic!("{of_producer:?}") };
    let header = *Batch::decode(&bytes).unwrap().header();
    assert_eq!((header.last_sequence(), header.records_count, header.size), (5, 0, 61));
    assert_eq!(passes(0, &newer, &[], &[&batch(10, None, &[A])], true)[0].rewritten, Rewritten::Dropped);
    assert!(matches!(pass(0, &newer, &[], &batch(99, None, &[A])).rewritten, Rewritten::Emptied(_)));
    assert_eq!(pass(0, &newer, &[], &batch(98, None, &[A])).rewritten, Rewritten::Dropped);
}
