//! Many records at once, from a producer that does not linger: whoever sends them fills a batch for each partition by
//! himself, and hands it to the partition's lane whole. The lane's lock is taken once for a batch.
//!
//! ```text
//! record ──> run of its lane ──(full, or nothing follows)──> Lane::send_built ──> what became of the batch
//!                └─ place: which batch, which record of it ······························> receipt
//! ```

use super::config::ProducerConfig;
use super::lane::Lane;
use super::receipts::{Places, Receipts, SentBatch};
use super::routes::TopicLanes;
use super::{Inner, is_out_of_room};
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::partition::Admission;
use crate::record::{BatchBuilder, Content, NewRecord};
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sends records up to the first that cannot be sent.
pub(super) fn send<'a>(inner: &Inner, mut records: impl Iterator<Item = NewRecord<'a>>) -> Result<Receipts> {
    let mut runs = Runs::new(inner);
    let added = records.try_for_each(|record| runs.add(&record));
    let written = runs.write_all();
    added.and(written).map(|()| runs.into_receipts())
}

struct Runs<'p> {
    inner: &'p Inner,
    config: &'p ProducerConfig,
    now: Timestamp,
    /// Of the topic of the last record.
    lanes: Option<Arc<TopicLanes>>,
    runs: Vec<Run>,
    by_lane: BTreeMap<*const Lane, usize>,
    /// The run of the last record.
    current: usize,
    /// Those that were handed over, and one place for each that was begun.
    batches: Vec<Option<SentBatch>>,
    places: Places,
    /// What went into batches since all were written.
    bytes: usize,
    /// Whether nobody waits for room any more, having waited in vain.
    is_out_of_time: bool,
}

/// The records of one lane. Whose lane it is stands here too: it is asked for each record, and the lane's own is far away.
struct Run {
    lane: Arc<Lane>,
    topic: Arc<str>,
    partition: u32,
    builder: BatchBuilder,
    /// Which batch it is that is in the builder, and what its topic asks of it.
    batch: usize,
    settings: Arc<TopicConfig>,
    bytes_max: usize,
}

impl Run {
    /// Whether the record says of itself that it belongs to the batch that is being filled.
    #[inline]
    fn takes(&self, record: &NewRecord<'_>) -> bool {
        record.partition_number() == Some(self.partition)
            && !self.builder.is_empty()
            && *self.topic == *record.topic_name()
    }
}

impl<'p> Runs<'p> {
    fn new(inner: &'p Inner) -> Self {
        Self {
            inner,
            config: &inner.shared.config,
            now: inner.shared.clock.now(),
            lanes: None,
            runs: Vec::new(),
            by_lane: BTreeMap::new(),
            current: 0,
            batches: Vec::new(),
            places: Places::default(),
            bytes: 0,
            is_out_of_time: false,
        }
    }

    #[inline]
    fn add(&mut self, record: &NewRecord<'_>) -> Result<()> {
        // Most come behind another one of their place, with whose batch all is settled but the room in it.
        match self.runs.get(self.current) {
            Some(run) if run.takes(record) => {
                let content = record.content(self.now);
                self.config.check_size(content.batch_bytes_max())?;
                self.push(self.current, &content).map(drop)
            }
            _ => self.add_routed(record),
        }
    }

    /// Finds the lane of a record first.
    fn add_routed(&mut self, record: &NewRecord<'_>) -> Result<()> {
        let (inner, now) = (self.inner, self.now);
        let fits = |lanes: &Arc<TopicLanes>| lanes.name() == record.topic_name() && lanes.is_current();
        let lanes = match self.lanes.take().filter(fits) {
            Some(lanes) => lanes,
            None => self.lanes_of(record.topic_name())?,
        };
        inner.route(&lanes, record, now, &mut None, |lane, content| {
            let index = match self.runs.get(self.current) {
                Some(run) if Arc::ptr_eq(&run.lane, lane) => self.current,
                _ => self.run_of(lane),
            };
            self.current = index;
            self.push(index, content).map(|is_full| ((), is_full))
        })?;
        self.lanes = Some(lanes);
        Ok(())
    }

