//! The file `segment-manifest`: which segments a log has closed, what is known of them, and its epochs.
//!
//! ```text
//! header   0 "brooklet" 8 | 8 version 4 | 12 CRC-32 of the directory's name and the 12 bytes before
//! record   0 kind 1 | 1 flags 1 | 2 zeros 2 | 4 CRC-32 of that name and the other 68 bytes | 8 payload 64     72 bytes
//!   sealed     8 base 8 | 16 end 8 | 24 bytes 8 | 32 largest timestamp 8 | 40 its offset 8 | 48 three sums of 4 + 4
//!   removed    8 base 8
//!   epoch      8 epoch 4 | 16 start offset 8
//!   swapping   8 base 8
//!   compacted  8 up to 8
//! ```
//! It is a journal: a later record overrides an earlier one. A segment's record is written after the segment and its
//! indexes are synced, so its presence proves that they were. Without it a missing segment could not be told from a gap
//! that compaction left, nor a lost index of aborted transactions from there being none.
//!
//! Records are of one size, so that a damaged one costs no other: what it said is found by reading that segment.

use super::epochs::LeaderEpochs;
use super::failure::CommitFailure;
use super::seal::Seal;
use crate::error::{Error, OrIo, Result};
use crate::io::{Fs, LazyFile, read_file, replace_file};
use crate::segment::{FileSum, SealedFacts, TimeEntry};
use crate::types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The file's name.
pub(crate) const MANIFEST: &str = "segment-manifest";

const MAGIC: &[u8; 8] = b"brooklet";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 8 + 4 + 4;
const RECORD_LEN: usize = 1 + 1 + 2 + 4 + 64;
const CRC_AT: usize = 4;
const PAYLOAD_AT: usize = 8;
const FLAG_DENSE: u8 = 1;
const FLAG_HAS_LARGEST: u8 = 1 << 1;
/// 14 million segments; a larger file is not a manifest.
const BYTES_MAX: usize = 1 << 30;

/// One fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Sealed(SealedFacts),
    Removed(u64),
    Epoch(i32, u64),
    /// What is sealed under this base lies in files with the suffix `.swap`, where there are any.
    Swapping(u64),
    /// Up to where the log is compacted.
    Compacted(u64),
}

impl Fact {
    fn encode(&self, seal: &Seal, out: &mut Vec<u8>) {
        let mut record = [0; RECORD_LEN];
        let mut put = |at: usize, number: u64| record[at..at + 8].copy_from_slice(&number.to_be_bytes());
        let (kind, flags) = match self {
            Fact::Sealed(facts) => {
                put(8, facts.base_offset);
                put(16, facts.end_offset);
                put(24, facts.bytes);
                if let Some(largest) = facts.largest {
                    put(32, largest.timestamp.as_millis() as u64);
                    put(40, largest.offset);
                }
                for (index, sum) in facts.sums.iter().enumerate() {
                    put(48 + 8 * index, u64::from(sum.count) << 32 | u64::from(sum.crc));
                }
                let dense = if facts.dense { FLAG_DENSE } else { 0 };
                (1, dense | if facts.largest.is_some() { FLAG_HAS_LARGEST } else { 0 })
            }
            Fact::Removed(base_offset) => {
                put(8, *base_offset);
                (2, 0)
            }
            Fact::Epoch(epoch, start_offset) => {
                put(8, u64::from(*epoch as u32) << 32);
                put(16, *start_offset);
                (3, 0)
            }
            Fact::Swapping(base_offset) => {
                put(8, *base_offset);
                (4, 0)
            }
            Fact::Compacted(offset) => {
                put(8, *offset);
                (5, 0)
            }
        };
        record[0] = kind;
        record[1] = flags;
        let crc = checksum(seal, &record);
        record[CRC_AT..PAYLOAD_AT].copy_from_slice(&crc.to_be_bytes());
        out.extend_from_slice(&record);
    }

