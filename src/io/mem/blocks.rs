//! The bytes of one file in memory, in blocks, so that growing it never copies what is there.
//!
//! ```text
//!      0        64 KiB    128 KiB   192 KiB
//!      | Full     | (none)   | Filling: bytes | as far as written; zeros from there to the file's end
//!        shared     a hole
//!        with readers: no copy
//! ```
//!
//! A block is written in place while it fills, and copied for its readers. Once full it is handed out without a copy;
//! a later write into it copies the block first if a reader still holds it. So what a reader has never changes.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;

/// Small enough that a full block is soon there to be shared, large enough that its upkeep does not show.
pub(super) const BLOCK: usize = 64 * 1024;

/// The first block of a file grows by doubling from here: most files are checkpoints and stay tiny.
const FIRST_CAPACITY_MIN: usize = 128;

// So that doubling ends at exactly one block, which is then shared without shrinking it first.
const _: () = assert!(BLOCK.is_power_of_two() && FIRST_CAPACITY_MIN <= BLOCK);

/// As on a real disk, where offsets are signed.
const LEN_MAX: u64 = i64::MAX as u64;

/// Bytes by position, from 0 to `len`; what was never written is zero.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    len: u64,
    // By index, so that a write far out costs no more than one nearby. No block holds bytes behind `len`.
    blocks: BTreeMap<u64, Block>,
}

#[derive(Debug)]
enum Block {
    Filling(Vec<u8>),
    Full(Bytes),
}

impl Blocks {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes at `offset`, at most `len` and at most to the end of the block they are in.
    pub(super) fn read(&self, offset: u64, len: usize) -> Bytes {
        let (index, start) = locate(offset);
        let rest = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(rest).min(BLOCK - start);
        match self.blocks.get(&index) {
            _ if len == 0 => Bytes::new(),
            Some(Block::Full(bytes)) => bytes.slice(start..start + len),
            Some(Block::Filling(bytes)) => {
                let written = bytes.get(start..).unwrap_or_default();
                let mut copy = Vec::with_capacity(len);
                copy.extend_from_slice(&written[..len.min(written.len())]);
                copy.resize(len, 0);
                Bytes::from(copy)
            }
            None => Bytes::from(vec![0; len]),
        }
    }

    /// Writes at `offset`, at most to the end of the block, and says how much.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let (index, start) = locate(offset);
        let bytes = &bytes[..bytes.len().min(BLOCK - start)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let block = self.blocks.entry(index).or_default();
        let mut contents = std::mem::take(block).into_vec();
        make_room(&mut contents, start + bytes.len(), index == 0);
        put(&mut contents, start, bytes);
        *block = Block::of(contents);
        self.len = self.len.max(end);
        Ok(bytes.len())
    }

    /// Cuts the file, or lengthens it by zeros that take no space.
    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len > LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if len < self.len {
            let (index, start) = locate(len);
            self.blocks.split_off(&(index + u64::from(start > 0)));
            if start > 0
                && let Some(block) = self.blocks.get_mut(&index)
            {
                let mut contents = std::mem::take(block).into_vec();
                contents.truncate(start);
                *block = Block::of(contents);
            }
        }
        self.len = len;
        Ok(())
    }
}

impl Default for Block {
    fn default() -> Self {
        Block::Filling(Vec::new())
    }
}

impl Block {
    fn of(bytes: Vec<u8>) -> Self {
        if bytes.len() == BLOCK { Block::Full(Bytes::from(bytes)) } else { Block::Filling(bytes) }
    }

    /// The bytes, to be changed. Copied only if they are full and a reader holds them.
    fn into_vec(self) -> Vec<u8> {
        match self {
            Block::Filling(bytes) => bytes,
            Block::Full(bytes) => Vec::from(bytes),
        }
    }
}

fn locate(offset: u64) -> (u64, usize) {
    (offset / BLOCK as u64, (offset % BLOCK as u64) as usize)
}

