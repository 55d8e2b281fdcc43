//! The newest offset of each key, in bounded memory. Pure.
//!
//! ```text
//! slots     number of an entry, or none | hash       open addressing, a power of two, at most three quarters full
//! entries   where its key lies | newest offset
//! keys      the keys themselves, one behind the other
//! ```
//! The hash lies with the slot, so that whoever passes by a key that is another's looks nowhere else in memory.
//!
//! Kafka keeps a digest of each key and takes two keys with the same digest for one. Here keys are compared in full: a
//! record is only ever dropped for another of the very same key. When the memory is used up the map is full, and a round of
//! compaction ends there; the next one goes on behind it.

use std::hash::Hasher;

const SLOTS_MIN: usize = 64;
const FREE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Slot {
    entry: u32,
    hash: u32,
}

const EMPTY: Slot = Slot { entry: FREE, hash: 0 };

#[derive(Debug, Clone, Copy)]
struct Entry {
    key_at: usize,
    key_len: usize,
    offset: u64,
}

/// What an entry takes beside its key: itself, and the slots for it when these are fewest used.
const ENTRY_BYTES: usize = size_of::<Entry>() + 3 * size_of::<Slot>();

/// Keys and offsets.
#[derive(Debug)]
pub(crate) struct KeyMap {
    slots: Vec<Slot>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    bytes_max: usize,
}

impl KeyMap {
    /// An empty map that grows to about so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { slots: vec![EMPTY; SLOTS_MIN], entries: Vec::new(), keys: Vec::new(), bytes_max }
    }

    /// About how many bytes it may grow to.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// How many keys it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes a newer offset of a key. False if there is no room for it, and then nothing has changed. The first key always
    /// finds room: so every round gets somewhere.
    pub(crate) fn put(&mut self, key: &[u8], offset: u64) -> bool {
        let hash = hash(key);
        let slot = match self.find(key, hash) {
            Ok(index) => {
                self.entries[index].offset = offset;
                return true;
            }
            Err(slot) => slot,
        };
        let bytes = (self.entries.len() + 1) * ENTRY_BYTES + self.keys.len() + key.len();
        if (bytes > self.bytes_max && !self.entries.is_empty()) || self.entries.len() >= FREE as usize {
            return false;
        }
        self.slots[slot] = Slot { entry: self.entries.len() as u32, hash };
        grow(&mut self.entries, 1);
        grow(&mut self.keys, key.len());
        self.entries.push(Entry { key_at: self.keys.len(), key_len: key.len(), offset });
        self.keys.extend_from_slice(key);
        if self.entries.len() * 4 > self.slots.len() * 3 {
            self.spread();
        }
        true
    }

    /// The newest offset of a key, if it has one here.
    pub(crate) fn get(&self, key: &[u8]) -> Option<u64> {
        self.find(key, hash(key)).ok().map(|index| self.entries[index].offset)
    }

    /// The newest offset of each key, in no order.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.offset)
    }

    /// The entry of a key, or the slot that it would have.
    fn find(&self, key: &[u8], hash: u32) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found.entry == FREE {
                return Err(slot);
            }
            if found.hash == hash && self.key(found.entry as usize) == key {
                return Ok(found.entry as usize);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn key(&self, entry: usize) -> &[u8] {
        let entry = &self.entries[entry];
        &self.keys[entry.key_at..][..entry.key_len]
    }

    /// Twice as many slots.
    fn spread(&mut self) {
        let len = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; len]);
        for taken in old.into_iter().filter(|slot| slot.entry != FREE) {
            let mut slot = taken.hash as usize & (len - 1);
            while self.slots[slot].entry != FREE {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = taken;
        }
    }
}

/// A vector that doubles would take twice of what was allowed.
fn grow<T>(vec: &mut Vec<T>, by: usize) {
    if vec.capacity() - vec.len() < by {
        vec.reserve_exact(by.max(vec.len() / 8).max(SLOTS_MIN));
    }
}

/// The same in every run, so that a run can be repeated; and hard enough to make collide.
fn hash(key: &[u8]) -> u32 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(key);
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_full_map_takes_no_new_key_but_newer_offsets() {
        let mut map = KeyMap::new(10 * (ENTRY_BYTES + 4));
        let keys: Vec<_> = (0..11_u32).map(u32::to_be_bytes).collect();
        assert!(keys[..10].iter().all(|key| map.put(key, 1)));
        assert!(!map.put(&keys[10], 2));
        assert_eq!((map.len(), map.get(&keys[10])), (10, None));
        assert!(map.put(&keys[3], 9));
        assert_eq!(map.get(&keys[3]), Some(9));
    }

    #[test]
    fn the_first_key_always_finds_room() {
        let mut map = KeyMap::new(0);
        assert!(map.put(&[7; 1000], 1) && map.put(&[7; 1000], 2));
        assert!(!map.put(b"", 3));
        assert_eq!(map.get(&[7; 1000]), Some(2));
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let mut map = KeyMap::new(1 << 20);
        map.put(b"one", 1);
        let slot = hash(b"other") as usize & (map.slots.len() - 1);
        map.slots.fill(EMPTY);
        map.slots[slot] = Slot { entry: 0, hash: hash(b"other") };
        assert_eq!(map.get(b"other"), None);
        map.put(b"other", 2);
        assert_eq!((map.len(), map.get(b"other")), (2, Some(2)));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_map_knows(puts: Vec<(Vec<u8>, u64)>, few in proptest::collection::vec(0..400_u16, 0..2000)) {
            let few = few.into_iter().enumerate().map(|(at, key)| (key.to_be_bytes().to_vec(), at as u64));
            let puts: Vec<_> = puts.into_iter().chain(few).collect();
            let (mut map, mut model) = (KeyMap::new(usize::MAX / 2), BTreeMap::new());
            for (key, offset) in &puts {
                prop_assert!(map.put(key, *offset));
                model.insert(key.clone(), *offset);
                prop_assert_eq!(map.get(key), Some(*offset));
            }
            prop_assert_eq!(map.len(), model.len());
            for (key, offset) in &model {
                prop_assert_eq!(map.get(key), Some(*offset));
            }
            prop_assert_eq!(map.get(b"a key that is not there"), None);
        }
    }
}
