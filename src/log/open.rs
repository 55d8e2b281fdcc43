//! Making a log and opening one: recovery's findings carried out, in an order that a crash may cut anywhere.
//!
//! Twice the same: what is cut is synced before anything is appended, what was read from the page cache is synced
//! before it is served, and what is noted of all this is noted last.

use super::append::{RESERVATION_MAX, Writer};
use super::checkpoint::{self, LEADER_EPOCHS};
use super::clock_watch::ClockWatch;
use super::durable_end::{DurableEnd, DurableEndFile};
use super::flush::Flusher;
use super::manifest::{Contents, Fact, Manifest};
use super::marks::Marks;
use super::recover::{Adopted, Recovery, Repair};
use super::segments::SegmentList;
use super::survey::Survey;
use super::{Log, Refusal, Watermarks};
use crate::clock::Clock;
use crate::config::LogConfig;
use crate::error::{OrIo, Result};
use crate::segment::{ActiveSegment, CleanedSegment, FileKind, Home, Segment};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

/// How much is written at once where a tail is written again.
const REWRITE_BYTES: usize = 1 << 20;
/// A manifest with more outdated records than this, and than current ones, is written anew.
const OUTDATED_MAX: usize = 64;

impl Log {
    /// Opens the log in a directory, whatever state a crash left it in.
    pub(super) fn open(
        home: Arc<Home>,
        config: LogConfig,
        clock: Arc<dyn Clock>,
        origin: Origin,
    ) -> Result<Log> {
        config.validate()?;
        let adopted = match origin {
            Origin::Adopted(adopted) => Some(adopted),
            Origin::ClosedInOrder | Origin::Unknown => None,
        };
        let mut survey = Survey::take(&home, matches!(origin, Origin::ClosedInOrder))?;
        if let Some(Adopted { compacted_to, .. }) = adopted {
            (survey.durable_end, survey.manifest) = (None, None);
            survey.contents =
                Contents { epochs: survey.contents.epochs, compacted_to, ..Contents::default() };
            survey.unswapped.clear();
            survey.leftovers.clear();
        }
        survey.finish_swaps(&home)?;
        survey.set_aside_removed();
        let state = survey.durable_state();
        let recovery = Recovery::run(&home, &survey, state, adopted, config.index_interval_bytes)?;
        survey.contents.epochs = recovery.epochs.epochs.clone();
        let (segments, tails) = (recovery.segments.clone(), recovery.tails.clone());
        let opening = Opening {
            transactions: recovery.transactions.clone(),
            end: recovery.end.max(adopted.map_or(0, |adopted| adopted.start_offset)),
            found_end: recovery.end,
            damage: recovery.damage.clone(),
            repairs: recovery.repairs.clone(),
            home: &home,
            survey,
            state,
            origin,
            adopted,
            segments,
            tails,
        };
        if opening.damage.is_empty() {
            opening.repaired(config, clock)
        } else {
            opening.read_only(config, clock)
        }
    }
}

/// Where a log comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// We closed it, and nobody crashed since.
    ClosedInOrder,
    /// It is ours or new, and nobody knows how it was left.
    Unknown,
    /// Kafka wrote it.
    Adopted(Adopted),
}

/// What is known between recovery and service.
struct Opening<'a> {
    home: &'a Arc<Home>,
    survey: Survey,
    state: DurableEnd,
    origin: Origin,
    adopted: Option<Adopted>,
    segments: Vec<Arc<Segment>>,
    tails: Vec<(Arc<Segment>, u64)>,
    transactions: crate::segment::OpenTransactions,
    repairs: Vec<Repair>,
    damage: Vec<super::Damage>,
    /// Behind the last batch.
    found_end: u64,
    /// As above, or the start of the log where that lies behind it.
    end: u64,
}

