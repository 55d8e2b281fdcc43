//! Many logs in one directory: its lock, its clean-shutdown marker, and the files that its logs share.
//!
//! ```text
//! data/.lock                                held as long as somebody has the directory open
//! data/brooklet-format                      the version of what is ours, and the sign that the directory is
//! data/.kafka_cleanshutdown                 there while nobody has it open and all was closed in order
//! data/recovery-point-offset-checkpoint     }
//! data/log-start-offset-checkpoint          } for Kafka, and for what is taken over from it
//! data/cleaner-offset-checkpoint            }
//! data/orders-0/                            one log
//! ```

mod remove;

use super::Log;
use super::checkpoint::{self, CLEANER_OFFSETS, LOG_STARTS, RECOVERY_POINTS};
use super::durable_end::{DURABLE_END, DurableEndFile};
use super::manifest::MANIFEST;
use super::open::Origin;
use super::recover::Adopted;
use crate::clock::{Clock, SystemClock};
use crate::config::LogConfig;
use crate::error::{Error, OrIo, Result};
use crate::io::{EntryKind, FilePool, Fs, Lock, MemFs, OsFs, read_file, replace_file};
use crate::segment::{FileName, Home};
use crate::types::TopicPartition;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK: &str = ".lock";
const FORMAT: &str = "brooklet-format";
const FORMAT_VERSION: u32 = 1;
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// What Kafka's marker looks like, with the epoch of a broker that never was: so it is known to be ours.
const OUR_CLEAN_SHUTDOWN: &str = "{\"version\":0,\"brokerEpoch\":-1}";
/// How Kafka calls a segment that is about to replace others, which may be gone already.
const SWAP: &str = ".swap";
const SMALL: usize = 4096;

/// How to open a directory.
#[derive(Debug, Clone)]
pub struct LogDirOptions {
    /// At most so many files are open at once; others are closed and opened again as needed. Default 512, which leaves
    /// room for the rest of the program under the usual limit of 1024.
    pub open_files: usize,
    /// Take over a directory that Kafka wrote. Default false: such a directory is refused.
    pub adopt: bool,
}

impl Default for LogDirOptions {
    fn default() -> Self {
        Self { open_files: FilePool::CAPACITY_DEFAULT, adopt: false }
    }
}

/// A directory of logs, locked against everybody else.
///
/// ```
/// use brooklet::log::{Cursor, LogDir, ReadLimit};
/// use brooklet::record::{BatchBuilder, Compression, RecordParts};
/// use brooklet::{LogConfig, TopicPartition};
///
/// let dir = LogDir::in_memory()?;
/// let log = dir.create_log(&TopicPartition::new("orders", 0)?, LogConfig::default())?;
///
/// let mut batch = BatchBuilder::new(Compression::None);
/// batch.push(&RecordParts { key: Some(b"alice"), value: Some(b"created"), ..Default::default() })?;
/// let appended = log.append(&mut batch.build()?)?;
/// log.flush_to(appended.last_offset + 1)?;               // now it survives a power cut
///
/// let chunk = log.read(&Cursor::at(0), ReadLimit::bytes(1 << 20))?;
/// for batch in chunk.batches() {
///     for record in batch?.records()?.iter() {
///         assert_eq!(record?.key(), Some(&b"alice"[..]));
///     }
/// }
/// dir.close()?;
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug)]
pub struct LogDir {
    fs: Arc<dyn Fs>,
    /// The same: as what it is.
    pool: Arc<FilePool>,
    root: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whether everything was closed in order the last time.
    clean: bool,
    /// What Kafka's checkpoints said, or ours, when the directory was opened.
    recovery_points: BTreeMap<TopicPartition, u64>,
    log_starts: BTreeMap<TopicPartition, u64>,
    cleaner_offsets: BTreeMap<TopicPartition, u64>,
    logs: Mutex<BTreeMap<TopicPartition, Arc<Log>>>,
    lock: Mutex<Option<Box<dyn Lock>>>,
}

