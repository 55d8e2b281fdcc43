//! What a crash leaves of the bytes of a file.

use crate::disk::{Crash, Rng, SimDisk, Survival};
use brooklet::io::{File, Fs};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const SEEDS: u64 = 300;

fn path() -> &'static Path {
    Path::new("/f")
}

/// A disk whose file has a durable name and `synced` as durable bytes.
fn disk_with(synced: &[u8]) -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::new();
    let file = disk.create(path()).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(0, synced).unwrap();
    file.sync().unwrap();
    (disk, file)
}

/// What the file may be after a power cut, over many seeds.
fn outcomes(disk: &SimDisk) -> BTreeSet<Vec<u8>> {
    (0..SEEDS).map(|seed| after(disk, Crash::PowerCut { seed })).collect()
}

fn after(disk: &SimDisk, crash: Crash) -> Vec<u8> {
    let disk = disk.fork();
    disk.crash(crash);
    assert!(disk.is_durable(path()).unwrap() || crash == Crash::Kill);
    disk.peek(path()).unwrap()
}

#[test]
fn what_is_synced_survives_every_power_cut() {
    let bytes: Vec<u8> = (0..3000).map(|n| (n % 255) as u8 + 1).collect();
    let (disk, file) = disk_with(&bytes);
    assert_eq!(outcomes(&disk), BTreeSet::from([bytes.clone()]));
    file.write_all_at(3000, &[9; 700]).unwrap();
    let outcomes = outcomes(&disk);
    assert!(
        outcomes.iter().all(|outcome| outcome.starts_with(&bytes)),
        "appended bytes endangered synced ones"
    );
}

#[test]
fn an_unsynced_append_may_end_anywhere_and_lose_any_sector() {
    let (disk, file) = disk_with(&[1; 700]);
    file.write_all_at(700, &[2; 2000]).unwrap();
    let outcomes = outcomes(&disk);
    let lengths: BTreeSet<usize> = outcomes.iter().map(Vec::len).collect();
    assert!(lengths.contains(&700) && lengths.contains(&2700) && lengths.len() > 20, "{lengths:?}");
    assert!(lengths.iter().all(|&len| (700..=2700).contains(&len)));
    let whole = [vec![1; 700], vec![2; 2000]].concat();
    assert!(outcomes.contains(&whole), "all may survive");
    let has_hole = |bytes: &Vec<u8>| bytes[700..].contains(&0) && bytes.last() == Some(&2);
    assert!(outcomes.iter().any(has_hole), "a later sector may survive without an earlier one");
    assert!(
        outcomes.iter().all(|bytes| bytes[700..].iter().all(|b| [0, 2].contains(b))),
        "nothing is made up"
    );
}

#[test]
fn a_sector_written_in_place_may_be_old_new_torn_or_zero() {
    let (disk, file) = disk_with(&[1; 512]);
    file.write_all_at(0, &[2; 512]).unwrap();
    let outcomes = outcomes(&disk);
    for all in [0, 1, 2] {
        assert!(outcomes.contains(&vec![all; 512]), "never all {all}");
    }
    let is_torn = |bytes: &&Vec<u8>| bytes[0] == 2 && bytes[511] == 1 && bytes.is_sorted_by(|a, b| a >= b);
    assert!(outcomes.iter().filter(is_torn).count() > 5);
}

#[test]
fn every_version_since_the_last_sync_may_be_the_one_that_survives() {
    let (disk, file) = disk_with(&[1; 100]);
    for version in 2..=5 {
        file.write_all_at(0, &[version; 100]).unwrap();
    }
    let outcomes = outcomes(&disk);
    assert!((1..=5).all(|version| outcomes.contains(&vec![version; 100])));
}

