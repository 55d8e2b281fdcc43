//! Snapshots that are lost, torn, flipped, ahead of the log, or below its start.

use super::*;
use crate::io::read_file;

/// Two snapshots, at 5 and at 10, and a batch behind them. The first knows of less.
fn saved_twice() -> World {
    let world = World::lived_in();
    world.state.save().unwrap();
    world.send(1, 0, 5, 1).unwrap();
    assert_eq!(world.snapshots(), ["5", "10"]);
    world
}

fn saved_at(world: &World) -> Option<u64> {
    world.state.loaded().unwrap().known.as_ref().unwrap().saved_at
}

fn bytes_of(world: &World, offset: u64) -> Vec<u8> {
    read_file(&world.fs, &world.snapshot_path(offset), 1 << 20).unwrap().unwrap().to_vec()
}

#[test]
fn the_newest_snapshot_is_loaded_and_what_lies_behind_it_is_replayed() {
    let world = saved_twice();
    let before = world.kept();
    let world = world.killed();
    assert_eq!((saved_at(&world), world.kept()), (Some(10), before));
    let entry = &world.state.producers().unwrap()[0];
    assert_eq!(entry.batches().len(), 2, "the last of the snapshot, and the one behind it");
}

#[test]
fn a_snapshot_that_is_lost_is_replaced_by_the_one_before_it_or_by_the_log() {
    let world = saved_twice();
    let before = world.kept();
    world.fs.remove(&world.snapshot_path(10)).unwrap();
    let world = world.killed();
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()));
    world.fs.remove(&world.snapshot_path(5)).unwrap();
    let world = world.killed();
    assert_eq!((saved_at(&world), world.kept()), (None, before));
}

#[test]
fn a_torn_snapshot_is_passed_over_wherever_it_is_torn_and_stays_until_it_is_replaced() {
    let world = saved_twice();
    let (before, whole, path) = (world.kept(), bytes_of(&world, 10), world.snapshot_path(10));
    let mut world = world.killed();
    for len in 0..whole.len() {
        let torn = [whole[..len].to_vec(), [&whole[..len], &vec![0; whole.len() - len]].concat()];
        for bytes in torn.iter().filter(|bytes| **bytes != whole) {
            write(&world.fs, &path, bytes);
            world.state.reload();
            assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()), "torn at {len}");
        }
    }
    world = world.killed();
    assert_eq!((saved_at(&world), world.snapshots()), (Some(5), vec!["5".into(), "10".into()]));
    world.state.save().unwrap();
    assert_eq!(world.killed().kept(), before);
}

#[test]
fn a_flipped_bit_anywhere_is_passed_over() {
    let world = saved_twice();
    let (before, whole, path) = (world.kept(), bytes_of(&world, 10), world.snapshot_path(10));
    let world = world.killed();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        write(&world.fs, &path, &bytes);
        world.state.reload();
        assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()), "bit {bit}");
    }
}

#[test]
fn what_is_named_like_a_snapshot_and_is_no_file_is_passed_over() {
    let world = saved_twice();
    let before = world.kept();
    world.fs.remove(&world.snapshot_path(10)).unwrap();
    world.fs.create_dir(&world.snapshot_path(10)).unwrap();
    write(&world.fs, &world.log.path().join("99999999999999999999.snapshot"), b"no offset");
    let world = world.killed();
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before));
}

/// A snapshot that says of producer 1 that it has written up to sequence 99, at the offsets before 60.
fn lie() -> Vec<u8> {
    let mut producers = Producers::new();
    let batch = Append {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 99,
        base_offset: 58,
        last_offset_delta: 0,
        timestamp: Timestamp::from_millis(0),
        transactional: false,
        origin: Origin::Client,
        verified: false,
    };
    producers.apply(&batch);
    encode(&producers)
}

#[test]
fn a_snapshot_ahead_of_the_log_is_never_believed_not_even_when_the_log_has_grown_past_it() {
    let world = World::lived_in();
    let before = world.kept();
    write(&world.fs, &world.snapshot_path(60), &lie());
    let world = world.closed();
    (0..30).for_each(|_| _ = world.send_plain(3));
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()), "the log ended before it");
    let world = world.closed();
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()), "the log does not bear it out");
}