impl LogDir {
    /// Opens a directory on disk, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] if anybody has it open; [`Error::NotOurs`] if it holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<LogDir> {
        let path = OsFs::resolve(path.as_ref()).or_io("find", path.as_ref())?;
        let clock = Arc::new(SystemClock::new());
        Self::open_with(Arc::new(OsFs::new()), clock, path, LogDirOptions::default())
    }

    /// A directory in memory, which is gone when the last of its logs is.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn in_memory() -> Result<LogDir> {
        let clock = Arc::new(SystemClock::new());
        Self::open_with(Arc::new(MemFs::new()), clock, "/", LogDirOptions::default())
    }

    /// Opens a directory on a file system and with a clock of one's own. The path is taken as it is: on the real file
    /// system it had better be absolute ([`OsFs::resolve`]), lest the program change its working directory.
    ///
    /// # Errors
    /// As [`LogDir::open`].
    pub fn open_with(
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        path: impl AsRef<Path>,
        options: LogDirOptions,
    ) -> Result<LogDir> {
        if options.open_files == 0 {
            let why = "at least one file has to be open to be used";
            return Err(Error::InvalidConfig { setting: "open_files", value: "0".into(), why });
        }
        let pool = Arc::new(FilePool::new(fs, options.open_files));
        let fs: Arc<dyn Fs> = pool.clone();
        let root = path.as_ref().to_owned();
        create_dirs(fs.as_ref(), &root)?;
        if !options.adopt {
            // Before the lock as well: its file would be a trace of us in a directory that is somebody else's.
            refuse_foreign(fs.as_ref(), &root)?;
        }
        let lock_path = root.join(LOCK);
        let lock = fs.lock(&lock_path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::Locked { path: root.clone() },
            _ => Error::io("lock", &lock_path, error),
        })?;
        identify(fs.as_ref(), &root, options.adopt)?;
        let recovery_points = checkpoint::read_offsets(fs.as_ref(), &root.join(RECOVERY_POINTS))?;
        let log_starts = checkpoint::read_offsets(fs.as_ref(), &root.join(LOG_STARTS))?;
        let cleaner_offsets = checkpoint::read_offsets(fs.as_ref(), &root.join(CLEANER_OFFSETS))?;
        let clean = take_marker(fs.as_ref(), &root)?;
        let (logs, lock) = (Mutex::default(), Mutex::new(Some(lock)));
        Ok(LogDir { fs, pool, root, clock, clean, recovery_points, log_starts, cleaner_offsets, logs, lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The partitions of which there are logs.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn partitions(&self) -> Result<Vec<TopicPartition>> {
        let entries = self.fs.list(&self.root).or_io("list", &self.root)?;
        let directories = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
        let mut partitions: Vec<_> =
            directories.filter_map(|entry| TopicPartition::from_dir_name(&entry.name)).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// Makes a new log.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if there is one.
    pub fn create_log(&self, partition: &TopicPartition, config: LogConfig) -> Result<Arc<Log>> {
        config.validate()?;
        let mut logs = self.logs.lock();
        let home = self.home(partition);
        match self.fs.create_dir(&home.dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::AlreadyExists { path: home.dir.clone() });
            }
            other => other.or_io("create", &home.dir)?,
        }
        let log = Arc::new(Log::open(home, config, self.clock.clone(), Origin::Unknown)?);
        self.fs.sync_dir(&self.root).or_io("sync", &self.root)?;
        logs.insert(partition.clone(), log.clone());
        Ok(log)
    }

    /// Opens a log, in whatever state it was left; the same one to everybody who asks.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none. A log of which something durable is lost opens all the same, for reading:
    /// see [`Log::damage`].
    pub fn open_log(&self, partition: &TopicPartition, config: LogConfig) -> Result<Arc<Log>> {
        let mut logs = self.logs.lock();
        if let Some(log) = logs.get(partition) {
            return Ok(log.clone());
        }
        let home = self.home(partition);
        match self.fs.metadata(&home.dir) {
            Ok(metadata) if metadata.kind == EntryKind::Directory => {}
            Ok(_) => {
                return Err(Error::NotOurs { path: home.dir.clone(), found: "it is no directory".into() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound { path: home.dir.clone() });
            }
            Err(error) => return Err(error).or_io("look at", &home.dir),
        }
        let origin = self.origin(partition, &home)?;
        let log = Arc::new(Log::open(home, config, self.clock.clone(), origin)?);
        self.fs.sync_dir(&self.root).or_io("sync", &self.root)?;
        logs.insert(partition.clone(), log.clone());
        Ok(log)
    }

    /// Notes for Kafka up to where each log is synced, where it begins, and up to where it is compacted. Our own notes of that
    /// need no such call.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn checkpoint(&self) -> Result<()> {
        let (mut recovery_points, mut log_starts) = (self.recovery_points.clone(), self.log_starts.clone());
        let mut cleaner_offsets = self.cleaner_offsets.clone();
        // What was said of logs that are removed must not be believed of others with their names.
        let there = self.partitions()?;
        for offsets in [&mut recovery_points, &mut log_starts, &mut cleaner_offsets] {
            offsets.retain(|partition, _| there.binary_search(partition).is_ok());
        }
        for (partition, log) in self.logs.lock().iter() {
            let marks = log.watermarks();
            recovery_points.insert(partition.clone(), marks.durable_end);
            log_starts.remove(partition);
            cleaner_offsets.remove(partition);
            if log.first_dirty_offset() > 0 {
                cleaner_offsets.insert(partition.clone(), log.first_dirty_offset());
            }
            if log.segment_base_offsets().first().is_some_and(|first| marks.start > *first) {
                log_starts.insert(partition.clone(), marks.start);
            }
        }
        checkpoint::write_offsets(self.fs.as_ref(), &self.root.join(RECOVERY_POINTS), &recovery_points)?;
        checkpoint::write_offsets(self.fs.as_ref(), &self.root.join(LOG_STARTS), &log_starts)?;
        if cleaner_offsets.is_empty() && self.cleaner_offsets.is_empty() {
            return Ok(());
        }
        checkpoint::write_offsets(self.fs.as_ref(), &self.root.join(CLEANER_OFFSETS), &cleaner_offsets)
    }

    /// Closes all logs in order, so that opening them again reads nothing. Without it nothing acknowledged is lost
    /// either, but the next open reads what was not synced.
    ///
    /// After a crash the directory counts as closed in order only once all of its logs were opened, and so recovered.
    ///
    /// # Errors
    /// The first failure; the other logs are closed all the same, and the directory then counts as not closed.
    pub fn close(self) -> Result<()> {
        self.close_in_order()
    }

    /// The same for somebody who shares it. Nothing may be written afterwards; the lock is held until it is dropped.
    pub(crate) fn close_in_order(&self) -> Result<()> {
        let closed: Vec<Result<()>> = self.logs.lock().values().map(|log| log.close()).collect();
        closed.into_iter().collect::<Result<()>>()?;
        self.checkpoint()?;
        if !self.clean && !self.all_were_opened()? {
            return Ok(());
        }
        let marker = self.root.join(CLEAN_SHUTDOWN);
        replace_file(self.fs.as_ref(), &marker, OUR_CLEAN_SHUTDOWN.as_bytes()).or_io("write", &marker)
    }

    /// The file system, for what else lies in the directory.
    pub(crate) fn fs(&self) -> &Arc<dyn Fs> {
        &self.fs
    }

    /// Gives the directory free for others. It must not be used afterwards.
    pub(crate) fn unlock(&self) {
        self.lock.lock().take();
    }

    fn all_were_opened(&self) -> Result<bool> {
        let logs = self.logs.lock();
        Ok(self.partitions()?.iter().all(|partition| logs.contains_key(partition)))
    }

    fn home(&self, partition: &TopicPartition) -> Arc<Home> {
        Arc::new(Home { fs: self.fs.clone(), dir: self.root.join(partition.to_string()) })
    }

    /// Where a log comes from. It is none of ours if it has batches and neither of our files; an attempt to take it over
    /// that a crash cut short may have left one that says nothing.
    fn origin(&self, partition: &TopicPartition, home: &Home) -> Result<Origin> {
        let known = if self.clean { Origin::ClosedInOrder } else { Origin::Unknown };
        let manifest = home.dir.join(MANIFEST);
        match self.fs.metadata(&manifest) {
            Ok(_) => return Ok(known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).or_io("look at", &manifest),
        }
        if DurableEndFile::open(&home.fs, &home.dir)?.is_some() {
            return Ok(known);
        }
        let entries = self.fs.list(&home.dir).or_io("list", &home.dir)?;
        if !entries.iter().any(|entry| FileName::parse(&entry.name).is_some()) {
            return Ok(Origin::Unknown);
        }
        if let Some(swap) = entries.iter().find(|entry| entry.name.ends_with(SWAP)) {
            let found = format!("a crash of Kafka left {:?} in the middle of a compaction", swap.name);
            return Err(Error::NotOurs { path: home.dir.clone(), found });
        }
        Ok(Origin::Adopted(Adopted {
            clean: self.clean,
            recovery_point: self.recovery_points.get(partition).copied().unwrap_or(0),
            start_offset: self.log_starts.get(partition).copied().unwrap_or(0),
            compacted_to: self.cleaner_offsets.get(partition).copied().unwrap_or(0),
        }))
    }
}