#[test]
fn after_many_versions_the_first_and_the_last_are_still_possible() {
    let (disk, file) = disk_with(&[0; 10]);
    for version in 1..=100 {
        file.write_all_at(0, &[version; 10]).unwrap();
        file.truncate(10 + u64::from(version)).unwrap();
    }
    let outcomes: BTreeSet<(u8, usize)> =
        outcomes(&disk).iter().map(|bytes| (bytes[0], bytes.len())).collect();
    let bytes: BTreeSet<u8> = outcomes.iter().map(|outcome| outcome.0).collect();
    let lengths: BTreeSet<usize> = outcomes.iter().map(|outcome| outcome.1).collect();
    assert!(bytes.is_superset(&BTreeSet::from([0, 1, 100])), "{bytes:?}");
    assert!(lengths.is_superset(&BTreeSet::from([10, 11, 110])), "{lengths:?}");
}

#[test]
fn bytes_written_around_synced_ones_in_one_sector_do_not_endanger_them() {
    let (disk, file) = disk_with(&[1; 300]);
    file.write_all_at(0, &[2; 8]).unwrap();
    file.write_all_at(300, &[3; 100]).unwrap();
    assert!(outcomes(&disk).iter().all(|bytes| bytes[8..300] == [1; 292]));
}

#[test]
fn an_unsynced_cut_may_come_back_and_a_synced_one_may_not() {
    let (disk, file) = disk_with(&[1; 2000]);
    file.truncate(600).unwrap();
    let lengths: BTreeSet<usize> = outcomes(&disk).iter().map(Vec::len).collect();
    assert_eq!(lengths, BTreeSet::from([600, 2000]));
    assert!(outcomes(&disk).contains(&vec![1; 2000]), "the bytes come back with the length");
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([vec![1; 600]]));
    file.truncate(2000).unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([[vec![1; 600], vec![0; 1400]].concat()]));
}

#[test]
fn allocated_space_survives_as_zeros_or_not_at_all() {
    let (disk, file) = disk_with(&[1; 10]);
    file.allocate(5000).unwrap();
    let outcomes = outcomes(&disk);
    assert!(outcomes.iter().all(|bytes| bytes[..10] == [1; 10] && bytes[10..].iter().all(|&b| b == 0)));
    assert!([10, 5000].iter().all(|&len| outcomes.iter().any(|bytes| bytes.len() == len)));
}

#[test]
fn a_kill_keeps_everything_but_makes_nothing_durable() {
    let (disk, file) = disk_with(&[1; 10]);
    file.write_all_at(10, &[2; 10]).unwrap();
    disk.crash(Crash::Kill);
    assert_eq!(disk.peek(path()).unwrap(), [[1; 10], [2; 10]].concat());
    assert!(!disk.is_durable(path()).unwrap());
    assert!(outcomes(&disk).contains(&vec![1; 10]), "a power cut after a kill takes what was never synced");
}

#[test]
fn handles_are_dead_after_a_crash() {
    let (disk, file) = disk_with(&[1; 10]);
    disk.crash(Crash::Kill);
    let ops = disk.ops();
    let errors = [
        file.len().err(),
        file.read_at(0, 1).err(),
        file.write_at(0, b"x").err(),
        file.allocate(1).err(),
        file.truncate(0).err(),
        file.sync().err(),
    ];
    assert!(errors.iter().all(|error| error.as_ref().unwrap().kind() == std::io::ErrorKind::Other));
    assert_eq!((disk.ops(), disk.peek(path()).unwrap()), (ops, vec![1; 10]));
    assert!(disk.open(path()).unwrap().write_at(0, b"x").is_ok(), "the disk lives on");
}

