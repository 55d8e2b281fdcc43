//! Recovery: from what is in a directory to segments that can be served, and a list of what must be repaired.
//!
//! Segments are gone through in order. Those that the manifest knows, below the durable end, are taken as they are,
//! unread. In the one that holds the durable end, and in all later ones, the tail is walked through batch by batch, and
//! where the walk ends the table of `segment::recover` decides. Nothing is changed on disk in here.

use super::damage::Damage;
use super::durable_end::DurableEnd;
use super::epochs::LearnedEpochs;
use super::order::{self, Expected};
use super::survey::{Known, Survey};
use crate::error::{OrIo, Result};
use crate::io::File;
use crate::record::{Batch, BatchHeader};
use crate::segment::recover::{Decision, Found, Place, Zone, judge};
use crate::segment::{
    Durable, FileKind, Home, LiveIndexes, OffsetEntry, OpenTransactions, Scanner, SealedFacts, Segment, Step,
};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// How a log that Kafka wrote is taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adopted {
    /// Whether Kafka closed it in order: then all of it was synced.
    pub(super) clean: bool,
    /// Below this offset all was synced in any case, as Kafka's checkpoint says.
    pub(super) recovery_point: u64,
    /// Where the log begins, as Kafka's checkpoint says.
    pub(super) start_offset: u64,
    /// Up to where it is compacted, as Kafka's checkpoint says.
    pub(super) compacted_to: u64,
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
    pub(super) epochs: LearnedEpochs,
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
        survey: &Survey,
        state: DurableEnd,
        adopted: Option<Adopted>,
        index_interval: u32,
    ) -> Result<Self> {
        let epochs = LearnedEpochs::new(survey.contents.epochs.clone());
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
        if let Some(adopted) = adopted {
            recovery.settle(adopted);
        }
        Ok(recovery)
    }

    /// Where the part begins that is walked through: the segment of the durable end, or of Kafka's recovery point.
    fn tail_base(&self, survey: &Survey) -> u64 {
        match self.adopted {
            None => self.state.segment_base,
            Some(Adopted { clean: true, .. }) => u64::MAX,
            Some(Adopted { recovery_point, .. }) => {
                survey.logs.range(..=recovery_point).next_back().map_or(0, |(base, _)| *base)
            }
        }
    }

    fn known_segments(&mut self, survey: &Survey) -> Result<()> {
        let limit = self.tail_base(survey);
        let adopted_tail = survey.logs.range(limit..).next().filter(|_| self.adopted.is_some());
        // A name that was made and never used: what comes behind it in the offsets lies in the segment before.
        let is_unused =
            |known: &Known<'_>| self.adopted.is_none() && (known.facts, known.len) == (None, Some(0));
        let (unused, known): (Vec<_>, Vec<_>) = survey.known_before(limit).partition(is_unused);
        self.repairs.extend(unused.iter().map(|known| Repair::Remove(known.base)));
        for (index, Known { base, facts, len }) in known.iter().enumerate() {
            let next = known.get(index + 1).map(|next| next.base);
            match (*facts, *len) {
                (Some(facts), Some(len)) if len >= facts.bytes => self.take(*facts, len)?,
                (Some(facts), Some(len)) => self.take_short(*facts, len)?,
                (Some(facts), None) => {
                    self.lost(*base, "is missing".into(), facts.base_offset..facts.end_offset);
                    self.end = facts.end_offset;
                }
                (None, Some(len)) => {
                    self.read_unlisted(*base, len, next.or(adopted_tail.map(|(base, _)| *base)))?;
                }
                (None, None) => unreachable!("a base offset is in one of the two"),
            }
        }
        Ok(())
    }

    /// A closed segment that the manifest knows. What lies behind its end is what a truncation left, and goes; but not
    /// from a file that is another one's, and perhaps the only copy.
    fn take(&mut self, facts: SealedFacts, len: u64) -> Result<()> {
        let segment = Segment::sealed(self.home, facts);
        if len > facts.bytes {
            let entry = segment.lookup(facts.end_offset.saturating_sub(1))?;
            if segment.walk_durable(entry, |_, _| ControlFlow::Continue(()))?.is_ours() {
                self.repairs.push(Repair::Cut(facts.base_offset, facts.bytes));
            } else {
                let found = format!("is another file, of {len} bytes instead of {}", facts.bytes);
                self.lost(facts.base_offset, found, facts.base_offset..facts.end_offset);
            }
        }
        self.segments.push(Arc::new(segment));
        self.end = facts.end_offset;
        Ok(())
    }

    /// One whose file is shorter than it was.
    fn take_short(&mut self, facts: SealedFacts, len: u64) -> Result<()> {
        let segment = Arc::new(self.read_durable(facts.base_offset, len, facts.dense, facts.end_offset)?);
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
        let next_base = next_base.or(self.adopted.is_none().then_some(self.state.segment_base));
        let segment = self.read_durable(base_offset, len, false, next_base.unwrap_or(u64::MAX))?;
        if let Some(next_base) = next_base {
            self.end = self.end.max(next_base);
            segment.seal(self.end);
        }
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    /// Reads a segment all of whose bytes were synced once, up to `end_offset` at most, steps over damage, and leaves
    /// the end behind its last batch.
    fn read_durable(
        &mut self,
        base_offset: u64,
        bytes: u64,
        dense: bool,
        end_offset: u64,
    ) -> Result<Segment> {
        self.replay_transactions()?;
        let mut live = LiveIndexes::new(base_offset);
        let file = self.open(base_offset)?;
        let durable = Durable { file: file.as_ref(), base_offset, bytes, end_offset, dense };
        let origin = OffsetEntry { offset: base_offset, position: 0 };
        let walked = durable.walk(origin, |position, batch| {
            self.learn_epoch(batch.header());
            self.observe(&mut live, position, batch);
            ControlFlow::Continue(())
        });
        let walked = walked.or_io("read", self.home.path(base_offset, FileKind::Log))?;
        self.replayed = self.segments.len() + 1;
        self.end = walked.next_offset;
        if walked.damaged {
            self.transactions.doubt_from(base_offset);
        }
        Ok(Segment::live(self.home, base_offset, bytes, dense || !walked.gaps, live))
    }

    /// The segment that holds the durable end, up to there; its tail comes next.
    fn durable_segment(&mut self, survey: &Survey) -> Result<()> {
        let DurableEnd { segment_base, segment_bytes, durable_end, .. } = self.state;
        match survey.logs.get(&segment_base) {
            _ if segment_bytes == 0 => self.replay_open_transactions(None)?,
            None => {
                self.replay_open_transactions(None)?;
                self.lost(segment_base, "is missing".into(), segment_base..durable_end);
            }
            Some(len) if *len < segment_bytes => {
                let row = judge(Found::End, Zone::Durable, Place::Last);
                debug_assert_eq!(row.decision, Decision::ReadOnly);
                let segment = self.read_durable(segment_base, *len, true, durable_end)?;
                let what = format!("has {len} bytes, and {segment_bytes} of them were synced");
                self.lost(segment_base, what, self.end..durable_end);
                segment.seal(durable_end);
                self.segments.push(Arc::new(segment));
            }
            Some(_) => self.resumed = Some(self.resume()?),
        }
        self.transactions.settle_before(self.state.first_unstable);
        self.end = self.end.max(durable_end);
        Ok(())
    }

    /// The indexes of the segment that holds the durable end, as they were there; read anew if their files are not
    /// what they should be.
    fn resume(&mut self) -> Result<LiveIndexes> {
        let DurableEnd { segment_base, segment_bytes, durable_end, largest, sums, .. } = self.state;
        match LiveIndexes::read(self.home, segment_base, sums, largest, segment_bytes)? {
            Some(mut live) => {
                // The note was filed beside those who append: what it says of batches behind the durable end is not to be
                // believed.
                live.truncate_to(durable_end);
                self.replay_open_transactions(Some(live.lookup(self.state.first_unstable)))?;
                Ok(live)
            }
            None => Ok(self.read_durable(segment_base, segment_bytes, true, durable_end)?.into_live()),
        }
    }

    /// Finds the transactions that are open at the durable end: they began at or behind the first unstable offset.
    /// `entry` is where that is in the segment of the durable end, if it has batches.
    fn replay_open_transactions(&mut self, entry: Option<OffsetEntry>) -> Result<()> {
        let DurableEnd { segment_base, durable_end, first_unstable, .. } = self.state;
        let (mut open, mut damaged) = (OpenTransactions::default(), false);
        let mut observe = |_: u64, batch: &Batch<'_>| {
            if batch.header().base_offset >= first_unstable {
                open.observe(batch);
            }
            ControlFlow::Continue(())
        };
        if first_unstable < durable_end {
            let ends_behind =
                |segment: &&Arc<Segment>| segment.end_offset().is_some_and(|end| end > first_unstable);
            for segment in self.segments.iter().filter(ends_behind) {
                damaged |= segment.walk_durable(segment.lookup(first_unstable)?, &mut observe)?.damaged;
            }
            if let Some(entry) = entry {
                let path = self.home.path(segment_base, FileKind::Log);
                let file = self.open(segment_base)?;
                damaged |=
                    self.durable_part(file.as_ref()).walk(entry, observe).or_io("read", &path)?.damaged;
            }
        }
        if damaged {
            open.doubt_from(first_unstable);
        }
        self.transactions = open;
        Ok(())
    }

    /// What is durable of the segment that holds the durable end.
    fn durable_part<'f>(&self, file: &'f dyn File) -> Durable<'f> {
        let DurableEnd { segment_base, segment_bytes, durable_end, .. } = self.state;
        let (base_offset, bytes, end_offset) = (segment_base, segment_bytes, durable_end);
        Durable { file, base_offset, bytes, end_offset, dense: true }
    }

    /// Whether the durable end is a place in this file where a batch ends. If not, the file is another one's, and its
    /// end is no torn tail.
    fn durable_part_is_ours(&self, live: &LiveIndexes) -> Result<bool> {
        let entry = live.lookup(self.state.durable_end.saturating_sub(1));
        let file = self.open(self.state.segment_base)?;
        let walked = self.durable_part(file.as_ref()).walk(entry, |_, _| ControlFlow::Continue(()));
        let path = self.home.path(self.state.segment_base, FileKind::Log);
        Ok(walked.or_io("read", &path)?.is_ours())
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
            if self.adopted.is_some() {
                // Whether what is missing before it is a gap or damage, a reader finds out.
                self.end = self.end.max(base_offset);
            }
            self.seal_last();
            self.end = self.end.max(base_offset);
        }
        let (found, valid, dense) = self.walk_tail(base_offset, position, len, &mut live)?;
        let decision = judge(found, Zone::Tail, place).decision;
        if position > 0 && decision.cuts() && !self.durable_part_is_ours(&live)? {
            let what = format!("does not hold the {position} bytes that were synced");
            self.lost(base_offset, what, base_offset..self.state.durable_end);
            self.segments.push(Arc::new(Segment::live(self.home, base_offset, valid, dense, live)));
            return Ok(true);
        }
        let segment = Arc::new(Segment::live(self.home, base_offset, valid, dense, live));
        if valid > position {
            self.tails.push((segment.clone(), position));
        }
        self.segments.push(segment);
        Ok(self.decide(decision, base_offset, valid))
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
        let (mut dense, mut exact) = (true, true);
        loop {
            let contradicted =
                self.adopted.is_some() && scanner.is_contradicted(self.end).or_io("read", &path)?;
            match scanner.step().or_io("read", &path)? {
                Step::End => return Ok((Found::End, scanner.position(), dense)),
                Step::Invalid(invalid) => {
                    let found = match scanner.is_unwritten().or_io("read", &path)? {
                        true => Found::Unwritten,
                        false if invalid.is_incomplete() => Found::Incomplete,
                        false => Found::Bad,
                    };
                    if !self.steps_over(found) {
                        return Ok((found, scanner.position(), dense));
                    }
                    scanner.skip_damage(self.end..u64::MAX).or_io("read", &path)?;
                    exact = false;
                }
                Step::Batch(at, batch) => {
                    let header = batch.header();
                    self.learn_epoch(header);
                    let ours = self.adopted.is_none();
                    let order = order::check(header, Expected::Base(self.end), ours, &self.epochs.epochs);
                    if contradicted || order.is_err() || header.last_offset() - base > i32::MAX as u64 {
                        if !self.steps_over(Found::OutOfOrder) {
                            return Ok((Found::OutOfOrder, at, dense));
                        }
                        exact = false;
                        continue;
                    }
                    dense &= !exact || header.base_offset == self.end;
                    exact = true;
                    self.end = header.next_offset();
                    self.observe(live, at, &batch);
                }
            }
        }
    }

    /// Whether what was met lies below Kafka's recovery point, though that lies in the middle of a segment.
    fn steps_over(&self, found: Found) -> bool {
        let durable = self.adopted.is_some_and(|adopted| self.end < adopted.recovery_point);
        let zone = if durable { Zone::Durable } else { Zone::Tail };
        judge(found, zone, Place::Followed).decision == Decision::StepOver
    }

    /// Kafka's checkpoint of epochs may lag behind its log, or be gone. As in Kafka, a batch of a newer epoch begins it.
    fn learn_epoch(&mut self, header: &BatchHeader) {
        if self.adopted.is_some() {
            self.epochs.learn(header.leader_epoch, header.base_offset);
        }
    }

    /// Holds what was found against what Kafka knew: what it had synced must be there.
    fn settle(&mut self, adopted: Adopted) {
        let end = self.end.max(adopted.start_offset);
        if end < adopted.recovery_point {
            let base_offset = self.segments.last().map_or(end, |last| last.base_offset());
            let what =
                format!("ends before offset {}, below which Kafka had synced all", adopted.recovery_point);
            self.lost(base_offset, what, end..adopted.recovery_point);
            self.end = adopted.recovery_point;
            self.seal_last();
        }
        self.epochs.end_at(self.end.max(adopted.start_offset));
    }

    fn decide(&mut self, decision: Decision, base_offset: u64, valid: u64) -> bool {
        match decision {
            Decision::Finish | Decision::NextSegment => true,
            Decision::Cut | Decision::CutAndGoOn | Decision::CutAndRemoveRest => {
                self.repairs.push(Repair::Cut(base_offset, valid));
                decision == Decision::CutAndGoOn
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
        let epoch_begins = self.epochs.epochs.entries().iter().any(|(_, start)| *start == base_offset);
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
