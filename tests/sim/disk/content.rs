//! The bytes of one file: what a reader sees, and what a power cut may leave of it.
//!
//! ```text
//!   sectors    the visible bytes, 512 at a time; a missing sector reads as zeros
//!   unsynced   per sector that was written since the last sync:  durable, version, version, …, version = visible
//!   lengths    per change since the last sync:                   durable, length,  length,  …, length  = visible
//! ```
//!
//! Any of the versions may be what survives, because the system writes back whenever it likes. Each carries a *stamp*,
//! the running number of the change that made it, so that a power cut can also take "all until here" or "all since".
//!
//! A failed sync leaves its sectors visible but marks them *lost*: no later sync makes them durable, unless they are
//! written once more. Linux does so: pages whose write-back failed count as clean.

use super::crash::Luck;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit in which disks write.
pub(crate) const SECTOR: usize = 512;

/// How many unsynced versions of one sector, name or length are remembered; beyond that one from the middle goes.
pub(crate) const VERSIONS_MAX: usize = 16;

/// One sector's bytes; `None` reads as zeros.
type Sector = Option<Arc<[u8; SECTOR]>>;

/// The bytes of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    sectors: BTreeMap<u64, Arc<[u8; SECTOR]>>,
    unsynced: BTreeMap<u64, Unsynced>,
    len: u64,
    durable_len: u64,
    lengths: Vec<(u64, u64)>,
    length_lost: bool,
    /// Space is taken for the bytes below this.
    backed: u64,
}

/// A sector that was written since the last sync.
#[derive(Debug, Clone)]
struct Unsynced {
    durable: Sector,
    /// Stamp and bytes, oldest first; the last is what a reader sees.
    versions: Vec<(u64, Sector)>,
    lost: bool,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes of the disk it takes.
    pub(crate) fn backed(&self) -> u64 {
        self.backed
    }

    /// Whether a power cut would leave exactly this.
    pub(crate) fn is_durable(&self) -> bool {
        self.unsynced.is_empty() && self.lengths.is_empty()
    }

    /// Up to `len` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.len.min(offset.saturating_add(len as u64));
        let mut bytes = vec![0; to_usize(end.saturating_sub(offset))];
        if bytes.is_empty() {
            return bytes;
        }
        for (&index, sector) in self.sectors.range(sector_of(offset)..=sector_of(end - 1)) {
            let start = index * SECTOR as u64;
            let (from, until) = (offset.max(start), end.min(start + SECTOR as u64));
            bytes[to_usize(from - offset)..to_usize(until - offset)]
                .copy_from_slice(&sector[to_usize(from - start)..to_usize(until - start)]);
        }
        bytes
    }

    /// Puts `bytes` at `offset`, as the change numbered `stamp`.
    pub(crate) fn write(&mut self, stamp: u64, offset: u64, bytes: &[u8]) {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let within = to_usize(at % SECTOR as u64);
            let (now, later) = rest.split_at(rest.len().min(SECTOR - within));
            let mut sector = self.sectors.get(&sector_of(at)).map_or([0; SECTOR], |old| **old);
            sector[within..within + now.len()].copy_from_slice(now);
            self.put(stamp, sector_of(at), Some(Arc::new(sector)));
            at += now.len() as u64;
            rest = later;
        }
        self.backed = self.backed.max(at);
        self.set_len(stamp, self.len.max(at));
    }

    /// Takes the space for the first `len` bytes, which are there afterwards.
    pub(crate) fn allocate(&mut self, stamp: u64, len: u64) {
        self.backed = self.backed.max(len);
        self.set_len(stamp, self.len.max(len));
    }

    /// Sets the length. What lies behind it is gone for a reader, but comes back if the power goes before a sync.
    pub(crate) fn truncate(&mut self, stamp: u64, len: u64) {
        let cut = if len < self.len { sector_of(len) } else { u64::MAX };
        let beyond: Vec<u64> = self.sectors.range(cut..).map(|(&index, _)| index).collect();
        for index in beyond {
            self.put(stamp, index, kept_below(len, index, &self.sectors[&index]));
        }
        self.backed = self.backed.min(len);
        self.set_len(stamp, len);
    }

    /// Makes all of it durable but what a failed sync has lost.
    pub(crate) fn sync(&mut self) {
        self.unsynced.retain(|_, sector| sector.lost);
        if !self.length_lost {
            self.durable_len = self.len;
            self.lengths.clear();
        }
    }

    /// A sync failed: what it should have made durable counts as clean from now on.
    pub(crate) fn lose_unsynced(&mut self) {
        self.unsynced.values_mut().for_each(|sector| sector.lost = true);
        self.length_lost = !self.lengths.is_empty();
    }

    /// Flips bits of one byte, in whatever version of it: the medium decays, not the program.
    pub(crate) fn flip(&mut self, offset: u64, mask: u8) {
        let within = to_usize(offset % SECTOR as u64);
        let flip = |sector: &mut Arc<[u8; SECTOR]>| Arc::make_mut(sector)[within] ^= mask;
        flip(self.sectors.entry(sector_of(offset)).or_insert_with(|| Arc::new([0; SECTOR])));
        if let Some(unsynced) = self.unsynced.get_mut(&sector_of(offset)) {
            unsynced.durable.iter_mut().for_each(flip);
            unsynced.versions.iter_mut().filter_map(|(_, sector)| sector.as_mut()).for_each(flip);
        }
    }

    /// The stamps of all that is not durable.
    pub(crate) fn unsynced_stamps(&self) -> impl Iterator<Item = u64> {
        let sectors =
            self.unsynced.values().flat_map(|sector| sector.versions.iter().map(|version| version.0));
        sectors.chain(self.lengths.iter().map(|length| length.0))
    }

    /// The power went: chooses what is left, which is durable then.
    pub(crate) fn lose_power(&mut self, luck: &mut Luck) {
        luck.next_file();
        for (index, unsynced) in std::mem::take(&mut self.unsynced) {
            match unsynced.survivor(luck) {
                Some(sector) => self.sectors.insert(index, sector),
                None => self.sectors.remove(&index),
            };
        }
        let len = self.surviving_len(luck);
        for (index, sector) in self.sectors.split_off(&sector_of(len)) {
            if let Some(sector) = kept_below(len, index, &sector) {
                self.sectors.insert(index, sector);
            }
        }
        (self.len, self.durable_len, self.backed) = (len, len, len);
        self.lengths.clear();
        self.length_lost = false;
    }

    fn surviving_len(&self, luck: &mut Luck) -> u64 {
        let stamps: Vec<u64> = self.lengths.iter().map(|length| length.0).collect();
        let of = |chosen: usize| if chosen == 0 { self.durable_len } else { self.lengths[chosen - 1].1 };
        let choice = luck.choose(&stamps);
        let len = of(choice.version);
        match choice.version.checked_sub(1).map(of) {
            Some(before) if before < len && choice.is_free && luck.rng.percent(40) => {
                luck.rng.between(before, len)
            }
            _ => len,
        }
    }

    fn put(&mut self, stamp: u64, index: u64, sector: Sector) {
        let before = match &sector {
            Some(bytes) => self.sectors.insert(index, Arc::clone(bytes)),
            None => self.sectors.remove(&index),
        };
        let unsynced = self.unsynced.entry(index).or_insert_with(|| Unsynced {
            durable: before,
            versions: Vec::new(),
            lost: false,
        });
        unsynced.lost = false;
        push_bounded(&mut unsynced.versions, (stamp, sector));
    }

    /// A write that reaches the disk brings the length along, so even an unchanged one is no longer lost.
    fn set_len(&mut self, stamp: u64, len: u64) {
        self.length_lost = false;
        if len != self.len {
            self.len = len;
            push_bounded(&mut self.lengths, (stamp, len));
        }
    }
}