impl Opening<'_> {
    /// Repairs what is to be repaired, and serves.
    fn repaired(mut self, config: LogConfig, clock: Arc<dyn Clock>) -> Result<Log> {
        self.sync_notes()?;
        self.carry_out_repairs()?;
        self.sync_tails()?;
        let next = self.next_offset();
        if self.adopted.is_some() {
            self.claim(next)?;
        }
        let mut manifest = self.manifest()?;
        // Gaps in a segment are remembered once it is closed; until then, offsets follow each other without any.
        let has_gaps = self.segments.last().is_some_and(|last| !last.is_dense());
        let interrupted = next > self.found_end || !self.ends_open() || has_gaps;
        if interrupted {
            self.begin_at(next, &mut manifest)?;
        }
        self.file_sealed(&mut manifest)?;
        let found_as_left = self.tails.is_empty() && self.repairs.is_empty() && !self.state.sync_failed;
        let touched = interrupted || !found_as_left || self.adopted.is_some();
        let durable_end = self.durable_end(next, touched)?;
        Ok(self.log(config, clock, manifest, durable_end, next))
    }

    /// Touches nothing: something durable is gone, and may be restored.
    fn read_only(mut self, config: LogConfig, clock: Arc<dyn Clock>) -> Result<Log> {
        let lost: Vec<String> = self.damage.iter().map(ToString::to_string).collect();
        let fs = &self.home.fs;
        let durable_end = match self.survey.durable_end.take() {
            Some(file) => file,
            None => {
                let adopted_start = self.adopted.map_or(0, |adopted| adopted.start_offset);
                let start_offset = self.state.start_offset.max(adopted_start);
                DurableEndFile::unwritten(fs, &self.home.dir, DurableEnd { start_offset, ..self.state })
            }
        };
        let manifest = match self.survey.manifest.take() {
            Some(manifest) => manifest,
            None => Manifest::unwritten(fs, &self.home.dir),
        };
        let end = self.end;
        if !self.ends_open() {
            self.segments.push(Arc::new(Segment::unmade(self.home, end)));
        }
        let log = self.log(config, clock, manifest, durable_end, end);
        log.refuse(Refusal::ReadOnly(lost.join("; ")));
        Ok(log)
    }

    /// What was read of our own files and of names may stand in the page cache only, if the process before was killed.
    /// It is believed from now on, so it must not vanish.
    fn sync_notes(&self) -> Result<()> {
        if !matches!(self.origin, Origin::Unknown) {
            return Ok(());
        }
        if let Some(durable_end) = &self.survey.durable_end {
            durable_end.sync()?;
        }
        if let Some(manifest) = &self.survey.manifest {
            manifest.sync()?;
        }
        self.home.fs.sync_dir(&self.home.dir).or_io("sync", &self.home.dir)
    }

    /// Later segments go first, the last one first, then the cut: a crash in between leaves what recovery finds again.
    fn carry_out_repairs(&mut self) -> Result<()> {
        let Home { fs, dir } = self.home.as_ref();
        let mut removed: Vec<u64> = self.survey.leftovers.iter().copied().collect();
        removed.extend(self.repairs.iter().filter_map(|repair| match repair {
            Repair::Remove(base_offset) => Some(*base_offset),
            Repair::Cut(..) => None,
        }));
        removed.sort_unstable_by(|one, other| other.cmp(one));
        for base_offset in &removed {
            Segment::remove_files_of(self.home, *base_offset)?;
        }
        for base_offset in &self.survey.unswapped {
            CleanedSegment::discard(self.home, *base_offset)?;
            CleanedSegment::discard_cut(self.home, *base_offset)?;
        }
        if !removed.is_empty() || !self.survey.unswapped.is_empty() {
            fs.sync_dir(dir).or_io("sync", dir)?;
        }
        for repair in &self.repairs {
            if let Repair::Cut(base_offset, bytes) = repair {
                let path = self.home.path(*base_offset, FileKind::Log);
                let file = fs.open(&path).or_io("open", &path)?;
                file.truncate(*bytes).or_io("cut", &path)?;
                file.sync().or_io("sync", &path)?;
            }
        }
        Ok(())
    }

    /// What was read of the tail may stand in the page cache only. After a failed sync the cache believes that it is on
    /// disk when it is not; then it is written again.
    fn sync_tails(&self) -> Result<()> {
        for (segment, from) in &self.tails {
            if self.state.sync_failed {
                let path = segment.log_path();
                let mut position = *from;
                while position < segment.bytes() {
                    let bytes = segment.read(position, REWRITE_BYTES)?;
                    segment
                        .file()
                        .and_then(|file| file.write_all_at(position, &bytes))
                        .or_io("write to", path)?;
                    position += bytes.len() as u64;
                }
            }
            segment.sync_log()?;
        }
        Ok(())
    }

    fn manifest(&mut self) -> Result<Manifest> {
        let contents = &self.survey.contents;
        let whole = contents.damaged == 0 && contents.swapping.is_empty();
        let outdated = contents.outdated > OUTDATED_MAX.max(contents.sealed.len());
        match self.survey.manifest.take() {
            Some(manifest) if whole && !outdated && !self.state.sync_failed => Ok(manifest),
            _ => {
                let (removed, swapping) = Default::default();
                let contents = Contents { removed, swapping, ..contents.clone() };
                Manifest::create(&self.home.fs, &self.home.dir, &contents)
            }
        }
    }

    /// The offset that the next record gets: never one that may have been shown.
    fn next_offset(&self) -> u64 {
        match &self.survey.durable_end {
            Some(file) => self.end.max(file.state().reserved_end),
            None if self.adopted.is_some() || self.is_new() => self.end,
            None => self.end + RESERVATION_MAX,
        }
    }

    fn is_new(&self) -> bool {
        self.survey.logs.values().all(|len| *len == 0) && self.survey.contents.sealed.is_empty()
    }

    /// Whether the last segment can be appended to as it is.
    fn ends_open(&self) -> bool {
        self.segments.last().is_some_and(|last| last.end_offset().is_none())
    }

    /// Goes on at `next` in a segment of its own, under a new epoch.
    fn begin_at(&mut self, next: u64, manifest: &mut Manifest) -> Result<()> {
        let epochs = &mut self.survey.contents.epochs;
        let begun = epochs.entries().last().is_some_and(|(_, start)| *start == next);
        if !begun {
            let epoch = epochs.latest().map_or(0, |latest| latest + 1);
            epochs.assign(epoch, next);
            manifest.append(&[Fact::Epoch(epoch, next)])?;
        }
        let Home { fs, dir } = self.home.as_ref();
        checkpoint::write_epochs(fs.as_ref(), &dir.join(LEADER_EPOCHS), epochs)?;
        if self.ends_open() && self.segments.last().is_some_and(|last| last.base_offset() == next) {
            return Ok(());
        }
        let segment = Segment::create_or_empty(self.home, next)?;
        fs.sync_dir(dir).or_io("sync", dir)?;
        if let Some(last) = self.segments.last().filter(|last| last.end_offset().is_none()) {
            last.seal(self.found_end);
            if last.bytes() == 0 {
                last.remove_files()?;
                self.segments.pop();
            }
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Makes a log of Kafka's ours: from the moment that this is durable it is not taken over again. What Kafka knew of
    /// it must be in there, for nobody looks at that any more; what the manifest would say can be read from the batches.
    fn claim(&mut self, next: u64) -> Result<()> {
        let Home { fs, dir } = self.home.as_ref();
        checkpoint::write_epochs(fs.as_ref(), &dir.join(LEADER_EPOCHS), &self.survey.contents.epochs)?;
        let state = self.state_at(next, true);
        self.survey.durable_end = Some(DurableEndFile::create(fs, dir, state)?);
        fs.sync_dir(dir).or_io("sync", dir)
    }

    /// Enters closed segments that were read anew in the manifest.
    fn file_sealed(&self, manifest: &mut Manifest) -> Result<()> {
        let closed =
            self.segments.iter().filter(|segment| segment.end_offset().is_some() && segment.is_live());
        let facts =
            closed.map(|segment| Ok(Fact::Sealed(segment.file_and_forget()?))).collect::<Result<Vec<_>>>()?;
        if facts.is_empty() { Ok(()) } else { Ok(manifest.append(&facts)?) }
    }

    /// Notes where the log stands now. All that it holds is durable, and nothing is reserved until it is written to.
    fn durable_end(&mut self, next: u64, touched: bool) -> Result<DurableEndFile> {
        let state = self.state_at(next, touched);
        match self.survey.durable_end.take() {
            Some(file) => {
                if touched {
                    file.commit(|noted| *noted = state)?;
                }
                Ok(file)
            }
            None => {
                let file = DurableEndFile::create(&self.home.fs, &self.home.dir, state)?;
                self.home.fs.sync_dir(&self.home.dir).or_io("sync", &self.home.dir)?;
                Ok(file)
            }
        }
    }

    /// Where the log stands if it goes on at `next`.
    fn state_at(&self, next: u64, touched: bool) -> DurableEnd {
        let first = self.segments.first().map_or(next, |first| first.base_offset());
        let start_offset = match (&self.survey.durable_end, self.adopted) {
            (Some(file), _) => file.state().start_offset,
            (None, Some(adopted)) => adopted.start_offset.max(first),
            (None, None) => first,
        };
        let state = DurableEnd {
            start_offset,
            first_unstable: self.transactions.unsettled_from().unwrap_or(next),
            ..DurableEnd::starting_at(next)
        };
        match self.segments.last() {
            Some(active) if self.ends_open() => DurableEnd {
                segment_base: active.base_offset(),
                segment_bytes: active.bytes(),
                largest: active.largest_timestamp(),
                sums: if touched { active.file_indexes_for_note() } else { active.filed_sums() },
                ..state
            },
            _ => state,
        }
    }

    fn log(
        self,
        config: LogConfig,
        clock: Arc<dyn Clock>,
        manifest: Manifest,
        durable_end: DurableEndFile,
        end: u64,
    ) -> Log {
        let state = durable_end.state();
        let last = self.segments.last().expect("a log has at least one segment").clone();
        let start = state.start_offset.min(end);
        let last_stable = self.transactions.first_offset().unwrap_or(end).max(start);
        let marks = Watermarks { start, durable_end: end, last_stable, end };
        let Contents { epochs, compacted_to, .. } = self.survey.contents;
        let config = Arc::new(config);
        let writer = Writer {
            epoch: epochs.latest().unwrap_or(0),
            config: config.clone(),
            active: ActiveSegment::new(last, &config, clock.now()),
            transactions: self.transactions,
            opened_end: end,
            reserved_end: state.reserved_end,
            unsynced: Vec::new(),
            names_unsynced: false,
        };
        Log {
            home: self.home.clone(),
            config: ArcSwap::new(config),
            clock_watch: Mutex::new(ClockWatch::new(clock.now(), clock.monotonic())),
            clock,
            marks: Marks::new(marks),
            segments: ArcSwap::from_pointee(SegmentList::new(self.segments)),
            epochs: ArcSwap::from_pointee(epochs),
            durable_end,
            writer: Mutex::new(writer),
            flusher: Flusher::new(manifest),
            refusal: OnceLock::new(),
            poison: OnceLock::new(),
            is_shut: AtomicBool::new(false),
            damage: self.damage,
            cleaner: Mutex::default(),
            uncleanable: OnceLock::new(),
            first_dirty: AtomicU64::new(compacted_to),
            leftovers: Mutex::default(),
        }
    }
}
