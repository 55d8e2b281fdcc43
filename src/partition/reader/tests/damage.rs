//! Damage: what lies before it is handed out, then it is said, and it stays said.

use super::*;
use std::ops::Range;

/// Where each batch of the log lies in its file.
fn places(world: &World) -> Vec<Range<usize>> {
    let chunk = world.log.read(&Cursor::at(0), ReadLimit::bytes(MANY)).unwrap();
    let mut at = 0;
    let place = |batch: Result<crate::record::Batch<'_>>| {
        let start = at;
        at += batch.unwrap().bytes().len();
        start..at
    };
    chunk.batches().map(place).collect()
}

fn assert_damage(reader: &mut PartitionReader, position: usize, lost: Range<u64>) {
    let before = reader.position();
    let mut records = Records::new();
    match reader.fetch(&mut records, MANY, MANY, ALL).unwrap_err() {
        Error::Corrupt { position: at, offsets, path, .. } => {
            assert_eq!((at, offsets), (position as u64, lost));
            assert!(path.ends_with("orders-3/00000000000000000000.log"), "{}", path.display());
        }
        other => panic!("{other}"),
    }
    assert_eq!((records.len(), reader.position()), (0, before));
}

/// Damages the second of three batches and reads on from the first.
fn read_around(damage: impl FnOnce(&mut [u8])) {
    let world = World::of(&[2, 3, 2]);
    let middle = places(&world)[1].clone();
    let whole = std::cell::OnceCell::new();
    world.change(|bytes| {
        whole.set(bytes.clone()).unwrap();
        damage(&mut bytes[middle.clone()]);
    });
    for records_max in [1, MANY] {
        let mut reader = world.reader(0);
        let mut before = Vec::new();
        while before.len() < 2 {
            before.extend(fetch(&mut reader, records_max, MANY, ALL));
        }
        assert_eq!(before, [0, 1], "what lies before the damage comes first");
        assert_damage(&mut reader, middle.start, 2..5);
        assert_damage(&mut reader, middle.start, 2..5);
        reader.seek(5);
        assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [5, 6]);
    }
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [0, 1]);
    assert_damage(&mut reader, middle.start, 2..5);
    world.change(|bytes| bytes.clone_from(whole.get().unwrap()));
    assert_eq!(fetch(&mut reader, MANY, MANY, ALL), [2, 3, 4, 5, 6], "the file was mended");
}

#[test]
fn a_batch_whose_checksum_does_not_hold() {
    read_around(|batch| batch[layout::HEADER_LEN + 9] ^= 1);
}

#[test]
fn a_batch_whose_records_cannot_be_read_gives_none_of_them() {
    read_around(|batch| {
        let last = batch.len() - 1;
        batch[last] = 9; // The last record counts more headers than it has.
        seal(batch);
    });
}

#[test]
fn a_batch_that_does_not_decompress() {
    read_around(|batch| {
        batch[layout::ATTRIBUTES + 1] = Compression::Lz4.id();
        seal(batch);
    });
}

#[test]
fn damage_in_a_batch_that_is_cut_through_is_met_at_its_first_record() {
    let world = World::of(&[2, 5]);
    let second = places(&world)[1].clone();
    world.change(|bytes| {
        let batch = &mut bytes[second.clone()];
        let last = batch.len() - 1;
        batch[last] = 9;
        seal(batch);
    });
    let mut reader = world.reader(0);
    assert_eq!(fetch(&mut reader, 3, MANY, ALL), [0, 1]);
    assert_eq!(reader.position(), 2);
    assert_damage(&mut reader, second.start, 2..7);
}