    fn decode(seal: &Seal, record: &[u8; RECORD_LEN]) -> Option<Fact> {
        let number = |at: usize| u64::from_be_bytes(*record[at..].first_chunk().expect("inside a record"));
        if checksum(seal, record) != number(0) as u32 {
            return None;
        }
        let sum = |at: usize| FileSum { count: (number(at) >> 32) as u32, crc: number(at) as u32 };
        match record[0] {
            1 => Some(Fact::Sealed(SealedFacts {
                base_offset: number(8),
                end_offset: number(16),
                bytes: number(24),
                dense: record[1] & FLAG_DENSE != 0,
                largest: (record[1] & FLAG_HAS_LARGEST != 0).then(|| TimeEntry {
                    timestamp: Timestamp::from_millis(number(32) as i64),
                    offset: number(40),
                }),
                sums: [sum(48), sum(56), sum(64)],
            })),
            2 => Some(Fact::Removed(number(8))),
            3 => Some(Fact::Epoch((number(8) >> 32) as i32, number(16))),
            4 => Some(Fact::Swapping(number(8))),
            5 => Some(Fact::Compacted(number(8))),
            _ => None,
        }
    }
}

fn checksum(seal: &Seal, record: &[u8; RECORD_LEN]) -> u32 {
    seal.checksum(&[&record[..CRC_AT], &record[PAYLOAD_AT..]])
}

fn encode(seal: &Seal, facts: &[Fact]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + facts.len() * RECORD_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&seal.checksum(&[&bytes]).to_be_bytes());
    facts.iter().for_each(|fact| fact.encode(seal, &mut bytes));
    bytes
}

/// What a manifest says, all records taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) sealed: BTreeMap<u64, SealedFacts>,
    pub(crate) removed: BTreeSet<u64>,
    /// Sealed segments whose files may not have their final names yet.
    pub(crate) swapping: BTreeSet<u64>,
    pub(crate) epochs: LeaderEpochs,
    /// Up to where the log is compacted.
    pub(crate) compacted_to: u64,
    /// Records that are damaged: what they said is not known.
    pub(crate) damaged: usize,
    /// Records that say nothing any more.
    pub(crate) outdated: usize,
}

impl Contents {
    fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Sealed(facts) => {
                self.removed.remove(&facts.base_offset);
                self.swapping.remove(&facts.base_offset);
                self.sealed.insert(facts.base_offset, facts);
            }
            Fact::Removed(base_offset) => {
                self.sealed.remove(&base_offset);
                self.swapping.remove(&base_offset);
                self.removed.insert(base_offset);
            }
            Fact::Epoch(epoch, start_offset) => self.epochs.assign(epoch, start_offset),
            Fact::Swapping(base_offset) => {
                self.swapping.insert(base_offset);
            }
            Fact::Compacted(offset) => self.compacted_to = offset,
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let epochs = self.epochs.entries().iter().map(|(epoch, start)| Fact::Epoch(*epoch, *start));
        let removed = self.removed.iter().copied().map(Fact::Removed);
        let sealed = self.sealed.values().copied().map(Fact::Sealed);
        let swapping = self.swapping.iter().copied().map(Fact::Swapping);
        let compacted = (self.compacted_to > 0).then_some(Fact::Compacted(self.compacted_to));
        epochs.chain(removed).chain(sealed).chain(swapping).chain(compacted).collect()
    }
}

/// The file, to be appended to.
#[derive(Debug)]
pub(crate) struct Manifest {
    file: LazyFile,
    seal: Seal,
    end: u64,
}

