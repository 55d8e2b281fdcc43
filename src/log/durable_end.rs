//! The file `durable-end`: what of a log is known to be on disk, and which offsets may have been shown to anybody.
//!
//! ```text
//! 0      slot 0     512 bytes, in a 4096-byte page of its own
//! 4096   slot 1
//! 8192   slot 2
//!
//! slot   0 magic 4 | 4 version 2 | 6 flags 2 | 8 sequence 8 | 16 start offset 8 | 24 durable end 8 | 32 reserved end 8
//!        40 first unstable 8 | 48 segment base 8 | 56 segment bytes 8 | 64 largest timestamp 8 | 72 its offset 8
//!        80 three sums of 4 + 4 | 104 zeros | 508 CRC-32 of the directory's name and all before
//! ```
//! The slot with the highest sequence counts. Most writes are hints that follow a sync of the log and need none of their
//! own: if they are lost, recovery only reads more. Some must not be lost: a reservation, a start offset. Hence three
//! slots and one rule: **a write goes neither to the newest slot nor to the one that was synced last**; so a power cut
//! can tear any slots but never the one that must not be lost.
//!
//! *Reserved end*: offsets below it may have been shown. It is raised, and synced, before an offset at or above it is
//! given out; after a crash the log goes on there, and so no offset ever names two records.

use super::failure::CommitFailure;
use super::seal::Seal;
use crate::error::{Error, OrIo, Result};
use crate::io::{Fs, LazyFile};
use crate::segment::{FileSum, TimeEntry};
use crate::types::Timestamp;
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The file's name.
pub(crate) const DURABLE_END: &str = "durable-end";

const SLOTS: usize = 3;
const SLOT_SPACING: u64 = 4096;
const SLOT_LEN: usize = 512;
const CRC_AT: usize = SLOT_LEN - 4;
const MAGIC: u32 = u32::from_be_bytes(*b"bdur");
const VERSION: u16 = 1;
const FLAG_SYNC_FAILED: u16 = 1;
const FLAG_HAS_LARGEST: u16 = 1 << 1;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurableEnd {
    /// The first offset that can be read.
    pub(crate) start_offset: u64,
    /// Everything below was synced, under names that were synced.
    pub(crate) durable_end: u64,
    /// Offsets below may have been shown.
    pub(crate) reserved_end: u64,
    /// The first offset of the oldest transaction that was open at the durable end; the durable end if none was.
    pub(crate) first_unstable: u64,
    /// The segment in which the durable end lies, and how long it was there.
    pub(crate) segment_base: u64,
    pub(crate) segment_bytes: u64,
    /// The largest timestamp of that segment up to there.
    pub(crate) largest: Option<TimeEntry>,
    /// What of that segment's indexes is in their files.
    pub(crate) sums: [FileSum; 3],
    /// A sync failed afterwards: what is read of the tail may be in memory only, and must be written again.
    pub(crate) sync_failed: bool,
}

impl DurableEnd {
    /// The state of a new log that begins at `offset`.
    pub(crate) fn starting_at(offset: u64) -> Self {
        Self {
            start_offset: offset,
            durable_end: offset,
            reserved_end: offset,
            first_unstable: offset,
            segment_base: offset,
            segment_bytes: 0,
            largest: None,
            sums: Default::default(),
            sync_failed: false,
        }
    }

