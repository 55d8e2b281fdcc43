//! Loading: the newest snapshot that can be believed, and the batches behind it.
//!
//! A snapshot is believed if it is whole, lies between the start of the log and its end when it was opened, and if the
//! newest batch that it speaks of is in the log. Logs lose only what is at their end, so if that batch is there, all
//! that came before it is or was there too. Kafka does not believe one at the very start of the log. We do: it knows
//! whom the removed records were from, and nothing is missing between it and the log. One below the start would be worse
//! than none: batches that nobody can read any more have followed it, and their producers would be found out of order.
//!
//! Of the batches the headers are read, and only where the checksum holds; of markers also the record. Damage is stepped
//! over, for the log is right in all that can be read of it. What is applied twice, or once too often, does no harm.

use super::snapshots::Snapshots;
use super::{Known, appended_by, marker_of};
use crate::error::{Error, Result};
use crate::io::Fs;
use crate::log::{Cursor, Log, ReadLimit, Watermarks};
use crate::partition::{BatchMetadata, ProducerStateEntry, Producers};
use crate::record::{Batch, BatchHeader};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How much of the log is read at once.
const READ_BYTES: usize = 1 << 20;

/// Who has written to a log, as its snapshots and its batches say. Looks only, and keeps nobody from writing: for tools.
///
/// The file system is the one that the log lies on.
///
/// # Errors
/// Those of the file system. Damage is stepped over.
///
/// ```
/// use brooklet::clock::SystemClock;
/// use brooklet::io::MemFs;
/// use brooklet::log::{LogDir, LogDirOptions};
/// use brooklet::partition::producers_of;
/// use brooklet::record::{BatchBuilder, Compression, RecordParts};
/// use brooklet::{LogConfig, TopicPartition};
/// use std::sync::Arc;
///
/// let fs = Arc::new(MemFs::new());
/// let dir = LogDir::open_with(fs.clone(), Arc::new(SystemClock::new()), "/", LogDirOptions::default())?;
/// let log = dir.create_log(&TopicPartition::new("orders", 0)?, LogConfig::default())?;
/// let mut batch = BatchBuilder::new(Compression::None);
/// batch.producer(7, 0, 0).push(&RecordParts { value: Some(b"once"), ..Default::default() })?;
/// log.append(&mut batch.build()?)?;
///
/// let producers = producers_of(&log, fs)?;
/// assert_eq!(producers.get(7).and_then(|entry| entry.last_batch()).map(|batch| batch.last_sequence), Some(0));
/// # Ok::<(), brooklet::Error>(())
/// ```
pub fn producers_of(log: &Log, fs: Arc<dyn Fs>) -> Result<Producers> {
    Ok(load(log, &Snapshots::new(fs, log.path()), log.watermarks().end)?.producers)
}

/// The producers of a log as it is now. Nobody with a producer id may append meanwhile; others may.
pub(super) fn load(log: &Log, snapshots: &Snapshots, trusted_to: u64) -> Result<Known> {
    let Watermarks { start, end, .. } = log.watermarks();
    let (saved_at, mut producers) = match newest(log, snapshots, start..=trusted_to.min(end))? {
        Some((offset, producers)) => (Some(offset), producers),
        None => (None, Producers::new()),
    };
    replay(log, &mut producers, saved_at.unwrap_or(start), end)?;
    Ok(Known { producers, saved_at })
}

/// The newest snapshot within these offsets that can be believed.
fn newest(log: &Log, snapshots: &Snapshots, within: RangeInclusive<u64>) -> Result<Option<(u64, Producers)>> {
    for offset in snapshots.newest_first()?.filter(|offset| within.contains(offset)) {
        if let Some(producers) = snapshots.read(offset)?
            && is_borne_out(log, &producers, offset)?
        {
            return Ok(Some((offset, producers)));
        }
    }
    Ok(None)
}

/// Whether the log holds the newest batch that a snapshot speaks of, or held it. What cannot be read speaks against
/// nobody.
fn is_borne_out(log: &Log, producers: &Producers, offset: u64) -> Result<bool> {
    let opened = producers.iter().filter_map(|entry| entry.current_txn_first_offset).max();
    if opened.is_some_and(|first| first >= offset) {
        return Ok(false);
    }
    let batches = producers.iter().filter_map(|entry| Some((entry, entry.last_batch()?)));
    let Some((entry, batch)) = batches.max_by_key(|(_, batch)| batch.last_offset) else { return Ok(true) };
    if batch.last_offset >= offset {
        return Ok(false);
    }
    let witness = log.read(&Cursor::at(batch.last_offset), ReadLimit::bytes(1).until(offset));
    let chunk = match witness {
        Ok(chunk) => chunk,
        Err(Error::OffsetOutOfRange { .. } | Error::Corrupt { .. }) => return Ok(true),
        Err(error) => return Err(error),
    };
    match chunk.batches().next() {
        Some(Ok(found)) => Ok(is_same(found.header(), entry, batch)),
        Some(Err(Error::Corrupt { .. })) => Ok(true),
        Some(Err(error)) => Err(error),
        None => Ok(false),
    }
}

fn is_same(header: &BatchHeader, entry: &ProducerStateEntry, batch: &BatchMetadata) -> bool {
    let found = (header.producer_id, header.producer_epoch, header.last_sequence(), header.last_offset());
    found == (entry.producer_id, entry.producer_epoch, batch.last_sequence, batch.last_offset)
}

/// Applies what lies from `from` to `end`.
fn replay(log: &Log, producers: &mut Producers, from: u64, end: u64) -> Result<()> {
    let mut cursor = Cursor::at(from);
    while cursor.offset() < end {
        let step = log.read(&cursor, ReadLimit::bytes(READ_BYTES).until(end)).and_then(|chunk| {
            chunk.batches().try_for_each(|batch| batch.map(|batch| apply(producers, &batch)))?;
            Ok(chunk)
        });
        cursor = match step {
            Ok(chunk) => chunk.next().clone(),
            Err(error) => Cursor::at(behind(error, cursor.offset())?),
        };
    }
    Ok(())
}

/// Where to go on behind damage, and behind what retention has removed meanwhile.
fn behind(error: Error, offset: u64) -> Result<u64> {
    match error {
        Error::Corrupt { offsets, .. } => Ok(offsets.end.max(offset + 1)),
        Error::OffsetOutOfRange { start, .. } if start > offset => Ok(start),
        other => Err(other),
    }
}

/// Applies one batch. A marker that the cleaner has emptied says nothing any more, and neither does a control record
/// that ends no transaction.
fn apply(producers: &mut Producers, batch: &Batch<'_>) {
    let header = batch.header();
    if !header.has_producer_id() {
        return;
    }
    if !header.is_control() {
        return producers.apply(&appended_by(header));
    }
    if let Ok(Some(record)) = batch.control()
        && let Ok(marker) = marker_of(header, record)
    {
        producers.apply_marker(&marker);
        producers.high_watermark_advanced(header.next_offset());
    }
}
