//! Snappy as snappy-java streams it; the bare block that other clients write is told apart by its first bytes.
//!
//! ```text
//! stream  82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version: i32, 1 | readable by version: i32, 1 | chunks
//! chunk   length: i32 | snappy block of that length, which holds up to 32 KiB
//! ```

use super::{Failure, Output, with_room_for};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const VERSION: [u8; 4] = 1_i32.to_be_bytes();
/// What snappy-java puts into one chunk.
const CHUNK_BYTES: usize = 32 << 10;
/// The first and the last element of a stream's header: the magic and two versions.
const STREAM_HEADER_LEN: usize = MAGIC.len() + 2 * VERSION.len();

pub(super) fn compress(bytes: &[u8], out: &mut Output<'_>) -> snap::Result<()> {
    out.extend(&MAGIC);
    out.extend(&VERSION);
    out.extend(&VERSION);
    let mut encoder = snap::raw::Encoder::new();
    for chunk in bytes.chunks(CHUNK_BYTES) {
        let length_at = out.end();
        out.extend(&[0; 4]);
        let len = encoder.compress(chunk, out.room(snap::raw::max_compress_len(chunk.len())))?;
        out.rewrite(length_at, (len as u32).to_be_bytes());
        out.advance(len);
    }
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    if !bytes.starts_with(&MAGIC) {
        decompress_block(bytes, limit, &mut out)?;
        return Ok(out);
    }
    let Some((header, mut rest)) = bytes.split_at_checked(STREAM_HEADER_LEN) else {
        return Err(Failure::corrupt("a stream header that ends early"));
    };
    if header[MAGIC.len()..][..4] < VERSION[..] {
        return Err(Failure::corrupt("a stream of a version before 1"));
    }
    while !rest.is_empty() {
        let Some((len, behind)) = rest.split_first_chunk() else {
            return Err(Failure::corrupt("a chunk length that ends early"));
        };
        // A negative length is above anything that can follow, read as a number without a sign.
        let Some((block, behind)) = behind.split_at_checked(u32::from_be_bytes(*len) as usize) else {
            return Err(Failure::corrupt("a chunk that ends early"));
        };
        decompress_block(block, limit, &mut out)?;
        rest = behind;
    }
    Ok(out)
}

/// Appends what `block` holds. A block begins with how much that is, and is not believed above the limit.
fn decompress_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let len = snap::raw::decompress_len(block).map_err(Failure::corrupt)?;
    let start = out.len();
    if len > limit - start {
        return Err(Failure::TooLarge);
    }
    if out.capacity() - start < len {
        let mut larger = with_room_for((start + len).max(start.saturating_mul(2)).min(limit))?;
        larger.extend_from_slice(out);
        *out = larger;
    }
    out.resize(start + len, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[start..]).map(drop).map_err(Failure::corrupt)
}
