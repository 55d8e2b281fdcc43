//! Every implementation of `Fs` keeps the contracts of `brooklet::io`; and what only the real one can be asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fs_suite;

use brooklet::io::{FilePool, MemFs, OsFs};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

fn scratch() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

fn os_fs() -> (Arc<OsFs>, PathBuf, TempDir) {
    let (kept, dir) = scratch();
    (Arc::new(OsFs::new()), dir, kept)
}

fn os_fs_without_maps() -> (Arc<OsFs>, PathBuf, TempDir) {
    let (kept, dir) = scratch();
    (Arc::new(OsFs::without_maps()), dir, kept)
}

fn mem_fs() -> (Arc<MemFs>, PathBuf, ()) {
    (Arc::new(MemFs::new()), PathBuf::from("/"), ())
}

fn pool_of_two_over_os_fs() -> (Arc<FilePool>, PathBuf, TempDir) {
    let (kept, dir) = scratch();
    (Arc::new(FilePool::new(Arc::new(OsFs::new()), 2)), dir, kept)
}

fn pool_of_one_over_mem_fs() -> (Arc<FilePool>, PathBuf, ()) {
    (Arc::new(FilePool::new(Arc::new(MemFs::new()), 1)), PathBuf::from("/"), ())
}

mod on_os_fs {
    crate::fs_suite::conformance!(crate::os_fs);
}

mod on_os_fs_without_maps {
    crate::fs_suite::conformance!(crate::os_fs_without_maps);
}

mod on_mem_fs {
    crate::fs_suite::conformance!(crate::mem_fs);
}

mod on_a_pool_of_two_over_os_fs {
    crate::fs_suite::conformance!(crate::pool_of_two_over_os_fs);
}

mod on_a_pool_of_one_over_mem_fs {
    crate::fs_suite::conformance!(crate::pool_of_one_over_mem_fs);
}

/// Permissions, links and special files: these exist on the real file system only.
#[cfg(unix)]
mod on_the_real_one_only {
    use crate::fs_suite::{content, fails, file_with};
    use crate::os_fs;
    use brooklet::io::{Entry, EntryKind, Fs};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn fifo(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn what_is_created_is_for_its_owner_only() {
        let (fs, dir, _kept) = os_fs();
        fs.create_dir(&dir.join("d")).unwrap();
        fs.create(&dir.join("file")).unwrap();
        let _lock = fs.lock(&dir.join("lock")).unwrap();
        assert_eq!(mode(&dir.join("d")), 0o700);
        assert_eq!(mode(&dir.join("file")), 0o600);
        assert_eq!(mode(&dir.join("lock")), 0o600);
    }

    #[test]
    fn links_are_not_followed() {
        let (fs, dir, _kept) = os_fs();
        file_with(&*fs, &dir.join("target"), b"target");
        fs.create_dir(&dir.join("d")).unwrap();
        for (link, target) in
            [("to a file", "target"), ("to nothing", "none"), ("to a directory", "d"), ("loop", "loop")]
        {
            let link = dir.join(link);
            symlink(dir.join(target), &link).unwrap();
            fails(fs.open(&link), ErrorKind::InvalidInput);
            fails(fs.lock(&link), ErrorKind::InvalidInput);
            fails(fs.create(&link), ErrorKind::AlreadyExists);
            fails(fs.create_dir(&link), ErrorKind::AlreadyExists);
            fails(fs.rename(&link, &dir.join("moved")), ErrorKind::InvalidInput);
            assert!(fs.list(&link).is_err() && fs.sync_dir(&link).is_err());
            assert_eq!(fs.metadata(&link).unwrap().kind, EntryKind::Other);
        }
        fails(fs.metadata(&dir.join("none")), ErrorKind::NotFound);
        let kinds: Vec<_> = fs.list(&dir).unwrap().into_iter().map(|entry| entry.kind).collect();
        use EntryKind::{Directory, File, Other};
        assert_eq!(kinds, [Directory, Other, File, Other, Other, Other]);
    }

    #[test]
    fn a_link_is_replaced_and_removed_itself() {
        let (fs, dir, _kept) = os_fs();
        file_with(&*fs, &dir.join("target"), b"target");
        file_with(&*fs, &dir.join("new"), b"new");
        symlink(dir.join("target"), dir.join("link")).unwrap();
        fs.rename(&dir.join("new"), &dir.join("link")).unwrap();
        assert_eq!(content(&*fs, &dir.join("link")), b"new");
        assert_eq!(content(&*fs, &dir.join("target")), b"target");
    }

    #[test]
    fn fifos_sockets_and_devices_are_refused_at_once() {
        let (fs, dir, _kept) = os_fs();
        fifo(&dir.join("fifo"));
        let _listener = UnixListener::bind(dir.join("socket")).unwrap();
        for (path, what) in
            [(dir.join("fifo"), "a FIFO"), (dir.join("socket"), "a socket"), ("/dev/null".into(), "a device")]
        {
            let error = fs.open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(what), "{error}");
            fails(fs.lock(&path), ErrorKind::InvalidInput);
        }
        fails(fs.create(&dir.join("fifo")), ErrorKind::AlreadyExists);
        let entry = |name: &str| Entry { name: name.to_owned(), kind: EntryKind::Other };
        assert_eq!(fs.list(&dir).unwrap(), [entry("fifo"), entry("socket")]);
    }

    #[test]
    fn a_long_list_comes_in_full() {
        let (fs, dir, _kept) = os_fs();
        let expected: Vec<_> = (0..3000).map(|number| format!("{number:020}.timeindex")).collect();
        for name in expected.iter().rev() {
            fs.create(&dir.join(name)).unwrap();
        }
        let names: Vec<_> = fs.list(&dir).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_file_knows_when_it_was_changed() {
        let (fs, dir, _kept) = os_fs();
        let path = dir.join("file");
        let file = file_with(&*fs, &path, b"x");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_234_567_890_123);
        let times = std::fs::FileTimes::new().set_modified(long_ago);
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(fs.metadata(&path).unwrap().modified.as_millis(), 1_234_567_890_123);
        file.write_at(0, b"y").unwrap();
        assert!(fs.metadata(&path).unwrap().modified.as_millis() > 1_700_000_000_000);
    }

    #[test]
    fn allocated_space_is_really_set_aside() {
        use std::os::unix::fs::MetadataExt;
        let (fs, dir, _kept) = os_fs();
        let file = fs.create(&dir.join("file")).unwrap();
        file.allocate(1 << 20).unwrap();
        assert!(std::fs::symlink_metadata(dir.join("file")).unwrap().blocks() * 512 >= 1 << 20);
    }
}
