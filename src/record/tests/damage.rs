//! Bytes that were a batch once: every kind of damage is seen, and none of it panics.

use super::*;

/// Looks at everything that there is in whatever `bytes` hold.
fn look(bytes: &mut [u8]) -> bool {
    let mut is_valid = false;
    if let Ok(batch) = Batch::decode(bytes) {
        is_valid = see(&batch).is_ok();
        let _ = batch.control();
        let header = batch.header();
        let _ = (header.last_offset(), header.next_offset(), header.last_sequence(), header.delete_horizon());
    }
    is_valid & EncodedBatch::from_bytes(bytes).is_ok()
}

fn marker() -> Vec<u8> {
    ControlRecord::Abort { coordinator_epoch: 5 }
        .encode(7, 2, Timestamp::from_millis(9))
        .expect("it is a marker")
}

fn batches() -> impl Iterator<Item = Vec<u8>> {
    available().map(rich_batch).chain([marker()])
}

#[test]
fn every_flipped_bit_that_the_checksum_covers_is_seen() {
    for mut batch in batches() {
        for bit in 8 * layout::CRC..8 * batch.len() {
            batch[bit / 8] ^= 1 << (bit % 8);
            assert!(Batch::decode(&batch).is_err(), "bit {bit}");
            batch[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn flipped_bits_before_the_checksum_move_the_batch_and_do_not_change_its_records() {
    for batch in batches() {
        let values =
            |seen: Vec<Seen>| -> Vec<_> { seen.into_iter().map(|seen| (seen.key, seen.value)).collect() };
        let expected = values(see(&Batch::decode(&batch).expect("we built it")).expect("we built it"));
        for bit in 0..8 * layout::CRC {
            let mut flipped = batch.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(batch) = Batch::decode(&flipped) {
                let is_offset = (0..8 * layout::LENGTH).contains(&bit);
                let is_epoch = (8 * layout::LEADER_EPOCH..8 * layout::MAGIC).contains(&bit);
                assert!(is_offset || is_epoch, "bit {bit}");
                assert_eq!(see(&batch).map(values), Ok(expected.clone()));
            }
        }
    }
}

#[test]
fn flipped_bits_that_the_checksum_was_made_to_cover_never_panic() {
    for mut batch in batches() {
        assert!(look(&mut batch));
        for bit in 0..8 * batch.len() {
            let mut flipped = batch.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            reseal(&mut flipped);
            look(&mut flipped);
        }
    }
}

#[test]
fn a_batch_that_ends_early_is_incomplete_at_every_length() {
    for batch in batches() {
        for len in 0..batch.len() {
            let needed = if len < layout::HEADER_LEN { layout::HEADER_LEN } else { batch.len() };
            let expected = Invalid::Incomplete { needed, available: len };
            assert_eq!(Batch::decode(&batch[..len]).map(drop), Err(expected));
        }
    }
}

#[test]
fn bytes_behind_a_batch_are_none_of_its_business() {
    let batch = rich_batch(Compression::None);
    let mut bytes = batch.clone();
    bytes.extend_from_slice(&[0xff; 100]);
    assert_eq!(Batch::decode(&bytes).map(|found| found.bytes().to_vec()), Ok(batch));
}

#[test]
fn zeros_are_not_a_batch() {
    assert_eq!(Batch::decode(&[0; 4096]).map(drop), Err(Invalid::Magic { found: 0 }));
    let mut zeros = [0; 4096];
    zeros[layout::MAGIC] = layout::MAGIC_V2;
    assert_eq!(Batch::decode(&zeros).map(drop), Err(Invalid::Length { found: 0 }));
}
