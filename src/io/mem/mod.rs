//! Files in memory: the disk of a broker that keeps nothing, and of most tests.
//!
//! One tree of names under one lock; each file has its own lock and its bytes in blocks (`blocks.rs`). An open file is
//! the file itself, so it goes on living when its name is gone. Nothing here depends on anything but the calls made,
//! unless a clock is given; and nothing needs to be synced, since nothing survives the process anyway.

mod blocks;

use super::{Entry, EntryKind, File, Fs, Lock, Metadata};
use crate::clock::Clock;
use crate::types::Timestamp;
use blocks::Blocks;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file system in memory. Clones share the same files; they are gone with the last clone and the last open file.
///
/// There is one root, so `/a` and `a` are the same path; `..` is refused.
///
/// ```
/// use brooklet::io::{Fs, MemFs};
/// use std::path::Path;
///
/// let fs = MemFs::new();
/// fs.create_dir(Path::new("events-0"))?;
/// let file = fs.create(Path::new("events-0/00000000000000000000.log"))?;
/// file.write_all_at(0, b"first")?;
/// assert_eq!(&fs.clone().open(Path::new("events-0/00000000000000000000.log"))?.read_exact_at(0, 5)?[..], b"first");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemFs {
    root: Arc<Mutex<Names>>,
    clock: Option<Arc<dyn Clock>>,
}

type Names = BTreeMap<OsString, Node>;

#[derive(Debug)]
enum Node {
    File(Arc<MemFile>),
    Directory(Names),
}

impl MemFs {
    /// An empty file system without a clock: every file says that it was last changed at the epoch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty file system whose files remember when this clock saw them change. Retention by age needs it for records
    /// without timestamps.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// Does something with the names of the directory of `path`, and its last name.
    fn beside<R>(&self, path: &Path, act: impl FnOnce(&mut Names, &OsStr) -> io::Result<R>) -> io::Result<R> {
        let Some(name) = path.file_name() else {
            return Err(invalid("a path ends in a name"));
        };
        let mut root = self.root.lock();
        let parent = directory(&mut root, path.parent().unwrap_or(Path::new("")))?;
        act(parent, name)
    }

    fn new_file(&self) -> Arc<MemFile> {
        let contents = Contents { blocks: Blocks::default(), modified: now(self.clock.as_ref()) };
        let locked = AtomicBool::new(false);
        Arc::new(MemFile { contents: RwLock::new(contents), clock: self.clock.clone(), locked })
    }
}

fn now(clock: Option<&Arc<dyn Clock>>) -> Timestamp {
    clock.map_or(Timestamp::default(), |clock| clock.now())
}