/// Makes a directory and those above it that are missing. Their names are synced by [`sync_ancestors`].
fn create_dirs(fs: &dyn Fs, path: &Path) -> Result<()> {
    match (fs.create_dir(path), path.parent()) {
        (Ok(()), _) => Ok(()),
        (Err(error), _) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            create_dirs(fs, parent)?;
            fs.create_dir(path).or_io("create", path)
        }
        (Err(error), _) => Err(error).or_io("create", path),
    }
}

/// Makes the names of a directory and of all those above it durable. An earlier attempt may have made any of them and
/// crashed before it synced one. What we may not even open we did not make.
fn sync_ancestors(fs: &dyn Fs, path: &Path) -> Result<()> {
    for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        match fs.sync_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => other.or_io("sync", parent)?,
        }
    }
    Ok(())
}

/// Whose a directory is.
enum Owner {
    Us,
    Nobody,
    /// Somebody else, by what was found.
    Other(String),
}

/// Finds out whose the directory is, and touches nothing.
///
/// The list comes first: somebody who makes the directory his own meanwhile says so before he puts anything else there.
fn recognize(fs: &dyn Fs, root: &Path) -> Result<Owner> {
    let entries = fs.list(root).or_io("list", root)?;
    let strange = entries.iter().find(|entry| entry.name != LOCK && !entry.name.starts_with(FORMAT));
    let path = root.join(FORMAT);
    let Some(bytes) = read_file(fs, &path, SMALL).or_io("read", &path)? else {
        return Ok(match strange {
            Some(entry) => Owner::Other(format!("it holds {:?}", entry.name)),
            None => Owner::Nobody,
        });
    };
    let text = String::from_utf8_lossy(&bytes);
    match text.trim().parse::<u32>() {
        Ok(FORMAT_VERSION) if Marker::read(fs, root)? == Marker::Theirs => {
            Ok(Owner::Other("Kafka has used it since".into()))
        }
        Ok(FORMAT_VERSION) => Ok(Owner::Us),
        Ok(found) => Err(Error::NewerFormat { path, found, supported: FORMAT_VERSION }),
        Err(_) => Err(Error::NotOurs { path, found: format!("its version is {:?}", text.trim()) }),
    }
}