#[test]
fn each_survival_leaves_what_it_says() {
    let (disk, file) = disk_with(&[1; 2048]);
    for sector in 0..4 {
        file.write_all_at(sector * 512, &[2; 512]).unwrap();
    }
    let left = |survival| -> BTreeSet<Vec<u8>> {
        (0..SEEDS).map(|seed| after(&disk, Crash::PowerCutWith { seed, survival })).collect()
    };
    let with = |new: &[usize]| {
        (0..4).flat_map(|sector| [if new.contains(&sector) { 2 } else { 1 }; 512]).collect::<Vec<u8>>()
    };
    assert_eq!(left(Survival::Nothing), BTreeSet::from([with(&[])]));
    assert_eq!(left(Survival::NamesOnly), BTreeSet::from([with(&[])]));
    assert_eq!(left(Survival::Everything), BTreeSet::from([with(&[0, 1, 2, 3])]));
    assert_eq!(left(Survival::BytesOnly), BTreeSet::from([with(&[0, 1, 2, 3])]));
    let newest = [&[0, 1, 2, 3][..], &[1, 2, 3], &[2, 3], &[3]].map(with);
    assert_eq!(left(Survival::Newest), BTreeSet::from(newest));
    let oldest = left(Survival::Oldest);
    let whole = [&[][..], &[0], &[0, 1], &[0, 1, 2], &[0, 1, 2, 3]].map(with);
    assert!(whole.iter().all(|bytes| oldest.contains(bytes)), "the order may be kept exactly");
    assert!(oldest.len() > whole.len(), "the write at the end of it may be torn");
    assert!(left(Survival::PerFile).is_superset(&BTreeSet::from([with(&[]), with(&[0, 1, 2, 3])])));
    assert!(left(Survival::Mixed).contains(&with(&[0, 2])));
}

#[test]
fn every_survival_is_drawn_by_some_seed() {
    let (disk, file) = disk_with(&[]);
    file.write_all_at(0, &[1; 1024]).unwrap();
    let all = outcomes(&disk);
    for survival in Survival::ALL {
        let forced = after(&disk, Crash::PowerCutWith { seed: 3, survival });
        let is_free = matches!(survival, Survival::Mixed | Survival::PerFile | Survival::Oldest);
        assert!(is_free || all.contains(&forced), "{survival:?}");
    }
}

#[test]
fn a_flipped_bit_survives_syncs_and_power_cuts() {
    let (disk, file) = disk_with(&[0b1000; 600]);
    file.write_all_at(0, &[0b1000; 600]).unwrap();
    disk.flip(path(), 599, 0b0001).unwrap();
    assert!(outcomes(&disk).iter().all(|bytes| [0, 0b1001].contains(&bytes[599]) && bytes[598] == 0b1000));
    file.sync().unwrap();
    assert_eq!(file.read_at(598, 2).unwrap(), &[0b1000, 0b1001][..]);
    assert!(disk.flip(path(), 600, 1).is_err(), "there is no byte behind the end");
}

#[test]
fn a_fork_knows_nothing_of_what_happens_to_the_other() {
    let (disk, file) = disk_with(&[1; 600]);
    file.write_all_at(0, &[2; 600]).unwrap();
    let fork = disk.fork();
    file.write_all_at(0, &[3; 600]).unwrap();
    file.sync().unwrap();
    disk.remove(path()).unwrap();
    assert_eq!(fork.peek(path()).unwrap(), vec![2; 600]);
    let forked = fork.open(path()).unwrap();
    forked.write_all_at(0, &[4; 600]).unwrap();
    assert_eq!(file.read_at(0, 600).unwrap(), vec![3; 600]);
    assert!(fork.lock(path()).is_ok());
}

#[test]
fn chance_is_seeded_and_keeps_its_bounds() {
    let draw = |seed| (0..50).map(|_| Rng::new(seed).draw()).collect::<Vec<_>>();
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let mut rng = Rng::new(1);
    let between: BTreeSet<u64> = (0..200).map(|_| rng.between(5, 2)).collect();
    assert_eq!(between, BTreeSet::from([2, 3, 4, 5]));
    assert_eq!((rng.below(0), rng.between(0, u64::MAX) > 0), (0, true));
    assert!((0..200).map(|_| rng.index(3)).all(|index| index < 3));
}
