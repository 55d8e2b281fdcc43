//! Numbers of varying length: seven bits a byte, the lowest first, the high bit set on all bytes but the last.
//!
//! Signed numbers are zigzagged first (0, -1, 1, -2 become 0, 1, 2, 3), so that small ones are short on both sides of
//! zero. As in Kafka, a number takes at most five bytes (ten for 64 bits), it may take more of them than it needs, and
//! bits of the last byte that do not fit are dropped.

/// The most bytes that a 32-bit number takes.
pub const VARINT_LEN_MAX: usize = 5;
/// The most bytes that a 64-bit number takes.
pub const VARLONG_LEN_MAX: usize = 10;

const CONTINUES: u8 = 0x80;

/// One and two bytes are nearly all there is: lengths below 8192, offset deltas below 8192, timestamps within eight
/// seconds. So these have their own paths, inline.
const ONE_BYTE_END: u64 = 1 << 7;
const TWO_BYTES_END: u64 = 1 << 14;

/// Why bytes are not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The bytes end before the number does.
    #[error("a number that ends early")]
    Truncated,
    /// The number goes on where its last byte must be.
    #[error("a number that is too long")]
    TooLong,
}

/// Reads a zigzagged 32-bit number: it and how many bytes it took.
///
/// ```
/// use brooklet::record::varint;
/// assert_eq!(varint::decode_varint(&[0x81, 0x01, 0xff]), Ok((-65, 2)));
/// ```
#[inline(always)]
pub fn decode_varint(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    let (raw, len) = decode_unsigned(bytes)?;
    Ok((((raw >> 1) as i32) ^ -((raw & 1) as i32), len))
}

/// Reads a zigzagged 64-bit number: it and how many bytes it took.
#[inline(always)]
pub fn decode_varlong(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    let (raw, len) = decode::<VARLONG_LEN_MAX>(bytes)?;
    Ok((((raw >> 1) as i64) ^ -((raw & 1) as i64), len))
}

/// Reads a 32-bit number that is not zigzagged: it and how many bytes it took.
#[inline(always)]
pub fn decode_unsigned(bytes: &[u8]) -> Result<(u32, usize), VarintError> {
    decode::<VARINT_LEN_MAX>(bytes).map(|(raw, len)| (raw as u32, len))
}

/// Appends `value`, zigzagged.
pub fn encode_varint(value: i32, out: &mut Vec<u8>) {
    encode_unsigned(zigzag(value), out);
}

/// Appends `value`, zigzagged.
pub fn encode_varlong(value: i64, out: &mut Vec<u8>) {
    let mut bytes = [0; VARLONG_LEN_MAX];
    let len = put(&mut bytes, 0, zigzag_long(value));
    out.extend_from_slice(&bytes[..len]);
}

/// Appends `value` as it is.
pub fn encode_unsigned(value: u32, out: &mut Vec<u8>) {
    let mut bytes = [0; VARLONG_LEN_MAX];
    let len = put(&mut bytes, 0, u64::from(value));
    out.extend_from_slice(&bytes[..len]);
}

/// How many bytes [`encode_varint`] appends.
#[inline]
pub const fn varint_len(value: i32) -> usize {
    raw_len(zigzag(value) as u64)
}

/// How many bytes [`encode_varlong`] appends.
#[inline]
pub const fn varlong_len(value: i64) -> usize {
    raw_len(zigzag_long(value))
}

/// How many bytes [`encode_unsigned`] appends.
#[inline]
pub const fn unsigned_len(value: u32) -> usize {
    raw_len(value as u64)
}

#[inline(always)]
pub(super) const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline(always)]
pub(super) const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// How many bytes `raw` takes.
#[inline(always)]
pub(super) const fn raw_len(raw: u64) -> usize {
    match raw {
        0..ONE_BYTE_END => 1,
        ONE_BYTE_END..TWO_BYTES_END => 2,
        _ => (64 - raw.leading_zeros() as usize).div_ceil(7),
    }
}

/// Writes `raw` at `at` and says where it ends. The caller has made room for it.
#[inline(always)]
pub(super) fn put(out: &mut [u8], at: usize, raw: u64) -> usize {
    match raw {
        0..ONE_BYTE_END => {
            out[at] = raw as u8;
            at + 1
        }
        ONE_BYTE_END..TWO_BYTES_END => {
            out[at..at + 2].copy_from_slice(&[raw as u8 | CONTINUES, (raw >> 7) as u8]);
            at + 2
        }
        _ => put_long(out, at, raw),
    }
}

#[inline(never)]
fn put_long(out: &mut [u8], mut at: usize, mut raw: u64) -> usize {
    while raw >= ONE_BYTE_END {
        out[at] = raw as u8 | CONTINUES;
        raw >>= 7;
        at += 1;
    }
    out[at] = raw as u8;
    at + 1
}

#[inline(always)]
fn decode<const LEN_MAX: usize>(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    match *bytes {
        [first, ..] if first < CONTINUES => Ok((u64::from(first), 1)),
        [first, second, ..] if second < CONTINUES => {
            Ok((u64::from(first & !CONTINUES) | u64::from(second) << 7, 2))
        }
        _ => decode_long::<LEN_MAX>(bytes),
    }
}

