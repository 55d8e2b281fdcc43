//! What is done to a log in a run: steps drawn from a seed, and carried out with the ledger kept.

use crate::disk::{Rng, SimDisk};
use crate::ledger::{Bytes, Ledger, Pending};
use crate::world::{Setup, World};
use brooklet::clock::Clock;
use brooklet::log::{CompactionConfig, CompactionProgress, RetentionConfig};
use brooklet::record::{BatchBuilder, Compression, ControlRecord, EncodedBatch, Header, RecordParts};
use brooklet::{Error, Timestamp};
use std::fmt;
use std::time::Duration;

/// One step.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A batch without offsets yet; whose it is, is in its bytes.
    Append(Vec<u8>),
    Flush,
    Truncate {
        back: u64,
    },
    AdvanceStart {
        back: u64,
    },
    Checkpoint,
    /// All but so many bytes go, and what lies before the start.
    Retain {
        bytes: u64,
    },
    /// A round of compaction, or as much of it as so many bytes take.
    Compact {
        budget: u64,
    },
    /// Time passes.
    Pass {
        millis: u64,
    },
    /// Closed in order and opened again.
    Reopen,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Append(bytes) => write!(f, "append of {} bytes", bytes.len()),
            Step::Flush => f.write_str("flush"),
            Step::Truncate { back } => write!(f, "truncation of the last {back}"),
            Step::AdvanceStart { back } => write!(f, "start {back} before the end"),
            Step::Checkpoint => f.write_str("checkpoint"),
            Step::Retain { bytes } => write!(f, "retention of {bytes} bytes"),
            Step::Compact { budget } => write!(f, "compaction of {budget} bytes"),
            Step::Pass { millis } => write!(f, "{millis} ms"),
            Step::Reopen => f.write_str("close and open"),
        }
    }
}

/// Seeds from here on append most of what they have before they take things away, so that there is something to be taken.
pub(crate) const CLEANING: u64 = 1 << 32;

/// The steps of a seed. They begin with appends and flushes, and anything may come in between.
pub(crate) fn drawn(seed: u64, len: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed ^ 0x5C12);
    let mut now = 1_000_000;
    if seed >= CLEANING {
        return (0..len).map(|index| cleaning(&mut rng, &mut now, index, len)).collect();
    }
    (0..len)
        .map(|index| match rng.below(100) {
            0..58 => Step::Append(batch(&mut rng, &mut now, index)),
            58..80 => Step::Flush,
            80..84 => Step::Truncate { back: rng.below(12) },
            84..87 => Step::AdvanceStart { back: rng.below(15) },
            87..89 => Step::Checkpoint,
            89..92 => Step::Retain { bytes: rng.below(6) * 300 },
            92..97 => Step::Compact { budget: [1, u64::MAX][rng.index(2)] },
            _ => Step::Reopen,
        })
        .collect()
}

fn cleaning(rng: &mut Rng, now: &mut i64, index: usize, len: usize) -> Step {
    match rng.below(13) {
        0 => Step::Flush,
        _ if 2 * index < len => append_or_delete(rng, now, index),
        1..5 => Step::Compact { budget: [1, u64::MAX][rng.index(2)] },
        5 => Step::Retain { bytes: rng.below(4) * 300 },
        6..9 => append_or_delete(rng, now, index),
        9 => Step::Truncate { back: rng.below(25) },
        10..12 => Step::Pass { millis: 5000 },
        _ => Step::Reopen,
    }
}

/// A batch, or one record of one of a few more keys, which is a tombstone as often as not.
fn append_or_delete(rng: &mut Rng, now: &mut i64, step: usize) -> Step {
    if rng.percent(60) {
        return Step::Append(batch(rng, now, step));
    }
    let (key, text) = ([b'a' + rng.below(8) as u8], format!("step {step} {}", "x".repeat(rng.index(300))));
    let mut builder = BatchBuilder::new(Compression::None);
    let parts = RecordParts {
        timestamp: Some(Timestamp::from_millis(*now)),
        key: Some(&key),
        value: rng.percent(50).then_some(b"value"),
        headers: &[Header { key: "h", value: Some(text.as_bytes()) }],
    };
    builder.push(&parts).expect("a good record");
    Step::Append(builder.build().expect("it has a record").bytes().to_vec())
}

/// A batch that is like no other: its records say which step it is.
pub(crate) fn batch(rng: &mut Rng, now: &mut i64, step: usize) -> Vec<u8> {
    *now += rng.between(0, 900) as i64;
    let producer = rng.between(1, 3) as i64;
    if rng.percent(15) {
        let coordinator_epoch = step as i32;
        let marker = match rng.percent(50) {
            true => ControlRecord::Commit { coordinator_epoch },
            false => ControlRecord::Abort { coordinator_epoch },
        };
        return marker.encode(producer, 0, Timestamp::from_millis(*now)).expect("a good marker");
    }
    let compression =
        if cfg!(feature = "lz4") && rng.percent(20) { Compression::Lz4 } else { Compression::None };
    let mut builder = BatchBuilder::new(compression);
    if rng.percent(35) {
        builder.producer(producer, 0, 0).transactional(true);
    }
    let key = [b'a' + rng.below(3) as u8];
    for record in 0..rng.between(1, 4) {
        let jitter = rng.between(0, 400) as i64 - 200;
        let value = format!("step {step}, record {record} {}", "x".repeat(rng.index(90)));
        let headers = [Header { key: "h", value: rng.percent(50).then_some(b"v".as_slice()) }];
        let parts = RecordParts {
            timestamp: rng.percent(90).then(|| Timestamp::from_millis(*now + jitter)),
            key: rng.percent(85).then_some(key.as_slice()),
            value: rng.percent(90).then_some(value.as_bytes()),
            headers: &headers[..rng.index(2)],
        };
        builder.push(&parts).expect("a good record");
    }
    builder.build().expect("it has records").bytes().to_vec()
}

