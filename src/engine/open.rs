//! From a directory to topics whose partitions can be used.
//!
//! ```text
//! lock ── catalog ── what was deleted is removed ── what was half made is finished ── every partition is opened
//!            │            (or told of, where something is in the way)
//!            └─ none, or Kafka's directory: made from the names of the directories, if that was asked for
//! ```

use super::cleaning::{BrokerEvent, Cleaning};
use super::producer_ids::ProducerIds;
use super::{CleaningOptions, Engine, Topics};
use crate::clock::Clock;
use crate::config::{Acks, TopicConfig};
use crate::error::{Error, Result};
use crate::io::Fs;
use crate::log::{LogDir, LogDirOptions};
use crate::partition::Partition;
use crate::topic::{CATALOG, Catalog, Topic, TopicId, metadata};
use crate::types::TopicPartition;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// What an engine is made of.
#[derive(Debug)]
pub(crate) struct EngineOptions {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log_dir: LogDirOptions,
    pub(crate) flush_interval: Duration,
    pub(crate) acks: Acks,
    pub(crate) seed: u64,
    pub(crate) cleaning: CleaningOptions,
}

impl Engine {
    /// Opens all topics of a directory.
    pub(crate) fn open(path: &Path, options: EngineOptions) -> Result<Arc<Engine>> {
        let adopt = options.log_dir.adopt;
        let clock = options.clock;
        options.cleaning.validate()?;
        let dir = LogDir::open_with(options.fs, clock.clone(), path, options.log_dir)?;
        let mut catalog = load_catalog(&dir, adopt, clock.as_ref(), options.seed)?;
        let cleaning = Cleaning::new(options.cleaning, clock.monotonic());
        let engine = Arc::new(Engine {
            dir,
            clock,
            cleaning,
            flush_interval: options.flush_interval,
            acks: options.acks,
            seeds: AtomicU64::new(options.seed),
            catalog: Mutex::new(Catalog::default()),
            topics: ArcSwap::default(),
            topics_version: AtomicU64::new(0),
            producer_ids: ProducerIds::default(),
            maintenance: Default::default(),
            is_closed: AtomicBool::new(false),
            background: Default::default(),
            cleaner: Default::default(),
        });
        for (topic, error) in engine.finish_deletions(&mut catalog) {
            engine.tell(&BrokerEvent::DeletionUnfinished { topic, error });
        }
        engine.finish_creations(&mut catalog)?;
        let topics = engine.open_topics(&catalog)?;
        engine.topics.store(Arc::new(topics));
        *engine.catalog.lock() = catalog;
        Ok(engine)
    }

    fn open_topics(&self, catalog: &Catalog) -> Result<Topics> {
        let mut topics = Topics::new();
        for (name, entry) in &catalog.topics {
            let settings = Arc::new(ArcSwap::from_pointee(entry.topic_config()?));
            let config = settings.load().to_log_config();
            let partitions = (0..entry.partitions).map(|number| {
                let partition = TopicPartition::new(name, number)?;
                let log = self.dir.open_log(&partition, config.clone())?;
                Ok(Partition::new(partition, log, settings.clone(), self.clock.clone()))
            });
            let topic = Topic::new(name, entry.id, settings.clone(), partitions.collect::<Result<_>>()?);
            topics.insert(topic.shared_name().clone(), topic);
        }
        Ok(topics)
    }
}

/// The catalog of a directory: an empty one if the directory is empty, and one made from what lies there if it is to be
/// taken over.
fn load_catalog(dir: &LogDir, adopt: bool, clock: &dyn Clock, seed: u64) -> Result<Catalog> {
    let path = dir.path().join(CATALOG);
    let loaded = match Catalog::load(dir.fs().as_ref(), &path) {
        Err(Error::CatalogDamaged { .. }) if adopt => None,
        other => other?,
    };
    let known = loaded.is_some();
    let mut catalog = loaded.unwrap_or_default();
    if !adopt {
        if !known && !dir.partitions()?.is_empty() {
            return Err(Error::CatalogDamaged { path, found: "there are partitions, and no catalog".into() });
        }
        return Ok(catalog);
    }
    if take_in(dir, &mut catalog, clock, seed)? {
        catalog.store(dir.fs().as_ref(), &path)?;
    }
    Ok(catalog)
}

/// Adds to a catalog the partitions that lie in the directory and that it does not know. Says whether there were any.
///
/// How long their records are to be kept is not known, and so they are kept for ever until somebody says otherwise.
fn take_in(dir: &LogDir, catalog: &mut Catalog, clock: &dyn Clock, seed: u64) -> Result<bool> {
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for partition in dir.partitions()? {
        found.entry(partition.topic().to_owned()).or_default().push(partition.partition());
    }
    found.retain(|name, _| catalog.deleted.iter().all(|topic| topic.name != *name));
    let mut changed = false;
    for (name, numbers) in found {
        let count = numbers.len() as u32;
        if let Some(missing) = (0..count).find(|number| !numbers.contains(number)) {
            return Err(Error::NotFound {
                path: dir.path().join(TopicPartition::new(&name, missing)?.to_string()),
            });
        }
        let known = catalog.topics.get(&name).map(|entry| entry.partitions);
        if known.is_some_and(|known| known >= count) {
            continue;
        }
        let made = || TopicId::generate(seed, catalog.next_topic_number, clock.now());
        let id = noted_id(dir, &name)?.unwrap_or_else(made);
        match catalog.topics.get_mut(&name) {
            Some(entry) => (entry.partitions, entry.created) = (count, count),
            None => {
                let forever = TopicConfig::new().retention(Duration::MAX).partitions(count);
                catalog.create(&name, id, &forever)?;
                catalog.mark_created(&name, count)?;
            }
        }
        changed = true;
    }
    Ok(changed)
}

fn noted_id(dir: &LogDir, name: &str) -> Result<Option<TopicId>> {
    let first = dir.path().join(TopicPartition::new(name, 0)?.to_string());
    // One that is damaged says nothing: then the topic gets a new id.
    Ok(metadata::read(dir.fs().as_ref(), &first)?.and_then(|noted| noted.ok()))
}
