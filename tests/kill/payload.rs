//! Records that say what they are: in which life, by which writer, and as which of his records they were made.
//!
//! ```text
//! | life, 8 bytes | writer, 1 byte | number, 4 bytes | bytes that follow from these |
//! ```
//! So whoever finds one knows every byte of it, where it belongs, and what must stand before it.

/// The topics, and how many partitions each has. The first rolls every few batches, the second seldom.
pub(crate) const TOPICS: [(&str, u32, u32); 2] = [("often", 2, 12 << 10), ("seldom", 1, 512 << 10)];

/// A partition of any topic.
pub(crate) type Place = usize;

/// The partition of a place.
pub(crate) const PLACES: [(&str, u32); 3] = [("often", 0), ("often", 1), ("seldom", 0)];

const HEAD: usize = 13;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) life: u64,
    pub(crate) writer: u8,
    pub(crate) number: u32,
}

impl Id {
    /// Its bytes.
    pub(crate) fn value(self) -> Vec<u8> {
        let luck = scramble(self.life << 40 ^ u64::from(self.writer) << 32 ^ u64::from(self.number));
        // One in twenty may be large, so that any twenty in a row fit into a segment.
        let more = if self.number % 20 == 7 { luck % 4000 } else { luck % 200 };
        let mut bytes = Vec::with_capacity(HEAD + more as usize);
        bytes.extend(self.life.to_le_bytes());
        bytes.push(self.writer);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend((0..more).map(|at| scramble(luck ^ at) as u8));
        bytes
    }

    /// What a record says that it is, if it is that.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        let (life, rest) = value.split_first_chunk()?;
        let (writer, rest) = rest.split_first()?;
        let number = u32::from_le_bytes(*rest.first_chunk()?);
        let id = Self { life: u64::from_le_bytes(*life), writer: *writer, number };
        (id.value() == value).then_some(id)
    }

    /// Where it goes, if its writer changes the place after so many.
    pub(crate) fn place(self, together: u32) -> Place {
        (usize::from(self.writer) + (self.number / together) as usize) % PLACES.len()
    }
}

/// Spreads every bit of a word over all of them.
pub(crate) fn scramble(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[test]
fn a_record_is_known_by_every_byte() {
    let id = Id { life: 3, writer: 2, number: 70 };
    let value = id.value();
    assert_eq!(Id::of(&value), Some(id));
    for at in 0..value.len() {
        let mut changed = value.clone();
        changed[at] ^= 1;
        assert_ne!(Id::of(&changed), Some(id), "byte {at}");
        assert_eq!(Id::of(&value[..at]), None);
    }
}
