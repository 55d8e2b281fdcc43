//! A log: ordered segments as one sequence of batches, and the promise that what was acknowledged is there.
//!
//! ```text
//! append ──> ActiveSegment ──> file        one writer at a time, behind one lock (append.rs, roll.rs)
//! flush  ──> sync ──> durable-end          many waiters, one sync, outside that lock (flush.rs)
//! read   ──> list ──> index ──> walk       beside the writer, without its lock (read.rs, walk.rs)
//! open   ──> survey ──> table ──> repair   the only place that cuts or removes anything (recover.rs)
//! ```
//! Four marks say where a log stands (`marks.rs`): start, durable end, last stable offset, end.
//!
//! A log knows nothing of topics, producers or groups, and decides nothing about who may write. [`LogDir`] holds many
//! logs in one directory, with its lock and the files they share.

mod aborted;
mod append;
mod checkpoint;
mod clock_watch;
mod close;
mod compaction;
mod damage;
mod dir;
mod durable_end;
mod epochs;
mod facts;
mod failure;
mod flush;
mod leftovers;
mod manifest;
mod marks;
mod open;
mod order;
mod read;
mod recover;
mod retain;
mod retention;
mod roll;
mod seal;
mod segments;
mod start;
mod survey;
mod time;
mod truncate;
mod walk;

pub use append::Appended;
pub use clock_watch::ClockDoubt;
pub use compaction::{Cleanable, Compacted, CompactionConfig, CompactionProgress};
pub use damage::Damage;
pub use dir::{LogDir, LogDirOptions};
pub use marks::Watermarks;
pub use read::{Batches, Chunk, Cursor, ReadLimit};
pub use retain::{Removed, RemovedSegment};
pub use retention::{RemovalReason, RetentionConfig};

pub(crate) use checkpoint::LEADER_EPOCHS;
pub(crate) use durable_end::DURABLE_END;
pub(crate) use manifest::MANIFEST;

use crate::clock::Clock;
use crate::config::LogConfig;
use crate::error::{Error, Result};
use crate::io::Fs;
use crate::segment::Home;
use append::Writer;
use arc_swap::ArcSwap;
use clock_watch::{BelievedTime, ClockWatch};
use compaction::Cleaner;
use durable_end::DurableEndFile;
use epochs::LeaderEpochs;
use flush::Flusher;
use manifest::Fact;
use marks::Marks;
use parking_lot::Mutex;
use segments::SegmentList;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

/// One partition's log. Shared between threads as an `Arc`; made by a [`LogDir`].
///
/// Dropping it does nothing at all: what was not synced is as safe as after a crash. [`LogDir::close`] closes.
#[derive(Debug)]
pub struct Log {
    home: Arc<Home>,
    config: ArcSwap<LogConfig>,
    clock: Arc<dyn Clock>,
    clock_watch: Mutex<ClockWatch>,
    marks: Marks,
    segments: ArcSwap<SegmentList>,
    epochs: ArcSwap<LeaderEpochs>,
    durable_end: DurableEndFile,
    writer: Mutex<Writer>,
    flusher: Flusher,
    /// Why writing is refused, once it is.
    refusal: OnceLock<Refusal>,
    /// What made it unknown what is on disk, once that is so. It counts before any other reason, also in a log that is
    /// being closed.
    poison: OnceLock<String>,
    /// Whether its files are none of its business any more: it was closed, or tried to be.
    is_shut: AtomicBool,
    damage: Vec<Damage>,
    cleaner: Mutex<Cleaner>,
    /// Why it is not compacted any more.
    uncleanable: OnceLock<Error>,
    /// Up to where it was compacted.
    first_dirty: AtomicU64,
    /// Segments that are no part of it any more, and whose files may still be there.
    leftovers: Mutex<BTreeSet<u64>>,
}

/// Why a log takes no more writes.
#[derive(Debug, Clone)]
enum Refusal {
    ReadOnly(String),
    Closed,
    /// Its files are removed, and their names may be another log's by now.
    Removed,
}

impl Log {
    /// The directory of its files.
    pub fn path(&self) -> &Path {
        &self.home.dir
    }

