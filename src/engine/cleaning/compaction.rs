//! Compaction in the background: the dirtiest log first, a bounded piece of its round at a time.

use super::BrokerEvent;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::log::{Compacted, CompactionConfig, CompactionProgress};
use crate::partition::{Partition, ProducerStateEntry};
use crate::record::BatchHeader;
use std::collections::BTreeMap;
use std::time::Duration;

/// A step reads about so much, or one segment if that is more.
const STEP_BYTES: u64 = 8 << 20;

impl Engine {
    /// Goes on with a round, or begins one in the log that needs it most.
    pub(super) fn compact_some(&self) {
        let now = self.clock.monotonic();
        let begun = self.cleaning.schedule.lock().compacting.take();
        let mut compacting = match begun {
            Some(compacting) if compacting.is_wanted() => compacting,
            _ => {
                if !self.cleaning.schedule.lock().is_compaction_due(now) {
                    return;
                }
                let (dirtiest, is_any_compacted) = self.dirtiest(now);
                let Some(partition) = dirtiest else {
                    self.cleaning.schedule.lock().nothing_to_compact(now, is_any_compacted);
                    return;
                };
                Compacting::of(partition)
            }
        };
        let config = CompactionConfig::from(compacting.partition.settings().as_ref());
        match compacting.step(&config) {
            Ok(_) => self.note_step(compacting, now),
            Err(error) => self.note_failure(&compacting.partition, error, now),
        }
    }

    fn note_step(&self, compacting: Compacting, now: Duration) {
        match compacting.done.progress {
            CompactionProgress::More => self.cleaning.schedule.lock().compacting = Some(compacting),
            // Somebody else compacts it, or it has changed since it was chosen.
            CompactionProgress::Idle => self.cleaning.schedule.lock().nothing_to_compact(now, true),
            CompactionProgress::Finished => {
                let partition = compacting.partition.id().as_ref().clone();
                self.tell(&BrokerEvent::Compacted { partition, compacted: compacting.done });
            }
        }
    }

    fn note_failure(&self, partition: &Partition, error: Error, now: Duration) {
        if partition.is_deleted() || self.check_open().is_err() {
            return;
        }
        self.cleaning.schedule.lock().rest(partition.id(), now);
        let is_set_aside = partition.log().uncleanable().is_some();
        let partition = partition.id().as_ref().clone();
        self.tell(&BrokerEvent::CompactionFailed { partition, error, is_set_aside });
    }

    /// The log of which the largest share is dirty, among those that are due; and whether any topic is compacted at all.
    fn dirtiest(&self, now: Duration) -> (Option<Partition>, bool) {
        let (mut dirtiest, mut is_any_compacted): (Option<(f64, Partition)>, _) = (None, false);
        for topic in self.topics().into_iter().filter(|topic| topic.config().cleanup_policy.compacts()) {
            is_any_compacted = true;
            for partition in topic.partitions().iter() {
                let is_skipped = self.cleaning.schedule.lock().is_resting(partition.id(), now)
                    || partition.log().uncleanable().is_some();
                let ratio = if is_skipped { None } else { self.dirty_ratio_if_due(partition, now) };
                if ratio.is_some_and(|ratio| dirtiest.as_ref().is_none_or(|(most, _)| ratio > *most)) {
                    dirtiest = ratio.map(|ratio| (ratio, partition.clone()));
                }
            }
        }
        (dirtiest.map(|(_, partition)| partition), is_any_compacted)
    }

    fn dirty_ratio_if_due(&self, partition: &Partition, now: Duration) -> Option<f64> {
        let config = CompactionConfig::from(partition.settings().as_ref());
        match partition.log().cleanable(&config) {
            Ok(cleanable) => {
                (cleanable.is_due(&config) && cleanable.dirty_bytes > 0).then(|| cleanable.dirty_ratio())
            }
            Err(error) => {
                self.note_failure(partition, error, now);
                None
            }
        }
    }