/// An error if the directory is somebody else's.
fn refuse_foreign(fs: &dyn Fs, root: &Path) -> Result<()> {
    match recognize(fs, root)? {
        Owner::Us | Owner::Nobody => Ok(()),
        Owner::Other(found) => Err(Error::NotOurs { path: root.to_owned(), found }),
    }
}

/// Sees to it that the directory is ours: it says so, or it is empty, or it is to be taken over.
fn identify(fs: &dyn Fs, root: &Path, adopt: bool) -> Result<()> {
    match recognize(fs, root)? {
        // Whoever wrote that may have been killed before its name was durable.
        Owner::Us => return fs.sync_dir(root).or_io("sync", root),
        Owner::Nobody => {}
        Owner::Other(_) if adopt => disown(fs, root)?,
        Owner::Other(found) => return Err(Error::NotOurs { path: root.to_owned(), found }),
    }
    sync_ancestors(fs, root)?;
    let path = root.join(FORMAT);
    replace_file(fs, &path, format!("{FORMAT_VERSION}\n").as_bytes()).or_io("write", &path)
}

/// Who closed the directory last, if it was closed in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Missing,
    Ours,
    Theirs,
    /// It is there and nobody wrote it like that: it says nothing.
    Damaged,
}

impl Marker {
    fn read(fs: &dyn Fs, root: &Path) -> Result<Marker> {
        let path = root.join(CLEAN_SHUTDOWN);
        Ok(read_file(fs, &path, SMALL)
            .or_io("read", &path)?
            .map_or(Marker::Missing, |bytes| Self::of(&bytes)))
    }

