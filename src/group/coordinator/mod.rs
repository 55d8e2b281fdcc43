//! The coordinator: all groups of a broker, and what their members ask of them.
//!
//! - `live`: one group, under one lock. `link`: what a member and its group share without a lock.
//! - `members`: join, poll, acknowledge, leave. `commit`: offsets. `ticket`: a commit on its way.
//! - `journal`: the topic `__consumer_offsets`. `metadata`: a group as its record. `expiry`: how long offsets are kept.
//! - `topics`: what topics there are. `pattern`: which of them a member means.
//! - `operate`: what operators ask. `upkeep`: what falls due without anybody asking.
//!
//! Locks, from the outside in; none is held while a partition is synced, a callback runs, or anybody is waited for:
//!
//! ```text
//! topics ── the list of groups ── one group ── the catalog (the first record only) ── a log's write lock
//!                                          └── when what is due ── the background thread's leash
//! ```

mod commit;
mod expiry;
mod journal;
mod link;
mod live;
mod members;
mod metadata;
mod operate;
mod pattern;
mod ticket;
mod topics;
mod upkeep;

pub use commit::PendingCommit;
pub(crate) use link::MemberLink;
pub(crate) use members::Membership;
pub(crate) use operate::MemberSnapshot;
pub(crate) use pattern::Pattern;
pub(crate) use ticket::Ticket;

use crate::engine::{Engine, Task};
use crate::error::{Error, Result};
use journal::{Journal, Replayed};
use live::{LiveGroup, Means};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use topics::Topics;
use upkeep::Times;

/// All groups of a broker.
pub(crate) struct Coordinator {
    engine: Arc<Engine>,
    offsets_retention: Duration,
    journal: Journal,
    /// Why the journal could not be read: then nobody is told anything, least of all that nothing is committed.
    unreadable: Option<Error>,
    topics: Topics,
    groups: RwLock<BTreeMap<Arc<str>, Arc<LiveGroup>>>,
    times: Times,
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coordinator({} groups)", self.groups.read().len())
    }
}

impl Coordinator {
    /// Reads what the journal says, and looks after it from now on.
    pub(crate) fn open(engine: Arc<Engine>, offsets_retention: Duration) -> Arc<Self> {
        let journal = Journal::new(engine.clone());
        let (found, unreadable) = match journal.replay() {
            Ok(found) => (found, None),
            Err(error) => (BTreeMap::new(), Some(error)),
        };
        let coordinator = Arc::new(Self {
            topics: Topics::new(&engine),
            engine,
            offsets_retention,
            journal,
            unreadable,
            groups: RwLock::default(),
            times: Times::default(),
        });
        coordinator.take_over(found);
        let task: Weak<dyn Task> = Arc::<Self>::downgrade(&coordinator);
        coordinator.engine.add_task(task);
        coordinator
    }

    /// Makes groups of what was found. Offsets of topics that were deleted go: if somebody makes such a topic anew they
    /// are not his.
    fn take_over(&self, found: BTreeMap<String, Replayed>) {
        let (topics, now) = (self.topics.counts(), self.engine.clock().now());
        for (id, replayed) in found {
            if replayed.metadata.is_none() && replayed.offsets.is_empty() {
                continue;
            }
            let group = LiveGroup::new(&id, replayed, topics.clone(), now);
            group.lock().take_away_now(|one, _| !topics.contains_key(one.topic()), self.means());
            self.topics.note_orphans();
            self.groups.write().insert(group.id.clone(), Arc::new(group));
            self.schedule_upkeep();
            self.schedule(Duration::ZERO);
        }
    }

    /// Wakes everybody who waits in a poll: there will be nothing new.
    pub(crate) fn announce_end(&self) {
        self.groups().iter().for_each(|group| group.lock().tell_all());
    }

    /// What time it is, for timeouts.
    pub(crate) fn now(&self) -> Duration {
        self.engine.clock().monotonic()
    }

    fn means(&self) -> Means<'_> {
        Means { journal: &self.journal, clock: self.engine.clock().as_ref() }
    }

    fn groups(&self) -> Vec<Arc<LiveGroup>> {
        self.groups.read().values().cloned().collect()
    }

    fn check(&self) -> Result<()> {
        self.engine.check_open()?;
        self.unreadable.clone().map_or(Ok(()), Err)
    }

    /// The group of this id, which knows what topics there are. No group's lock may be held.
    fn find(&self, id: &str) -> Result<Option<Arc<LiveGroup>>> {
        self.check()?;
        self.refresh();
        Ok(self.groups.read().get(id).cloned())
    }

    fn expect(&self, id: &str) -> Result<Arc<LiveGroup>> {
        self.find(id)?.ok_or_else(|| Error::UnknownGroup { group: id.to_owned() })
    }

    fn find_or_make(&self, id: &str) -> Result<Arc<LiveGroup>> {
        if let Some(group) = self.find(id)? {
            return Ok(group);
        }
        let now = self.engine.clock().now();
        // Under the lock of the topics: a change of these meets the group, or is known to it.
        self.topics.with(|topics| {
            let made = || Arc::new(LiveGroup::new(id, Replayed::default(), topics.clone(), now));
            Ok(self.groups.write().entry(id.into()).or_insert_with(made).clone())
        })
    }

    /// Takes a group off the list that was deleted.
    fn forget(&self, group: &Arc<LiveGroup>) {
        let mut groups = self.groups.write();
        if groups.get(&group.id).is_some_and(|known| Arc::ptr_eq(known, group)) {
            groups.remove(&group.id);
        }
    }
}
