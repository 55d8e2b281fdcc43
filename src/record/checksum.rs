//! The checksum of a batch: CRC-32C over everything that does not change when the log assigns offsets.

use super::layout::ATTRIBUTES;

/// The checksum of `batch`, a whole batch and nothing behind it.
#[inline]
pub(super) fn of_batch(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(ATTRIBUTES..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_castagnolis_and_begins_at_the_attributes() {
        let mut batch = vec![0xff; ATTRIBUTES];
        batch.extend_from_slice(b"123456789");
        assert_eq!(of_batch(&batch), 0xe306_9283);
        batch[ATTRIBUTES - 1] ^= 1;
        assert_eq!(of_batch(&batch), 0xe306_9283);
        batch[ATTRIBUTES] ^= 1;
        assert_ne!(of_batch(&batch), 0xe306_9283);
    }
}
