//! Planted bugs: a disk that behaves as if the broker above it had made a mistake. As in `crate::plant`, what a bug holds
//! back is the library's own memory, and gone with the process.

use crate::disk::SimDisk;
use crate::passing::passes_on;
use brooklet::io::{Entry, File, Fs, Lock};
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CATALOG: &str = "catalog";
const CATALOG_TMP: &str = "catalog.tmp";
const METADATA_TMP: &str = "partition.metadata.tmp";
const MARKER: &str = ".kafka_cleanshutdown";

/// The mistake that a broker makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BrokerBug {
    /// The catalog is put in place with its bytes not durable.
    CatalogNotSynced,
    /// The catalog's new name is not durable: the directory sync that follows its rename is dropped.
    CatalogNameNotSynced,
    /// The catalog is written in place, not replaced.
    CatalogInPlace,
    /// Directories are made before the catalog says so.
    DirectoriesBeforeCatalog,
    /// Directories are removed before the catalog says that their topic is deleted.
    RemovedBeforeCatalog,
    /// The catalog forgets a deleted topic whose directory may come back: the sync after the removal is dropped.
    RemovalNotSynced,
    /// The catalog says that a directory is there whose name is not durable: the sync after the creation is dropped.
    CreationNotSynced,
    /// Records are not made durable: the syncs of all batches but the coordinator's are dropped.
    DataNotSynced,
    /// `partition.metadata` is put in place with its bytes not durable.
    MetadataNotSynced,
    /// `partition.metadata` is not written at all.
    MetadataNotWritten,
    /// A deleted topic's directory is left as it is.
    DeletionForgetsFiles,
    /// The marker of a clean shutdown stays when the directory is opened.
    MarkerStays,
    /// The marker's removal is not durable before the logs are used.
    MarkerRemovalNotSynced,
    /// Whoever asks for the lock gets it.
    SecondOpenAllowed,
}

impl BrokerBug {
    /// One of each.
    pub(super) const ALL: [BrokerBug; 14] = [
        BrokerBug::CatalogNotSynced,
        BrokerBug::CatalogNameNotSynced,
        BrokerBug::CatalogInPlace,
        BrokerBug::DirectoriesBeforeCatalog,
        BrokerBug::RemovedBeforeCatalog,
        BrokerBug::RemovalNotSynced,
        BrokerBug::CreationNotSynced,
        BrokerBug::DataNotSynced,
        BrokerBug::MetadataNotSynced,
        BrokerBug::MetadataNotWritten,
        BrokerBug::DeletionForgetsFiles,
        BrokerBug::MarkerStays,
        BrokerBug::MarkerRemovalNotSynced,
        BrokerBug::SecondOpenAllowed,
    ];
}

/// A simulated disk as a broker with one bug uses it.
#[derive(Debug, Clone)]
pub(super) struct PlantedBroker {
    disk: SimDisk,
    bug: BrokerBug,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The rename of the catalog waits.
    held: Option<(PathBuf, PathBuf)>,
    /// The next sync of the root is dropped.
    drops_root_sync: bool,
}

#[derive(Debug)]
struct PlantedFile {
    file: Arc<dyn File>,
    drops_sync: bool,
}

#[derive(Debug)]
struct NoLock;

impl Lock for NoLock {}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name() == Some(OsStr::new(name))
}

fn is_partition(path: &Path) -> bool {
    path.parent() == Some(Path::new(super::world::ROOT)) && path.extension().is_none_or(|ext| ext != "tmp")
}

impl PlantedBroker {
    pub(super) fn new(disk: SimDisk, bug: BrokerBug) -> Self {
        Self { disk, bug, memory: Arc::default() }
    }

    /// Carries out what was held back.
    fn release(&self) -> io::Result<()> {
        let held = self.memory.lock().held.take();
        let Some((from, to)) = held else { return Ok(()) };
        self.disk.rename(&from, &to)?;
        self.disk.sync_dir(Path::new(super::world::ROOT))
    }

