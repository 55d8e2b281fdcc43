//! Random lives of a partition against a model: the list of all that was appended, and the snapshots that were saved.
//!
//! The model has no files. What is loaded is, for it, what is left of the state once it was a snapshot, and all that was
//! appended behind that, from the list. So the window of duplicates is shorter after a restart, in it as in Kafka.

use super::*;
use crate::partition::producer_snapshot::decode;
use crate::partition::{MarkerVerdict, Verdict};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Op {
    Data {
        id: i64,
        bump: bool,
        place: Place,
        records: u32,
        transactional: bool,
        verified: bool,
    },
    Marker {
        id: i64,
        epoch_step: i16,
        coordinator_epoch: i32,
        aborted: bool,
    },
    Plain(u32),
    Save,
    Expire,
    Wait(u64),
    Jump(i64),
    Reload,
    Killed,
    Closed,
    /// One of the snapshots, counted from the newest, is torn.
    Tear(usize),
    /// So many of a hundred of the offsets are cut off, or removed at the start.
    Truncate(u64),
    AdvanceStart(u64),
}

/// The sequence of the next batch of a producer.
#[derive(Debug, Clone, Copy)]
enum Place {
    Next,
    Zero,
    Gap,
    /// One of its batches again, counted from the newest.
    Again(usize),
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        8 => Just(Place::Next),
        1 => Just(Place::Zero),
        1 => Just(Place::Gap),
        4 => (0..8_usize).prop_map(Place::Again),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let data =
        (0..3_i64, prop::bool::weighted(0.1), place(), 1..4_u32, any::<bool>(), prop::bool::weighted(0.9));
    let marker = (0..3_i64, -1..2_i16, 0..3_i32, any::<bool>());
    prop_oneof![
        24 => data.prop_map(|(id, bump, place, records, transactional, verified)| {
            // Who is even writes in transactions: to change that with every batch would only collect refusals.
            let transactional = if transactional { id % 2 == 0 } else { id == 2 };
            Op::Data { id, bump, place, records, transactional, verified }
        }),
        4 => marker.prop_map(|(id, epoch_step, coordinator_epoch, aborted)| {
            Op::Marker { id, epoch_step, coordinator_epoch, aborted }
        }),
        3 => (1..4_u32).prop_map(Op::Plain),
        4 => Just(Op::Save),
        1 => Just(Op::Expire),
        2 => (0..200_u64).prop_map(Op::Wait),
        1 => (0..2_000_i64).prop_map(Op::Jump),
        1 => Just(Op::Reload),
        2 => Just(Op::Killed),
        2 => Just(Op::Closed),
        1 => (0..2_usize).prop_map(Op::Tear),
        1 => (0..40_u64).prop_map(Op::Truncate),
        1 => (0..40_u64).prop_map(Op::AdvanceStart),
    ]
}

const SILENCE_MAX: Duration = Duration::from_millis(300);

/// What was appended, as it is replayed.
#[derive(Debug, Clone, Copy)]
enum Logged {
    Data(Append),
    Marker(EndTxnMarker),
}

impl Logged {
    fn last_offset(&self) -> u64 {
        match self {
            Logged::Data(append) => append.last_offset(),
            Logged::Marker(marker) => marker.offset,
        }
    }
}

#[derive(Debug, Clone)]
struct Saved {
    offset: u64,
    producers: Producers,
    torn: bool,
}

#[derive(Debug, Default)]
struct Model {
    log: Vec<Logged>,
    saved: Vec<Saved>,
    now: Option<Producers>,
    saved_at: Option<u64>,
    /// When it was opened, on both clocks.
    opened: (Timestamp, Duration),
}

impl Model {
    fn load(&mut self, world: &World) -> &mut Producers {
        if self.now.is_none() {
            let marks = world.log.watermarks();
            let good = |saved: &&Saved| !saved.torn && saved.offset >= marks.start;
            let saved = self.saved.iter().rev().find(good);
            let (from, mut producers) = saved
                .map_or((marks.start, Producers::new()), |saved| (saved.offset, saved.producers.clone()));
            for logged in self.log.iter().filter(|logged| logged.last_offset() >= from) {
                match logged {
                    Logged::Data(append) => producers.apply(append),
                    Logged::Marker(marker) => _ = producers.apply_marker(marker),
                }
            }
            producers.high_watermark_advanced(marks.end);
            self.saved_at = saved.map(|saved| saved.offset);
            self.now = Some(producers);
        }
        self.now.as_mut().unwrap()
    }

