//! Recovery: from what is in a directory to segments that can be served, and a list of what must be repaired.
//!
//! Segments are gone through in order. Those that the manifest knows, below the durable end, are taken as they are,
//! unread. In the one that holds the durable end, and in all later ones, the tail is walked through batch by batch, and
//! where the walk ends the table of `segment::recover` decides. Nothing is changed on disk in here.

use super::damage::Damage;
use super::durable_end::DurableEnd;
use super::epochs::LeaderEpochs;
use super::order::{self, Expected};
use super::survey::Survey;
use crate::error::{OrIo, Result};
use crate::io::File;
use crate::record::{Batch, Invalid};
use crate::segment::recover::{Decision, Found, Place, Zone, judge};
use crate::segment::{FileKind, Home, LiveIndexes, OpenTransactions, Scanner, SealedFacts, Segment, Step};
use std::ops::Range;
use std::sync::Arc;

/// How a log that Kafka wrote is taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adopted {
    /// Below this offset all was synced, as Kafka's checkpoint or its clean shutdown says.
    pub(super) recovery_point: u64,
    /// Where the log begins, as Kafka's checkpoint says.
    pub(super) start_offset: u64,
}

/// Something to be done on disk before the log is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Cut a segment's log to this length.
    Cut(u64, u64),
    /// Remove a segment's files.
    Remove(u64),
}

/// What recovery makes of a directory.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    home: &'a Arc<Home>,
    epochs: &'a LeaderEpochs,
    state: DurableEnd,
    adopted: Option<Adopted>,
    index_interval: u32,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Segments of which a tail was read: to be synced before it is served.
    pub(super) tails: Vec<(Arc<Segment>, u64)>,
    pub(super) transactions: OpenTransactions,
    /// How many of the segments the open transactions have seen.
    replayed: usize,
    /// The indexes of the segment that holds the durable end, as they were there.
    resumed: Option<LiveIndexes>,
    pub(super) repairs: Vec<Repair>,
    pub(super) damage: Vec<Damage>,
    /// The offset behind the last batch found.
    pub(super) end: u64,
}

impl<'a> Recovery<'a> {
    /// Goes through all segments.
    pub(super) fn run(
        home: &'a Arc<Home>,
        survey: &'a Survey,
        state: DurableEnd,
        adopted: Option<Adopted>,
        index_interval: u32,
    ) -> Result<Self> {
        let epochs = &survey.contents.epochs;
        let start = survey
            .logs
            .keys()
            .chain(survey.contents.sealed.keys())
            .min()
            .copied()
            .unwrap_or(state.segment_base);
        let mut recovery = Self {
            home,
            epochs,
            state,
            adopted,
            index_interval,
            segments: Vec::new(),
            tails: Vec::new(),
            transactions: OpenTransactions::default(),
            replayed: 0,
            resumed: None,
            repairs: Vec::new(),
            damage: Vec::new(),
            end: start,
        };
        recovery.known_segments(survey)?;
        if adopted.is_none() {
            recovery.durable_segment(survey)?;
        }
        recovery.tail(survey)?;
        Ok(recovery)
    }

    /// Where the part begins that is walked through: the segment of the durable end, or of Kafka's recovery point.
    fn tail_base(&self, survey: &Survey) -> u64 {
        match self.adopted {
            None => self.state.segment_base,
            Some(Adopted { recovery_point: u64::MAX, .. }) => u64::MAX,
            Some(Adopted { recovery_point, .. }) => {
                survey.logs.range(..=recovery_point).next_back().map_or(0, |(base, _)| *base)
            }
        }
    }