    fn lanes_of(&mut self, topic: &str) -> Result<Arc<TopicLanes>> {
        if let Some(lanes) = self.inner.routes.current(topic) {
            return Ok(lanes);
        }
        // Whose topic was deleted meanwhile fails before another one of that name takes over.
        self.write_all()?;
        self.inner.routes.renew(topic)
    }

    /// Puts a record into the batch of its run. Says whether that takes no more.
    #[inline]
    fn push(&mut self, index: usize, record: &Content<'_>) -> Result<bool> {
        let run = &self.runs[index];
        if !run.builder.is_empty() && !run.builder.has_room(record, run.bytes_max) {
            self.write(index)?;
        }
        if self.runs[index].builder.is_empty() {
            self.begin(index);
        }
        let run = &mut self.runs[index];
        Admission(&run.settings).check(|| run.lane.partition().id(), record, self.now)?;
        run.builder.push_content(record)?;
        let made_at = record.timestamp().unwrap_or(self.now);
        self.places.push(run.batch, run.builder.records() as usize - 1, made_at);
        self.bytes += record.batch_bytes_max();
        let is_full = run.builder.len_bytes() >= run.bytes_max;
        if is_full {
            self.write(index)?;
        } else if self.bytes > self.config.buffer_memory {
            self.write_all()?;
        }
        Ok(is_full)
    }

    #[cold]
    fn run_of(&mut self, lane: &Arc<Lane>) -> usize {
        let runs = &mut self.runs;
        *self.by_lane.entry(Arc::as_ptr(lane)).or_insert_with(|| {
            let (topic, partition) = (lane.topic().clone(), lane.partition().number());
            let settings = lane.partition().settings();
            let builder = BatchBuilder::spare(Admission(&settings).compression().unwrap_or_default());
            runs.push(Run {
                lane: lane.clone(),
                topic,
                partition,
                builder,
                batch: 0,
                settings,
                bytes_max: 0,
            });
            runs.len() - 1
        })
    }

    /// Begins a batch, as its topic wants it now.
    #[cold]
    fn begin(&mut self, index: usize) {
        let (config, run) = (self.config, &mut self.runs[index]);
        run.settings = run.lane.partition().settings();
        let admission = Admission(&run.settings);
        run.bytes_max = config.batch_bytes.min(admission.batch_bytes_max());
        run.builder.reset(admission.compression().unwrap_or(config.compression));
        run.batch = self.batches.len();
        self.batches.push(None);
    }

    /// Hands over what there is for all lanes, and says what failed first.
    fn write_all(&mut self) -> Result<()> {
        self.bytes = 0;
        (0..self.runs.len()).map(|index| self.write(index)).fold(Ok(()), Result::and)
    }

    fn write(&mut self, index: usize) -> Result<()> {
        let Run { lane, builder, settings, batch, .. } = &mut self.runs[index];
        if builder.is_empty() {
            return Ok(());
        }
        let admission = Admission(settings);
        let mut hand_over = || lane.send_built(admission, builder);
        let mut sent = hand_over();
        if is_out_of_room(&sent) && !self.is_out_of_time {
            sent = self.inner.when_room(hand_over);
            self.is_out_of_time = matches!(sent, Err(Error::Timeout { .. }));
        }
        builder.clear();
        let (stage, stamped) = sent?;
        self.batches[*batch] =
            Some(SentBatch { lane: lane.clone(), stage, stamped, acks: lane.acks_of(admission) });
        Ok(())
    }

    fn into_receipts(self) -> Receipts {
        self.runs.into_iter().for_each(|run| run.builder.keep_as_spare());
        let sent = |batch: Option<SentBatch>| batch.expect("nothing failed, so all were handed over");
        Receipts::new(self.batches.into_iter().map(sent).collect(), self.places)
    }
}
