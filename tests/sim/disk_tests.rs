//! The simulated disk as a program sees it: the contract of `Fs` and `File`, with nothing going wrong.

use crate::disk::{Crash, SimDisk};
use brooklet::Timestamp;
use brooklet::io::{EntryKind, Fs};
use std::io::ErrorKind;
use std::path::Path;

const FILE: &str = "/d/f";

/// A disk with the directory `/d`.
fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(Path::new("/d")).unwrap();
    disk
}

fn kind<T>(result: std::io::Result<T>) -> ErrorKind {
    result.err().expect("this should have failed").kind()
}

#[test]
fn what_is_written_is_read_across_sectors_and_gaps_are_zeros() {
    let file = disk().create(Path::new(FILE)).unwrap();
    let bytes: Vec<u8> = (0..2000).map(|n| (n % 251) as u8).collect();
    file.write_all_at(700, &bytes).unwrap();
    assert_eq!(file.len().unwrap(), 2700);
    assert_eq!(file.read_at(0, 700).unwrap(), vec![0; 700]);
    assert_eq!(file.read_at(700, 5000).unwrap(), bytes);
    assert_eq!(file.read_at(1023, 2).unwrap(), bytes[323..325]);
    assert!(file.read_at(2700, 1).unwrap().is_empty());
    assert!(file.read_at(u64::MAX, 1).unwrap().is_empty());
}

#[test]
fn a_cut_file_that_grows_again_has_zeros_where_its_bytes_were() {
    let file = disk().create(Path::new(FILE)).unwrap();
    file.write_all_at(0, &[7; 2000]).unwrap();
    file.truncate(600).unwrap();
    file.truncate(1500).unwrap();
    assert_eq!(file.read_at(0, 2000).unwrap(), [vec![7; 600], vec![0; 900]].concat());
}

#[test]
fn allocation_lengthens_but_never_shortens() {
    let file = disk().create(Path::new(FILE)).unwrap();
    file.allocate(100).unwrap();
    file.allocate(50).unwrap();
    assert_eq!(file.read_at(0, 200).unwrap(), vec![0; 100]);
}

#[test]
fn sizes_beyond_what_files_can_have_are_refused() {
    let file = disk().create(Path::new(FILE)).unwrap();
    assert_eq!(kind(file.write_at(u64::MAX - 1, b"abc")), ErrorKind::FileTooLarge);
    assert_eq!(kind(file.truncate(u64::MAX)), ErrorKind::FileTooLarge);
    assert_eq!(kind(file.allocate(u64::MAX)), ErrorKind::FileTooLarge);
    file.write_at(1 << 40, b"far").unwrap();
    assert_eq!(file.read_at(1 << 40, 9).unwrap(), &b"far"[..]);
}

#[test]
fn lists_are_sorted_and_metadata_tells_kind_length_and_time() {
    let disk = disk();
    disk.set_time(Timestamp::from_millis(5000));
    for name in ["b", "a", "c"] {
        disk.create(&Path::new("/d").join(name)).unwrap().write_at(0, name.as_bytes()).unwrap();
    }
    disk.create_dir(Path::new("/d/aa")).unwrap();
    let names: Vec<_> = disk.list(Path::new("/d")).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
    let file = |name: &str| (name.to_owned(), EntryKind::File);
    assert_eq!(names, [file("a"), ("aa".to_owned(), EntryKind::Directory), file("b"), file("c")]);
    let first = disk.metadata(Path::new("/d/b")).unwrap();
    let last = disk.metadata(Path::new("d/c")).unwrap();
    assert_eq!((first.kind, first.len), (EntryKind::File, 1));
    assert!(Timestamp::from_millis(5000) < first.modified && first.modified < last.modified);
    assert_eq!(disk.metadata(Path::new("/d")).unwrap().kind, EntryKind::Directory);
}