    fn heard(&self, world: &World) -> Timestamp {
        self.opened.0 + (world.clock.monotonic() - self.opened.1)
    }

    fn reopened(&mut self, world: &World) {
        self.now = None;
        self.opened = (world.clock.now(), world.clock.monotonic());
    }

    fn save(&mut self, world: &World) {
        let offset = world.end();
        let Some(now) = self.now.as_ref().filter(|_| self.saved_at != Some(offset)) else { return };
        self.saved.retain(|saved| saved.offset != offset);
        self.saved.push(Saved { offset, producers: decode(&encode(now)).unwrap(), torn: false });
        self.saved = self.saved.split_off(self.saved.len().saturating_sub(2));
        self.saved_at = Some(offset);
    }
}

/// A world and what the model thinks of it.
struct Pair {
    world: World,
    model: Model,
}

impl Pair {
    fn new() -> Pair {
        let world = World::new();
        let mut model = Model::default();
        model.reopened(&world);
        Pair { world, model }
    }

    fn sequence(&mut self, id: i64, place: Place) -> i32 {
        let of_producer = |logged: &Logged| match logged {
            Logged::Data(append) if append.producer_id == id => Some(*append),
            _ => None,
        };
        let mut batches = self.model.log.iter().rev().filter_map(of_producer);
        let next = |last: Option<Append>| last.map_or(0, |last| increment_sequence(last.last_sequence(), 1));
        match place {
            Place::Zero => 0,
            Place::Next => next(batches.next()),
            Place::Gap => increment_sequence(next(batches.next()), 1),
            Place::Again(back) => batches.nth(back).map_or(0, |batch| batch.base_sequence),
        }
    }

    fn send(&mut self, append: Append) {
        let verdict = self.model.load(&self.world).check(&append);
        let created = Timestamp::from_millis(self.world.clock.now().as_millis().max(0));
        let (producer, records) = (
            (append.producer_id, append.producer_epoch, append.base_sequence),
            append.last_offset_delta as u32 + 1,
        );
        let mut bytes = data(producer, records, append.transactional, created);
        let mut batch = EncodedBatch::from_bytes(&mut bytes).unwrap();
        let sent = self.world.state.append(&mut batch, Origin::Client, append.verified);
        match (verdict, sent) {
            (Verdict::Accept, Ok(sent)) => {
                assert_eq!((sent.base_offset, sent.last_offset), (append.base_offset, append.last_offset()));
                assert_eq!((sent.is_duplicate, sent.timestamp), (false, append.timestamp));
                self.model.load(&self.world).apply(&append);
                self.model.log.push(Logged::Data(Append { timestamp: created, ..append }));
            }
            (Verdict::Duplicate { first_offset, last_offset, timestamp }, Ok(sent)) => {
                let base_offset = first_offset;
                assert_eq!(sent, AppendedBatch { base_offset, last_offset, is_duplicate: true, timestamp });
                assert_eq!(self.world.end(), append.base_offset, "something was appended");
            }
            (Verdict::OutOfOrderSequence { .. }, Err(Error::OutOfOrderSequence { .. }))
            | (Verdict::InvalidProducerEpoch { .. }, Err(Error::ProducerFenced { .. }))
            | (Verdict::InvalidTxnState { .. }, Err(Error::InvalidTxnState { .. })) => {}
            (verdict, sent) => panic!("{append:?}: {verdict:?} became {sent:?}"),
        }
    }

    fn end_txn(&mut self, marker: EndTxnMarker) {
        let EndTxnMarker { producer_id, producer_epoch, coordinator_epoch, aborted, .. } = marker;
        let record = match aborted {
            true => ControlRecord::Abort { coordinator_epoch },
            false => ControlRecord::Commit { coordinator_epoch },
        };
        let verdict = self.model.load(&self.world).check_marker(&marker);
        match (verdict, self.world.state.append_marker(producer_id, producer_epoch, record)) {
            (MarkerVerdict::Accept, Ok(appended)) => {
                let now = self.model.load(&self.world);
                assert_eq!(appended.completed, now.apply_marker(&marker));
                now.high_watermark_advanced(marker.offset + 1);
                self.model.log.push(Logged::Marker(marker));
            }
            (MarkerVerdict::InvalidProducerEpoch { .. }, Err(Error::ProducerFenced { .. }))
            | (MarkerVerdict::TransactionCoordinatorFenced { .. }, Err(Error::CoordinatorFenced { .. })) => {}
            (verdict, appended) => panic!("{marker:?}: {verdict:?} became {appended:?}"),
        }
    }