    /// Compacts a topic at once, whatever its settings say of when it is worth it: everything that is in it now, and in no
    /// open transaction. One partition that fails keeps no other from it; the first failure is told.
    pub(crate) fn compact_now(&self, topic: &str) -> Result<Vec<(u32, Compacted)>> {
        let topic = self.topic(topic)?;
        if !topic.config().cleanup_policy.compacts() {
            let why = "it keeps every record until that is too old; set cleanup.policy to compact, or compact,delete";
            return Err(Error::PolicyViolation { topic: topic.name().to_owned(), why });
        }
        Self::in_each_partition(&topic, compact_all)
    }
}

/// Round after round until all is compacted that was there when it began. A round that was begun in the background is
/// finished on the way.
fn compact_all(partition: &Partition) -> Result<Compacted> {
    let log = partition.log();
    let config = CompactionConfig {
        min_dirty_ratio: -1.0,
        min_lag: Duration::ZERO,
        ..CompactionConfig::from(partition.settings().as_ref())
    };
    if let Some(error) = log.uncleanable() {
        return Err(error);
    }
    let until = log.begin_segment()?;
    let mut compacting = Compacting::of(partition.clone());
    loop {
        let before = log.first_dirty_offset();
        let step = compacting.step(&config)?;
        let (progress, reached) = (step.progress, step.first_dirty);
        let gets_on = progress == CompactionProgress::More
            || (progress == CompactionProgress::Finished && before < reached && reached < until);
        if !gets_on {
            return Ok(compacting.done);
        }
    }
}

/// A partition that is being compacted.
#[derive(Debug)]
pub(super) struct Compacting {
    partition: Partition,
    /// What was done so far.
    done: Compacted,
    /// As they were when its round began, or before.
    last_batches: Option<LastBatches>,
}

impl Compacting {
    fn of(partition: Partition) -> Self {
        Self { partition, done: Compacted::default(), last_batches: None }
    }

    /// Whether its topic is there, and still one that is compacted.
    fn is_wanted(&self) -> bool {
        !self.partition.is_deleted() && self.partition.settings().cleanup_policy.compacts()
    }

    fn step(&mut self, config: &CompactionConfig) -> Result<Compacted> {
        let log = self.partition.log();
        let epoch = log.leader_epoch();
        let last_batches = match self.last_batches.take().filter(|known| known.epoch == epoch) {
            Some(known) => known,
            // Asked before the log is, which in turn may be waited for by one who truncates it and holds the producers.
            None => LastBatches::of(&self.partition)?,
        };
        let step = log.compact(config, &|header| last_batches.has(header), STEP_BYTES)?;
        self.last_batches = (step.progress == CompactionProgress::More).then_some(last_batches);
        self.done = self.done.followed_by(&step);
        Ok(step)
    }
}

/// The batches by which producers are known: that with the last records of each, or its marker if it has no records.
///
/// They are asked for once in a round. What was appended since may be somebody's last batch as well, and is taken for one.
#[derive(Debug)]
struct LastBatches {
    of_producers: BTreeMap<i64, (Option<u64>, i16)>,
    /// The life of the log that they are of, and where it ended then.
    epoch: i32,
    end: u64,
}

impl LastBatches {
    fn of(partition: &Partition) -> Result<Self> {
        let (epoch, end) = (partition.log().leader_epoch(), partition.watermarks().end);
        let last = |entry: &ProducerStateEntry| {
            let offset = entry.last_batch().map(|batch| batch.last_offset);
            (entry.producer_id, (offset, entry.producer_epoch))
        };
        Ok(Self { of_producers: partition.producers()?.iter().map(last).collect(), epoch, end })
    }

    fn has(&self, header: &BatchHeader) -> bool {
        match self.of_producers.get(&header.producer_id) {
            _ if header.last_offset() >= self.end => true,
            Some((Some(last_offset), _)) => *last_offset == header.last_offset(),
            Some((None, epoch)) => header.is_control() && header.producer_epoch == *epoch,
            None => false,
        }
    }
}