#[test]
fn names_are_exclusive_and_nothing_is_created_unasked() {
    let disk = disk();
    disk.create(Path::new(FILE)).unwrap();
    for taken in [FILE, "/d"] {
        assert_eq!(kind(disk.create(Path::new(taken))), ErrorKind::AlreadyExists, "{taken}");
        assert_eq!(kind(disk.create_dir(Path::new(taken))), ErrorKind::AlreadyExists, "{taken}");
    }
    assert_eq!(kind(disk.create_dir(Path::new("/"))), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create(Path::new("/x/f"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.create_dir(Path::new("/x/y"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(Path::new(FILE), Path::new("/x/f"))), ErrorKind::NotFound);
    assert_eq!(disk.list(Path::new("/")).unwrap().len(), 1);
}

#[test]
fn each_wrong_use_of_a_path_has_its_kind_of_error() {
    let disk = disk();
    disk.create(Path::new(FILE)).unwrap();
    let (dir, file, missing) = (Path::new("/d"), Path::new(FILE), Path::new("/d/none"));
    assert_eq!(kind(disk.open(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.open(dir)), ErrorKind::InvalidInput);
    assert_eq!(kind(disk.lock(dir)), ErrorKind::InvalidInput);
    assert_eq!(kind(disk.metadata(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.list(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.list(file)), ErrorKind::NotADirectory);
    assert_eq!(kind(disk.sync_dir(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.sync_dir(file)), ErrorKind::NotADirectory);
    assert_eq!(kind(disk.open(&file.join("below"))), ErrorKind::NotADirectory);
    assert_eq!(kind(disk.remove(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(dir)), ErrorKind::IsADirectory);
    assert_eq!(kind(disk.remove_dir(missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove_dir(file)), ErrorKind::NotADirectory);
    assert_eq!(kind(disk.remove_dir(dir)), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(disk.rename(missing, file)), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(file, dir)), ErrorKind::IsADirectory);
    assert_eq!(kind(disk.rename(dir, Path::new("/e"))), ErrorKind::InvalidInput);
    assert_eq!(kind(disk.open(Path::new("/d/../d/f"))), ErrorKind::InvalidInput);
    assert_eq!(kind(disk.create(&dir.join("n".repeat(256)))), ErrorKind::InvalidFilename);
}

#[test]
fn a_rename_replaces_and_handles_follow_their_file() {
    let disk = disk();
    let (from, to) = (Path::new("/d/new.tmp"), Path::new(FILE));
    let old = disk.create(to).unwrap();
    old.write_at(0, b"old").unwrap();
    let new = disk.create_file(from).unwrap();
    disk.rename(from, to).unwrap();
    brooklet::io::File::write_at(&*new, 0, b"new").unwrap();
    assert_eq!(new.path().as_deref(), Some(to));
    assert_eq!(disk.peek(to).unwrap(), b"new");
    assert_eq!(old.read_at(0, 9).unwrap(), &b"old"[..]);
    assert_eq!(kind(disk.open(from)), ErrorKind::NotFound);
    disk.rename(to, to).unwrap();
    assert_eq!(disk.peek(to).unwrap(), b"new");
}

#[test]
fn a_removed_file_is_read_on_by_those_who_have_it_open() {
    let disk = disk();
    let file = disk.create(Path::new(FILE)).unwrap();
    file.write_at(0, b"still here").unwrap();
    disk.remove(Path::new(FILE)).unwrap();
    assert_eq!(disk.peek_list(Path::new("/d")).unwrap(), []);
    assert_eq!(file.read_at(6, 99).unwrap(), &b"here"[..]);
    disk.create(Path::new(FILE)).unwrap();
    assert!(disk.peek(Path::new(FILE)).unwrap().is_empty());
    disk.remove(Path::new(FILE)).unwrap();
    disk.remove_dir(Path::new("/d")).unwrap();
}

#[test]
fn a_lock_is_held_until_dropped_or_until_the_process_is_gone() {
    let disk = disk();
    let path = Path::new("/d/.lock");
    let lock = disk.lock(path).unwrap();
    assert_eq!(kind(disk.lock(path)), ErrorKind::WouldBlock);
    assert!(disk.lock(Path::new("/d/other")).is_ok());
    drop(lock);
    let of_the_dead = disk.lock(path).unwrap();
    disk.crash(Crash::Kill);
    let next = disk.lock(path).unwrap();
    drop(of_the_dead);
    assert_eq!(kind(disk.lock(path)), ErrorKind::WouldBlock, "a dead process frees nothing twice");
    drop(next);
    assert!(disk.lock(path).is_ok());
}

#[test]
fn a_hand_from_outside_plants_and_erases_for_good() {
    let disk = disk();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.plant(Path::new(FILE), b"garbage").unwrap();
    disk.plant(Path::new(FILE), b"junk").unwrap();
    assert!(disk.is_durable(Path::new(FILE)).unwrap() && disk.is_durable(Path::new("/d")).unwrap());
    assert_eq!(disk.peek(Path::new(FILE)).unwrap(), b"junk");
    disk.erase(Path::new(FILE)).unwrap();
    assert!(disk.is_durable(Path::new("/d")).unwrap());
    disk.crash(Crash::PowerCut { seed: 1 });
    assert_eq!(disk.peek_list(Path::new("/d")).unwrap(), []);
}
