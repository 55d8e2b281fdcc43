//! Claims about sharing: handles, locks and threads.

use super::{all_of, content, fails, file_with};
use brooklet::io::Fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;

pub(crate) fn two_who_open_a_file_see_the_same_bytes(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let first = file_with(fs, &path, b"0123");
    let second = fs.open(&path).unwrap();
    second.write_all_at(4, b"45").unwrap();
    assert_eq!(all_of(&*first), b"012345");
    drop(second);
    first.truncate(1).unwrap();
    assert_eq!(content(fs, &path), b"0");
}

pub(crate) fn a_lock_is_exclusive_until_it_is_dropped(fs: &dyn Fs, dir: &Path) {
    let path = dir.join(".lock");
    let lock = fs.lock(&path).unwrap();
    fails(fs.lock(&path), ErrorKind::WouldBlock);
    fails(fs.lock(&path), ErrorKind::WouldBlock);
    drop(lock);
    let again = fs.lock(&path).unwrap();
    fails(fs.lock(&path), ErrorKind::WouldBlock);
    drop(again);
    fs.lock(&path).unwrap();
    assert_eq!(fs.metadata(&path).unwrap().len, 0);
}

pub(crate) fn locks_on_two_files_do_not_meet(fs: &dyn Fs, dir: &Path) {
    let one = fs.lock(&dir.join("one")).unwrap();
    let other = fs.lock(&dir.join("other")).unwrap();
    drop(one);
    fails(fs.lock(&dir.join("other")), ErrorKind::WouldBlock);
    drop(other);
}

pub(crate) fn a_lock_leaves_the_bytes_of_its_file_alone(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    file_with(fs, &path, b"pid 7");
    let _lock = fs.lock(&path).unwrap();
    assert_eq!(content(fs, &path), b"pid 7");
}

pub(crate) fn a_directory_cannot_be_locked_as_a_file(fs: &dyn Fs, dir: &Path) {
    fs.create_dir(&dir.join("d")).unwrap();
    fails(fs.lock(&dir.join("d")), ErrorKind::InvalidInput);
}

pub(crate) fn threads_write_to_one_file_at_the_same_time(fs: &dyn Fs, dir: &Path) {
    let file = fs.create(&dir.join("file")).unwrap();
    thread::scope(|scope| {
        for writer in 0..4_u8 {
            let file = &file;
            scope.spawn(move || {
                for record in 0..100 {
                    let at = (record * 4 + u64::from(writer)) * 1000;
                    file.write_all_at(at, &[writer + 1; 1000]).unwrap();
                    assert!(file.read_exact_at(at, 1000).unwrap().iter().all(|byte| *byte == writer + 1));
                }
            });
        }
    });
    let bytes = all_of(&*file);
    assert_eq!(bytes.len(), 400_000);
    assert!(
        bytes.chunks(1000).enumerate().all(|(n, chunk)| chunk.iter().all(|b| usize::from(*b) == n % 4 + 1))
    );
}

pub(crate) fn of_many_who_create_one_name_one_succeeds(fs: &dyn Fs, dir: &Path) {
    for round in 0..20 {
        let path = dir.join(format!("file {round}"));
        let created = thread::scope(|scope| {
            let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| fs.create(&path))).collect();
            tries.into_iter().map(|tried| tried.join().unwrap()).filter_map(Result::ok).count()
        });
        assert_eq!(created, 1);
    }
}
