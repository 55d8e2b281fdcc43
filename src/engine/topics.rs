//! Topics come, grow, change and go.
//!
//! The catalog is written first and says what is wanted; then the directories follow; then the catalog says that they
//! did. A crash in between leaves a catalog that says what is to be done, and opening does it.

use super::Engine;
use crate::config::TopicConfig;
use crate::error::{Error, OrIo, Result};
use crate::partition::Partition;
use crate::topic::{Catalog, DeletedTopic, Topic, TopicEntry, TopicId, metadata};
use crate::types::{INTERNAL_TOPICS, TopicPartition};
use arc_swap::ArcSwap;
use parking_lot::MutexGuard;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// Makes a topic. When it returns the topic survives a power cut.
    pub(crate) fn create_topic(&self, name: &str, config: &TopicConfig) -> Result<Topic> {
        self.check_open()?;
        let mut catalog = self.catalog_with_way_for(name)?;
        self.check_open()?;
        // Not so a topic that is in use, and was to have more partitions than could be made.
        let is_in_use = self.find_topic(name).is_some();
        if !is_in_use && catalog.topics.get(name).is_some_and(|entry| entry.created < entry.partitions) {
            self.abandon(&mut catalog, name)?;
        }
        self.finish_deletion_of(&mut catalog, name)?;
        let partitions = config.partitions;
        let number = catalog.next_topic_number;
        let id = TopicId::generate(self.next_seed(), number, self.clock.now());
        let mut changed = catalog.clone();
        changed.create(name, id, config)?;
        self.refuse_strays(name, 0..partitions)?;
        self.store(&mut catalog, changed)?;
        let settings = Arc::new(ArcSwap::from_pointee(config.clone()));
        let made = self.make_partitions(name, id, &settings, 0..partitions);
        let made =
            match made.and_then(|made| self.note_created(&mut catalog, name, partitions).map(|()| made)) {
                Ok(made) => made,
                Err(error) => {
                    // Where this fails too, the next attempt or the next opening does it.
                    let _ = self.abandon(&mut catalog, name);
                    return Err(error);
                }
            };
        let topic = Topic::new(name, id, settings, made);
        self.publish(|topics| drop(topics.insert(topic.shared_name().clone(), topic.clone())));
        Ok(topic)
    }

    /// The catalog, for one who makes a topic: what one of its name has left behind elsewhere is gone. Topics of those who
    /// see to that are in nobody's way.
    fn catalog_with_way_for(&self, name: &str) -> Result<MutexGuard<'_, Catalog>> {
        loop {
            let version = self.topics_version.load(Ordering::Acquire);
            if !INTERNAL_TOPICS.contains(&name) {
                self.maintenance.make_way()?;
            }
            let catalog = self.catalog.lock();
            // Else one may have been deleted meanwhile.
            if self.topics_version.load(Ordering::Acquire) == version {
                return Ok(catalog);
            }
        }
    }

    /// The topic of this name, which is made if there is none. One that there is stays as it is.
    pub(crate) fn ensure_topic(&self, name: &str, config: &TopicConfig) -> Result<Topic> {
        self.check_open()?;
        if let Some(topic) = self.find_topic(name) {
            return Ok(topic);
        }
        match self.create_topic(name, config) {
            // Somebody else was quicker.
            Err(Error::TopicExists { topic, existing }) if topic == existing => self.topic(name),
            other => other,
        }
    }

    /// Deletes a topic and its records. When it returns the name is free, and stays so after a power cut. If something
    /// of it cannot be removed it is deleted all the same, and whoever makes one of its name is told.
    pub(crate) fn delete_topic(&self, name: &str) -> Result<()> {
        // Looked up under the lock: before it, the name might go to another topic meanwhile.
        let mut catalog = self.catalog.lock();
        let topic = self.topic(name)?;
        let mut changed = catalog.clone();
        changed.delete(name)?;
        let stored = self.store(&mut catalog, changed.clone());
        if stored.is_err() {
            if self.is_unchanged_on_disk(&catalog) {
                return stored;
            }
            // The next opening may remove its records, so nobody may be promised any more of them.
            *catalog = changed;
        }
        self.publish(|topics| drop(topics.remove(name)));
        topic.partitions().iter().for_each(Partition::mark_deleted);
        stored.and_then(|()| self.finish_deletion_of(&mut catalog, name))
    }

    /// Gives a topic more partitions, `total` in all.
    pub(crate) fn add_partitions(&self, name: &str, total: u32) -> Result<Topic> {
        // Looked up under the lock: before it, the name might go to another topic meanwhile.
        let mut catalog = self.catalog.lock();
        let topic = self.topic(name)?;
        // More than there are if an earlier attempt failed: those are made first.
        let (had, wanted) =
            (topic.partition_count(), catalog.topics.get(name).map_or(0, |entry| entry.partitions));
        if total == wanted && had == wanted {
            let (value, why) = (total.to_string(), "the topic has as many already");
            return Err(Error::InvalidConfig { setting: "partitions", value, why });
        }
        if total != wanted {
            // What is refused changes nothing, and so does not finish the earlier attempt either.
            catalog.clone().add_partitions(name, total)?;
            self.refuse_strays(name, wanted..total)?;
        }
        self.extend(&mut catalog, &topic, wanted)?;
        if total != wanted {
            let mut changed = catalog.clone();
            changed.add_partitions(name, total)?;
            self.store(&mut catalog, changed)?;
            self.extend(&mut catalog, &topic, total)?;
        }
        Ok(topic)
    }

    /// Makes the partitions of a topic that the catalog wants and that are not there yet.
    fn extend(&self, catalog: &mut Catalog, topic: &Topic, total: u32) -> Result<()> {
        let had = topic.partition_count();
        if had >= total {
            return Ok(());
        }
        let mut partitions = topic.partitions().to_vec();
        partitions.extend(self.make_partitions(topic.name(), topic.id(), topic.settings(), had..total)?);
        self.note_created(catalog, topic.name(), total)?;
        topic.settings().store(Arc::new(topic.config().as_ref().clone().partitions(total)));
        topic.set_partitions(partitions);
        self.announce_topics();
        Ok(())
    }

    /// Changes the settings of a topic. All but the number of partitions, for which there is a call of its own.
    pub(crate) fn alter_topic(
        &self,
        name: &str,
        change: impl FnOnce(TopicConfig) -> TopicConfig,
    ) -> Result<Topic> {
        // Looked up under the lock: before it, the name might go to another topic meanwhile.
        let mut catalog = self.catalog.lock();
        let topic = self.topic(name)?;
        let config = change(topic.config().as_ref().clone());
        let mut changed = catalog.clone();
        let mut noted = config.clone();
        if noted.partitions == topic.partition_count() {
            // The catalog may want more, if an attempt to add some failed; that is not altered here.
            noted.partitions = changed.topics.get(name).map_or(noted.partitions, |entry| entry.partitions);
        }
        changed.alter(name, &noted)?;
        self.store(&mut catalog, changed)?;
        for partition in topic.partitions().iter() {
            partition.log().reconfigure(config.to_log_config())?;
        }
        let compacts = config.cleanup_policy.compacts();
        topic.settings().store(Arc::new(config));
        if !compacts {
            topic.partitions().iter().for_each(|partition| partition.log().give_up_compaction());
        }
        self.topics_changed();
        Ok(topic)
    }

    /// Replaces the catalog, on disk first.
    pub(super) fn store(&self, catalog: &mut Catalog, changed: Catalog) -> Result<()> {
        changed.store(self.dir.fs().as_ref(), &self.catalog_path())?;
        *catalog = changed;
        Ok(())
    }

    /// After a change could not be stored: whether the disk says what it said before, or could be made to say it again.
    fn is_unchanged_on_disk(&self, catalog: &Catalog) -> bool {
        let (fs, path) = (self.dir.fs().as_ref(), self.catalog_path());
        match Catalog::load(fs, &path) {
            Ok(Some(found)) if found == *catalog => true,
            _ => catalog.store(fs, &path).is_ok(),
        }
    }

    /// Removes what is left of deleted topics. What cannot be removed concerns its topic alone: it is named, and stays
    /// for the next attempt.
    pub(super) fn finish_deletions(&self, catalog: &mut Catalog) -> Vec<(String, Error)> {
        let deleted = catalog.deleted.clone();
        let finish = |topic: DeletedTopic| {
            let finished = self.finish_deletion(catalog, &topic);
            finished.err().map(|error| (topic.name, error))
        };
        deleted.into_iter().filter_map(finish).collect()
    }

    /// The same, for whoever needs the name of one of them.
    fn finish_deletion_of(&self, catalog: &mut Catalog, name: &str) -> Result<()> {
        let mut unfinished = self.finish_deletions(catalog).into_iter();
        unfinished.find(|(topic, _)| topic == name).map_or(Ok(()), |(_, error)| Err(error))
    }

    fn finish_deletion(&self, catalog: &mut Catalog, topic: &DeletedTopic) -> Result<()> {
        let remove = |number| self.dir.remove_log(&TopicPartition::new(&topic.name, number)?);
        // One partition that stays keeps no other.
        let removed = (0..topic.partitions).map(remove).fold(Ok(()), Result::and);
        removed.map_err(|error| error.deletion_unfinished(&topic.name))?;
        let mut changed = catalog.clone();
        changed.forget_deleted(topic.id);
        self.store(catalog, changed)
    }

    /// Takes back a topic that could not be made.
    fn abandon(&self, catalog: &mut Catalog, name: &str) -> Result<()> {
        let mut changed = catalog.clone();
        changed.delete(name)?;
        self.store(catalog, changed)?;
        self.finish_deletion_of(catalog, name)
    }

    /// Finishes topics that a crash left half made.
    pub(super) fn finish_creations(&self, catalog: &mut Catalog) -> Result<()> {
        let unfinished: Vec<(String, TopicEntry)> = catalog
            .topics
            .iter()
            .filter(|(_, entry)| entry.created < entry.partitions)
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        for (name, entry) in unfinished {
            let settings = Arc::new(ArcSwap::from_pointee(entry.topic_config()?));
            self.make_partitions(&name, entry.id, &settings, entry.created..entry.partitions)?;
            self.note_created(catalog, &name, entry.partitions)?;
        }
        Ok(())
    }

    fn note_created(&self, catalog: &mut Catalog, name: &str, created: u32) -> Result<()> {
        let mut changed = catalog.clone();
        changed.mark_created(name, created)?;
        self.store(catalog, changed)
    }

    /// Makes the directories of new partitions, or takes those that an attempt cut short has left.
    fn make_partitions(
        &self,
        name: &str,
        id: TopicId,
        settings: &Arc<ArcSwap<TopicConfig>>,
        numbers: Range<u32>,
    ) -> Result<Vec<Partition>> {
        let config = settings.load().to_log_config();
        numbers
            .map(|number| {
                let partition = TopicPartition::new(name, number)?;
                let log = match self.dir.create_log(&partition, config.clone()) {
                    Err(Error::AlreadyExists { .. }) => self.dir.open_log(&partition, config.clone())?,
                    other => other?,
                };
                metadata::write(self.dir.fs().as_ref(), log.path(), id)?;
                Ok(Partition::new(partition, log, settings.clone(), self.clock.clone()))
            })
            .collect()
    }

    /// What has the name of a partition and is none of ours is left alone.
    fn refuse_strays(&self, name: &str, numbers: Range<u32>) -> Result<()> {
        for number in numbers {
            let path = self.path().join(TopicPartition::new(name, number)?.to_string());
            match self.dir.fs().metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).or_io("look at", &path),
                Ok(_) => return Err(Error::AlreadyExists { path }),
            }
        }
        Ok(())
    }

    fn publish(&self, change: impl FnOnce(&mut super::Topics)) {
        let mut topics = self.topics.load().as_ref().clone();
        change(&mut topics);
        self.topics.store(Arc::new(topics));
        self.announce_topics();
    }

    /// Topics are not what they were. Whoever wants to know looks when maintenance runs: nobody is called from here,
    /// where the catalog is held.
    fn announce_topics(&self) {
        self.topics_version.fetch_add(1, Ordering::Release);
        self.wake();
        self.topics_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::Acks;
    use crate::engine::{CleaningOptions, EngineOptions, Task};
    use crate::io::MemFs;
    use crate::log::LogDirOptions;
    use crate::types::Timestamp;
    use std::path::Path;
    use std::sync::Weak;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    /// Deletes a topic just after it has made way for the first time, as another thread may.
    struct Hasty(Weak<Engine>, AtomicUsize);

    impl Task for Hasty {
        fn due(&self) -> Option<Duration> {
            None
        }

        fn run(&self, _now: Duration) {}

        fn make_way(&self) -> Result<()> {
            let asked_before = self.1.fetch_add(1, Ordering::Relaxed);
            let engine = self.0.upgrade().expect("it is asked by the engine");
            if asked_before == 0 { engine.delete_topic("old") } else { Ok(()) }
        }

        fn finish(&self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn way_is_made_again_if_a_topic_is_deleted_meanwhile() {
        let options = EngineOptions {
            fs: Arc::new(MemFs::new()),
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(0))),
            log_dir: LogDirOptions::default(),
            flush_interval: Duration::from_secs(1),
            acks: Acks::Durable,
            seed: 7,
            cleaning: CleaningOptions::default(),
        };
        let engine = Engine::open(Path::new("/"), options).expect("an empty directory");
        engine.create_topic("old", &TopicConfig::new()).expect("a new topic");
        let hasty = Arc::new(Hasty(Arc::downgrade(&engine), AtomicUsize::new(0)));
        let task: Weak<dyn Task> = Arc::<Hasty>::downgrade(&hasty);
        engine.add_task(task);
        engine.create_topic("new", &TopicConfig::new()).expect("a new topic");
        assert_eq!(hasty.1.load(Ordering::Relaxed), 2);
    }
}