/// The names in a directory.
fn directory<'a>(root: &'a mut Names, dir: &Path) -> io::Result<&'a mut Names> {
    let mut names = root;
    for component in dir.components() {
        match component {
            Component::Normal(name) => match names.get_mut(name) {
                Some(Node::Directory(inside)) => names = inside,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            },
            Component::ParentDir => return Err(invalid("a path in memory has no `..`")),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    Ok(names)
}

fn regular(node: Option<&Node>) -> io::Result<&Arc<MemFile>> {
    match node {
        Some(Node::File(file)) => Ok(file),
        Some(Node::Directory(_)) => Err(invalid("it is a directory, and only a regular file will do")),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl Fs for MemFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.file_name().is_none() {
            directory(&mut self.root.lock(), path)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.beside(path, |names, name| {
            if names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            names.insert(name.to_owned(), Node::Directory(Names::new()));
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.beside(path, |names, name| match names.get(name) {
            Some(Node::Directory(inside)) if inside.is_empty() => {
                names.remove(name);
                Ok(())
            }
            Some(Node::Directory(_)) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut root = self.root.lock();
        let names = directory(&mut root, dir)?;
        let entry = |(name, node): (&OsString, &Node)| Entry {
            name: name.to_string_lossy().into_owned(),
            kind: match node {
                Node::File(_) => EntryKind::File,
                Node::Directory(_) => EntryKind::Directory,
            },
        };
        let mut entries: Vec<_> = names.iter().map(entry).collect();
        // They are in order already, but for names that had characters replaced.
        entries.sort();
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let directory = Metadata { kind: EntryKind::Directory, len: 0, modified: Timestamp::default() };
        if path.file_name().is_none() {
            // The root, which is in no directory; or a path that has no business here.
            return self::directory(&mut self.root.lock(), path).map(|_| directory);
        }
        self.beside(path, |names, name| match names.get(name) {
            Some(Node::File(file)) => {
                let contents = file.contents.read();
                Ok(Metadata {
                    kind: EntryKind::File,
                    len: contents.blocks.len(),
                    modified: contents.modified,
                })
            }
            Some(Node::Directory(_)) => Ok(directory),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.beside(path, |names, name| {
            if names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = self.new_file();
            names.insert(name.to_owned(), Node::File(file.clone()));
            Ok(file as Arc<dyn File>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        if path.file_name().is_none() {
            return Err(invalid("it is a directory, and only a regular file will do"));
        }
        self.beside(path, |names, name| Ok(regular(names.get(name))?.clone() as Arc<dyn File>))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (Some(old), Some(new)) = (from.file_name(), to.file_name()) else {
            return Err(invalid("a path ends in a name"));
        };
        let (from, to) = (from.parent().unwrap_or(Path::new("")), to.parent().unwrap_or(Path::new("")));
        let mut root = self.root.lock();
        let file = regular(directory(&mut root, from)?.get(old))?.clone();
        let names = directory(&mut root, to)?;
        match names.get(new) {
            Some(Node::Directory(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(there)) if Arc::ptr_eq(there, &file) => return Ok(()),
            _ => {}
        }
        names.insert(new.to_owned(), Node::File(file));
        directory(&mut root, from)?.remove(old);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.beside(path, |names, name| match names.get(name) {
            Some(Node::File(_)) => {
                names.remove(name);
                Ok(())
            }
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        directory(&mut self.root.lock(), dir).map(|_| ())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = self.beside(path, |names, name| {
            if !names.contains_key(name) {
                names.insert(name.to_owned(), Node::File(self.new_file()));
            }
            regular(names.get(name)).cloned()
        })?;
        if file.locked.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock { file }))
    }
}

/// A file, whatever its name, if it has one.
#[derive(Debug)]
struct MemFile {
    contents: RwLock<Contents>,
    clock: Option<Arc<dyn Clock>>,
    locked: AtomicBool,
}

#[derive(Debug)]
struct Contents {
    blocks: Blocks,
    modified: Timestamp,
}

impl MemFile {
    fn change<R>(&self, act: impl FnOnce(&mut Blocks) -> io::Result<R>) -> io::Result<R> {
        let now = now(self.clock.as_ref());
        let mut contents = self.contents.write();
        let done = act(&mut contents.blocks)?;
        contents.modified = now;
        Ok(done)
    }
}

impl File for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.read().blocks.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        Ok(self.contents.read().blocks.read(offset, len))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.change(|blocks| blocks.write(offset, bytes))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(|blocks| blocks.set_len(len.max(blocks.len())))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(|blocks| blocks.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemLock {
    file: Arc<MemFile>,
}

impl Lock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.file.locked.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn clones_share_the_same_files() {
        let fs = MemFs::new();
        fs.clone().create(Path::new("/a")).unwrap();
        assert_eq!(fs.open(Path::new("a")).unwrap().len().unwrap(), 0);
    }

    #[test]
    fn the_clock_stamps_every_change_and_no_look() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(7)));
        let fs = MemFs::with_clock(clock.clone());
        let path = Path::new("a");
        let modified = || fs.metadata(path).unwrap().modified.as_millis();

        let file = fs.create(path).unwrap();
        assert_eq!(modified(), 7);
        for (step, change) in [
            (|file| file.write_at(0, b"x").map(drop)) as fn(&dyn File) -> io::Result<()>,
            |file| file.truncate(9),
            |file| file.allocate(90),
        ]
        .into_iter()
        .enumerate()
        {
            clock.advance(Duration::from_millis(1));
            file.read_at(0, 9).unwrap();
            file.sync().unwrap();
            assert_eq!(modified(), 7 + step as i64);
            change(&*file).unwrap();
            assert_eq!(modified(), 8 + step as i64);
        }
    }

    #[test]
    fn without_a_clock_files_are_as_old_as_the_epoch() {
        let fs = MemFs::new();
        fs.create(Path::new("a")).unwrap().write_at(0, b"x").unwrap();
        assert_eq!(fs.metadata(Path::new("a")).unwrap().modified, Timestamp::default());
    }

    #[test]
    fn the_root_is_there_from_the_start() {
        let fs = MemFs::new();
        for path in ["/", ".", ""].map(Path::new) {
            assert_eq!(fs.metadata(path).unwrap().kind, EntryKind::Directory);
            assert_eq!(fs.create_dir(path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs.list(path).unwrap(), []);
        }
    }

    #[test]
    fn paths_that_climb_are_refused() {
        let fs = MemFs::new();
        fs.create_dir(Path::new("a")).unwrap();
        for path in ["..", "../a", "a/..", "a/../a"] {
            let error = fs.metadata(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
