//! Asking a directory everything, and holding the answers against what an undamaged one said.

use crate::reading::{Reading, Seen, read_on, records_from};
use crate::sample::{Files, OPEN_PRODUCER, config, disk, files, open_dir, partition};
use brooklet::log::{Cursor, Damage, Log, ReadLimit};
use brooklet::segment::{AbortedTransaction, FileName};
use brooklet::{Error, Result, Timestamp};
use std::ops::Range;

/// A record, or the offsets that are said to be lost.
pub(crate) type Found = Result<Option<Seen>, Range<u64>>;

/// All that a log answers.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) reading: Reading,
    /// The first record at or behind each offset; or the offsets that are said to be lost there.
    pub(crate) seeks: Vec<(u64, Found)>,
    pub(crate) times: Vec<Result<Option<(u64, Timestamp)>, String>>,
    pub(crate) aborted: Vec<Result<Vec<AbortedTransaction>, String>>,
    pub(crate) last_stable: u64,
    pub(crate) end: u64,
    pub(crate) damage: Vec<Damage>,
    /// What lies on the disk afterwards.
    pub(crate) files: Files,
}

/// Opens a directory with these files, asks, and closes it.
pub(crate) fn ask(before: &Files, seeks: &[u64], chunk_bytes: usize) -> Result<Answers, Refused> {
    let fs = disk(before);
    let dir = open_dir(&fs).map_err(Refused::Open)?;
    let log = dir.open_log(&partition(0), config()).map_err(Refused::Open)?;
    let answers = ask_log(&log, seeks, chunk_bytes).map_err(Refused::Answer)?;
    dir.close().map_err(|error| Refused::Answer(format!("closing: {error}")))?;
    Ok(Answers { files: files(&fs), ..answers })
}

/// No answers at all.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It did not open.
    Open(Error),
    /// It did something that no log may do.
    Answer(#[expect(dead_code, reason = "it is seen in failures, through Debug")] String),
}

fn ask_log(log: &Log, seeks: &[u64], chunk_bytes: usize) -> Result<Answers, String> {
    let marks = log.watermarks();
    let mut answers = Answers {
        reading: read_on(log, marks.start, chunk_bytes)?,
        seeks: seeks.iter().map(|&offset| Ok((offset, seek(log, offset)?))).collect::<Result<_, String>>()?,
        times: (990..1550).step_by(41).map(|at| time(log, at)).collect::<Result<_, String>>()?,
        aborted: seeks
            .iter()
            .step_by(5)
            .map(|&offset| aborted(log, offset))
            .collect::<Result<_, String>>()?,
        last_stable: marks.last_stable,
        end: marks.end,
        damage: log.damage().to_vec(),
        files: Files::new(),
    };
    answers.times.push(typed(log.max_timestamp())?);
    Ok(answers)
}

fn seek(log: &Log, offset: u64) -> Result<Found, String> {
    if offset > log.watermarks().end {
        return Ok(Ok(None));
    }
    let first = || -> Result<Found> {
        let mut cursor = Cursor::at(offset);
        while cursor.offset() < log.watermarks().end {
            let chunk = log.read(&cursor, ReadLimit::bytes(0))?;
            for batch in chunk.batches() {
                let batch = batch?;
                match records_from(&batch, offset).map(|records| records.into_iter().next()) {
                    Ok(None) => {}
                    Ok(first) => return Ok(Ok(first)),
                    Err(_) => return Ok(Err(batch.header().base_offset..batch.header().next_offset())),
                }
            }
            cursor = chunk.next().clone();
        }
        Ok(Ok(None))
    };
    match first() {
        Ok(first) => Ok(first),
        Err(Error::Corrupt { offsets, .. }) => Ok(Err(offsets)),
        Err(error) => Err(format!("seeking {offset}: {error}")),
    }
}

fn time(log: &Log, millis: i64) -> Result<Result<Option<(u64, Timestamp)>, String>, String> {
    typed(log.offset_for_time(Timestamp::from_millis(millis)))
}

fn aborted(log: &Log, from: u64) -> Result<Result<Vec<AbortedTransaction>, String>, String> {
    let (near, all) = (log.aborted_transactions(from, from + 9), log.aborted_transactions(from, u64::MAX));
    typed(near.and_then(|mut near| {
        near.extend(all?);
        Ok(near)
    }))
}