    fn write(&mut self, op: Op) {
        let (timestamp, end) = (self.model.heard(&self.world), self.world.end());
        match op {
            Op::Data { id: producer_id, bump, place, records, transactional, verified } => {
                let base_sequence = self.sequence(producer_id, place);
                let epoch =
                    self.model.load(&self.world).get(producer_id).map_or(0, |entry| entry.producer_epoch);
                self.send(Append {
                    producer_id,
                    producer_epoch: epoch + i16::from(bump),
                    base_sequence: if bump { 0 } else { base_sequence },
                    base_offset: end,
                    last_offset_delta: records as i32 - 1,
                    timestamp,
                    transactional,
                    origin: Origin::Client,
                    verified,
                });
            }
            Op::Marker { id: producer_id, epoch_step, coordinator_epoch, aborted } => {
                let epoch =
                    self.model.load(&self.world).get(producer_id).map_or(0, |entry| entry.producer_epoch);
                let producer_epoch = (epoch + epoch_step).max(0);
                self.end_txn(EndTxnMarker {
                    producer_id,
                    producer_epoch,
                    coordinator_epoch,
                    offset: end,
                    timestamp,
                    aborted,
                });
            }
            other => self.change(other),
        }
    }

    fn change(&mut self, op: Op) {
        let Pair { world, model } = self;
        match op {
            Op::Plain(records) => _ = world.send_plain(records),
            Op::Save => {
                world.state.save().unwrap();
                model.save(world);
            }
            Op::Expire => {
                let now = model.heard(world);
                let expired = model.now.as_mut().map_or(0, |known| known.expire(now, SILENCE_MAX));
                assert_eq!(world.state.expire(SILENCE_MAX), expired);
            }
            Op::Wait(millis) => world.clock.advance(Duration::from_millis(millis)),
            Op::Jump(millis) => world.clock.set_wall(Timestamp::from_millis(millis)),
            Op::Reload => {
                world.state.reload();
                model.now = None;
            }
            Op::Tear(back) => {
                let Some(saved) = model.saved.iter_mut().rev().nth(back) else { return };
                saved.torn = true;
                write(&world.fs, &world.snapshot_path(saved.offset), &[0, 1, 2]);
            }
            Op::Truncate(percent) => {
                let marks = world.log.watermarks();
                let offset = marks.end - (marks.end - marks.start) * percent / 100;
                world.state.truncate(offset).unwrap();
                model.log.retain(|logged| logged.last_offset() < offset || offset == marks.end);
                model.saved.retain(|saved| saved.offset <= offset);
                model.now = None;
            }
            Op::AdvanceStart(percent) => {
                let marks = world.log.watermarks();
                world.log.advance_start(marks.start + (marks.end - marks.start) * percent / 100).unwrap();
            }
            Op::Killed | Op::Closed | Op::Data { .. } | Op::Marker { .. } => {}
        }
    }

    fn apply(mut self, op: Op) -> Pair {
        match op {
            Op::Killed => self.world = self.world.killed(),
            Op::Closed => self.world = self.world.closed(),
            other => {
                self.write(other);
                return self;
            }
        }
        self.model.reopened(&self.world);
        self
    }

    fn check(&mut self) {
        let offsets: Vec<_> = self.model.saved.iter().map(|saved| saved.offset.to_string()).collect();
        assert_eq!(self.world.snapshots(), offsets);
        if self.model.now.is_some() {
            let state = self.world.state.state.lock();
            assert_eq!(state.known.as_ref().map(|known| &known.producers), self.model.now.as_ref());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_state_is_that_of_the_batches_behind_the_newest_snapshot(
        ops in prop::collection::vec(op(), 1..80)
    ) {
        let mut pair = Pair::new();
        for op in ops {
            pair = pair.apply(op);
            pair.check();
        }
        pair.model.load(&pair.world);
        drop(pair.world.state.loaded().unwrap());
        pair.check();
    }
}
