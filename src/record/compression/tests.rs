//! What every codec promises: exact framing, bounded output, and an error for whatever it cannot read.

use proptest::prelude::*;

use super::*;

fn available() -> impl Iterator<Item = Compression> {
    Compression::ALL.into_iter().filter(|codec| codec.is_compiled_in())
}

fn compressed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    codec.compress(bytes, &mut out).expect("it is compiled in");
    assert_eq!(&out[..6], b"before", "{codec:?} appends");
    out.split_off(6)
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

/// Bytes that compress a little.
fn text(len: usize) -> Vec<u8> {
    noise(len).iter().map(|byte| b"0123456789abcdef"[usize::from(byte % 16)]).collect()
}

#[test]
fn numbers_and_codecs_are_one_to_one() {
    for (id, codec) in Compression::ALL.into_iter().enumerate() {
        assert_eq!((codec.id(), Compression::from_id(id as u8)), (id as u8, Ok(codec)));
    }
    assert_eq!(Compression::from_id(5), Err(Invalid::UnknownCodec { found: 5 }));
    assert_eq!(Compression::default(), Compression::None);
}

#[test]
fn a_codec_that_is_not_compiled_in_says_so_in_both_directions() {
    for codec in Compression::ALL.into_iter().filter(|codec| !codec.is_compiled_in()) {
        let result = codec.compress(b"x", &mut Vec::new());
        assert!(matches!(result, Err(Error::CodecMissing { codec: name }) if name == codec.name()));
        let expected = Invalid::CodecMissing { codec: codec.name() };
        assert_eq!(codec.decompress(b"x", 9), Err(expected));
    }
}