/// A batch of one record.
pub(crate) fn keyed(key: &str) -> Vec<u8> {
    one_record(key, Some(b"value"), None)
}

/// A batch of one tombstone.
pub(crate) fn tombstone(key: &str) -> Vec<u8> {
    one_record(key, None, None)
}

/// A batch of one record, in the transaction of a producer.
pub(crate) fn in_transaction(producer: i64, key: &str) -> Vec<u8> {
    one_record(key, Some(b"value"), Some(producer))
}

fn one_record(key: &str, value: Option<&[u8]>, producer: Option<i64>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some(producer) = producer {
        builder.producer(producer, 0, 0).transactional(true);
    }
    let parts = RecordParts { key: Some(key.as_bytes()), value, ..RecordParts::default() };
    builder.push(&parts).expect("a good record");
    builder.build().expect("it has a record").bytes().to_vec()
}

/// What commits the transaction of a producer.
pub(crate) fn commit(producer: i64) -> Vec<u8> {
    let marker = ControlRecord::Commit { coordinator_epoch: 0 };
    marker.encode(producer, 0, Timestamp::from_millis(1_000_000)).expect("a good marker")
}

/// A run: the library, its ledger, and what the disk looked like to both after each step.
pub(crate) struct Run {
    pub(crate) disk: SimDisk,
    pub(crate) setup: Setup,
    pub(crate) world: Option<World>,
    pub(crate) ledger: Ledger,
    /// How many tombstones compaction has taken.
    pub(crate) tombstones_taken: u64,
    now: Timestamp,
}

impl Run {
    pub(crate) fn new(disk: SimDisk, setup: Setup) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        Self { disk, setup, world: None, ledger: Ledger::default(), tombstones_taken: 0, now }
    }

    pub(crate) fn open(&mut self) -> Result<(), Error> {
        self.leave();
        self.world = Some(World::open_at(&self.disk, &self.setup, self.now)?);
        Ok(())
    }

    /// Everything that this process holds is gone.
    fn leave(&mut self) {
        if let Some(world) = self.world.take() {
            self.now = world.clock.now();
        }
    }

    /// What may be found if the world ends within this step.
    pub(crate) fn pending(&self, step: &Step) -> Vec<Pending> {
        match step {
            Step::Truncate { back } => vec![Pending::Truncate(self.back(*back))],
            Step::AdvanceStart { back } => vec![Pending::AdvanceStart(self.back(*back))],
            Step::Retain { .. } => vec![Pending::Retain],
            Step::Compact { .. } => vec![Pending::Compact],
            // The bytes are known once the step has given them offsets.
            Step::Append(_) | Step::Flush | Step::Checkpoint | Step::Pass { .. } | Step::Reopen => Vec::new(),
        }
    }

    /// Carries a step out and enters what it was promised. An append hands out its bytes, with the offsets that it was
    /// given or was about to be given.
    pub(crate) fn take(&mut self, step: &Step) -> (Result<(), Error>, Option<Bytes>) {
        let world = self.world.as_ref().expect("it is open");
        match step {
            Step::Append(bytes) => {
                let mut bytes = bytes.clone();
                let mut batch = EncodedBatch::from_bytes(&mut bytes).expect("it was built");
                let result = world.log.append(&mut batch);
                let bytes = Bytes::from(batch.bytes());
                if result.is_ok() {
                    self.ledger.appended(bytes.clone());
                }
                (result.map(drop), Some(bytes))
            }
            Step::Flush => {
                let result = world.log.flush().map(|end| self.ledger.durable_end = end);
                (result, None)
            }
            Step::Truncate { back } => {
                let to = self.back(*back);
                let result = world.log.truncate(to).map(|()| {
                    self.ledger.truncated(to);
                    self.ledger.durable_end = self.ledger.shown_end;
                });
                (result, None)
            }
            Step::AdvanceStart { back } => {
                let to = self.back(*back);
                let result = world.log.advance_start(to).map(|start| {
                    self.ledger.start = start;
                    self.ledger.durable_end = self.ledger.durable_end.max(to);
                });
                (result, None)
            }
            Step::Checkpoint => (world.dir.checkpoint(), None),
            Step::Retain { bytes } => {
                let config = RetentionConfig { time: Duration::MAX, bytes: *bytes, ..Default::default() };
                let result = world.log.enforce_retention(&config).map(|removed| {
                    self.ledger.retained(removed.start, !removed.segments.is_empty());
                });
                (result, None)
            }
            Step::Compact { budget } => {
                let config = CompactionConfig {
                    min_dirty_ratio: 0.0,
                    delete_retention: self.setup.delete_retention,
                    ..CompactionConfig::default()
                };
                let result = world.log.compact(&config, &|_| false, *budget).map(|done| {
                    self.ledger.may_be_compacted |= done.progress != CompactionProgress::Idle;
                    self.tombstones_taken += done.tombstones_dropped;
                });
                (result, None)
            }
            Step::Pass { millis } => {
                world.clock.advance(Duration::from_millis(*millis));
                (Ok(()), None)
            }
            Step::Reopen => {
                self.now = world.clock.now();
                let world = self.world.take().expect("it is open");
                let closed = world.dir.close();
                if closed.is_ok() {
                    self.ledger.durable_end = self.ledger.shown_end;
                }
                (closed.and_then(|()| self.open()), None)
            }
        }
    }

    /// An offset so far before the end, but not before the start.
    fn back(&self, back: u64) -> u64 {
        self.ledger.shown_end.saturating_sub(back).max(self.ledger.start)
    }
}
