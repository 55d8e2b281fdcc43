//! Claims about names: directories, listing, creating, opening, renaming, removing.

use super::{all_of, content, fails, file_with};
use brooklet::io::{Entry, EntryKind, Fs};
use std::io::ErrorKind;
use std::path::Path;

fn listed(fs: &dyn Fs, dir: &Path) -> Vec<String> {
    fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

pub(crate) fn a_new_directory_is_there_and_empty(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("topic-0");
    fs.create_dir(&path).unwrap();
    assert_eq!(fs.list(&path).unwrap(), []);
    assert_eq!(fs.metadata(&path).unwrap().kind, EntryKind::Directory);
    fails(fs.create_dir(&path), ErrorKind::AlreadyExists);
    file_with(fs, &dir.join("file"), b"");
    fails(fs.create_dir(&dir.join("file")), ErrorKind::AlreadyExists);
}

pub(crate) fn only_an_empty_directory_can_be_removed(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("d");
    fs.create_dir(&path).unwrap();
    file_with(fs, &path.join("file"), b"kept");
    fails(fs.remove_dir(&path), ErrorKind::DirectoryNotEmpty);
    assert!(fs.remove_dir(&path.join("file")).is_err());
    assert!(fs.remove(&path).is_err());
    assert_eq!(content(fs, &path.join("file")), b"kept");
    fs.remove(&path.join("file")).unwrap();
    fs.remove_dir(&path).unwrap();
    fails(fs.remove_dir(&path), ErrorKind::NotFound);
    assert_eq!(listed(fs, dir), [""; 0]);
}

pub(crate) fn parents_are_never_created(fs: &dyn Fs, dir: &Path) {
    let nowhere = dir.join("nowhere");
    let inside = nowhere.join("inside");
    file_with(fs, &dir.join("file"), b"stays");
    fails(fs.create_dir(&inside), ErrorKind::NotFound);
    fails(fs.create(&inside), ErrorKind::NotFound);
    fails(fs.open(&inside), ErrorKind::NotFound);
    fails(fs.lock(&inside), ErrorKind::NotFound);
    fails(fs.metadata(&inside), ErrorKind::NotFound);
    fails(fs.remove(&inside), ErrorKind::NotFound);
    fails(fs.rename(&dir.join("file"), &inside), ErrorKind::NotFound);
    fails(fs.list(&nowhere), ErrorKind::NotFound);
    assert_eq!(listed(fs, dir), ["file"]);
    assert_eq!(content(fs, &dir.join("file")), b"stays");
}

pub(crate) fn a_list_is_short_sorted_and_says_what_is_what(fs: &dyn Fs, dir: &Path) {
    for number in [5, 3, 17, 0, 11, 2, 8] {
        file_with(fs, &dir.join(format!("{number:020}.log")), b"");
    }
    for name in ["b", "a"] {
        fs.create_dir(&dir.join(name)).unwrap();
        file_with(fs, &dir.join(name).join("below is not listed"), b"");
    }
    let expected = [0, 2, 3, 5, 8, 11, 17].map(|number| (format!("{number:020}.log"), EntryKind::File));
    let expected = expected.into_iter().chain(["a", "b"].map(|name| (name.to_owned(), EntryKind::Directory)));
    let expected: Vec<_> = expected.map(|(name, kind)| Entry { name, kind }).collect();
    assert_eq!(fs.list(dir).unwrap(), expected);
}

pub(crate) fn metadata_tells_what_it_is_and_how_long(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let file = file_with(fs, &path, b"12345");
    assert_eq!(fs.metadata(&path).unwrap().kind, EntryKind::File);
    assert_eq!(fs.metadata(&path).unwrap().len, 5);
    file.truncate(2).unwrap();
    assert_eq!(fs.metadata(&path).unwrap().len, 2);
    assert_eq!(fs.metadata(dir).unwrap().kind, EntryKind::Directory);
    fails(fs.metadata(&dir.join("none")), ErrorKind::NotFound);
}

pub(crate) fn metadata_of_many_names_is_that_of_each(fs: &dyn Fs, dir: &Path) {
    file_with(fs, &dir.join("file"), b"12345");
    fs.create_dir(&dir.join("d")).unwrap();
    let names = ["none", "file", "d", "file", "nor this"].map(String::from);
    let found = fs.metadata_of(dir, &names).unwrap();
    let each: Vec<_> = names.iter().map(|name| fs.metadata(&dir.join(name)).ok()).collect();
    assert_eq!(found, each);
    assert_eq!(fs.metadata_of(dir, &[]).unwrap(), []);
    assert_eq!(fs.metadata_of(&dir.join("gone"), &names).unwrap(), [const { None }; 5]);

    // So many that they are shared out.
    for number in 0..6 {
        file_with(fs, &dir.join(number.to_string()), &[b'x'; 5][..number]);
    }
    let many: Vec<String> = (0..2_003).map(|number| (number % 7).to_string()).collect();
    let lens = fs.metadata_of(dir, &many).unwrap().into_iter().map(|found| found.map(|found| found.len));
    assert!(lens.eq((0..2_003).map(|number| Some(number % 7).filter(|number| *number < 6))));
}

pub(crate) fn a_taken_name_cannot_be_created_again(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    file_with(fs, &path, b"first");
    fails(fs.create(&path), ErrorKind::AlreadyExists);
    assert_eq!(content(fs, &path), b"first");
    fs.create_dir(&dir.join("d")).unwrap();
    fails(fs.create(&dir.join("d")), ErrorKind::AlreadyExists);
}

pub(crate) fn what_is_opened_is_what_is_there(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    fails(fs.open(&path), ErrorKind::NotFound);
    assert_eq!(listed(fs, dir), [""; 0]);
    drop(file_with(fs, &path, b"12345"));
    assert_eq!(content(fs, &path), b"12345");
    fs.open(&path).unwrap().write_all_at(1, b"x").unwrap();
    assert_eq!(content(fs, &path), b"1x345");
}

pub(crate) fn a_directory_is_not_opened_as_a_file(fs: &dyn Fs, dir: &Path) {
    fs.create_dir(&dir.join("d")).unwrap();
    fails(fs.open(&dir.join("d")), ErrorKind::InvalidInput);
    fails(fs.open(dir), ErrorKind::InvalidInput);
}

pub(crate) fn a_rename_moves_the_file_and_frees_the_old_name(fs: &dyn Fs, dir: &Path) {
    fs.create_dir(&dir.join("d")).unwrap();
    let (from, to) = (dir.join("from"), dir.join("d").join("to"));
    drop(file_with(fs, &from, b"moved"));
    fs.rename(&from, &to).unwrap();
    fails(fs.open(&from), ErrorKind::NotFound);
    assert_eq!(content(fs, &to), b"moved");
    file_with(fs, &from, b"another");
    assert_eq!(content(fs, &to), b"moved");
}

pub(crate) fn a_rename_replaces_what_has_the_new_name(fs: &dyn Fs, dir: &Path) {
    let (from, to) = (dir.join("log.swap"), dir.join("log"));
    file_with(fs, &from, b"new");
    file_with(fs, &to, b"old and longer");
    fs.rename(&from, &to).unwrap();
    assert_eq!(content(fs, &to), b"new");
    assert_eq!(listed(fs, dir), ["log"]);
}

pub(crate) fn a_rename_onto_itself_changes_nothing(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let file = file_with(fs, &path, b"same");
    fs.rename(&path, &path).unwrap();
    assert_eq!(content(fs, &path), b"same");
    file.write_all_at(0, b"S").unwrap();
    assert_eq!(content(fs, &path), b"Same");
    fails(fs.rename(&dir.join("none"), &dir.join("none")), ErrorKind::NotFound);
}

pub(crate) fn a_rename_that_cannot_be_leaves_both_names(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"file");
    fails(fs.rename(&dir.join("none"), &dir.join("file")), ErrorKind::NotFound);
    fs.create_dir(&dir.join("d")).unwrap();
    assert!(fs.rename(&dir.join("file"), &dir.join("d")).is_err());
    fails(fs.rename(&dir.join("d"), &dir.join("e")), ErrorKind::InvalidInput);
    assert_eq!(listed(fs, dir), ["d", "file"]);
    file.write_all_at(0, b"F").unwrap();
    assert_eq!(content(fs, &dir.join("file")), b"File");
}

