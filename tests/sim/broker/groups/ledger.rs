//! What was promised of a group and of the topic that it reads.
//!
//! What was acknowledged as committed stays, or is what a member wanted to commit since. Whoever was put out commits
//! nothing. Everything before it is in the log. What has expired is gone, but a power cut may bring it back. And of a
//! topic that has got the name of another nothing is committed that was committed of the other.

use super::PARTITIONS;
use crate::ledger::Broken;
use brooklet::TopicId;
use std::collections::{BTreeMap, BTreeSet};

/// What was promised of one partition of the topic that there is.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    /// Where the group stands, or where it stands if what was begun came to pass. None: nothing is committed.
    pub(super) stands: BTreeSet<Option<u64>>,
    /// Where it may stand again after a power cut.
    pub(super) resurrected: BTreeSet<Option<u64>>,
    /// The records that were taken, by offset.
    pub(super) records: BTreeMap<u64, String>,
}

impl Default for Promise {
    fn default() -> Self {
        Promise::at(None, BTreeMap::new())
    }
}

impl Promise {
    /// One of which everything is known.
    pub(super) fn at(committed: Option<u64>, records: BTreeMap<u64, String>) -> Self {
        Promise { stands: BTreeSet::from([committed]), resurrected: BTreeSet::new(), records }
    }

    /// Where the next owner may begin at the latest.
    pub(super) fn latest(&self) -> u64 {
        self.stands.iter().copied().max().flatten().unwrap_or(0)
    }

    /// Whether this may be found. `with_old` says whether what was taken away may be there again.
    pub(super) fn allows(&self, found: Option<u64>, with_old: bool) -> Result<(), Broken> {
        match self.stands.contains(&found) || (with_old && self.resurrected.contains(&found)) {
            true => Ok(()),
            false => Err(format!("it is committed up to {found:?}: {self:?}")),
        }
    }

    /// Records were read from `from` on: nothing is skipped, and nothing is another's.
    pub(super) fn covers(&self, from: u64, read: &BTreeMap<u64, String>) -> Result<(), Broken> {
        for (offset, value) in read {
            if self.records.get(offset).is_some_and(|known| known != value) {
                return Err(format!("{value} is read at {offset}: {self:?}"));
            }
        }
        let Some((last, _)) = read.last_key_value().filter(|(last, _)| from <= **last) else { return Ok(()) };
        match self.records.range(from..=*last).find(|(offset, _)| !read.contains_key(offset)) {
            None => Ok(()),
            Some((skipped, _)) => Err(format!("{skipped} was skipped, from {from} on: {read:?}, {self:?}")),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// None: it is being made.
    pub(super) id: Option<TopicId>,
    pub(super) partitions: [Promise; PARTITIONS as usize],
}

impl Ledger {
    /// A commit was acknowledged: it is there for good, and so is all that was written before.
    pub(super) fn committed(&mut self, stands: &BTreeMap<u32, u64>) {
        for promise in &mut self.partitions {
            promise.resurrected.clear();
        }
        for (number, at) in stands {
            self.partitions[*number as usize].stands = BTreeSet::from([Some(*at)]);
        }
    }

    /// Offsets are about to expire.
    pub(super) fn expiring(&mut self) {
        for promise in &mut self.partitions {
            promise.stands.insert(None);
        }
    }

    /// They have.
    pub(super) fn expired(&mut self) {
        for promise in &mut self.partitions {
            promise.resurrected.append(&mut promise.stands);
            promise.stands = BTreeSet::from([None]);
        }
    }
}
