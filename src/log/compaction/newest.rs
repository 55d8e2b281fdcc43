//! Which records of the dirty part are the newest of their keys: a bit for each offset. Pure.
//!
//! Whoever writes the dirty part would look up each key a second time, each time somewhere else in memory. The answers are
//! known once all keys are read, and in the order of the offsets they lie side by side. Where the offsets are too many for
//! that, as behind a large gap, there are no bits, and the keys are asked.

use super::key_map::KeyMap;
use std::ops::Range;

/// The bits.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    offsets: Range<u64>,
    bits: Vec<u64>,
}

impl Newest {
    /// Those of a range of offsets, all keys of which were read; none if they would take more than so many bytes.
    pub(crate) fn of(keys: &KeyMap, offsets: Range<u64>, bytes_max: usize) -> Self {
        let len = offsets.end.saturating_sub(offsets.start).div_ceil(64);
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= bytes_max / size_of::<u64>()) else {
            return Self::default();
        };
        let mut bits = vec![0_u64; len];
        for offset in keys.offsets().filter(|offset| offsets.contains(offset)) {
            let at = (offset - offsets.start) as usize;
            bits[at / 64] |= 1 << (at % 64);
        }
        Self { offsets, bits }
    }

    /// Whether the record of an offset is the newest of its key, if that is known here.
    pub(crate) fn get(&self, offset: u64) -> Option<bool> {
        let at = self.offsets.contains(&offset).then(|| (offset - self.offsets.start) as usize)?;
        Some(self.bits[at / 64] >> (at % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_keys_say_and_nothing_of_other_offsets() {
        let mut keys = KeyMap::new(1 << 20);
        for offset in 100..400_u64 {
            keys.put(&(offset % 7 * (offset % 5)).to_be_bytes(), offset);
        }
        for offsets in [100..400, 150..400, 399..400, 300..301] {
            let newest = Newest::of(&keys, offsets.clone(), 1 << 10);
            for offset in 90..410_u64 {
                let of_keys = keys.get(&(offset % 7 * (offset % 5)).to_be_bytes()) == Some(offset);
                assert_eq!(newest.get(offset), offsets.contains(&offset).then_some(of_keys), "{offset}");
            }
        }
    }

    #[test]
    fn what_would_be_too_large_knows_nothing() {
        let mut keys = KeyMap::new(1 << 20);
        keys.put(b"key", 5);
        assert_eq!(Newest::of(&keys, 0..64 * 8, 64).get(5), Some(true));
        for (from, to) in [(0, 64 * 8 + 1), (0, u64::MAX), (9, 9), (1, 0)] {
            assert_eq!(Newest::of(&keys, from..to, 64).get(5), None);
        }
    }
}