#[test]
fn whatever_goes_in_comes_out_and_not_a_byte_above_the_limit() {
    for codec in available() {
        for len in
            [0, 1, 12, 13, 1000, 32 << 10, (32 << 10) + 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 300_000]
        {
            for bytes in [vec![7; len], noise(len), text(len)] {
                let small = compressed(codec, &bytes);
                assert!(codec.decompress(&small, len).is_ok_and(|out| out == bytes), "{codec:?} {len}");
                assert!(
                    codec.decompress(&small, usize::MAX).is_ok_and(|out| out == bytes),
                    "{codec:?} {len}"
                );
                if len > 0 {
                    let expected = Err(Invalid::TooLargeDecompressed { limit: len - 1 });
                    assert_eq!(codec.decompress(&small, len - 1), expected, "{codec:?} {len}");
                }
            }
        }
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    for codec in available() {
        let bomb = compressed(codec, &vec![0; 32 << 20]);
        let limit = 100_000;
        assert_eq!(codec.decompress(&bomb, limit), Err(Invalid::TooLargeDecompressed { limit }), "{codec:?}");
        assert_eq!(codec.decompress(&bomb, 0), Err(Invalid::TooLargeDecompressed { limit: 0 }), "{codec:?}");
    }
}

#[test]
fn frames_that_end_early_do_not_give_back_what_went_in() {
    let bytes = text(3000);
    for codec in available() {
        let small = compressed(codec, &bytes);
        for len in 0..small.len() {
            assert_ne!(codec.decompress(&small[..len], 1 << 20), Ok(bytes.clone()), "{codec:?} {len}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(bytes: Vec<u8>, at: prop::sample::Index, flip in 1_u8.., limit in 0_usize..100_000) {
        for codec in available() {
            let _ = codec.decompress(&bytes, limit);
            let mut small = compressed(codec, &bytes);
            if !small.is_empty() {
                let at = at.index(small.len());
                small[at] ^= flip;
                let result = codec.decompress(&small, limit);
                prop_assert!(!result.is_ok_and(|out| out.len() > limit));
            }
        }
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;

    #[test]
    fn members_in_a_row_are_read_as_one_and_what_is_no_member_is_refused() {
        let mut two = compressed(Compression::Gzip, b"one ");
        assert_eq!(&two[..4], &[0x1f, 0x8b, 8, 0]);
        two.extend(compressed(Compression::Gzip, b"two"));
        assert_eq!(Compression::Gzip.decompress(&two, 7), Ok(b"one two".to_vec()));
        two[9] ^= 1; // the header's last byte, an operating system
        assert_eq!(Compression::Gzip.decompress(&two, 7), Ok(b"one two".to_vec()));
        let last = two.len() - 1;
        two[last] ^= 1;
        assert!(matches!(
            Compression::Gzip.decompress(&two, 7),
            Err(Invalid::Decompression { codec: "gzip", .. })
        ));
    }
}

#[cfg(feature = "zstd")]
mod zstd {
    use super::*;

    #[test]
    fn one_frame_is_written() {
        let small = compressed(Compression::Zstd, &[7; 500]);
        assert_eq!(&small[..4], &[0x28, 0xb5, 0x2f, 0xfd]);
        assert!(small.len() < 30);
    }

    #[test]
    fn a_frame_that_does_not_say_its_size_is_read_and_bounded_all_the_same() {
        let bytes = vec![7; 5 << 20];
        let small = ::zstd::stream::encode_all(&bytes[..], 3).expect("memory does not fail");
        assert!(::zstd::zstd_safe::get_frame_content_size(&small).is_ok_and(|size| size.is_none()));
        assert!(Compression::Zstd.decompress(&small, bytes.len()).is_ok_and(|out| out == bytes));
        let limit = bytes.len() - 1;
        assert_eq!(Compression::Zstd.decompress(&small, limit), Err(Invalid::TooLargeDecompressed { limit }));
    }

    #[test]
    fn a_size_that_lies_is_not_believed() {
        // One segment, its size in eight bytes, then a last block of one raw byte.
        let mut lie = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
        lie.extend_from_slice(&(1_u64 << 60).to_le_bytes());
        lie.extend_from_slice(&[0b0000_1001, 0, 0, b'x']);
        assert!(Compression::Zstd.decompress(&lie, 1000).is_err());
    }
}

#[cfg(feature = "snappy")]
mod snappy {
    use super::*;

    const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

    fn stream(chunks: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for (len, chunk) in chunks {
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(chunk);
        }
        out
    }

    fn block(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).expect("it is small")
    }

    #[test]
    fn the_stream_is_snappy_javas() {
        let bytes = text((32 << 10) + 10);
        let (first, second) = (block(&bytes[..32 << 10]), block(&bytes[32 << 10..]));
        let expected = stream(&[(first.len() as u32, &first), (second.len() as u32, &second)]);
        assert_eq!(compressed(Compression::Snappy, &bytes), expected);
        assert_eq!(compressed(Compression::Snappy, b""), HEADER);
    }

    #[test]
    fn a_bare_block_is_read_too() {
        for bytes in [&b""[..], b"x", &text(100_000)] {
            assert_eq!(Compression::Snappy.decompress(&block(bytes), bytes.len()), Ok(bytes.to_vec()));
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let good = block(b"some bytes");
        let whole = good.len() as u32;
        for len in [whole + 1, u32::MAX, i32::MAX as u32, 1 << 31] {
            assert!(Compression::Snappy.decompress(&stream(&[(len, &good)]), 1000).is_err(), "{len}");
        }
        // A block that claims 4 GiB, and one that claims just what is allowed and holds less.
        for claim in [&[0xff, 0xff, 0xff, 0xff, 0x0f, 0][..], &[0xe8, 0x07, 0]] {
            assert!(Compression::Snappy.decompress(claim, 1000).is_err());
            let chunk = stream(&[(claim.len() as u32, claim)]);
            assert!(Compression::Snappy.decompress(&chunk, 1000).is_err());
        }
        let mut version_0 = stream(&[(whole, &good)]);
        assert_eq!(Compression::Snappy.decompress(&version_0, 1000), Ok(b"some bytes".to_vec()));
        version_0[11] = 0;
        assert!(Compression::Snappy.decompress(&version_0, 1000).is_err());
    }
}

#[cfg(feature = "lz4")]
mod lz4 {
    use super::super::xxhash::xxh32;
    use super::*;

    /// A frame with these flags around two blocks, one of them stored.
    fn frame(flags: u8, block_size: u8) -> Vec<u8> {
        let mut out = vec![0x04, 0x22, 0x4d, 0x18, flags, block_size];
        if flags & 0x08 != 0 {
            out.extend_from_slice(&99_u64.to_le_bytes());
        }
        out.push((xxh32(&out[4..]) >> 8) as u8);
        let stored: &[u8] = b"stored";
        let small = lz4_flex::block::compress(&[b'z'; 100]);
        for (length, data) in [(stored.len() as u32 | 1 << 31, stored), (small.len() as u32, &small)] {
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(data);
            if flags & 0x10 != 0 {
                out.extend_from_slice(&xxh32(data).to_le_bytes());
            }
        }
        out.extend_from_slice(&[0; 4]);
        if flags & 0x04 != 0 {
            out.extend_from_slice(b"any!");
        }
        out
    }

    fn content() -> Vec<u8> {
        [&b"stored"[..], &[b'z'; 100]].concat()
    }

    fn refused(bytes: &[u8]) -> bool {
        matches!(
            Compression::Lz4.decompress(bytes, 1 << 20),
            Err(Invalid::Decompression { codec: "lz4", .. })
        )
    }

    #[test]
    fn the_frame_is_kafkas() {
        let header = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
        assert_eq!(compressed(Compression::Lz4, b""), [&header[..], &[0; 4]].concat());
        let noise = noise((64 << 10) + 1);
        let small = compressed(Compression::Lz4, &noise);
        assert_eq!(small[..7], header);
        assert_eq!(small[7..11], [0, 0, 1, 0x80], "a block that does not compress is stored as it is");
        assert_eq!(small[11..][..64 << 10], noise[..64 << 10]);
        assert_eq!(small[11 + (64 << 10)..], [1, 0, 0, 0x80, noise[64 << 10], 0, 0, 0, 0]);
        assert!(compressed(Compression::Lz4, &[0; 64 << 10]).len() < 1000);
    }

    #[test]
    fn frames_of_other_writers_are_read() {
        for optional in [0, 0x04, 0x08, 0x10, 0x1c] {
            for block_size in [0x40, 0x50, 0x60, 0x70] {
                let frame = frame(0x60 | optional, block_size);
                assert_eq!(
                    Compression::Lz4.decompress(&frame, 106),
                    Ok(content()),
                    "{optional:#x} {block_size:#x}"
                );
                assert!((0..frame.len()).all(|len| refused(&frame[..len])));
            }
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        for flags in [0x40, 0x20, 0xa0, 0xe0, 0x61, 0x62] {
            assert!(refused(&frame(flags, 0x40)), "{flags:#x}");
        }
        for block_size in [0x00, 0x30, 0x41, 0x48, 0xc0] {
            assert!(refused(&frame(0x60, block_size)), "{block_size:#x}");
        }
        for (at, what) in [(0, "magic"), (6, "header check")] {
            let mut frame = frame(0x60, 0x40);
            frame[at] ^= 1;
            assert!(refused(&frame), "{what}");
        }
        let mut checked = frame(0x70, 0x40);
        checked[11] ^= 1; // the first byte that is stored
        assert!(refused(&checked));
        let mut behind = frame(0x60, 0x40);
        behind.push(0);
        assert!(refused(&behind));
    }

    #[test]
    fn blocks_larger_than_the_frame_allows_are_refused() {
        let header = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
        let large = vec![1; (64 << 10) + 1];
        let stored = [&header[..], &(large.len() as u32 | 1 << 31).to_le_bytes(), &large, &[0; 4]].concat();
        assert!(refused(&stored));
        let small = lz4_flex::block::compress(&large);
        let compressed = [&header[..], &(small.len() as u32).to_le_bytes(), &small, &[0; 4]].concat();
        assert!(refused(&compressed));
    }
}
