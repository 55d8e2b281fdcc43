//! LZ4 frames, as Kafka writes and reads them; the blocks inside are the work of lz4_flex.
//!
//! ```text
//! frame  04 22 4d 18 | flags, 60 | block size, 40 | [content size: 8] | header check, 82 | blocks | 00000000 | [checksum: 4]
//! block  length: u32, little-endian; the high bit: stored as it is | data | [xxh32 of the data: 4]
//! flags  bit 6-7 version, 1 | 5 blocks are independent | 4 block checksums | 3 content size | 2 content checksum | 0-1 unused
//! ```
//!
//! The values shown are what is written. The parts in brackets are read where the flags announce them: block checksums
//! are verified, the content's size and checksum are skipped, as in Kafka. Blocks that depend on each other, another
//! version and unused bits are refused, and so are bytes behind the frame.

use super::kept::with_kept;
use super::xxhash::xxh32;
use super::{Failure, Output};
use lz4_flex::block::{self, CompressTable};
use std::cell::Cell;

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAGS_UNUSED: u8 = 0b11;

/// Blocks of 64 KiB, in the bits where the frame says so.
const BLOCK_SIZE_64K: u8 = 4 << 4;
const BLOCK_BYTES: usize = 64 << 10;
/// From here on a table for small blocks becomes one for large ones.
const SMALL_BYTES: usize = u16::MAX as usize;
const STORED: u32 = 1 << 31;
const END_MARK: [u8; 4] = [0; 4];

const FLAGS: u8 = VERSION_1 | INDEPENDENT;
/// The second byte of xxh32 over the two bytes before it.
const HEADER_CHECK: u8 = 0x82;
const _: () = assert!(FLAGS == 0x60 && BLOCK_SIZE_64K == 0x40);

thread_local! {
    /// One for blocks that are not full, which is quicker for these, and one for full ones.
    static SMALL: Cell<Option<CompressTable>> = const { Cell::new(None) };
    static LARGE: Cell<Option<CompressTable>> = const { Cell::new(None) };
}

pub(super) fn compress(bytes: &[u8], out: &mut Output<'_>) -> Result<(), block::CompressError> {
    match bytes.len() {
        0..SMALL_BYTES => with_kept(&SMALL, CompressTable::small, |table| compress_with(table, bytes, out)),
        _ => with_kept(&LARGE, CompressTable::large, |table| compress_with(table, bytes, out)),
    }
}

fn compress_with(
    table: &mut CompressTable,
    bytes: &[u8],
    out: &mut Output<'_>,
) -> Result<(), block::CompressError> {
    out.extend(&MAGIC);
    out.extend(&[FLAGS, BLOCK_SIZE_64K, HEADER_CHECK]);
    for raw in bytes.chunks(BLOCK_BYTES) {
        let length_at = out.end();
        out.extend(&[0; 4]);
        let room = out.room(block::get_maximum_output_size(raw.len()));
        let mut len = block::compress_into_with_table(raw, room, table)?;
        let mut stored = 0;
        if len >= raw.len() {
            (len, stored) = (raw.len(), STORED);
            room[..len].copy_from_slice(raw);
        }
        out.advance(len);
        out.rewrite(length_at, (len as u32 | stored).to_le_bytes());
    }
    out.extend(&END_MARK);
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut input = Input(bytes);
    let (flags, block_bytes) = read_frame_header(&mut input)?;
    let mut out = Vec::new();
    loop {
        let length = u32::from_le_bytes(*input.array()?);
        if length == 0 {
            break;
        }
        let len = (length & !STORED) as usize;
        if len > block_bytes {
            return Err(Failure::corrupt("a block larger than the frame allows"));
        }
        let data = input.take(len)?;
        if flags & BLOCK_CHECKSUMS != 0 && u32::from_le_bytes(*input.array()?) != xxh32(data) {
            return Err(Failure::corrupt("a block whose checksum does not hold"));
        }
        if length & STORED == 0 {
            decompress_block(data, block_bytes, limit, &mut out)?;
        } else if len > limit - out.len() {
            return Err(Failure::TooLarge);
        } else {
            let end = out.len() + len;
            reserve(&mut out, end, limit);
            out.extend_from_slice(data);
        }
    }
    if flags & CONTENT_CHECKSUM != 0 {
        input.take(4)?;
    }
    if !input.0.is_empty() {
        return Err(Failure::corrupt("bytes behind the frame"));
    }
    Ok(out)
}

/// The flags, and how large a block may be.
fn read_frame_header(input: &mut Input<'_>) -> Result<(u8, usize), Failure> {
    if *input.array()? != MAGIC {
        return Err(Failure::corrupt("no LZ4 frame"));
    }
    let descriptor = input.0;
    let [flags, block_size] = *input.array()?;
    if flags & VERSION_MASK != VERSION_1 || flags & INDEPENDENT == 0 || flags & FLAGS_UNUSED != 0 {
        return Err(Failure::corrupt(format_args!("frame flags {flags:#04x}")));
    }
    let block_bytes = match block_size {
        0x40 | 0x50 | 0x60 | 0x70 => BLOCK_BYTES << (2 * ((block_size >> 4) - 4)),
        other => return Err(Failure::corrupt(format_args!("block size {other:#04x}"))),
    };
    if flags & CONTENT_SIZE != 0 {
        input.take(8)?;
    }
    let descriptor = &descriptor[..descriptor.len() - input.0.len()];
    let [check] = *input.array()?;
    if check != (xxh32(descriptor) >> 8) as u8 {
        return Err(Failure::corrupt("a frame header whose check does not hold"));
    }
    Ok((flags, block_bytes))
}

/// Appends what the block `data` holds. The room for it is cleared first, so a small block gets little at first, and
/// all that a block may have only if that was not enough.
fn decompress_block(data: &[u8], block_bytes: usize, limit: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let start = out.len();
    let room = block_bytes.min(limit - start);
    for guess in [room.min(8 * data.len()), room] {
        reserve(out, start + guess, limit);
        out.resize(start + guess, 0);
        match block::decompress_into(data, &mut out[start..]) {
            Ok(len) => {
                out.truncate(start + len);
                return Ok(());
            }
            Err(block::DecompressError::OutputTooSmall { .. }) if guess < room => {}
            Err(block::DecompressError::OutputTooSmall { .. }) if room < block_bytes => {
                return Err(Failure::TooLarge);
            }
            Err(error) => return Err(Failure::corrupt(error)),
        }
    }
    Err(Failure::TooLarge)
}

/// Makes room up to `end`: at least doubling, so that many blocks do not copy each other around, but not above
/// `limit`.
fn reserve(out: &mut Vec<u8>, end: usize, limit: usize) {
    if out.capacity() < end {
        let room = end.max((2 * out.len()).min(limit));
        out.reserve_exact(room - out.len());
    }
}

/// Bytes that are taken from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Failure> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or_else(|| Failure::corrupt("a frame that ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Failure> {
        let (taken, rest) =
            self.0.split_first_chunk().ok_or_else(|| Failure::corrupt("a frame that ends early"))?;
        self.0 = rest;
        Ok(taken)
    }
}
