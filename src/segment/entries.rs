//! Tables of fixed-size entries: what the three index files have in common.
//!
//! While a segment is written to, its tables live in memory and only grow ([`Table`]). Once it is closed they live in
//! their files, sorted, and are searched there ([`last_where`]).

use crate::io::File;
use std::io;

/// One entry of an index file. All numbers are big-endian, as everywhere in Kafka's formats.
pub trait Entry: Copy {
    /// Its size in bytes.
    const LEN: usize;
    /// Appends its bytes.
    fn encode(&self, base_offset: u64, out: &mut Vec<u8>);
    /// Reads it from exactly [`Entry::LEN`] bytes. `None` if no such entry can be.
    fn decode(base_offset: u64, bytes: &[u8]) -> Option<Self>;
    /// Whether `next` may follow it.
    fn precedes(&self, next: &Self) -> bool;
}

/// How much of an index file is known to be good: this many entries, with this CRC-32 over their bytes.
///
/// Kafka's index files carry no checksum; these stand in files of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileSum {
    /// Entries.
    pub count: u32,
    /// CRC-32 (IEEE) over their bytes; 0 for none.
    pub crc: u32,
}

/// A table in memory, part of which may be in its file already.
#[derive(Debug, Clone)]
pub struct Table<E> {
    base_offset: u64,
    entries: Vec<E>,
    filed: FileSum,
}

impl<E: Entry> Table<E> {
    /// The empty table of the segment that begins at `base_offset`.
    pub fn new(base_offset: u64) -> Self {
        Self { base_offset, entries: Vec::new(), filed: FileSum::default() }
    }

    /// Reads a whole file. Kafka leaves zeros behind the entries of an active segment's index, and a crash may leave
    /// anything: reading ends at the first entry that cannot follow the one before.
    pub fn decode(base_offset: u64, bytes: &[u8]) -> Self {
        let mut table = Self::new(base_offset);
        for chunk in bytes.chunks_exact(E::LEN) {
            let Some(entry) = E::decode(base_offset, chunk) else { break };
            if table.entries.last().is_some_and(|last| !last.precedes(&entry)) {
                break;
            }
            table.entries.push(entry);
        }
        table
    }

    /// Takes over the part of a file that a [`FileSum`] vouches for; `None` if the bytes are not those.
    pub(crate) fn from_filed(base_offset: u64, bytes: &[u8], sum: FileSum) -> Option<Self> {
        let vouched = bytes.get(..sum.count as usize * E::LEN)?;
        if crc32fast::hash(vouched) != sum.crc {
            return None;
        }
        let mut table = Self::decode(base_offset, vouched);
        table.filed = sum;
        (table.entries.len() == sum.count as usize).then_some(table)
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_from(0)
    }

    fn encode_from(&self, first: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((self.entries.len() - first) * E::LEN);
        self.entries[first..].iter().for_each(|entry| entry.encode(self.base_offset, &mut bytes));
        bytes
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[E] {
        &self.entries
    }

    pub(super) fn base_offset(&self) -> u64 {
        self.base_offset
    }

    /// Adds an entry if it may follow the last one; says whether it did.
    pub fn push(&mut self, entry: E) -> bool {
        let follows = self.entries.last().is_none_or(|last| last.precedes(&entry));
        if follows {
            self.entries.push(entry);
        }
        follows
    }

    /// Drops the entries for which `keep` no longer holds, from the end; what is in the file is then written anew.
    pub(super) fn truncate_where(&mut self, keep: impl Fn(&E) -> bool) {
        let kept = self.entries.partition_point(keep);
        if kept < self.entries.len() {
            self.entries.truncate(kept);
            self.filed = FileSum::default();
        }
    }

    /// What is in the file, and known to be.
    pub(crate) fn filed(&self) -> FileSum {
        self.filed
    }

    /// How many entries are not in the file yet.
    pub(crate) fn unfiled(&self) -> usize {
        self.entries.len() - self.filed.count as usize
    }

    /// The bytes that are not in the file yet, where they go, and the sum of the file once they are there.
    pub(crate) fn to_file(&self) -> (u64, Vec<u8>, FileSum) {
        let start = self.filed.count as usize;
        let bytes = self.encode_from(start);
        let mut hasher = crc32fast::Hasher::new_with_initial(self.filed.crc);
        hasher.update(&bytes);
        let sum = FileSum { count: self.entries.len() as u32, crc: hasher.finalize() };
        ((start * E::LEN) as u64, bytes, sum)
    }

    /// The sum of a file with just these entries.
    pub(crate) fn sum(&self) -> FileSum {
        FileSum { count: self.entries.len() as u32, crc: crc32fast::hash(&self.encode()) }
    }

    /// Remembers that the file holds what `sum` says.
    pub(crate) fn set_filed(&mut self, sum: FileSum) {
        self.filed = sum;
    }
}

/// The last of the first `count` entries of a sorted file for which `holds` is true (it is true for a prefix).
pub(crate) fn last_where<E: Entry>(
    file: &dyn File,
    base_offset: u64,
    count: u32,
    holds: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    /// Below this many entries one read of all is cheaper than more probes.
    const BLOCK: u32 = 256;
    let decode = |bytes: &[u8]| {
        E::decode(base_offset, bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "impossible entry"))
    };
    let position = |index: u32| u64::from(index) * E::LEN as u64;
    let (mut low, mut high, mut best) = (0, count, None);
    while high - low > BLOCK {
        let middle = low + (high - low) / 2;
        let entry = decode(&file.read_exact_at(position(middle), E::LEN)?)?;
        if holds(&entry) {
            best = Some(entry);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let block = file.read_exact_at(position(low), (high - low) as usize * E::LEN)?;
    for chunk in block.chunks_exact(E::LEN) {
        let entry = decode(chunk)?;
        if !holds(&entry) {
            break;
        }
        best = Some(entry);
    }
    Ok(best)
}
