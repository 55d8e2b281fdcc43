//! Zstandard: one frame at level 3 is written; frames in a row are read as one.

use super::kept::with_kept;
use super::{Failure, Output, with_room_for};
use std::cell::Cell;
use zstd::zstd_safe::{self, CCtx, DCtx, zstd_sys::ZSTD_ErrorCode};

/// Kafka's default, and zstd's.
const LEVEL: i32 = 3;
/// The least that the first attempt makes room for.
const ROOM_MIN: usize = 16 << 10;
/// What zstd answers when the room is too small: error codes are the negated numbers of the C enumeration.
const OUT_OF_ROOM: usize = (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg();
/// What compresses more than this is not kept: it is as large as the data needs it, and costs little beside that.
const KEPT_FOR_MAX: usize = 256 << 10;

thread_local! {
    static COMPRESSING: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECOMPRESSING: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

pub(super) fn compress(bytes: &[u8], out: &mut Output<'_>) -> Result<(), &'static str> {
    let room = out.room(zstd_safe::compress_bound(bytes.len()));
    let len = match bytes.len() {
        0..=KEPT_FOR_MAX => {
            with_kept(&COMPRESSING, CCtx::create, |context| context.compress(room, bytes, LEVEL))
        }
        _ => zstd_safe::compress(room, bytes, LEVEL),
    };
    out.advance(len.map_err(zstd_safe::get_error_name)?);
    Ok(())
}

/// Decompresses in one go into memory that is not cleared first. zstd's streams would hold a window of up to 128 MiB
/// beside it, as large as the data says. Frames of Kafka's own clients do not say how large their content is: then the
/// room is guessed, and quadrupled as long as it is too small, which costs at most a third more than a good guess.
pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let guess = match zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(size)) => usize::try_from(size).unwrap_or(usize::MAX),
        _ => bytes.len().saturating_mul(4).max(ROOM_MIN),
    };
    let mut room = guess.min(limit);
    loop {
        let mut out = with_room_for(room)?;
        match with_kept(&DECOMPRESSING, DCtx::create, |context| context.decompress(&mut out, bytes)) {
            Ok(_) if out.len() > limit => return Err(Failure::TooLarge),
            Ok(_) => return Ok(out),
            Err(OUT_OF_ROOM) if room == limit => return Err(Failure::TooLarge),
            Err(OUT_OF_ROOM) => room = room.saturating_mul(4).max(ROOM_MIN).min(limit),
            Err(code) => return Err(Failure::corrupt(zstd_safe::get_error_name(code))),
        }
    }
}
