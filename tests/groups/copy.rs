//! A copy of a disk: what another broker finds there disturbs nobody.

use crate::disk::Disk;
use brooklet::io::{EntryKind, Fs};
use std::path::Path;

pub(crate) fn copied(disk: &Disk) -> Disk {
    let copy = Disk::default();
    copy_dir(disk, &copy, Path::new("/"));
    copy
}

fn copy_dir(from: &dyn Fs, to: &dyn Fs, dir: &Path) {
    for entry in from.list(dir).expect("a directory") {
        let path = dir.join(&entry.name);
        if entry.kind == EntryKind::Directory {
            to.create_dir(&path).expect("memory");
            copy_dir(from, to, &path);
        } else {
            let file = from.open(&path).expect("the file");
            let bytes = file.read_at(0, file.len().expect("memory") as usize).expect("memory");
            to.create(&path).and_then(|copy| copy.write_all_at(0, &bytes)).expect("memory");
        }
    }
}