/// An answer, or one of the errors that damage may give.
fn typed<T>(answer: Result<T>) -> Result<Result<T, String>, String> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error @ (Error::Corrupt { .. } | Error::CodecMissing { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(format!("searching: {error}")),
    }
}

/// What may become of the records of a damaged directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    /// These offsets may be lost, with an error that says so.
    pub(crate) lost: Vec<Range<u64>>,
    /// From here on the log may just end: a tail that nobody was told is durable.
    pub(crate) cut_from: Option<u64>,
    /// Who wrote these bytes lied, under a checksum that holds: what is read there, and all that is concluded from it,
    /// may be anything.
    pub(crate) lies: bool,
}

impl Allowed {
    fn cut(&self, offset: u64) -> bool {
        self.cut_from.is_some_and(|from| offset >= from)
    }

    /// Whether a file is of a segment that lies in the tail.
    pub(crate) fn file_may_go(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().and_then(FileName::parse);
        name.is_some_and(|name| self.cut(name.base_offset))
    }

    fn lost(&self, offset: u64) -> bool {
        self.lost.iter().any(|lost| lost.contains(&offset)) || self.cut(offset)
    }
}

/// Holds answers against those of the undamaged directory. What is wrong, in words.
pub(crate) fn compare(truth: &Answers, found: &Answers, allowed: &Allowed) -> Result<(), String> {
    for record in &found.reading.seen {
        let known = truth.reading.seen.iter().find(|known| known.offset == record.offset);
        if known != Some(record) && !(allowed.lies && allowed.lost(record.offset)) {
            return Err(format!("read {record:?} instead of {known:?}"));
        }
    }
    let offsets = found.reading.offsets();
    for Seen { offset, .. } in &truth.reading.seen {
        let seen = offsets.binary_search(offset).is_ok();
        let named = found.reading.lost.iter().any(|lost| lost.contains(offset));
        if !seen && !named && !allowed.cut(*offset) {
            return Err(format!("offset {offset} was skipped unseen; lost: {:?}", found.reading.lost));
        }
        if !seen && !allowed.lost(*offset) {
            return Err(format!("offset {offset} was lost; lost: {:?}", found.reading.lost));
        }
    }
    compare_seeks(truth, found, allowed)?;
    compare_searches(truth, found, allowed)
}

fn compare_seeks(truth: &Answers, found: &Answers, allowed: &Allowed) -> Result<(), String> {
    for ((offset, known), (_, answer)) in truth.seeks.iter().zip(&found.seeks) {
        let fine = match answer {
            Ok(first) if Ok(first.clone()) == *known => true,
            Ok(_) => allowed.cut(*offset) || (allowed.lies && allowed.lost(*offset)),
            Err(lost) => lost.end > *offset && allowed.lost(*offset),
        };
        if !fine {
            return Err(format!("seeking {offset} gave {answer:?} instead of {known:?}"));
        }
    }
    Ok(())
}

fn compare_searches(truth: &Answers, found: &Answers, allowed: &Allowed) -> Result<(), String> {
    if allowed.cut_from.is_some() || allowed.lies {
        return Ok(());
    }
    let may_fail = !allowed.lost.is_empty();
    for (known, answer) in truth.times.iter().zip(&found.times) {
        if known != answer && !(answer.is_err() && may_fail) {
            return Err(format!("a search by time gave {answer:?} instead of {known:?}"));
        }
    }
    for (known, answer) in truth.aborted.iter().zip(&found.aborted) {
        if known != answer && !(answer.is_err() && may_fail) {
            return Err(format!("aborted transactions were {answer:?} instead of {known:?}"));
        }
    }
    let (least, most) = (truth.last_stable, last_stable_at_most(truth, found, allowed));
    if !(least..=most).contains(&found.last_stable) {
        return Err(format!("last stable is {}, not {least} to {most}", found.last_stable));
    }
    if truth.reading.seen.last().is_some_and(|last| found.end <= last.offset) {
        return Err(format!("the end is {} and was {}", found.end, truth.end));
    }
    Ok(())
}

/// The first record of the open transaction that is not lost: what a reader of committed records has to wait for.
fn last_stable_at_most(truth: &Answers, found: &Answers, allowed: &Allowed) -> u64 {
    if !allowed.lost(truth.last_stable) {
        return truth.last_stable;
    }
    let open = truth.reading.seen.iter().filter(|record| record.producer_id == OPEN_PRODUCER);
    let readable = open.map(|record| record.offset).find(|offset| !allowed.lost(*offset));
    readable.unwrap_or(found.end)
}