#[inline(never)]
fn decode_long<const LEN_MAX: usize>(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut raw = 0;
    for (index, &byte) in bytes.iter().take(LEN_MAX).enumerate() {
        raw |= u64::from(byte & !CONTINUES) << (7 * index);
        if byte < CONTINUES {
            return Ok((raw, index + 1));
        }
    }
    Err(if bytes.len() < LEN_MAX { VarintError::Truncated } else { VarintError::TooLong })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: [(i32, &[u8]); 13] = [
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (-65, &[0x81, 0x01]),
        (8191, &[0xfe, 0x7f]),
        (8192, &[0x80, 0x80, 0x01]),
        (1_048_575, &[0xfe, 0xff, 0x7f]),
        (134_217_728, &[0x80, 0x80, 0x80, 0x80, 0x01]),
        (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];

    const LARGE: [(i64, &[u8]); 4] = [
        (17_179_869_183, &[0xfe, 0xff, 0xff, 0xff, 0x7f]),
        (1 << 62, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];

    #[test]
    fn small_numbers_are_kafkas_bytes_in_both_widths() {
        for (value, bytes) in SMALL {
            let (mut narrow, mut wide) = (Vec::new(), Vec::new());
            encode_varint(value, &mut narrow);
            encode_varlong(i64::from(value), &mut wide);
            assert_eq!((narrow.as_slice(), wide.as_slice()), (bytes, bytes), "{value}");
            assert_eq!(
                (varint_len(value), varlong_len(i64::from(value))),
                (bytes.len(), bytes.len()),
                "{value}"
            );
            assert_eq!(decode_varint(bytes), Ok((value, bytes.len())));
            assert_eq!(decode_varlong(bytes), Ok((i64::from(value), bytes.len())));
        }
    }

    #[test]
    fn large_numbers_are_kafkas_bytes() {
        for (value, bytes) in LARGE {
            let mut out = Vec::new();
            encode_varlong(value, &mut out);
            assert_eq!((out.as_slice(), varlong_len(value)), (bytes, bytes.len()), "{value}");
            assert_eq!(decode_varlong(bytes), Ok((value, bytes.len())));
        }
    }

    #[test]
    fn unsigned_numbers_are_not_zigzagged() {
        let minus_one = -1_i32 as u32;
        let mut out = Vec::new();
        encode_unsigned(minus_one, &mut out);
        assert_eq!((out.as_slice(), unsigned_len(minus_one)), (&[0xff, 0xff, 0xff, 0xff, 0x0f][..], 5));
        assert_eq!(decode_unsigned(&out), Ok((minus_one, 5)));
    }

    #[test]
    fn a_number_that_goes_on_too_long_is_refused() {
        assert_eq!(decode_varint(&[0x80; 5]), Err(VarintError::TooLong));
        assert_eq!(decode_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), Err(VarintError::TooLong));
        assert_eq!(decode_unsigned(&[0xff; 6]), Err(VarintError::TooLong));
        assert_eq!(decode_varlong(&[0x80; 10]), Err(VarintError::TooLong));
        assert_eq!(decode_varlong(&[0xff; 11]), Err(VarintError::TooLong));
    }

    #[test]
    fn bits_that_do_not_fit_are_dropped_as_in_kafka() {
        assert_eq!(decode_unsigned(&[0x80, 0x80, 0x80, 0x80, 0x70]), Ok((0, 5)));
        assert_eq!(
            decode_varlong(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e]),
            Ok((0, 10))
        );
        assert_eq!(decode_varint(&[0x82, 0x80, 0x00]), Ok((1, 3)), "longer than need be is allowed");
    }

    #[test]
    fn a_number_that_ends_early_is_refused_at_every_length() {
        for (_, bytes) in SMALL.iter().map(|&(v, b)| (i64::from(v), b)).chain(LARGE) {
            for len in 0..bytes.len() {
                assert_eq!(decode_varlong(&bytes[..len]), Err(VarintError::Truncated));
            }
        }
        assert_eq!(decode_varint(&[]), Err(VarintError::Truncated));
        assert_eq!(decode_varint(&[0x80; 4]), Err(VarintError::Truncated));
    }

    proptest! {
        #[test]
        fn every_number_comes_back(value: i64, narrow: i32, behind: u8) {
            let mut out = Vec::new();
            encode_varlong(value, &mut out);
            out.push(behind);
            prop_assert_eq!(decode_varlong(&out), Ok((value, out.len() - 1)));
            prop_assert_eq!(varlong_len(value), out.len() - 1);
            out.clear();
            encode_varint(narrow, &mut out);
            out.push(behind);
            prop_assert_eq!(decode_varint(&out), Ok((narrow, out.len() - 1)));
            out.clear();
            encode_unsigned(narrow as u32, &mut out);
            prop_assert_eq!(decode_unsigned(&out), Ok((narrow as u32, out.len())));
            prop_assert_eq!(unsigned_len(narrow as u32), out.len());
        }

        #[test]
        fn any_bytes_are_a_number_or_an_error(bytes: Vec<u8>) {
            for len in [decode_varint(&bytes).map(|(_, len)| len), decode_unsigned(&bytes).map(|(_, len)| len)] {
                prop_assert!(len.is_err() || len.is_ok_and(|len| (1..=5).contains(&len)));
            }
            prop_assert!(!matches!(decode_varlong(&bytes), Ok((_, len)) if len > 10 || len > bytes.len()));
        }
    }
}