    fn encode(&self, seal: &Seal, sequence: u64) -> [u8; SLOT_LEN] {
        let mut flags = 0;
        flags |= if self.sync_failed { FLAG_SYNC_FAILED } else { 0 };
        flags |= if self.largest.is_some() { FLAG_HAS_LARGEST } else { 0 };
        let largest = self.largest.unwrap_or(TimeEntry { timestamp: Timestamp::default(), offset: 0 });
        let mut slot = [0; SLOT_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            slot[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC.to_be_bytes());
        put(&VERSION.to_be_bytes());
        put(&flags.to_be_bytes());
        for number in [
            sequence,
            self.start_offset,
            self.durable_end,
            self.reserved_end,
            self.first_unstable,
            self.segment_base,
            self.segment_bytes,
        ] {
            put(&number.to_be_bytes());
        }
        put(&largest.timestamp.as_millis().to_be_bytes());
        put(&largest.offset.to_be_bytes());
        for sum in self.sums {
            put(&sum.count.to_be_bytes());
            put(&sum.crc.to_be_bytes());
        }
        let crc = seal.checksum(&[&slot[..CRC_AT]]);
        slot[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        slot
    }

    fn decode(seal: &Seal, slot: &[u8]) -> Verdict {
        if slot.len() != SLOT_LEN
            || seal.checksum(&[&slot[..CRC_AT]]) != u32_at(slot, CRC_AT)
            || u32_at(slot, 0) != MAGIC
        {
            return Verdict::Invalid;
        }
        let version = u32_at(slot, 4) >> 16;
        if version != u32::from(VERSION) {
            return Verdict::Newer(version);
        }
        let flags = u32_at(slot, 4) as u16;
        let number = |index: usize| u64_at(slot, 8 + 8 * index);
        let largest = TimeEntry { timestamp: Timestamp::from_millis(number(7) as i64), offset: number(8) };
        let sum =
            |index: usize| FileSum { count: u32_at(slot, 80 + 8 * index), crc: u32_at(slot, 84 + 8 * index) };
        let state = DurableEnd {
            start_offset: number(1),
            durable_end: number(2),
            reserved_end: number(3),
            first_unstable: number(4),
            segment_base: number(5),
            segment_bytes: number(6),
            largest: (flags & FLAG_HAS_LARGEST != 0).then_some(largest),
            sums: [sum(0), sum(1), sum(2)],
            sync_failed: flags & FLAG_SYNC_FAILED != 0,
        };
        Verdict::Valid(number(0), state)
    }
}

enum Verdict {
    Valid(u64, DurableEnd),
    Newer(u32),
    Invalid,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("inside a slot"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("inside a slot"))
}

/// The file, and what was written to it last.
#[derive(Debug)]
pub(crate) struct DurableEndFile {
    file: LazyFile,
    seal: Seal,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    state: DurableEnd,
    sequence: u64,
    newest: usize,
    synced: usize,
}

impl DurableEndFile {
    /// Makes the file of a new log, all slots filled, so that later writes need no more space. Its name is not synced.
    pub(crate) fn create(fs: &Arc<dyn Fs>, dir: &Path, state: DurableEnd) -> Result<Self> {
        let path = dir.join(DURABLE_END);
        let file = match fs.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs.open(&path),
            other => other,
        }
        .or_io("create", &path)?;
        let seal = Seal::of(dir);
        for slot in 0..SLOTS {
            file.write_all_at(slot as u64 * SLOT_SPACING, &state.encode(&seal, slot as u64))
                .or_io("write to", &path)?;
        }
        file.sync().or_io("sync", &path)?;
        Ok(Self::new(LazyFile::opened(fs, path, file), seal, state, SLOTS as u64 - 1, SLOTS - 1))
    }

    /// A state that stands in no file, for a log that must not be touched.
    pub(crate) fn unwritten(fs: &Arc<dyn Fs>, dir: &Path, state: DurableEnd) -> Self {
        Self::new(LazyFile::new(fs, dir.join(DURABLE_END)), Seal::of(dir), state, 0, 0)
    }

    /// Reads the file. `None` if there is none, or no slot of it is whole.
    pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(DURABLE_END);
        let file = match fs.open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Ok(None),
            Err(error) => return Err(error).or_io("open", &path),
        };
        let bytes =
            file.read_up_to(0, (SLOTS - 1) * SLOT_SPACING as usize + SLOT_LEN).or_io("read", &path)?;
        let seal = Seal::of(dir);
        let mut newest: Option<(u64, usize, DurableEnd)> = None;
        for slot in 0..SLOTS {
            let at = slot * SLOT_SPACING as usize;
            match DurableEnd::decode(&seal, bytes.get(at..at + SLOT_LEN).unwrap_or_default()) {
                Verdict::Valid(sequence, state) if newest.is_none_or(|best| sequence > best.0) => {
                    newest = Some((sequence, slot, state));
                }
                Verdict::Newer(found) => {
                    return Err(Error::NewerFormat { path, found, supported: VERSION.into() });
                }
                Verdict::Valid(..) | Verdict::Invalid => {}
            }
        }
        Ok(newest.map(|(sequence, slot, state)| {
            Self::new(LazyFile::opened(fs, path, file), seal, state, sequence, slot)
        }))
    }

    fn new(file: LazyFile, seal: Seal, state: DurableEnd, sequence: u64, newest: usize) -> Self {
        let written = Mutex::new(Written { state, sequence, newest, synced: newest });
        Self { file, seal, written }
    }

    /// What was written last.
    pub(crate) fn state(&self) -> DurableEnd {
        self.written.lock().state
    }

    /// Changes the state and writes it, as a hint: a power cut may lose it.
    pub(crate) fn hint(&self, change: impl FnOnce(&mut DurableEnd)) -> Result<()> {
        let mut written = self.written.lock();
        self.write(&mut written, change).or_io("write to", self.file.path())
    }

    /// Changes the state and makes it durable. If that fails the last state stands.
    pub(crate) fn commit(&self, change: impl FnOnce(&mut DurableEnd)) -> Result<(), CommitFailure> {
        let mut written = self.written.lock();
        let before = written.state;
        self.write(&mut written, change).or_io("write to", self.file.path()).map_err(CommitFailure::Write)?;
        let synced = self.sync();
        match &synced {
            Ok(()) => written.synced = written.newest,
            Err(_) => written.state = before,
        }
        synced.map_err(CommitFailure::Sync)
    }

    /// Makes what was read durable: a process that was killed may have left it in the page cache only.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.get().and_then(|file| file.sync()).or_io("sync", self.file.path())
    }

    fn write(&self, written: &mut Written, change: impl FnOnce(&mut DurableEnd)) -> io::Result<()> {
        let mut state = written.state;
        change(&mut state);
        let slot = (0..SLOTS)
            .find(|slot| *slot != written.newest && *slot != written.synced)
            .expect("there are more slots than exceptions");
        let sequence = written.sequence + 1;
        self.file.get()?.write_all_at(slot as u64 * SLOT_SPACING, &state.encode(&self.seal, sequence))?;
        *written = Written { state, sequence, newest: slot, synced: written.synced };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemFs;

    fn state(durable_end: u64) -> DurableEnd {
        let largest = Some(TimeEntry { timestamp: Timestamp::from_millis(-5), offset: 3 });
        let sums =
            [FileSum { count: 1, crc: 2 }, FileSum { count: 3, crc: 4 }, FileSum { count: 5, crc: u32::MAX }];
        DurableEnd {
            durable_end,
            largest,
            sums,
            sync_failed: true,
            segment_bytes: 77,
            ..DurableEnd::starting_at(2)
        }
    }

    fn seal() -> Seal {
        Seal::of(Path::new("/"))
    }

    fn created() -> (Arc<dyn Fs>, DurableEndFile) {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
        let file = DurableEndFile::create(&fs, Path::new("/"), state(10)).unwrap();
        (fs, file)
    }

    fn reopened(fs: &Arc<dyn Fs>) -> Option<DurableEnd> {
        DurableEndFile::open(fs, Path::new("/")).unwrap().map(|file| file.state())
    }

    #[test]
    fn the_newest_slot_counts() {
        let (fs, file) = created();
        assert_eq!(reopened(&fs), Some(state(10)));
        for end in 11..20 {
            file.hint(|state| state.durable_end = end).unwrap();
            assert_eq!(reopened(&fs), Some(state(end)));
        }
    }

    #[test]
    fn hints_never_touch_the_slot_that_was_synced_last() {
        let (fs, file) = created();
        for commit in 0..6 {
            file.commit(|state| state.reserved_end = 1000 + commit)
                .unwrap_or_else(|_| panic!("memory does not fail"));
            let path = Path::new("/durable-end");
            let committed = crate::io::read_file(fs.as_ref(), path, 1 << 20).unwrap().unwrap();
            for hint in 0..commit {
                file.hint(|state| state.durable_end = 20 + 10 * commit + hint).unwrap();
            }
            let now = crate::io::read_file(fs.as_ref(), path, 1 << 20).unwrap().unwrap();
            let kept = (0..SLOTS).filter(|slot| {
                let at = slot * SLOT_SPACING as usize;
                let slot = &now[at..at + SLOT_LEN];
                slot == &committed[at..at + SLOT_LEN]
                    && matches!(DurableEnd::decode(&seal(), slot), Verdict::Valid(_, state) if state.reserved_end == 1000 + commit)
            });
            assert!(kept.count() >= 1, "after commit {commit}");
        }
    }

    #[test]
    fn a_flipped_bit_makes_a_slot_invalid() {
        let slot = state(10).encode(&seal(), 7);
        assert!(
            matches!(DurableEnd::decode(&seal(), &slot), Verdict::Valid(7, decoded) if decoded == state(10))
        );
        for bit in 0..SLOT_LEN * 8 {
            let mut slot = slot;
            slot[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(DurableEnd::decode(&seal(), &slot), Verdict::Invalid), "bit {bit}");
        }
        assert!(matches!(DurableEnd::decode(&seal(), &[]), Verdict::Invalid));
        assert!(matches!(DurableEnd::decode(&seal(), &[0; SLOT_LEN]), Verdict::Invalid));
    }

    #[test]
    fn a_newer_version_is_not_guessed_at() {
        let (fs, _) = created();
        let mut slot = state(10).encode(&seal(), 99);
        slot[5] = 2;
        let crc = seal().checksum(&[&slot[..CRC_AT]]);
        slot[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        fs.open(Path::new("/durable-end")).unwrap().write_all_at(0, &slot).unwrap();
        let error = DurableEndFile::open(&fs, Path::new("/")).map(drop).unwrap_err();
        assert!(matches!(error, Error::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn what_another_log_says_is_not_believed() {
        let slot = state(10).encode(&Seal::of(Path::new("/orders-1")), 7);
        assert!(matches!(DurableEnd::decode(&Seal::of(Path::new("/orders-1")), &slot), Verdict::Valid(7, _)));
        assert!(matches!(DurableEnd::decode(&Seal::of(Path::new("/orders-0")), &slot), Verdict::Invalid));
    }

    #[test]
    fn no_whole_slot_is_no_state() {
        let (fs, _) = created();
        fs.open(Path::new("/durable-end")).unwrap().truncate(100).unwrap();
        assert_eq!(reopened(&fs), None);
    }
}