    fn drop_next_root_sync(&self, bug: BrokerBug) {
        self.memory.lock().drops_root_sync |= self.bug == bug;
    }

    fn opened(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        let drops_sync = match self.bug {
            BrokerBug::CatalogNotSynced => is_named(path, CATALOG_TMP),
            BrokerBug::DataNotSynced => {
                let is_ours = path.to_string_lossy().contains("/__");
                path.extension() == Some(OsStr::new("log")) && !is_ours
            }
            BrokerBug::MetadataNotSynced => is_named(path, METADATA_TMP),
            _ => false,
        };
        Arc::new(PlantedFile { file, drops_sync })
    }

    fn rename_catalog(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.bug {
            // A topic that is deleted takes its settings with it.
            BrokerBug::RemovedBeforeCatalog
                if self
                    .disk
                    .peek(to)
                    .is_ok_and(|old| self.disk.peek(from).is_ok_and(|new| new.len() < old.len())) =>
            {
                self.memory.lock().held = Some((from.to_owned(), to.to_owned()));
                return Ok(());
            }
            BrokerBug::DirectoriesBeforeCatalog => {
                self.memory.lock().held = Some((from.to_owned(), to.to_owned()));
                return Ok(());
            }
            BrokerBug::CatalogInPlace if self.disk.peek(to).is_ok() => {
                let bytes = self.disk.peek(from)?;
                let file = self.disk.open(to)?;
                file.truncate(bytes.len() as u64)?;
                file.write_all_at(0, &bytes)?;
                file.sync()?;
                return self.disk.remove(from);
            }
            _ => {}
        }
        self.drop_next_root_sync(BrokerBug::CatalogNameNotSynced);
        self.disk.rename(from, to)
    }
}

impl Fs for PlantedBroker {
    passes_on!([disk] metadata);

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.bug != BrokerBug::DirectoriesBeforeCatalog {
            self.release()?;
        }
        if is_partition(path) {
            self.drop_next_root_sync(BrokerBug::CreationNotSynced);
        }
        let made = self.disk.create_dir(path);
        self.release()?;
        made
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if self.bug == BrokerBug::DeletionForgetsFiles {
            return Ok(());
        }
        if is_partition(path) {
            self.drop_next_root_sync(BrokerBug::RemovalNotSynced);
        }
        let removed = self.disk.remove_dir(path);
        self.release()?;
        removed
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        if !is_partition(dir) {
            self.release()?;
        }
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.release()?;
        Ok(self.opened(path, self.disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.release()?;
        Ok(self.opened(path, self.disk.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.release()?;
        if is_named(to, CATALOG) {
            return self.rename_catalog(from, to);
        }
        if self.bug == BrokerBug::MetadataNotWritten && is_named(from, METADATA_TMP) {
            return self.disk.remove(from);
        }
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if is_named(path, CATALOG_TMP) {
            self.release()?;
        }
        match self.bug {
            BrokerBug::MarkerStays if is_named(path, MARKER) => return Ok(()),
            BrokerBug::MarkerRemovalNotSynced if is_named(path, MARKER) => {
                self.memory.lock().drops_root_sync = true
            }
            BrokerBug::DeletionForgetsFiles if path.parent().is_some_and(is_partition) => return Ok(()),
            _ => {}
        }
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.memory.lock().held.is_some() {
            return Ok(());
        }
        if dir == Path::new(super::world::ROOT) && std::mem::take(&mut self.memory.lock().drops_root_sync) {
            return Ok(());
        }
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        match self.disk.lock(path) {
            Err(error)
                if self.bug == BrokerBug::SecondOpenAllowed && error.kind() == io::ErrorKind::WouldBlock =>
            {
                Ok(Box::new(NoLock))
            }
            locked => locked,
        }
    }
}

impl File for PlantedFile {
    passes_on!([file] len read_at write_at allocate truncate);

    fn sync(&self) -> io::Result<()> {
        if self.drops_sync { Ok(()) } else { self.file.sync() }
    }
}