    fn known_segments(&mut self, survey: &Survey) -> Result<()> {
        let limit = self.tail_base(survey);
        let mut bases: Vec<u64> = survey.logs.range(..limit).map(|(base, _)| *base).collect();
        bases.extend(survey.contents.sealed.range(..limit).map(|(base, _)| *base));
        bases.sort_unstable();
        bases.dedup();
        for (index, base) in bases.iter().enumerate() {
            let next_base = bases.get(index + 1).copied();
            match (survey.contents.sealed.get(base), survey.logs.get(base)) {
                (Some(facts), Some(len)) if *len >= facts.bytes => self.take(*facts, *len),
                (Some(facts), Some(len)) => self.take_short(*facts, *len)?,
                (Some(facts), None) => {
                    self.lost(*base, "is missing".into(), facts.base_offset..facts.end_offset);
                    self.end = facts.end_offset;
                }
                (None, Some(len)) => self.read_unlisted(*base, *len, next_base)?,
                (None, None) => unreachable!("a base offset is in one of the two"),
            }
        }
        Ok(())
    }

    /// A closed segment that the manifest knows.
    fn take(&mut self, facts: SealedFacts, len: u64) {
        if len > facts.bytes {
            self.repairs.push(Repair::Cut(facts.base_offset, facts.bytes));
        }
        self.segments.push(Arc::new(Segment::sealed(self.home, facts)));
        self.end = facts.end_offset;
    }

    /// One whose file is shorter than it was.
    fn take_short(&mut self, facts: SealedFacts, len: u64) -> Result<()> {
        let segment = Arc::new(self.read_durable(facts.base_offset, len, facts.dense)?);
        let found = format!("has {len} bytes instead of {}", facts.bytes);
        self.lost(facts.base_offset, found, self.end..facts.end_offset);
        self.end = facts.end_offset;
        segment.seal(facts.end_offset);
        self.segments.push(segment);
        Ok(())
    }

