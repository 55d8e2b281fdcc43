//! The codecs of Kafka: what stands behind the header of a compressed batch, byte for byte as Kafka frames it.
//!
//! ```text
//! 1 gzip     one RFC 1952 member
//! 2 snappy   the stream of snappy-java; a bare snappy block is read too
//! 3 lz4      an LZ4 frame of independent 64 KiB blocks, without checksums or sizes
//! 4 zstd     one zstd frame
//! ```
//!
//! What comes out of a codec is bounded by what the caller allows, not by what the data claims: no decoder here
//! allocates more than its limit and a few hundred kilobytes of working space, and none panics, whatever it is given.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(feature = "lz4", feature = "zstd"))]
mod kept;
#[cfg(feature = "lz4")]
mod lz4;
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxhash;
#[cfg(feature = "zstd")]
mod zstd;

use super::Invalid;
use crate::error::Error;
use output::Output;

pub use crate::types::Compression;

impl Compression {
    /// The codec of this number, which is what the attributes of a batch hold.
    #[inline]
    pub const fn from_id(id: u8) -> Result<Self, Invalid> {
        Ok(match id {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            found => return Err(Invalid::UnknownCodec { found }),
        })
    }

    /// Appends `bytes`, compressed, to `out`.
    ///
    /// [`Error::CodecMissing`] if the codec is not compiled in.
    pub fn compress(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let end = self.compress_at(bytes, out, out.len())?;
        out.truncate(end);
        Ok(())
    }

    /// The same over what stands behind `start`, which may be left-overs. Says where it ends; behind that left-overs stay,
    /// so that a buffer that is used again is not cleared each time.
    pub(super) fn compress_at(self, bytes: &[u8], out: &mut Vec<u8>, start: usize) -> Result<usize, Error> {
        let mut out = Output::new(out, start);
        match self {
            Compression::None => {
                out.extend(bytes);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Compression::Gzip => gzip::compress(bytes, &mut out).map_err(|why| self.failed(why)),
            #[cfg(feature = "snappy")]
            Compression::Snappy => snappy::compress(bytes, &mut out).map_err(|why| self.failed(why)),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4::compress(bytes, &mut out).map_err(|why| self.failed(why)),
            #[cfg(feature = "zstd")]
            Compression::Zstd => zstd::compress(bytes, &mut out).map_err(|why| self.failed(why)),
            #[cfg_attr(
                all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"),
                expect(unreachable_patterns, reason = "every codec has an arm when all features are on")
            )]
            missing => Err(Error::CodecMissing { codec: missing.name() }),
        }?;
        Ok(out.end())
    }

    /// What `bytes` were before they were compressed, if that is not more than `limit` bytes.
    pub fn decompress(self, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Invalid> {
        // A batch has less than 2 GiB, so whoever allows more allows that much.
        let limit = limit.min(i32::MAX as usize);
        let result = match self {
            Compression::None if bytes.len() > limit => Err(Failure::TooLarge),
            Compression::None => Ok(bytes.to_vec()),
            #[cfg(feature = "gzip")]
            Compression::Gzip => gzip::decompress(bytes, limit),
            #[cfg(feature = "snappy")]
            Compression::Snappy => snappy::decompress(bytes, limit),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4::decompress(bytes, limit),
            #[cfg(feature = "zstd")]
            Compression::Zstd => zstd::decompress(bytes, limit),
            #[cfg_attr(
                all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"),
                expect(unreachable_patterns, reason = "every codec has an arm when all features are on")
            )]
            missing => return Err(Invalid::CodecMissing { codec: missing.name() }),
        };
        result.map_err(|failure| match failure {
            Failure::TooLarge => Invalid::TooLargeDecompressed { limit },
            Failure::Corrupt(what) => Invalid::Decompression { codec: self.name(), what },
        })
    }

    #[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
    fn failed(self, why: impl std::fmt::Display) -> Error {
        Error::InvalidBatch { why: format!("{} could not compress it: {why}", self.name()) }
    }
}

/// Why a codec gave nothing back.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    TooLarge,
    #[cfg_attr(
        not(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")),
        expect(dead_code, reason = "what is not compressed cannot be corrupt")
    )]
    Corrupt(String),
}

#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
impl Failure {
    fn corrupt(what: impl ToString) -> Self {
        Failure::Corrupt(what.to_string())
    }
}

/// An empty vector with room for `len` bytes, or a failure instead of an abort where memory is short.
#[cfg(any(feature = "gzip", feature = "snappy", feature = "zstd"))]
fn with_room_for(len: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(Failure::corrupt)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
