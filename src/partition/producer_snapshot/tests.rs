//! What a snapshot keeps, to the byte, and what becomes of damaged ones.

use super::*;
use crate::partition::{Append, EndTxnMarker, Origin, Verdict};

const GOLDEN: &str = "00015eb2b7dd0000000100000000000000010000000000050000000000000029000000020000018bcfe56800\
                      ffffffffffffffffffffffff";

fn golden() -> Vec<u8> {
    (0..GOLDEN.len()).step_by(2).map(|at| u8::from_str_radix(&GOLDEN[at..at + 2], 16).unwrap()).collect()
}

fn batch(producer_id: i64, base_sequence: i32, base_offset: u64, last_offset_delta: i32) -> Append {
    Append {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        base_offset,
        last_offset_delta,
        timestamp: Timestamp::from_millis(1_700_000_000_000),
        transactional: false,
        origin: Origin::Client,
        verified: true,
    }
}

fn marker(producer_id: i64, offset: u64) -> EndTxnMarker {
    let timestamp = Timestamp::from_millis(1_700_000_000_500);
    EndTxnMarker { producer_id, producer_epoch: 1, coordinator_epoch: 3, offset, timestamp, aborted: true }
}

/// One producer with several batches, one in a transaction, one that only a marker is known of.
fn three_producers() -> Producers {
    let mut producers = Producers::new();
    producers.apply(&batch(1, 0, 10, 4));
    producers.apply(&batch(1, 5, 15, 0));
    producers.apply(&Append { transactional: true, ..batch(2, i32::MAX - 1, 16, 3) });
    assert_eq!(producers.apply_marker(&marker(3, 20)), None);
    producers
}

/// Gives changed bytes the checksum that they would have had.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[COUNT_AT..]);
    put(&mut bytes, CRC_AT, crc.to_be_bytes());
    bytes
}

#[test]
fn one_producer_is_56_known_bytes() {
    let mut producers = Producers::new();
    producers.apply(&batch(1, 3, 39, 2));
    assert_eq!(encode(&producers), golden());
    assert_eq!(decode(&golden()), Ok(producers));
}

#[test]
fn of_each_producer_the_last_batch_is_kept() {
    let before = three_producers();
    let after = decode(&encode(&before)).unwrap();

    assert_eq!(
        after.get(1).unwrap().batches().collect::<Vec<_>>(),
        [before.get(1).unwrap().last_batch().unwrap()]
    );
    assert_eq!(after.get(2), before.get(2));
    assert_eq!(after.get(3), before.get(3));
    assert_eq!(after.first_unstable_offset(), Some(16));
    assert_eq!(encode(&after), encode(&before));
}

#[test]
fn after_a_restart_the_last_batch_is_still_a_duplicate_and_the_one_before_is_not() {
    let restored = decode(&encode(&three_producers())).unwrap();
    assert!(matches!(restored.check(&batch(1, 5, 21, 0)), Verdict::Duplicate { first_offset: 15, .. }));
    assert_eq!(restored.check(&batch(1, 0, 21, 4)), Verdict::OutOfOrderSequence { expected: 6, found: 0 });
    assert_eq!(restored.check(&batch(1, 6, 21, 0)), Verdict::Accept);
}

#[test]
fn sequences_that_start_over_within_a_batch_survive() {
    let restored = decode(&encode(&three_producers())).unwrap();
    let last = restored.get(2).unwrap().last_batch().unwrap();
    assert_eq!((last.first_sequence, last.last_sequence), (i32::MAX - 1, 1));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let intact = encode(&three_producers());
    for bit in 0..intact.len() * 8 {
        let mut bytes = intact.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_byte_too_much_is_a_wrong_length() {
    let intact = encode(&three_producers());
    let mut longer = intact.clone();
    for bytes in 0..intact.len() {
        let expected = if bytes < HEADER_BYTES { HEADER_BYTES } else { intact.len() } as u64;
        let found = bytes as u64;
        assert_eq!(decode(&intact[..bytes]), Err(SnapshotDamage::Length { expected, found }));
    }
    longer.push(0);
    let (expected, found) = (intact.len() as u64, longer.len() as u64);
    assert_eq!(decode(&longer), Err(SnapshotDamage::Length { expected, found }));
}

#[test]
fn a_count_that_no_file_could_hold_is_a_wrong_length() {
    for count in [-1_i32, i32::MIN, i32::MAX] {
        let mut bytes = encode(&Producers::new());
        put(&mut bytes, COUNT_AT, count.to_be_bytes());
        let damage = decode(&with_checksum(bytes));
        assert!(matches!(damage, Err(SnapshotDamage::Length { found: 10, .. })), "{count}: {damage:?}");
    }
}

#[test]
fn damage_is_named() {
    let mut version = golden();
    put(&mut version, VERSION_AT, 2_i16.to_be_bytes());
    assert_eq!(decode(&version), Err(SnapshotDamage::Version { found: 2 }));

    let mut checksum = golden();
    put(&mut checksum, CRC_AT, 7_u32.to_be_bytes());
    let damage = SnapshotDamage::Checksum { expected: 7, found: 0x5eb2_b7dd };
    assert_eq!(decode(&checksum), Err(damage));
    assert!(damage.to_string().contains("0x5eb2b7dd"), "{damage}");
}

#[test]
fn impossible_entries_are_refused_though_their_checksum_holds() {
    let second = HEADER_BYTES + ENTRY_BYTES;
    for delta in [-1_i32, i32::MIN, 20] {
        let mut bytes = encode(&three_producers());
        put(&mut bytes, second + OFFSET_DELTA_AT, delta.to_be_bytes());
        assert_eq!(decode(&with_checksum(bytes)), Err(SnapshotDamage::Entry { at: 1 }), "delta {delta}");
    }
    let mut twice = encode(&three_producers());
    put(&mut twice, second + PRODUCER_ID_AT, 1_i64.to_be_bytes());
    assert_eq!(decode(&with_checksum(twice)), Err(SnapshotDamage::Entry { at: 1 }));
}

#[test]
fn a_batch_may_begin_at_offset_zero() {
    let mut producers = Producers::new();
    producers.apply(&batch(1, 0, 0, 4));
    assert_eq!(decode(&encode(&producers)), Ok(producers));
}