#[test]
fn a_snapshot_ahead_of_the_log_is_not_believed_though_there_is_no_batch_to_contradict_it() {
    let world = World::lived_in();
    let before = world.kept();
    let mut fencing = Producers::new();
    fencing.apply_marker(&EndTxnMarker {
        producer_id: 1,
        producer_epoch: 9,
        coordinator_epoch: 9,
        offset: 59,
        timestamp: Timestamp::from_millis(0),
        aborted: true,
    });
    write(&world.fs, &world.snapshot_path(60), &encode(&fencing));
    let world = world.closed();
    (0..30).for_each(|_| _ = world.send_plain(3));
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before.clone()));
    world.state.save().unwrap();
    let world = world.closed();
    assert_eq!((saved_at(&world), world.kept()), (Some(100), before), "a new one has replaced it");
}

#[test]
fn saving_removes_what_was_ahead_of_the_log_and_what_a_crash_left_unfinished() {
    let world = World::lived_in();
    write(&world.fs, &world.snapshot_path(60), &lie());
    let world = world.closed();
    world.send(1, 0, 5, 1).unwrap();
    (0..30).for_each(|_| _ = world.send_plain(3));
    write(&world.fs, &world.log.path().join(format!("{:020}.snapshot.tmp", 3)), b"unfinished");
    write(&world.fs, &world.log.path().join("notes.snapshot.txt"), b"somebody's own");
    world.state.save().unwrap();
    assert_eq!(world.snapshots(), ["5", "101", "notes.txt"]);
}

#[test]
fn a_snapshot_that_contradicts_itself_is_not_believed() {
    let world = World::lived_in();
    let before = world.kept();
    (0..20).for_each(|_| _ = world.send_plain(3));
    write(&world.fs, &world.snapshot_path(20), &lie());
    let world = world.closed();
    assert_eq!((saved_at(&world), world.kept()), (Some(5), before));
}

#[test]
fn two_snapshots_are_kept_and_the_same_is_not_written_twice() {
    let world = World::lived_in();
    for sequence in 5..9 {
        world.send(1, 0, sequence, 1).unwrap();
        world.state.save().unwrap();
    }
    assert_eq!(world.snapshots(), ["13", "14"]);
    world.fs.remove(&world.snapshot_path(14)).unwrap();
    world.state.save().unwrap();
    assert_eq!(world.snapshots(), ["13"], "nothing has happened since");
}

#[test]
fn a_snapshot_at_the_start_of_the_log_still_counts_and_one_below_it_does_not() {
    let world = saved_twice();
    world.log.advance_start(10).unwrap();
    let world = world.killed();
    assert_eq!(saved_at(&world), Some(10));
    assert_eq!(world.kept()[1], (2, 5, Some((1, 9)), Some(3), Some(9)), "its batches can be read no more");

    world.log.advance_start(11).unwrap();
    let world = world.killed();
    assert_eq!((saved_at(&world), world.kept()), (None, vec![]));
    assert!(!world.send(1, 0, 77, 1).unwrap().is_duplicate, "whoever is unknown may go on anywhere");
}

#[test]
fn damaged_batches_are_stepped_over() {
    let world = World::new();
    for (id, sequence) in [(1, 0), (2, 0), (3, 0), (1, 1)] {
        world.send(id, 0, sequence, 1).unwrap();
    }
    let world = world.closed();
    let path = world.log.path().join("00000000000000000000.log");
    let at = data((1, 0, 0), 1, false, world.clock.now()).len() as u64 + 70;
    let file = world.fs.open(&path).unwrap();
    let byte = file.read_exact_at(at, 1).unwrap()[0];
    file.write_all_at(at, &[byte ^ 4]).unwrap();
    let known: Vec<_> = world.kept().iter().map(|kept| (kept.0, kept.2)).collect();
    assert_eq!(known, [(1, Some((1, 3))), (3, Some((0, 2)))]);
}

#[test]
fn a_snapshot_whose_witness_is_damaged_still_counts() {
    let world = World::new();
    world.send(1, 0, 0, 1).unwrap();
    world.state.save().unwrap();
    let (before, world) = (world.kept(), world.closed());
    let file = world.fs.open(&world.log.path().join("00000000000000000000.log")).unwrap();
    let byte = file.read_exact_at(70, 1).unwrap()[0];
    file.write_all_at(70, &[byte ^ 4]).unwrap();
    assert!(world.log.read(&Cursor::at(0), ReadLimit::bytes(1)).unwrap().batches().next().unwrap().is_err());
    assert_eq!((saved_at(&world), world.kept()), (Some(1), before));
}