    /// Kafka's is empty in its older versions and names the epoch of its broker in the newer ones.
    fn of(bytes: &[u8]) -> Marker {
        const EPOCH: &str = "\"brokerEpoch\":";
        let text = String::from_utf8_lossy(bytes);
        let epoch = text.split_once(EPOCH).map(|(_, behind)| behind.trim_start_matches(' '));
        match epoch {
            _ if bytes == OUR_CLEAN_SHUTDOWN.as_bytes() => Marker::Ours,
            _ if bytes.is_empty() => Marker::Theirs,
            Some(epoch) if epoch.starts_with(|first: char| first.is_ascii_digit()) => Marker::Theirs,
            _ => Marker::Damaged,
        }
    }
}

/// Removes what we once noted of logs that somebody else has written to since.
fn disown(fs: &dyn Fs, root: &Path) -> Result<()> {
    for entry in fs.list(root).or_io("list", root)? {
        if entry.kind != EntryKind::Directory || TopicPartition::from_dir_name(&entry.name).is_none() {
            continue;
        }
        let dir = root.join(&entry.name);
        for name in [DURABLE_END, MANIFEST] {
            let path = dir.join(name);
            match fs.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.and_then(|()| fs.sync_dir(&dir)).or_io("remove", &path)?,
            }
        }
    }
    Ok(())
}

/// Whether the directory was closed in order. The marker goes before anything else happens: a crash while opening
/// counts as a crash.
fn take_marker(fs: &dyn Fs, root: &Path) -> Result<bool> {
    let path = root.join(CLEAN_SHUTDOWN);
    let marker = Marker::read(fs, root)?;
    if marker != Marker::Missing {
        fs.remove(&path).or_io("remove", &path)?;
        fs.sync_dir(root).or_io("sync", root)?;
    }
    Ok(matches!(marker, Marker::Ours | Marker::Theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_of_kafka_is_told_from_ours_and_from_damage() {
        assert_eq!(Marker::of(OUR_CLEAN_SHUTDOWN.as_bytes()), Marker::Ours);
        assert_eq!(Marker::of(b""), Marker::Theirs);
        assert_eq!(Marker::of(b"{\"version\":0,\"brokerEpoch\":27}"), Marker::Theirs);
        assert_eq!(Marker::of(b"{\"version\": 0, \"brokerEpoch\": 0}"), Marker::Theirs);
        for bit in 0..OUR_CLEAN_SHUTDOWN.len() * 8 {
            let mut bytes = OUR_CLEAN_SHUTDOWN.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Marker::of(&bytes), Marker::Damaged, "bit {bit}");
        }
    }
}