    /// Its settings.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Changes its settings, from the next append on.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], and then nothing changes.
    pub fn reconfigure(&self, config: LogConfig) -> Result<()> {
        config.validate()?;
        let (config, mut writer) = (Arc::new(config), self.writer.lock());
        writer.config = config.clone();
        self.config.store(config);
        Ok(())
    }

    /// The file system that it lies on.
    pub(crate) fn fs(&self) -> &Arc<dyn Fs> {
        &self.home.fs
    }

    /// Refuses writes and flushes from now on, and waits for those that are under way: the log is about to be taken
    /// away, and a flush or a compaction makes files and opens them by their names.
    pub(crate) fn retire(&self) {
        {
            let _writer = self.writer.lock();
            self.refuse(Refusal::Removed);
        }
        self.give_up_compaction();
        self.without_flushes(|| ());
    }

    /// Where it stands.
    pub fn watermarks(&self) -> Watermarks {
        self.marks.get()
    }

    /// The leader epoch that the next batch will carry. It changes when the log goes on after a crash or a truncation.
    pub fn leader_epoch(&self) -> i32 {
        self.epochs.load().latest().unwrap_or(0)
    }

    /// The largest leader epoch that is not above `epoch`, and the offset behind its last record; `None` if the log
    /// does not know.
    pub fn epoch_end_offset(&self, epoch: i32) -> Option<(i32, u64)> {
        self.epochs.load().end_offset_for(epoch, self.marks.end())
    }

    /// What of it was found to be lost when it was opened. If there is anything, the log is read-only.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The first offset of each segment.
    pub fn segment_base_offsets(&self) -> Vec<u64> {
        self.segments.load().all().iter().map(|segment| segment.base_offset()).collect()
    }

    /// The bytes of its batches.
    pub fn size_bytes(&self) -> u64 {
        self.segments.load().all().iter().map(|segment| segment.bytes()).sum()
    }

    /// The time by which records grow old.
    fn believed_time(&self) -> BelievedTime {
        self.clock_watch.lock().look(self.clock.now(), self.clock.monotonic())
    }

    /// Refuses all writes from now on; the first reason stays.
    fn refuse(&self, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
    }

    /// Begins a new epoch at an offset: in the manifest, which counts, and in Kafka's file.
    fn begin_epoch(&self, writer: &mut Writer, start_offset: u64) -> Result<()> {
        let mut epochs = self.epochs.load().as_ref().clone();
        let epoch = epochs.latest().map_or(0, |latest| latest + 1);
        epochs.assign(epoch, start_offset);
        self.with_manifest(|manifest| manifest.append(&[Fact::Epoch(epoch, start_offset)]))
            .map_err(|failure| self.failed(failure))?;
        // Batches carry it from now on, whatever becomes of Kafka's file.
        writer.epoch = epoch;
        self.epochs.store(Arc::new(epochs.clone()));
        checkpoint::write_epochs(self.home.fs.as_ref(), &self.path().join(LEADER_EPOCHS), &epochs)
    }

    /// Forgets the epochs of which no batch is left; the manifest does when it is next written anew. What was `searched` holds
    /// batches of those that were `found` only, and files before the first segment are gone for good.
    fn forget_epochs(&self, searched: Range<u64>, found: &BTreeSet<i32>) {
        let _writer = self.writer.lock();
        let first = self.segments.load().all()[0].base_offset();
        let mut epochs = self.epochs.load().as_ref().clone();
        epochs.forget(first, searched, found);
        self.epochs.store(Arc::new(epochs));
    }

    fn check_writable(&self) -> Result<()> {
        // Most of the time there is neither.
        if self.refusal.get().is_none() && self.poison.get().is_none() {
            return Ok(());
        }
        let path = self.path().to_owned();
        Err(match (self.poison.get(), self.refusal.get()) {
            (Some(cause), _) => Error::Poisoned { path, cause: cause.clone() },
            (None, Some(Refusal::ReadOnly(lost))) => Error::ReadOnly { path, lost: lost.clone() },
            (None, _) => Error::Closed { path },
        })
    }
}