pub(crate) fn those_who_have_a_renamed_file_open_go_on_with_it(fs: &dyn Fs, dir: &Path) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    let file = file_with(fs, &from, b"moved");
    fs.rename(&from, &to).unwrap();
    file_with(fs, &from, b"another");
    assert_eq!(all_of(&*file), b"moved");
    file.write_all_at(0, b"M").unwrap();
    assert_eq!(content(fs, &to), b"Moved");
    assert_eq!(content(fs, &from), b"another");
    file.sync().unwrap();
}

pub(crate) fn those_who_have_a_replaced_file_open_go_on_with_it(fs: &dyn Fs, dir: &Path) {
    let (new, path) = (dir.join("new"), dir.join("file"));
    let old = file_with(fs, &path, b"old");
    file_with(fs, &new, b"new");
    fs.rename(&new, &path).unwrap();
    assert_eq!(all_of(&*old), b"old");
    old.write_all_at(0, b"O").unwrap();
    assert_eq!(content(fs, &path), b"new");
}

pub(crate) fn those_who_have_a_removed_file_open_go_on_with_it(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let file = file_with(fs, &path, b"removed");
    let others: Vec<_> = (0..5).map(|n| file_with(fs, &dir.join(format!("other {n}")), b"other")).collect();
    fs.remove(&path).unwrap();
    fails(fs.open(&path), ErrorKind::NotFound);
    fails(fs.remove(&path), ErrorKind::NotFound);
    assert!(others.iter().all(|other| all_of(&**other) == b"other"));
    file.write_all_at(0, b"R").unwrap();
    assert_eq!(all_of(&*file), b"Removed");
    assert_eq!(listed(fs, dir).len(), 5);
}