    /// One that the manifest does not know, though it lies below the durable end: an adopted one, or one whose entry is
    /// lost. It is read in full.
    fn read_unlisted(&mut self, base_offset: u64, len: u64, next_base: Option<u64>) -> Result<()> {
        let segment = self.read_durable(base_offset, len, false)?;
        if let Some(next_base) = next_base.or(self.adopted.is_none().then_some(self.state.segment_base)) {
            self.end = self.end.max(next_base);
            segment.seal(self.end);
        }
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    /// Reads a segment all of whose bytes were synced once, steps over damage, and leaves the end behind its last
    /// batch.
    fn read_durable(&mut self, base_offset: u64, len: u64, dense: bool) -> Result<Segment> {
        self.replay_transactions()?;
        let mut live = LiveIndexes::new(base_offset);
        let mut gaps = false;
        let path = self.home.path(base_offset, FileKind::Log);
        let file = self.open(base_offset)?;
        let mut scanner = Scanner::new(file.as_ref(), 0, len);
        let mut end = base_offset;
        loop {
            match scanner.step().or_io("read", &path)? {
                Step::Batch(position, batch) => {
                    gaps |= batch.header().base_offset != end;
                    end = batch.header().next_offset();
                    self.observe(&mut live, position, &batch);
                }
                Step::End => break,
                Step::Invalid(invalid) => {
                    let row = judge(found(&invalid), Zone::Durable, Place::Followed);
                    debug_assert_eq!(row.decision, Decision::StepOver);
                    scanner.skip_damage(end).or_io("read", &path)?;
                    gaps = true;
                }
            }
        }
        self.replayed = self.segments.len() + 1;
        self.end = end;
        Ok(Segment::live(self.home, base_offset, len, dense || !gaps, live))
    }

    /// The segment that holds the durable end, up to there; its tail comes next.
    fn durable_segment(&mut self, survey: &Survey) -> Result<()> {
        let DurableEnd { segment_base, segment_bytes, durable_end, .. } = self.state;
        match survey.logs.get(&segment_base) {
            _ if segment_bytes == 0 => self.replay_open_transactions(None)?,
            None => self.lost(segment_base, "is missing".into(), segment_base..durable_end),
            Some(len) if *len < segment_bytes => {
                let row = judge(Found::End, Zone::Durable, Place::Last);
                debug_assert_eq!(row.decision, Decision::ReadOnly);
                let segment = self.read_durable(segment_base, *len, true)?;
                let what = format!("has {len} bytes, and {segment_bytes} of them were synced");
                self.lost(segment_base, what, self.end..durable_end);
                segment.seal(durable_end);
                self.segments.push(Arc::new(segment));
            }
            Some(_) => self.resumed = Some(self.resume()?),
        }
        self.end = self.end.max(durable_end);
        Ok(())
    }

    /// The indexes of the segment that holds the durable end, as they were there; read anew if their files are not
    /// what they should be.
    fn resume(&mut self) -> Result<LiveIndexes> {
        let DurableEnd { segment_base, segment_bytes, largest, sums, .. } = self.state;
        match LiveIndexes::read(self.home, segment_base, sums, largest, segment_bytes)? {
            Some(live) => {
                self.replay_open_transactions(Some(live.position_near(self.state.first_unstable)))?;
                Ok(live)
            }
            None => Ok(self.read_durable(segment_base, segment_bytes, true)?.into_live()),
        }
    }

    /// Finds the transactions that are open at the durable end: they began at or behind the first unstable offset.
    /// `position` is where that is in the segment of the durable end, if it has batches.
    fn replay_open_transactions(&mut self, position: Option<u64>) -> Result<()> {
        let from = self.state.first_unstable;
        self.transactions = OpenTransactions::default();
        if from >= self.state.durable_end {
            return Ok(());
        }
        for segment in
            self.segments.iter().filter(|segment| segment.end_offset().is_some_and(|end| end > from))
        {
            let position = segment.lookup(from)?.position;
            let mut scanner = segment.scan(position.into())?;
            observe_from(&mut scanner, from, &mut self.transactions).or_io("read", segment.log_path())?;
        }
        let Some(position) = position else { return Ok(()) };
        let file = self.open(self.state.segment_base)?;
        let mut scanner = Scanner::new(file.as_ref(), position, self.state.segment_bytes);
        let path = self.home.path(self.state.segment_base, FileKind::Log);
        observe_from(&mut scanner, from, &mut self.transactions).or_io("read", &path)
    }

    /// Everything behind the durable end.
    fn tail(&mut self, survey: &Survey) -> Result<()> {
        let base = self.tail_base(survey);
        let bases: Vec<(u64, u64)> = survey.logs.range(base..).map(|(base, len)| (*base, *len)).collect();
        for (index, (base, len)) in bases.iter().enumerate() {
            if self.damage.iter().any(|damage| damage.offsets.end > *base) {
                continue;
            }
            if !self.read_tail(*base, *len, index + 1 == bases.len())? {
                self.repairs.extend(bases[index + 1..].iter().rev().map(|(later, _)| Repair::Remove(*later)));
                break;
            }
        }
        Ok(())
    }

    /// Walks through the tail of one segment. False if the log ends in it though there may be later ones.
    fn read_tail(&mut self, base_offset: u64, len: u64, last: bool) -> Result<bool> {
        let place = if last { Place::Last } else { Place::Followed };
        let resumed = self.resumed.take();
        if resumed.is_none() && !self.may_begin_at(base_offset) {
            return Ok(self.reject(base_offset, place));
        }
        let position = if resumed.is_some() { self.state.segment_bytes } else { 0 };
        let mut live = resumed.unwrap_or_else(|| LiveIndexes::new(base_offset));
        if position == 0 {
            self.seal_last();
            self.end = self.end.max(base_offset);
        }
        let (found, valid, dense) = self.walk_tail(base_offset, position, len, &mut live)?;
        let segment = Arc::new(Segment::live(self.home, base_offset, valid, dense, live));
        if valid > position {
            self.tails.push((segment.clone(), position));
        }
        self.segments.push(segment);
        Ok(self.decide(judge(found, Zone::Tail, place).decision, base_offset, valid))
    }

    /// Takes the batches from `position` on as long as they continue the log: what was met then, how many bytes are
    /// good, and whether there are no gaps.
    fn walk_tail(
        &mut self,
        base: u64,
        position: u64,
        len: u64,
        live: &mut LiveIndexes,
    ) -> Result<(Found, u64, bool)> {
        let path = self.home.path(base, FileKind::Log);
        let file = self.open(base)?;
        let mut scanner = Scanner::new(file.as_ref(), position, len);
        let mut dense = true;
        loop {
            match scanner.step().or_io("read", &path)? {
                Step::End => return Ok((Found::End, scanner.position(), dense)),
                Step::Invalid(invalid) => return Ok((found(&invalid), scanner.position(), dense)),
                Step::Batch(at, batch) => {
                    let header = batch.header();
                    if order::check(header, Expected::Base(self.end), self.adopted.is_none(), self.epochs)
                        .is_err()
                    {
                        return Ok((Found::OutOfOrder, at, dense));
                    }
                    dense &= header.base_offset == self.end;
                    self.end = header.next_offset();
                    self.observe(live, at, &batch);
                }
            }
        }
    }

    fn decide(&mut self, decision: Decision, base_offset: u64, valid: u64) -> bool {
        match decision {
            Decision::Finish | Decision::NextSegment => true,
            Decision::Cut | Decision::CutAndRemoveRest => {
                self.repairs.push(Repair::Cut(base_offset, valid));
                false
            }
            Decision::StepOver | Decision::ReadOnly => unreachable!("the tail was never durable"),
        }
    }

    /// A segment that does not continue what lies before it: nothing of it is kept.
    fn reject(&mut self, base_offset: u64, place: Place) -> bool {
        let row = judge(Found::OutOfOrder, Zone::Tail, place);
        debug_assert!(matches!(row.decision, Decision::Cut | Decision::CutAndRemoveRest));
        self.repairs.push(Repair::Remove(base_offset));
        false
    }

    /// Whether a segment of the tail may begin there: where the last one ends, or where an epoch begins. A new epoch
    /// goes on behind offsets that were only reserved.
    fn may_begin_at(&self, base_offset: u64) -> bool {
        let epoch_begins = self.epochs.entries().iter().any(|(_, start)| *start == base_offset);
        base_offset == self.end
            || (base_offset > self.end && (epoch_begins || self.adopted.is_some()))
            || self.segments.is_empty()
    }

    /// Brings the open transactions up to the last of the segments so far.
    fn replay_transactions(&mut self) -> Result<()> {
        for segment in &self.segments[self.replayed.min(self.segments.len())..] {
            segment.replay_transactions(&mut self.transactions)?;
        }
        Ok(())
    }

    fn observe(&mut self, live: &mut LiveIndexes, position: u64, batch: &Batch<'_>) {
        live.observe(batch.header(), position, self.index_interval);
        if let Some(aborted) = self.transactions.observe(batch) {
            live.push_aborted(aborted);
        }
    }

    fn seal_last(&mut self) {
        if let Some(last) = self.segments.last().filter(|last| last.end_offset().is_none()) {
            last.seal(self.end);
        }
    }

    fn lost(&mut self, base_offset: u64, what: String, offsets: Range<u64>) {
        let path = self.home.path(base_offset, FileKind::Log);
        self.damage.push(Damage { path, what, offsets });
    }

    fn open(&self, base_offset: u64) -> Result<Arc<dyn File>> {
        let path = self.home.path(base_offset, FileKind::Log);
        self.home.fs.open(&path).or_io("open", &path)
    }
}

fn found(invalid: &Invalid) -> Found {
    if invalid.is_incomplete() { Found::Incomplete } else { Found::Bad }
}

fn observe_from(scanner: &mut Scanner<'_>, from: u64, open: &mut OpenTransactions) -> std::io::Result<()> {
    loop {
        match scanner.step()? {
            Step::Batch(_, batch) if batch.header().base_offset >= from => {
                open.observe(&batch);
            }
            Step::Batch(..) => {}
            Step::End => return Ok(()),
            Step::Invalid(_) => {
                scanner.skip_damage(from)?;
            }
        }
    }
}
