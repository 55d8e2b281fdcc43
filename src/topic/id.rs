//! What a topic is called beside its name: sixteen bytes that no other topic has, nor a later one of the same name.
//!
//! As text they are Kafka's: 22 characters of base64 in its alphabet for addresses, without padding. The last one holds
//! two bits only. It is written here: these few lines are all the base64 that there is, and need no dependency.

use crate::types::Timestamp;
use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LEN: usize = 22;
/// What the last character adds to 128 bits.
const SPARE_BITS: u32 = TEXT_LEN as u32 * 6 - u128::BITS;

/// The id of a topic.
///
/// ```
/// use brooklet::TopicId;
///
/// let id: TopicId = "qiUcRnO7Q-2p3tzOU7Xd9g".parse()?;
/// assert_eq!(id.to_string(), "qiUcRnO7Q-2p3tzOU7Xd9g");
/// # Ok::<(), brooklet::InvalidTopicId>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId([u8; 16]);

/// A text that is not the id of a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a topic id: it has 22 characters of base64, as \"qiUcRnO7Q-2p3tzOU7Xd9g\" has")]
pub struct InvalidTopicId {
    /// How it begins.
    pub text: String,
}

impl TopicId {
    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether Kafka keeps it for itself: 0, which is no id, and 1, its topic of metadata. No topic of ours has one.
    pub const fn is_reserved(self) -> bool {
        u128::from_be_bytes(self.0) <= 1
    }

    /// An id that looks random and is not: the same three make the same. The counter makes it differ from the others of
    /// its directory, the seed and the moment from those of other directories.
    ///
    /// It is marked as a random UUID, so it is never reserved; and never begins with a `-`, which command lines take
    /// for an option.
    pub(crate) fn generate(seed: u64, counter: u64, now: Timestamp) -> Self {
        let lane = |start: u64| {
            [seed, now.as_millis().cast_unsigned(), counter]
                .iter()
                .fold(start, |state, word| mix(state ^ word))
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&lane(0x243f_6a88_85a3_08d3).to_be_bytes());
        bytes[8..].copy_from_slice(&lane(0x1319_8a2e_0370_7344).to_be_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        if ALPHABET[usize::from(bytes[0] >> 2)] == b'-' {
            bytes[0] &= 0x7f;
        }
        Self(bytes)
    }
}

/// The step of splitmix64: near numbers become far ones, and different ones stay different.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let mut text = [0; TEXT_LEN];
        for (index, character) in text.iter_mut().rev().enumerate() {
            let sextet = match index {
                0 => number << SPARE_BITS,
                _ => number >> (6 * index as u32 - SPARE_BITS),
            };
            *character = ALPHABET[(sextet & 63) as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl FromStr for TopicId {
    type Err = InvalidTopicId;

    fn from_str(text: &str) -> Result<Self, InvalidTopicId> {
        let sextet = |byte| ALPHABET.iter().position(|character| *character == byte).map(|at| at as u128);
        let parse = || {
            let bytes: &[u8; TEXT_LEN] = text.as_bytes().try_into().ok()?;
            let (last, rest) = bytes.split_last()?;
            let last = sextet(*last)?;
            // Sixteen texts would mean the same; only the one that is written is read.
            if last & ((1 << SPARE_BITS) - 1) != 0 {
                return None;
            }
            let rest = rest.iter().try_fold(0, |number: u128, byte| Some(number << 6 | sextet(*byte)?))?;
            Some(Self((rest << (6 - SPARE_BITS) | last >> SPARE_BITS).to_be_bytes()))
        };
        parse().ok_or_else(|| InvalidTopicId { text: text.chars().take(2 * TEXT_LEN).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn id(text: &str) -> Result<TopicId, InvalidTopicId> {
        text.parse()
    }

    #[test]
    fn known_ids_have_known_texts() {
        let counting: [u8; 16] = std::array::from_fn(|at| at as u8);
        for (bytes, text) in [
            ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
            (1u128.to_be_bytes(), "AAAAAAAAAAAAAAAAAAAAAQ"),
            ([0xff; 16], "_____________________w"),
            (counting, "AAECAwQFBgcICQoLDA0ODw"),
            ([0xfb; 16], "-_v7-_v7-_v7-_v7-_v7-w"),
        ] {
            assert_eq!(TopicId::from_bytes(bytes).to_string(), text);
            assert_eq!(id(text).unwrap().as_bytes(), &bytes);
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAA+AAAAAAAAAAA",
            "AAAAAAAAAA/AAAAAAAAAAA",
            "AAAAAAAAAA AAAAAAAAAAA",
            "AAAAAAAAAAéAAAAAAAAAA",
        ] {
            assert_eq!(id(text), Err(InvalidTopicId { text: text.into() }));
        }
        assert_eq!(id(&"é".repeat(1 << 20)).unwrap_err().text, "é".repeat(44));
    }

    #[test]
    fn kafkas_own_are_reserved() {
        for number in [0u128, 1] {
            assert!(TopicId::from_bytes(number.to_be_bytes()).is_reserved());
        }
        for number in [2u128, 1 << 64, u128::MAX] {
            assert!(!TopicId::from_bytes(number.to_be_bytes()).is_reserved());
        }
    }

    #[test]
    fn generated_ids_differ_and_begin_with_anything_but_a_dash() {
        let ids: BTreeSet<_> = (0..20_000)
            .map(|number| {
                let now = Timestamp::from_millis(1_700_000_000_000 + number as i64 / 3 % 7);
                TopicId::generate(number / 100 % 2, number, now)
            })
            .collect();
        assert_eq!(ids.len(), 20_000);
        let firsts: BTreeSet<_> = ids.iter().map(|id| id.to_string().as_bytes()[0]).collect();
        let alphabet: BTreeSet<_> = ALPHABET.iter().copied().filter(|character| *character != b'-').collect();
        assert_eq!(firsts, alphabet);
    }

    #[test]
    fn each_of_the_three_makes_another_id() {
        let id = |seed, counter, now| TopicId::generate(seed, counter, Timestamp::from_millis(now));
        let all: BTreeSet<_> =
            [id(0, 0, 0), id(1, 0, 0), id(0, 1, 0), id(0, 0, 1), id(1, 1, 0), id(0, 0, -1)].into();
        assert_eq!(all.len(), 6);
        assert_eq!(id(7, 8, 9), id(7, 8, 9));
    }

    proptest! {
        #[test]
        fn generated_ids_are_random_uuids(seed: u64, counter: u64, now: i64) {
            let id = TopicId::generate(seed, counter, Timestamp::from_millis(now));
            prop_assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (4, 2));
            prop_assert!(!id.is_reserved() && !id.to_string().starts_with('-'));
        }

        #[test]
        fn every_id_comes_back_from_its_text(bytes: [u8; 16]) {
            let id = TopicId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn no_text_panics(text in "[A-Za-z0-9_-]{22}|.*") {
            if let Ok(id) = id(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
