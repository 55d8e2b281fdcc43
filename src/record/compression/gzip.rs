//! Gzip: one member of RFC 1952 is written. Several in a row are read as one, as Java's reader does.

use std::io::{self, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Failure, Output, with_room_for};

/// The least that the first attempt makes room for.
const ROOM_MIN: usize = 4 << 10;

pub(super) fn compress(bytes: &[u8], out: &mut Output<'_>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(out, flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish().map(drop)
}

/// Grows the output step by step, so that the limit also holds for what is allocated. One byte above the limit tells a
/// member that ends there from one that goes on.
pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut room = bytes.len().saturating_mul(4).max(ROOM_MIN).min(limit + 1);
    let mut out = with_room_for(room)?;
    let mut end = 0;
    loop {
        out.resize(room, 0);
        match decoder.read(&mut out[end..]) {
            Ok(0) => break,
            Ok(read) => end += read,
            Err(error) => return Err(Failure::corrupt(error)),
        }
        if end > limit {
            return Err(Failure::TooLarge);
        }
        if end == room {
            room = room.saturating_mul(2).min(limit + 1);
            out.try_reserve_exact(room - end).map_err(Failure::corrupt)?;
        }
    }
    out.truncate(end);
    Ok(out)
}
