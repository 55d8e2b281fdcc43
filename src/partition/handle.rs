//! A partition as users hold it: append, read, find, and know where it stands.

use super::admission::{Admission, SettingsCache};
use super::producer_entry::ProducerStateEntry;
use super::producer_state::ProducerState;
use super::reader::read_records;
use super::records::Records;
use super::verdict::Origin;
use super::wakeup::{Signal, Watchers};
use crate::clock::Clock;
use crate::config::{Acks, Isolation, TopicConfig, Visibility};
use crate::error::{Error, Result};
use crate::log::{Log, ReadLimit, Watermarks};
use crate::record::{BatchBuilder, EncodedBatch, NewRecord};
use crate::types::{Timestamp, TopicPartition};
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where records went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// The offset of the first record.
    pub first_offset: u64,
    /// The offset of the last record.
    pub last_offset: u64,
    /// When the log took them in, if its topic stamps records with that.
    pub log_append_time: Option<Timestamp>,
}

/// One partition of a topic. A handle: cheap to clone, and shared between threads.
///
/// Most programs send through a [`Producer`](crate::Producer) and read through a [`Consumer`](crate::Consumer); this is
/// what these stand on.
///
/// ```
/// use brooklet::{Acks, Broker, Isolation, NewRecord, ReadLimit, Timestamp, TopicConfig};
///
/// let broker = Broker::in_memory()?;
/// let partition = broker.ensure_topic("orders", TopicConfig::new())?.partition(0)?;
/// let at = partition.append([NewRecord::new().key("k").value("v")], Acks::Written)?; // offsets, at once
/// let records = partition.read(at.first_offset, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted)?;
/// assert_eq!(records.iter().next().and_then(|record| record.value()), Some(&b"v"[..]));
///
/// let found = partition.offset_for_time(Timestamp::from_millis(1_700_000_000_000))?;
/// assert_eq!(found.map(|(offset, _)| offset), Some(0));
/// let marks = partition.watermarks();
/// assert_eq!((marks.start, marks.end, marks.last_stable), (0, 1, 1));
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Clone)]
pub struct Partition {
    inner: Arc<Inner>,
}

struct Inner {
    id: Arc<TopicPartition>,
    log: Arc<Log>,
    settings: Arc<ArcSwap<TopicConfig>>,
    producers: ProducerState,
    clock: Arc<dyn Clock>,
    /// Who wants to know of new records.
    watchers: Watchers,
    /// The durable end moved.
    synced: Signal,
    is_deleted: AtomicBool,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition({} {:?})", self.inner.id, self.inner.log.watermarks())
    }
}

impl Partition {
    pub(crate) fn new(
        id: TopicPartition,
        log: Arc<Log>,
        settings: Arc<ArcSwap<TopicConfig>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let id = Arc::new(id);
        let producers = ProducerState::new(id.clone(), log.clone(), log.fs().clone(), clock.clone());
        let (watchers, synced, is_deleted) = (Watchers::default(), Signal::default(), AtomicBool::new(false));
        let inner = Inner { id, log, settings, producers, clock, watchers, synced, is_deleted };
        Self { inner: Arc::new(inner) }
    }

    /// Its topic's name.
    pub fn topic(&self) -> &str {
        self.inner.id.topic()
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.inner.id.partition()
    }

