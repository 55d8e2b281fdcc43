//! What topics there are, as the groups were told last.

use super::Coordinator;
use crate::engine::Engine;
use crate::topic::TopicId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// All topics with their numbers of partitions.
type Counts = Arc<BTreeMap<String, u32>>;

#[derive(Debug)]
pub(super) struct Topics {
    /// Held while groups are told.
    known: Mutex<Known>,
    /// The engine's number of what is known: it has changed nothing since, if it is the same.
    version: AtomicU64,
    /// Whether offsets of deleted topics were taken away, and may not be so durably.
    has_orphans: AtomicBool,
}

#[derive(Debug)]
struct Known {
    counts: Counts,
    /// What tells a topic from one that has got its name.
    ids: BTreeMap<String, TopicId>,
}

impl Known {
    fn look(engine: &Engine) -> Self {
        let topics = engine.topics();
        let counts = topics.iter().map(|topic| (topic.name().to_owned(), topic.partition_count())).collect();
        let ids = topics.iter().map(|topic| (topic.name().to_owned(), topic.id())).collect();
        Self { counts: Arc::new(counts), ids }
    }
}

impl Topics {
    pub(super) fn new(engine: &Engine) -> Self {
        // Asked first: what changes meanwhile is looked at once more.
        let version = AtomicU64::new(engine.topics_version());
        Self { known: Mutex::new(Known::look(engine)), version, has_orphans: AtomicBool::new(false) }
    }

    pub(super) fn counts(&self) -> Counts {
        self.known.lock().counts.clone()
    }

    /// Offsets of a deleted topic were taken away.
    pub(super) fn note_orphans(&self) {
        self.has_orphans.store(true, Ordering::Release);
    }

    /// Whether any were since this was last asked.
    pub(super) fn take_orphans(&self) -> bool {
        self.has_orphans.swap(false, Ordering::AcqRel)
    }

    /// Does something while no group is told of any change.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Counts) -> T) -> T {
        act(&self.known.lock().counts)
    }
}

impl Coordinator {
    /// Whether topics came, grew or went since the groups were told.
    #[inline]
    pub(crate) fn topics_are_new(&self) -> bool {
        self.topics.version.load(Ordering::Relaxed) != self.engine.topics_version()
    }

    /// Tells all groups what topics there are now, if they do not know.
    pub(crate) fn refresh(&self) {
        if !self.topics_are_new() {
            return;
        }
        let mut known = self.topics.known.lock();
        let version = self.engine.topics_version();
        let now = Known::look(&self.engine);
        let is_gone = |(name, id): (&String, &TopicId)| now.ids.get(name) != Some(id);
        let gone: BTreeSet<String> =
            known.ids.iter().filter(|topic| is_gone(*topic)).map(|(name, _)| name.clone()).collect();
        for group in self.groups() {
            // A group that was deleted a moment ago has nothing to be told.
            let _ = group.lock().topics_changed(&now.counts, &gone, self.means());
        }
        if !gone.is_empty() {
            self.topics.note_orphans();
        }
        *known = now;
        self.topics.version.store(version, Ordering::Relaxed);
        drop(known);
        // A group whose record could not be written is looked after.
        if !self.groups.read().is_empty() {
            self.schedule(Duration::ZERO);
        }
    }
}