/// Room for `needed` bytes, never for more than a block.
fn make_room(bytes: &mut Vec<u8>, needed: usize, may_stay_small: bool) {
    if needed > bytes.capacity() {
        let capacity =
            if may_stay_small { needed.next_power_of_two().max(FIRST_CAPACITY_MIN) } else { BLOCK };
        bytes.reserve_exact(capacity - bytes.len());
    }
}

fn put(target: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    if start > target.len() {
        target.resize(start, 0);
    }
    let over = bytes.len().min(target.len() - start);
    target[start..start + over].copy_from_slice(&bytes[..over]);
    target.extend_from_slice(&bytes[over..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(len: usize) -> Blocks {
        let mut blocks = Blocks::default();
        let bytes: Vec<u8> = (0..len).map(|at| at as u8 | 1).collect();
        let mut at = 0;
        while at < len {
            at += blocks.write(at as u64, &bytes[at..]).unwrap();
        }
        blocks
    }

    #[test]
    fn a_full_block_is_read_without_a_copy() {
        let blocks = filled(BLOCK + 10);
        assert_eq!(blocks.read(8, 100).as_ptr(), blocks.read(8, 100).as_ptr());
        assert_ne!(blocks.read(BLOCK as u64, 8).as_ptr(), blocks.read(BLOCK as u64, 8).as_ptr());
    }

    #[test]
    fn what_a_reader_holds_never_changes() {
        let mut blocks = filled(BLOCK);
        let held = blocks.read(0, 4);
        blocks.write(0, b"new!").unwrap();
        assert_eq!(&held[..], [1, 1, 3, 3]);
        assert_eq!(&blocks.read(0, 4)[..], b"new!");
        blocks.set_len(0).unwrap();
        assert_eq!(&held[..], [1, 1, 3, 3]);
    }

    #[test]
    fn a_full_block_that_nobody_holds_is_rewritten_in_place() {
        let mut blocks = filled(BLOCK);
        let before = blocks.read(0, 1).as_ptr();
        blocks.write(0, b"new!").unwrap();
        assert_eq!(blocks.read(0, 1).as_ptr(), before);
    }

    #[test]
    fn a_cut_file_forgets_what_was_behind_the_cut() {
        for cut in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK] {
            let mut blocks = filled(2 * BLOCK + 5);
            blocks.set_len(cut as u64).unwrap();
            blocks.set_len(3 * BLOCK as u64).unwrap();
            for at in (0..3 * BLOCK).step_by(7) {
                let expected = if at < cut { at as u8 | 1 } else { 0 };
                assert_eq!(blocks.read(at as u64, 1)[0], expected, "cut at {cut}, byte {at}");
            }
        }
    }

    #[test]
    fn a_tiny_file_takes_little_room_and_a_block_never_more_than_its_size() {
        let mut blocks = filled(100);
        let capacity = |blocks: &Blocks| match &blocks.blocks[&0] {
            Block::Filling(bytes) => bytes.capacity(),
            Block::Full(bytes) => bytes.len(),
        };
        assert!(capacity(&blocks) <= 128);
        for at in (100..BLOCK as u64).step_by(100) {
            blocks.write(at, &[1; 100]).unwrap();
            assert!(capacity(&blocks) <= BLOCK);
        }
    }

    #[test]
    fn far_out_costs_one_block() {
        let mut blocks = Blocks::default();
        blocks.write(LEN_MAX - 1, b"x").unwrap();
        assert_eq!((blocks.len(), blocks.blocks.len()), (LEN_MAX, 1));
        assert!(blocks.write(LEN_MAX, b"x").is_err());
        assert!(blocks.write(u64::MAX, b"x").is_err());
        assert!(blocks.set_len(LEN_MAX + 1).is_err());
        assert_eq!(blocks.read(u64::MAX, usize::MAX).len(), 0);
    }
}