    /// Appends records as one batch: all of them, or none. Those without a timestamp are made now; a partition or topic
    /// that they name themselves is not looked at.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] for a record that the topic does not take, [`Error::TooLarge`] for too much at once,
    /// [`Error::PolicyViolation`] for a topic that is a coordinator's, and those of the disk; nothing was appended then,
    /// but for [`Error::Indeterminate`], which says so.
    pub fn append<'a>(
        &self,
        records: impl IntoIterator<Item = NewRecord<'a>>,
        acks: Acks,
    ) -> Result<AppendInfo> {
        self.refuse_internal()?;
        self.append_records(records, acks)
    }

    /// An error if its records are a coordinator's.
    pub(crate) fn refuse_internal(&self) -> Result<()> {
        if !self.inner.id.is_internal() {
            return Ok(());
        }
        let why = "it is internal, and its records are made by coordinators; commit offsets instead, or write to \
                   a topic of your own";
        Err(Error::PolicyViolation { topic: self.topic().to_owned(), why })
    }

    /// [`Partition::append`], for coordinators too.
    pub(crate) fn append_records<'a>(
        &self,
        records: impl IntoIterator<Item = NewRecord<'a>>,
        acks: Acks,
    ) -> Result<AppendInfo> {
        let (settings, now) = (self.inner.settings.load_full(), self.inner.clock.now());
        let admission = Admission(&settings);
        let info = BatchBuilder::with_spare(admission.compression().unwrap_or_default(), |batch| {
            for record in records {
                let content = record.content(now);
                admission.check(|| &self.inner.id, &content, now)?;
                batch.push_content(&content)?;
            }
            self.append_batch(admission, &mut batch.build()?)
        })?;
        if acks.max(admission.min_acks()) == Acks::Durable {
            self.flush_to(info.last_offset + 1)?;
        }
        Ok(info)
    }

    /// Reads records from an offset on, as many as the limit allows; none if there are none yet.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if the partition does not hold the offset; [`Error::Corrupt`] for damage, with the
    /// offset at which reading can go on.
    pub fn read(&self, offset: u64, limit: ReadLimit, isolation: Isolation) -> Result<Records> {
        self.check_exists()?;
        let limit = limit.until(self.visible_end(isolation));
        read_records(&self.inner.log, &self.inner.id, offset, limit, isolation)
            .map_err(|error| self.explain(error))
    }

    /// The first record, in the order of the log, that is not older than `timestamp`: its offset and timestamp.
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub fn offset_for_time(&self, timestamp: Timestamp) -> Result<Option<(u64, Timestamp)>> {
        self.check_exists()?;
        self.inner.log.offset_for_time(timestamp).map_err(|error| self.explain(error))
    }

    /// Where it stands.
    pub fn watermarks(&self) -> Watermarks {
        self.inner.log.watermarks()
    }

    /// Makes everything that is in it durable, and says up to which offset.
    ///
    /// # Errors
    /// [`Error::Indeterminate`] if a sync failed; then it takes no more writes until the broker is opened anew.
    pub fn flush(&self) -> Result<u64> {
        let end = self.watermarks().end;
        self.flush_to(end).map(|()| end)
    }

    /// Makes records below `before` unreadable, for ever, and says what the first offset is now. Their files are freed
    /// by retention.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if it ends before that; [`Error::PolicyViolation`] if its topic is compacted only.
    pub fn delete_records(&self, before: u64) -> Result<u64> {
        if !self.inner.settings.load().cleanup_policy.deletes() {
            let why = "a topic that is only compacted keeps the last record of each key; \
                       send tombstones, or set cleanup.policy to compact,delete";
            return Err(Error::PolicyViolation { topic: self.topic().to_owned(), why });
        }
        self.inner.log.advance_start(before).map_err(|error| self.explain(error))
    }

    /// Takes back every batch that holds `offset` or a later one. The offsets are not given again: what comes next gets
    /// those behind the old end.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] if it does not hold the offset, and those of the disk.
    pub fn truncate(&self, offset: u64) -> Result<()> {
        self.inner.producers.truncate(offset).map_err(|error| self.explain(error))
    }

    /// The bytes of its batches on disk.
    pub fn size_bytes(&self) -> u64 {
        self.inner.log.size_bytes()
    }

    pub(crate) fn id(&self) -> &Arc<TopicPartition> {
        &self.inner.id
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.inner.log
    }

    /// No record of its topic counts as sent before it is this sure.
    pub(crate) fn min_acks(&self) -> Acks {
        self.inner.settings.load().min_acks
    }

    /// Its topic's settings, as they are now.
    pub(crate) fn settings(&self) -> Arc<TopicConfig> {
        self.inner.settings.load_full()
    }

    /// Its topic's settings, for whoever asks often.
    pub(crate) fn settings_cache(&self) -> SettingsCache {
        SettingsCache::new(self.inner.settings.clone())
    }

    /// Appends a batch whose records were admitted, and tells readers.
    #[inline]
    pub(crate) fn append_batch(
        &self,
        admission: Admission<'_>,
        batch: &mut EncodedBatch<'_>,
    ) -> Result<AppendInfo> {
        let Inner { log, producers, clock, watchers, .. } = &*self.inner;
        let log_append_time = admission.stamped().then(|| clock.now());
        if let Some(now) = log_append_time {
            batch.stamp_log_append_time(now);
        }
        let (first_offset, last_offset) = match batch.header().has_producer_id() {
            true => {
                let appended = producers.append(batch, Origin::Client, false);
                appended.map(|appended| (appended.base_offset, appended.last_offset))
            }
            false => log.append(batch).map(|appended| (appended.base_offset, appended.last_offset)),
        }
        .map_err(|error| self.explain(error))?;
        watchers.notify();
        Ok(AppendInfo { first_offset, last_offset, log_append_time })
    }

    /// Returns once everything below `end` is durable.
    pub(crate) fn flush_to(&self, end: u64) -> Result<()> {
        self.inner.log.flush_to(end).map_err(|error| self.explain(error))?;
        self.inner.synced.notify();
        if self.inner.settings.load().visibility == Visibility::Durable {
            self.inner.watchers.notify();
        }
        Ok(())
    }

    /// Happens when the durable end moves.
    pub(crate) fn synced(&self) -> &Signal {
        &self.inner.synced
    }

    /// The offset below which a reader may see records now.
    pub(crate) fn visible_end(&self, isolation: Isolation) -> u64 {
        let marks = self.watermarks();
        let end = match isolation {
            Isolation::ReadUncommitted => marks.end,
            Isolation::ReadCommitted => marks.last_stable,
        };
        match self.inner.settings.load().visibility {
            Visibility::Written => end,
            Visibility::Durable => end.min(marks.durable_end),
        }
    }

    pub(crate) fn watchers(&self) -> &Watchers {
        &self.inner.watchers
    }

    /// The producers that have numbered their batches here, by id, as far as they are remembered.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn producers(&self) -> Result<Vec<ProducerStateEntry>> {
        self.inner.producers.producers()
    }

    /// Saves what would otherwise have to be read back from the log, and forgets producers that were not heard of for a
    /// day, as Kafka does.
    pub(crate) fn keep_producers(&self) -> Result<()> {
        const EXPIRATION: Duration = Duration::from_secs(24 * 60 * 60);
        self.inner.producers.expire(EXPIRATION);
        self.inner.producers.save()
    }

    /// Its topic is about to be deleted.
    pub(crate) fn mark_deleted(&self) {
        self.inner.is_deleted.store(true, Ordering::Release);
        self.announce_end();
    }

    /// There will be nothing new: whoever waits looks again, and is told why.
    pub(crate) fn announce_end(&self) {
        self.inner.watchers.notify();
        self.inner.synced.notify();
    }

    #[inline]
    pub(crate) fn is_deleted(&self) -> bool {
        self.inner.is_deleted.load(Ordering::Acquire)
    }

    /// An error once its topic is deleted. Its files may still be open, and would go on answering for a while.
    pub(crate) fn check_exists(&self) -> Result<()> {
        if self.is_deleted() { Err(Error::UnknownTopic { topic: self.topic().to_owned() }) } else { Ok(()) }
    }

    /// An error of the log, as whoever holds a topic understands it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.check_exists().err().unwrap_or(error)
    }
}