impl Manifest {
    /// Replaces the file, in one step, by one that says just this. Durable when it returns.
    pub(crate) fn create(fs: &Arc<dyn Fs>, dir: &Path, contents: &Contents) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let seal = Seal::of(dir);
        let bytes = encode(&seal, &contents.facts());
        replace_file(fs.as_ref(), &path, &bytes).or_io("write", &path)?;
        Ok(Self { file: LazyFile::new(fs, path), seal, end: bytes.len() as u64 })
    }

    /// A manifest that stands in no file, for a log that must not be touched.
    pub(crate) fn unwritten(fs: &Arc<dyn Fs>, dir: &Path) -> Self {
        Self { file: LazyFile::new(fs, dir.join(MANIFEST)), seal: Seal::of(dir), end: 0 }
    }

    /// Reads the file. `None` if there is none.
    pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Option<(Self, Contents)>> {
        let path = dir.join(MANIFEST);
        let Some(bytes) = read_file(fs.as_ref(), &path, BYTES_MAX).or_io("read", &path)? else {
            return Ok(None);
        };
        let seal = Seal::of(dir);
        let (header, records) = bytes.split_at(HEADER_LEN.min(bytes.len()));
        if let Some(found) = version(&seal, header).filter(|found| *found != VERSION) {
            return Err(Error::NewerFormat { path, found, supported: VERSION });
        }
        let mut contents = Contents::default();
        let mut end = HEADER_LEN;
        for (index, record) in records.chunks_exact(RECORD_LEN).enumerate() {
            let record = record.first_chunk().expect("a chunk is a record long");
            match Fact::decode(&seal, record) {
                Some(fact) => {
                    contents.add(fact);
                    end = HEADER_LEN + (index + 1) * RECORD_LEN;
                }
                None => contents.damaged += 1,
            }
        }
        contents.damaged += usize::from(header.len() < HEADER_LEN || version(&seal, header).is_none());
        contents.outdated = records.len() / RECORD_LEN - contents.damaged.min(records.len() / RECORD_LEN);
        contents.outdated -= contents.facts().len().min(contents.outdated);
        Ok(Some((Self { file: LazyFile::new(fs, path), seal, end: end as u64 }, contents)))
    }

    /// Adds facts; durable when it returns. After an error they may or may not be there, which is the same to a reader
    /// as long as they are true.
    pub(crate) fn append(&mut self, facts: &[Fact]) -> Result<(), CommitFailure> {
        let mut bytes = Vec::with_capacity(facts.len() * RECORD_LEN);
        facts.iter().for_each(|fact| fact.encode(&self.seal, &mut bytes));
        let path = self.file.path();
        let file = self.file.get().or_io("open", path).map_err(CommitFailure::Write)?;
        if let Err(error) = file.write_all_at(self.end, &bytes) {
            let error = Err(error).or_io("write to", path);
            // Nothing of it may be found: an epoch that no batch carries would put all batches behind it out of order.
            let undone = file.truncate(self.end).and_then(|()| file.sync()).or_io("cut", path);
            undone.map_err(CommitFailure::Sync)?;
            return error.map_err(CommitFailure::Write);
        }
        self.sync().map_err(CommitFailure::Sync)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// How many records it has, those included that say nothing any more.
    pub(crate) fn records(&self) -> usize {
        (self.end as usize).saturating_sub(HEADER_LEN) / RECORD_LEN
    }

    /// Makes what was read durable: a process that was killed may have left it in the page cache only.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.get().and_then(|file| file.sync()).or_io("sync", self.file.path())
    }
}

