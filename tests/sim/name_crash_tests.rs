//! What a crash leaves of names: each survives only by the sync of its directory.

use crate::disk::{Crash, SimDisk, Survival};
use brooklet::io::{File, Fs};
use std::collections::BTreeSet;
use std::path::Path;

const SEEDS: u64 = 300;

/// A disk with files of these names, whose bytes are the name; all of it durable.
fn disk_with(names: &[&str]) -> SimDisk {
    let disk = SimDisk::new();
    names.iter().for_each(|name| create(&disk, name));
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// Creates a file with durable bytes, but no durable name.
fn create(disk: &SimDisk, name: &str) {
    let file = disk.create_file(&Path::new("/").join(name)).unwrap();
    file.write_at(0, name.as_bytes()).unwrap();
    file.sync().unwrap();
}

/// `name=bytes` for all that is there, after each of many power cuts.
fn outcomes(disk: &SimDisk) -> BTreeSet<String> {
    (0..SEEDS).map(|seed| after(disk, Crash::PowerCut { seed })).collect()
}

fn after(disk: &SimDisk, crash: Crash) -> String {
    let disk = disk.fork();
    disk.crash(crash);
    assert!(disk.is_durable(Path::new("/")).unwrap() || crash == Crash::Kill);
    let entries = disk.list(Path::new("/")).unwrap().into_iter();
    let shown = entries.map(|entry| {
        let bytes = disk.peek(&Path::new("/").join(&entry.name)).unwrap_or_default();
        format!("{}={}", entry.name, String::from_utf8_lossy(&bytes))
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn set<const N: usize>(outcomes: [&str; N]) -> BTreeSet<String> {
    outcomes.into_iter().map(str::to_owned).collect()
}

fn rename(disk: &SimDisk, from: &str, to: &str) {
    disk.rename(&Path::new("/").join(from), &Path::new("/").join(to)).unwrap();
}

#[test]
fn synced_names_survive_every_power_cut() {
    let disk = disk_with(&["a", "b"]);
    assert_eq!(outcomes(&disk), set(["a=a b=b"]));
}

#[test]
fn a_synced_file_without_a_synced_name_may_vanish_each_by_itself() {
    let disk = disk_with(&[]);
    create(&disk, "a");
    create(&disk, "b");
    assert_eq!(outcomes(&disk), set(["", "a=a", "b=b", "a=a b=b"]));
    assert_eq!(after(&disk, Crash::Kill), "a=a b=b");
}

#[test]
fn a_removed_file_may_come_back_until_the_directory_is_synced() {
    let disk = disk_with(&["a"]);
    disk.remove(Path::new("/a")).unwrap();
    assert_eq!(outcomes(&disk), set(["", "a=a"]));
    create(&disk, "a");
    disk.open_file(Path::new("/a")).unwrap().write_at(1, b"2").unwrap();
    let both = outcomes(&disk);
    assert!(both.is_superset(&set(["", "a=a", "a=a2"])), "{both:?}");
    disk.remove(Path::new("/a")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk), set([""]));
}

#[test]
fn a_durable_name_can_come_back_after_however_many_changes() {
    let disk = disk_with(&["a"]);
    for _ in 0..50 {
        disk.remove(Path::new("/a")).unwrap();
        create(&disk, "b");
        rename(&disk, "b", "a");
    }
    let nothing = Crash::PowerCutWith { seed: 0, survival: Survival::Nothing };
    assert_eq!(after(&disk, nothing), "a=a");
    assert!(outcomes(&disk).is_superset(&set(["", "a=a", "a=b"])));
}

#[test]
fn a_rename_over_a_durable_name_leaves_the_old_or_the_new_file() {
    let disk = disk_with(&["f"]);
    create(&disk, "f.tmp");
    rename(&disk, "f.tmp", "f");
    assert_eq!(outcomes(&disk), set(["f=f", "f=f.tmp", "f=f f.tmp=f.tmp", "f=f.tmp f.tmp=f.tmp"]));
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk), set(["f=f.tmp"]));
}

#[test]
fn a_rename_of_a_durable_file_never_loses_it() {
    let disk = disk_with(&["a"]);
    rename(&disk, "a", "b");
    assert_eq!(outcomes(&disk), set(["a=a", "b=a", "a=a b=a"]));
    rename(&disk, "b", "c");
    let twice = outcomes(&disk);
    assert!(twice.iter().all(|outcome| outcome.contains("=a")), "{twice:?}");
    assert!(twice.contains("c=a"));
    disk.remove(Path::new("/c")).unwrap();
    assert!(outcomes(&disk).contains(""), "but it may be removed in the end");
}

#[test]
fn a_rename_of_a_file_that_never_had_a_durable_name_may_lose_it() {
    let disk = disk_with(&[]);
    create(&disk, "a");
    rename(&disk, "a", "b");
    assert_eq!(outcomes(&disk), set(["", "a=a", "b=a", "a=a b=a"]));
}

#[test]
fn a_directory_that_a_file_went_to_may_be_gone_for_good() {
    let disk = disk_with(&[]);
    disk.create_dir(Path::new("/d")).unwrap();
    disk.create_dir(Path::new("/e")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    create(&disk, "d/a");
    disk.sync_dir(Path::new("/d")).unwrap();
    rename(&disk, "d/a", "e/b");
    disk.remove(Path::new("/e/b")).unwrap();
    disk.remove_dir(Path::new("/e")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk), set(["d="]));
}

#[test]
fn one_file_found_under_two_names_becomes_two() {
    let disk = disk_with(&["a"]);
    rename(&disk, "a", "b");
    let both = (0..SEEDS).map(|seed| {
        let fork = disk.fork();
        fork.crash(Crash::PowerCutWith { seed, survival: Survival::Mixed });
        fork
    });
    let both = both.into_iter().find(|fork| fork.peek_list(Path::new("/")).unwrap().len() == 2).unwrap();
    both.open(Path::new("/a")).unwrap().write_at(0, b"x").unwrap();
    assert_eq!(after(&both, Crash::Kill), "a=x b=a");
    both.rename(Path::new("/a"), Path::new("/b")).unwrap();
    assert_eq!(after(&both, Crash::Kill), "b=x");
}

#[test]
fn a_directory_takes_what_is_in_it_along() {
    let disk = disk_with(&[]);
    disk.create_dir(Path::new("/d")).unwrap();
    create(&disk, "d/f");
    disk.sync_dir(Path::new("/d")).unwrap();
    assert!(disk.is_durable(Path::new("/d")).is_ok_and(|durable| !durable));
    assert_eq!(outcomes(&disk), set(["", "d="]));
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk), set(["d="]));
    disk.crash(Crash::PowerCut { seed: 0 });
    assert_eq!(disk.peek(Path::new("/d/f")).unwrap(), b"d/f");
    disk.remove(Path::new("/d/f")).unwrap();
    disk.remove_dir(Path::new("/d")).unwrap();
    assert_eq!(outcomes(&disk), set(["", "d="]));
}

#[test]
fn a_durable_name_may_hold_a_file_whose_bytes_were_never_synced() {
    let disk = disk_with(&[]);
    disk.create_file(Path::new("/a")).unwrap().write_at(0, b"bytes").unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert!(outcomes(&disk).is_superset(&set(["a=", "a=bytes"])));
    let names_only = Crash::PowerCutWith { seed: 0, survival: Survival::NamesOnly };
    assert_eq!(after(&disk, names_only), "a=");
    create(&disk, "b");
    assert_eq!(after(&disk, names_only), "a= b=b");
    assert_eq!(after(&disk, Crash::PowerCutWith { seed: 0, survival: Survival::BytesOnly }), "a=bytes");
}

#[test]
fn what_a_crash_took_does_not_come_back_with_the_next_one() {
    let disk = disk_with(&["a"]);
    create(&disk, "b");
    disk.remove(Path::new("/a")).unwrap();
    disk.crash(Crash::PowerCutWith { seed: 0, survival: Survival::Nothing });
    assert_eq!(outcomes(&disk), set(["a=a"]));
}
