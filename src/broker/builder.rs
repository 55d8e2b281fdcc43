//! What a broker is made of, where that is not what everybody wants.

use super::Broker;
use crate::clock::{Clock, SystemClock};
use crate::config::Acks;
use crate::engine::{BrokerEvent, CleaningOptions, Engine, EngineOptions, Listener};
use crate::error::{OrIo, Result};
use crate::group::Coordinator;
use crate::io::{Fs, MemFs, OsFs};
use crate::log::LogDirOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes a [`Broker`].
///
/// ```
/// use brooklet::clock::ManualClock;
/// use brooklet::{Broker, Timestamp};
/// use std::sync::Arc;
///
/// let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
/// let broker = Broker::builder().clock(clock).seed(42).in_memory()?;
/// assert_eq!(broker.maintain()?, None);
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until a directory is opened with it"]
pub struct BrokerBuilder {
    fs: Option<Arc<dyn Fs>>,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    flush_interval: Duration,
    acks: Acks,
    options: LogDirOptions,
    offsets_retention: Duration,
    cleaning: CleaningOptions,
}

impl Default for BrokerBuilder {
    fn default() -> Self {
        Self {
            fs: None,
            clock: Arc::new(SystemClock::new()),
            seed: None,
            flush_interval: Duration::from_secs(1),
            acks: Acks::Durable,
            options: LogDirOptions::default(),
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            cleaning: CleaningOptions::default(),
        }
    }
}

impl BrokerBuilder {
    /// The file system. Default the machine's, or memory for [`BrokerBuilder::in_memory`].
    pub fn fs(self, fs: Arc<dyn Fs>) -> Self {
        Self { fs: Some(fs), ..self }
    }

    /// The clock. Default the machine's. With one that does not run by itself no thread is started, and
    /// [`Broker::maintain`] is for the test to call.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// What everything that looks random follows from: topic ids, the choice of partitions. Default the time of day.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Records that are to be durable, and for which nobody waits, are synced within this time. Default one second.
    pub fn flush_interval(self, interval: Duration) -> Self {
        Self { flush_interval: interval, ..self }
    }

    /// How sure a record is before it counts as sent, for producers that do not ask for anything else. Default
    /// [`Acks::Durable`].
    pub fn acks(self, acks: Acks) -> Self {
        Self { acks, ..self }
    }

    /// How long the offsets of a group are kept after its last member has gone (`offsets.retention.minutes`); those that
    /// were committed without members, after each commit. Default 7 days; `Duration::MAX` means for ever.
    pub fn offsets_retention(self, retention: Duration) -> Self {
        Self { offsets_retention: retention, ..self }
    }

    /// At most so many files are open at once, however many partitions there are. Default 512.
    pub fn open_files(mut self, files: usize) -> Self {
        self.options.open_files = files;
        self
    }

    /// Take over a directory that Kafka wrote, or that has lost its catalog: topics are found by their directories, and
    /// their records are kept for ever until their settings say otherwise. Default false: such a directory is refused.
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.options.adopt = adopt;
        self
    }

    /// So often the retention of all topics is enforced (`log.retention.check.interval.ms`). `Duration::MAX` means never:
    /// then [`Admin::enforce_retention_now`](crate::Admin::enforce_retention_now) is for the program to call. Default 5
    /// minutes; the first time after 30 seconds at most.
    pub fn retention_check_interval(mut self, interval: Duration) -> Self {
        self.cleaning.retention_check_interval = interval;
        self
    }

    /// Where there was nothing to compact, it is looked again after this long (`log.cleaner.backoff.ms`).
    /// `Duration::MAX` means that nothing is compacted but by [`Admin::compact_now`](crate::Admin::compact_now). Default
    /// 15 seconds.
    pub fn cleaner_backoff(mut self, backoff: Duration) -> Self {
        self.cleaning.cleaner_backoff = backoff;
        self
    }

    /// Who is told what retention and compaction have done in the background, and what was in their way. Called on the
    /// thread that did it, which waits for it: it must neither close the broker nor call [`Broker::maintain`]. Default nobody.
    ///
    /// ```
    /// # use brooklet::Broker;
    /// let broker = Broker::builder().on_event(|event| eprintln!("{event}")).in_memory()?;
    /// # Ok::<(), brooklet::Error>(())
    /// ```
    pub fn on_event(mut self, listener: impl Fn(&BrokerEvent) + Send + Sync + 'static) -> Self {
        self.cleaning.listener = Listener::new(listener);
        self
    }

    /// Opens a directory, which is made if there is none.
    ///
    /// # Errors
    /// As [`Broker::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Broker> {
        let path = path.as_ref();
        match self.fs.clone() {
            Some(fs) => self.open_on(fs, path),
            None => self.open_on(Arc::new(OsFs::new()), &OsFs::resolve(path).or_io("find", path)?),
        }
    }

    /// A broker in memory, or on the file system that was given, at its root.
    ///
    /// # Errors
    /// As [`Broker::open`].
    pub fn in_memory(self) -> Result<Broker> {
        let fs = self.fs.clone().unwrap_or_else(|| Arc::new(MemFs::with_clock(self.clock.clone())));
        self.open_on(fs, Path::new("/"))
    }

    fn open_on(self, fs: Arc<dyn Fs>, path: &Path) -> Result<Broker> {
        let seed = self.seed.unwrap_or_else(|| self.clock.now().as_millis() as u64);
        let Self { clock, flush_interval, acks, options, offsets_retention, cleaning, .. } = self;
        let options = EngineOptions { fs, clock, log_dir: options, flush_interval, acks, seed, cleaning };
        let engine = Engine::open(path, options)?;
        let coordinator = Coordinator::open(engine.clone(), offsets_retention);
        Ok(Broker { engine, coordinator })
    }
}
