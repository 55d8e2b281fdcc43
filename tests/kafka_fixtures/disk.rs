//! A copy of a directory that Kafka wrote. The fixtures themselves are only ever read.

use crate::mortal::MortalFs;
use brooklet::clock::ManualClock;
use brooklet::io::{EntryKind, Fs, MemFs, read_file};
use brooklet::log::{LogDir, LogDirOptions};
use brooklet::record::BatchHeader;
use brooklet::{Broker, Error, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_BYTES_MAX: usize = 64 << 20;

/// Everything in a directory: files with their bytes, directories with nothing.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A log directory of a test's own.
pub(crate) struct Disk {
    fs: Arc<dyn Fs>,
    root: PathBuf,
}

impl Disk {
    /// A copy in memory.
    pub(crate) fn copy_of(folder: &Path) -> Disk {
        Self::copy_to(Arc::new(MemFs::new()), PathBuf::from("/data"), folder)
    }

    /// A copy at `root`, which does not exist yet.
    pub(crate) fn copy_to(fs: Arc<dyn Fs>, root: PathBuf, folder: &Path) -> Disk {
        let disk = Disk { fs, root };
        disk.copy_in(folder, &disk.root);
        disk
    }

    fn copy_in(&self, folder: &Path, target: &Path) {
        self.fs.create_dir(target).expect("the directory is new");
        for entry in fs::read_dir(folder).expect("the fixture is readable") {
            let source = entry.expect("the entry is readable").path();
            let target = target.join(source.file_name().expect("an entry has a name"));
            if source.is_dir() {
                self.copy_in(&source, &target);
            } else {
                let file = self.fs.create(&target).expect("the file is new");
                file.write_all_at(0, &fs::read(&source).expect("the file is readable")).expect("it fits");
            }
        }
    }

    /// Opens it as one that Kafka may have written.
    pub(crate) fn adopt(&self) -> LogDir {
        self.open_with(self.fs.clone(), true).unwrap_or_else(|error| panic!("not adopted: {error}"))
    }

    /// The same, when it is this late.
    pub(crate) fn adopt_at(&self, millis: i64) -> LogDir {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(millis)));
        let options = LogDirOptions { adopt: true, ..LogDirOptions::default() };
        LogDir::open_with(self.fs.clone(), clock, &self.root, options)
            .unwrap_or_else(|error| panic!("not adopted: {error}"))
    }

    /// The same, by a process that is killed after so many changes.
    pub(crate) fn adopt_and_be_killed(&self, changes: u64) -> Result<LogDir, Error> {
        self.open_with(Arc::new(MortalFs::new(self.fs.clone(), changes)), true)
    }

    /// Opens it as one of ours.
    pub(crate) fn open(&self) -> Result<LogDir, Error> {
        self.open_with(self.fs.clone(), false)
    }

    fn open_with(&self, fs: Arc<dyn Fs>, adopt: bool) -> Result<LogDir, Error> {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        LogDir::open_with(fs, clock, &self.root, LogDirOptions { adopt, ..LogDirOptions::default() })
    }

    /// Opens it as a broker.
    pub(crate) fn broker(&self, adopt: bool) -> Result<Broker, Error> {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        Broker::builder().fs(self.fs.clone()).clock(clock).adopt(adopt).open(&self.root)
    }

    /// The bytes of one file; none if there is no such file.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let path = self.root.join(path);
        read_file(self.fs.as_ref(), &path, FILE_BYTES_MAX).expect("it is readable").map(Vec::from)
    }

    /// Changes one file past everybody's back.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(path).unwrap_or_else(|| panic!("there is no {path}"));
        change(&mut bytes);
        let file = self.fs.open(&self.root.join(path)).expect("it was read a moment ago");
        file.truncate(0).and_then(|()| file.write_all_at(0, &bytes)).expect("it is writable");
    }

    /// Makes one file.
    pub(crate) fn create(&self, path: &str, bytes: &[u8]) {
        let file = self.fs.create(&self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        file.write_all_at(0, bytes).expect("it fits");
    }

    /// Removes one file.
    pub(crate) fn remove(&self, path: &str) {
        self.fs.remove(&self.root.join(path)).unwrap_or_else(|error| panic!("no {path}: {error}"));
    }

    /// Everything that is there, by path below the root.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        self.gather(Path::new(""), &mut tree);
        tree
    }

    fn gather(&self, dir: &Path, tree: &mut Tree) {
        for entry in self.fs.list(&self.root.join(dir)).expect("it is readable") {
            let path = dir.join(&entry.name);
            if entry.kind == EntryKind::Directory {
                self.gather(&path, tree);
                tree.insert(path, None);
            } else {
                let bytes = self.read(path.to_str().expect("Kafka's names are ASCII"));
                tree.insert(path, bytes);
            }
        }
    }

    /// The names and bytes of one log's files with this ending, in order.
    pub(crate) fn files(&self, log: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
        let entries = self.fs.list(&self.root.join(log)).expect("it is readable");
        let names = entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(ending));
        names
            .map(|name| {
                let bytes = self.read(&format!("{log}/{name}")).expect("it was listed a moment ago");
                (name, bytes)
            })
            .collect()
    }

    /// Whether the records of a log can be read by a build with these features. Looks at headers only, so that what is
    /// damaged does not matter.
    pub(crate) fn is_readable(&self, log: &str) -> bool {
        self.files(log, ".log").iter().all(|(_, bytes)| {
            let mut rest = &bytes[..];
            while let Ok(header) = BatchHeader::read(rest) {
                if !header.compression().is_compiled_in() {
                    return false;
                }
                rest = rest.get(header.size as usize..).unwrap_or_default();
            }
            true
        })
    }
}