pub(crate) fn a_removed_name_is_free_for_another_file(fs: &dyn Fs, dir: &Path) {
    let path = dir.join("file");
    let old = file_with(fs, &path, b"old");
    fs.remove(&path).unwrap();
    let new = file_with(fs, &path, b"new file");
    assert_eq!(all_of(&*old), b"old");
    old.truncate(0).unwrap();
    assert_eq!(all_of(&*new), b"new file");
    assert_eq!(content(fs, &path), b"new file");
}

pub(crate) fn a_directory_can_be_made_durable_if_it_is_there(fs: &dyn Fs, dir: &Path) {
    file_with(fs, &dir.join("file"), b"");
    fs.sync_dir(dir).unwrap();
    fails(fs.sync_dir(&dir.join("none")), ErrorKind::NotFound);
    assert!(fs.sync_dir(&dir.join("file")).is_err());
    assert!(fs.list(&dir.join("file")).is_err());
}

pub(crate) fn odd_names_are_names(fs: &dyn Fs, dir: &Path) {
    for name in ["with space", "ünï", "-", "...", "new\nline", "%s"] {
        file_with(fs, &dir.join(name), name.as_bytes());
    }
    let mut expected = vec!["with space", "ünï", "-", "...", "new\nline", "%s"];
    expected.sort_unstable();
    assert_eq!(listed(fs, dir), expected);
    assert!(expected.iter().all(|name| content(fs, &dir.join(name)) == name.as_bytes()));

    // Only Linux takes any byte for a name; elsewhere these are errors of the system's own.
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd = dir.join(std::ffi::OsStr::from_bytes(b"\xFF\xFEodd"));
        file_with(fs, &odd, b"odd");
        assert_eq!(content(fs, &odd), b"odd");
        assert!(listed(fs, dir).contains(&"\u{FFFD}\u{FFFD}odd".to_owned()));
        fs.remove(&odd).unwrap();
        assert_eq!(listed(fs, dir), expected);
    }
}