impl Unsynced {
    fn survivor(&self, luck: &mut Luck) -> Sector {
        let stamps: Vec<u64> = self.versions.iter().map(|version| version.0).collect();
        let of = |chosen: usize| if chosen == 0 { &self.durable } else { &self.versions[chosen - 1].1 };
        let choice = luck.choose(&stamps);
        if choice.is_free && luck.rng.percent(10) {
            return self.zeroed();
        }
        if choice.is_free && choice.version > 0 && luck.rng.percent(30) {
            let before = luck.rng.index(choice.version);
            return Some(torn(of(before), of(choice.version), 1 + luck.rng.index(SECTOR - 1)));
        }
        of(choice.version).clone()
    }

    /// The durable bytes, with zeros wherever something else was written. A sector that is half synced keeps that
    /// half: no disk loses bytes that a write does not change, and no append-only file could live on one that does.
    fn zeroed(&self) -> Sector {
        let mut zeroed = *bytes_of(&self.durable);
        for (_, version) in &self.versions {
            let written = bytes_of(version).iter().zip(bytes_of(&self.durable));
            zeroed
                .iter_mut()
                .zip(written)
                .filter(|(_, (new, old))| new != old)
                .for_each(|(byte, _)| *byte = 0);
        }
        Some(Arc::new(zeroed))
    }
}

/// Adds a version; one from the middle makes room, so that the first and the last ones stay possible.
pub(crate) fn push_bounded<T>(versions: &mut Vec<T>, version: T) {
    if versions.len() == VERSIONS_MAX {
        versions.remove(VERSIONS_MAX / 2);
    }
    versions.push(version);
}

fn torn(old: &Sector, new: &Sector, at: usize) -> Arc<[u8; SECTOR]> {
    let mut bytes = *bytes_of(old);
    bytes[..at].copy_from_slice(&bytes_of(new)[..at]);
    Arc::new(bytes)
}

/// What remains of sector `index` in a file of `len` bytes.
fn kept_below(len: u64, index: u64, sector: &Arc<[u8; SECTOR]>) -> Sector {
    let kept = to_usize(len.saturating_sub(index * SECTOR as u64)).min(SECTOR);
    let mut bytes = **sector;
    bytes[kept..].fill(0);
    (kept > 0).then(|| Arc::new(bytes))
}

fn bytes_of(sector: &Sector) -> &[u8; SECTOR] {
    sector.as_deref().unwrap_or(&[0; SECTOR])
}

fn sector_of(offset: u64) -> u64 {
    offset / SECTOR as u64
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("no simulated file is larger than memory")
}
