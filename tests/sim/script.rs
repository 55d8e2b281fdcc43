//! What is done to a log in a run: steps drawn from a seed, and carried out with the ledger kept.

use crate::disk::{Rng, SimDisk};
use crate::ledger::{Bytes, Ledger, Pending};
use crate::world::{Setup, World};
use brooklet::record::{BatchBuilder, Compression, ControlRecord, EncodedBatch, Header, RecordParts};
use brooklet::{Error, Timestamp};
use std::fmt;

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
            Step::Reopen => f.write_str("close and open"),
        }
    }
}

/// The steps of a seed. They begin with appends and flushes, and anything may come in between.
pub(crate) fn drawn(seed: u64, len: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed ^ 0x5C12);
    let mut now = 1_000_000;
    (0..len)
        .map(|index| match rng.below(100) {
            0..58 => Step::Append(batch(&mut rng, &mut now, index)),
            58..80 => Step::Flush,
            80..86 => Step::Truncate { back: rng.below(12) },
            86..91 => Step::AdvanceStart { back: rng.below(15) },
            91..95 => Step::Checkpoint,
            _ => Step::Reopen,
        })
        .collect()
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
    for record in 0..rng.between(1, 4) {
        let jitter = rng.between(0, 400) as i64 - 200;
        let value = format!("step {step}, record {record} {}", "x".repeat(rng.index(90)));
        let headers = [Header { key: "h", value: rng.percent(50).then_some(b"v".as_slice()) }];
        let parts = RecordParts {
            timestamp: rng.percent(90).then(|| Timestamp::from_millis(*now + jitter)),
            key: rng.percent(70).then_some(b"key".as_slice()),
            value: Some(value.as_bytes()),
            headers: &headers[..rng.index(2)],
        };
        builder.push(&parts).expect("a good record");
    }
    builder.build().expect("it has records").bytes().to_vec()
}

/// A run: the library, its ledger, and what the disk looked like to both after each step.
pub(crate) struct Run {
    pub(crate) disk: SimDisk,
    pub(crate) setup: Setup,
    pub(crate) world: Option<World>,
    pub(crate) ledger: Ledger,
}

impl Run {
    pub(crate) fn new(disk: SimDisk, setup: Setup) -> Self {
        Self { disk, setup, world: None, ledger: Ledger::default() }
    }

    pub(crate) fn open(&mut self) -> Result<(), Error> {
        self.world = None;
        self.world = Some(World::open(&self.disk, &self.setup)?);
        Ok(())
    }

    /// What may be found if the world ends within this step.
    pub(crate) fn pending(&self, step: &Step) -> Vec<Pending> {
        match step {
            Step::Truncate { back } => vec![Pending::Truncate(self.back(*back))],
            Step::AdvanceStart { back } => vec![Pending::AdvanceStart(self.back(*back))],
            // The bytes are known once the step has given them offsets.
            Step::Append(_) | Step::Flush | Step::Checkpoint | Step::Reopen => Vec::new(),
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
            Step::Reopen => {
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
