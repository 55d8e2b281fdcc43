//! Where each field of a batch header lies: every offset is the sum of the ones before it.
//!
//! The helpers read and write big-endian numbers at such an offset. They take the header as an array, so that a
//! constant offset costs no bounds check and a wrong one shows in the first test.

/// Offset of the first record: i64.
pub const BASE_OFFSET: usize = 0;
/// Bytes behind this field: i32.
pub const LENGTH: usize = BASE_OFFSET + 8;
/// Epoch of the leader that appended the batch, or -1: i32.
pub const LEADER_EPOCH: usize = LENGTH + 4;
/// Version of the batch format: i8.
pub const MAGIC: usize = LEADER_EPOCH + 4;
/// CRC-32C of everything from [`ATTRIBUTES`] on: u32.
pub const CRC: usize = MAGIC + 1;
/// Codec, timestamp type and flags: i16.
pub const ATTRIBUTES: usize = CRC + 4;
/// Offset of the last record, counted from the base offset: i32.
pub const LAST_OFFSET_DELTA: usize = ATTRIBUTES + 2;
/// Timestamp that those of the records are counted from: i64.
pub const BASE_TIMESTAMP: usize = LAST_OFFSET_DELTA + 4;
/// Largest timestamp of the records, or -1: i64.
pub const MAX_TIMESTAMP: usize = BASE_TIMESTAMP + 8;
/// Who wrote it, or -1: i64.
pub const PRODUCER_ID: usize = MAX_TIMESTAMP + 8;
/// In which of its lives, or -1: i16.
pub const PRODUCER_EPOCH: usize = PRODUCER_ID + 8;
/// Sequence number of the first record, or -1: i32.
pub const BASE_SEQUENCE: usize = PRODUCER_EPOCH + 2;
/// How many records there are: i32.
pub const RECORDS_COUNT: usize = BASE_SEQUENCE + 4;
/// Bytes of the header: the records begin here.
pub const HEADER_LEN: usize = RECORDS_COUNT + 4;

/// Bytes that [`LENGTH`] does not count: itself and what stands before it.
pub const LOG_OVERHEAD: usize = LENGTH + 4;
/// The smallest [`LENGTH`] there is: that of a batch without records.
pub const LENGTH_MIN: usize = HEADER_LEN - LOG_OVERHEAD;
/// The only batch format that this library reads and writes.
pub const MAGIC_V2: u8 = 2;

const _: () = assert!(LOG_OVERHEAD == 12 && MAGIC == 16 && CRC == 17 && ATTRIBUTES == 21);
const _: () = assert!(LAST_OFFSET_DELTA == 23 && BASE_TIMESTAMP == 27 && MAX_TIMESTAMP == 35);
const _: () =
    assert!(PRODUCER_ID == 43 && PRODUCER_EPOCH == 51 && BASE_SEQUENCE == 53 && RECORDS_COUNT == 57);
const _: () = assert!(HEADER_LEN == 61 && LENGTH_MIN == 49);

/// The header of a batch, still as bytes.
pub(super) type HeaderBytes = [u8; HEADER_LEN];

/// The `N` bytes at `at`.
#[inline(always)]
pub(super) fn bytes_at<const N: usize>(header: &HeaderBytes, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

/// The number at `at`.
#[inline(always)]
pub(super) fn i16_at(header: &HeaderBytes, at: usize) -> i16 {
    i16::from_be_bytes(bytes_at(header, at))
}

/// The number at `at`.
#[inline(always)]
pub(super) fn i32_at(header: &HeaderBytes, at: usize) -> i32 {
    i32::from_be_bytes(bytes_at(header, at))
}

/// The number at `at`.
#[inline(always)]
pub(super) fn u32_at(header: &HeaderBytes, at: usize) -> u32 {
    u32::from_be_bytes(bytes_at(header, at))
}

/// The number at `at`.
#[inline(always)]
pub(super) fn i64_at(header: &HeaderBytes, at: usize) -> i64 {
    i64::from_be_bytes(bytes_at(header, at))
}

/// Writes `bytes`, a number in big-endian order, at `at`.
#[inline(always)]
pub(super) fn put<const N: usize>(header: &mut HeaderBytes, at: usize, bytes: [u8; N]) {
    header[at..at + N].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_back_and_nothing_beside_it_changes() {
        let mut header = [0xaa; HEADER_LEN];
        put(&mut header, BASE_TIMESTAMP, (-2_i64).to_be_bytes());
        assert_eq!(i64_at(&header, BASE_TIMESTAMP), -2);
        assert_eq!((header[BASE_TIMESTAMP - 1], header[MAX_TIMESTAMP]), (0xaa, 0xaa));
        put(&mut header, RECORDS_COUNT, 7_i32.to_be_bytes());
        put(&mut header, PRODUCER_EPOCH, 9_i16.to_be_bytes());
        put(&mut header, CRC, u32::MAX.to_be_bytes());
        assert_eq!((i32_at(&header, RECORDS_COUNT), i16_at(&header, PRODUCER_EPOCH)), (7, 9));
        assert_eq!((u32_at(&header, CRC), header[ATTRIBUTES]), (u32::MAX, 0xaa));
    }
}
