//! All topics under one directory: their catalog, the lock on it, and what has to be done from time to time.
//!
//! - `open`: from a directory to topics whose partitions can be used, whatever a crash has left.
//! - `topics`: create, extend, alter, delete; each step in the catalog first, so that a crash can be carried on from.
//! - `internal_topics`: those that coordinators write to, and nobody else.
//! - `producer_ids`: numbers that no two producers ever share.
//! - `maintenance`: whatever is due, one bounded step at a time.
//! - `cleaning`: retention and compaction, one bounded step at a time too.
//! - `strays`: what lies among our files and is none of ours.
//! - `background`: the two threads, which do nothing but call these.
//!
//! The engine knows topics and nothing of groups: coordinators stand above it and write through it.

mod background;
mod cleaning;
mod internal_topics;
mod maintenance;
mod open;
mod producer_ids;
mod strays;
mod topics;

pub use cleaning::BrokerEvent;
pub(crate) use cleaning::{CleaningOptions, Listener};
pub(crate) use maintenance::{Alarm, Task};
pub(crate) use open::EngineOptions;

use crate::clock::Clock;
use crate::config::Acks;
use crate::error::{Error, Result};
use crate::log::LogDir;
use crate::partition::Partition;
use crate::topic::{CATALOG, Catalog, Topic};
use arc_swap::ArcSwap;
use background::Background;
use cleaning::Cleaning;
use maintenance::Maintenance;
use parking_lot::Mutex;
use producer_ids::ProducerIds;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

type Topics = BTreeMap<Arc<str>, Topic>;

/// Everything that one broker stands on. Dropping it does no I/O: that is a crash, and as safe as one.
pub(crate) struct Engine {
    dir: LogDir,
    clock: Arc<dyn Clock>,
    flush_interval: Duration,
    acks: Acks,
    seeds: AtomicU64,
    /// Held through every change of topics, their directories included.
    catalog: Mutex<Catalog>,
    /// What readers of the catalog see: topics whose partitions are all open.
    topics: ArcSwap<Topics>,
    /// How often `topics` or a number of partitions has changed.
    topics_version: AtomicU64,
    producer_ids: ProducerIds,
    maintenance: Maintenance,
    cleaning: Cleaning,
    is_closed: AtomicBool,
    background: Background,
    /// The thread that cleans: a step may take as long as it takes to read a segment, and clients have to be served
    /// meanwhile.
    cleaner: Background,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({}, {} topics)", self.path().display(), self.topics.load().len())
    }
}

impl Engine {
    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// How sure a record is, where nobody asks for anything else.
    pub(crate) fn acks(&self) -> Acks {
        self.acks
    }

    /// How long a record that is to be durable, and for which nobody waits, may stay unsynced.
    pub(crate) fn flush_interval(&self) -> Duration {
        self.flush_interval
    }

    /// A number for whoever needs something that looks random: another one each time, the same ones in each run.
    pub(crate) fn next_seed(&self) -> u64 {
        self.seeds.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Result<Topic> {
        self.check_open()?;
        self.find_topic(name).ok_or_else(|| Error::UnknownTopic { topic: name.to_owned() })
    }

    /// All topics in the order of their names.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.topics.load().values().cloned().collect()
    }

    /// How often topics came, grew or went: whoever has seen this number has seen them all. Who depends on them is a
    /// [`Task`] that is due while it has not.
    #[inline]
    pub(crate) fn topics_version(&self) -> u64 {
        self.topics_version.load(Ordering::Acquire)
    }

    /// An error once it is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(Error::Closed { path: self.path().to_owned() }),
            false => Ok(()),
        }
    }

    /// Finishes what is under way, makes everything durable and closes all logs, so that opening them again reads
    /// nothing. The directory is free for others when it returns.
    pub(crate) fn close(&self) -> Result<()> {
        self.check_open()?;
        let finished = self.maintenance.finish();
        // Whoever is changing topics is waited for: nothing is written once the directory is free.
        let catalog = self.catalog.lock();
        self.is_closed.store(true, Ordering::Release);
        drop(catalog);
        self.background.stop();
        // What others began to send while it was finished.
        let finished = finished.and(self.maintenance.finish());
        let saved = self.keep_producers();
        let closed = self.dir.close_in_order();
        // A step that is under way ends when it meets the closed log.
        self.cleaner.stop();
        self.dir.unlock();
        self.partitions().for_each(|partition| partition.announce_end());
        finished.and(saved).and(closed)
    }

    /// Has every partition save what it knows of producers.
    fn keep_producers(&self) -> Result<()> {
        self.partitions().map(|partition| partition.keep_producers()).fold(Ok(()), Result::and)
    }

    fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        self.topics().into_iter().flat_map(|topic| topic.partitions().to_vec())
    }

    fn find_topic(&self, name: &str) -> Option<Topic> {
        self.topics.load().get(name).cloned()
    }

    fn catalog_path(&self) -> PathBuf {
        self.path().join(CATALOG)
    }
}