/// The version that a header names, if its checksum holds.
fn version(seal: &Seal, header: &[u8]) -> Option<u32> {
    let (head, crc) = header.split_at_checked(HEADER_LEN - 4)?;
    let crc = u32::from_be_bytes(*crc.first_chunk()?);
    let version = u32::from_be_bytes(*head.last_chunk()?);
    (seal.checksum(&[head]) == crc && head.starts_with(MAGIC)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemFs;
    use std::io;

    fn sealed(base_offset: u64) -> SealedFacts {
        SealedFacts {
            base_offset,
            end_offset: base_offset + 10,
            bytes: 999,
            dense: true,
            largest: Some(TimeEntry { timestamp: Timestamp::from_millis(-1), offset: base_offset + 3 }),
            sums: [
                FileSum { count: 1, crc: 2 },
                FileSum { count: u32::MAX, crc: u32::MAX },
                FileSum::default(),
            ],
        }
    }

    fn facts() -> Vec<Fact> {
        vec![
            Fact::Epoch(0, 0),
            Fact::Sealed(sealed(0)),
            Fact::Sealed(SealedFacts { largest: None, dense: false, ..sealed(10) }),
            Fact::Sealed(sealed(20)),
            Fact::Removed(20),
            Fact::Swapping(0),
            Fact::Sealed(sealed(0)),
            Fact::Swapping(10),
            Fact::Epoch(3, 30),
            Fact::Compacted(10),
            Fact::Compacted(20),
        ]
    }

    fn written() -> (Arc<dyn Fs>, Contents) {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
        let mut manifest = Manifest::create(&fs, Path::new("/"), &Contents::default()).unwrap();
        manifest.append(&facts()).unwrap();
        let mut contents = Contents::default();
        facts().into_iter().for_each(|fact| contents.add(fact));
        (fs, contents)
    }

    fn read(fs: &Arc<dyn Fs>) -> Contents {
        Manifest::open(fs, Path::new("/")).unwrap().unwrap().1
    }

    /// What it says, without how it says it.
    fn said(fs: &Arc<dyn Fs>) -> Contents {
        Contents { outdated: 0, ..read(fs) }
    }

    #[test]
    fn facts_come_back_and_later_ones_override() {
        let (fs, contents) = written();
        assert_eq!(said(&fs), contents);
        assert_eq!(contents.sealed.keys().copied().collect::<Vec<_>>(), [0, 10]);
        assert_eq!(contents.epochs.entries(), [(0, 0), (3, 30)]);
        assert_eq!(contents.swapping.iter().copied().collect::<Vec<_>>(), [10]);
        assert_eq!(contents.compacted_to, 20);
    }

    #[test]
    fn a_rewritten_manifest_says_the_same() {
        let (fs, contents) = written();
        Manifest::create(&fs, Path::new("/"), &contents).unwrap();
        assert_eq!(said(&fs), contents);
    }

    #[test]
    fn a_flipped_bit_costs_one_record_at_most() {
        let (fs, contents) = written();
        let whole = read_file(fs.as_ref(), Path::new("/segment-manifest"), 4096).unwrap().unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << (at % 8);
            replace_file(fs.as_ref(), Path::new("/segment-manifest"), &bytes).unwrap();
            let known = read(&fs);
            let damaged = at.checked_sub(HEADER_LEN).map(|at| at / RECORD_LEN);
            let mut expected = Contents { damaged: 1, outdated: known.outdated, ..Contents::default() };
            let rest = facts().into_iter().enumerate().filter(|(index, _)| Some(*index) != damaged);
            rest.for_each(|(_, fact)| expected.add(fact));
            assert_eq!(known, expected, "byte {at}");
        }
        assert_ne!(contents, Contents::default());
    }

    #[test]
    fn what_another_log_says_is_damage() {
        let (fs, _) = written();
        let bytes = read_file(fs.as_ref(), Path::new("/segment-manifest"), 4096).unwrap().unwrap();
        fs.create_dir(Path::new("/orders-0")).unwrap();
        replace_file(fs.as_ref(), Path::new("/orders-0/segment-manifest"), &bytes).unwrap();
        let (_, contents) = Manifest::open(&fs, Path::new("/orders-0")).unwrap().unwrap();
        assert_eq!(contents, Contents { damaged: 1 + facts().len(), ..Contents::default() });
    }

    #[test]
    fn a_torn_tail_is_written_over() {
        let (fs, contents) = written();
        let path = Path::new("/segment-manifest");
        let file = fs.open(path).unwrap();
        file.truncate(file.len().unwrap() - 7).unwrap();
        let (mut manifest, _) = Manifest::open(&fs, Path::new("/")).unwrap().unwrap();
        manifest.append(&[Fact::Compacted(20)]).unwrap();
        assert_eq!(said(&fs), contents);
    }

    #[test]
    fn a_newer_version_is_not_guessed_at() {
        let (fs, _) = written();
        let file = fs.open(Path::new("/segment-manifest")).unwrap();
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&2u32.to_be_bytes());
        header.extend_from_slice(&Seal::of(Path::new("/")).checksum(&[&header]).to_be_bytes());
        file.write_all_at(0, &header).unwrap();
        let error = Manifest::open(&fs, Path::new("/")).map(drop).unwrap_err();
        assert!(matches!(error, Error::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn no_manifest_is_not_an_empty_one() {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
        assert!(Manifest::open(&fs, Path::new("/")).unwrap().is_none());
        let mut missing = Manifest::unwritten(&fs, Path::new("/nowhere"));
        let error = Error::from(missing.append(&facts()).unwrap_err());
        assert!(
            matches!(error, Error::Io { ref source, .. } if source.kind() == io::ErrorKind::NotFound),
            "{error}"
        );
    }
}
