//! Retention and compaction now, and not when they are due.

use super::Admin;
use crate::error::Result;
use crate::log::{ClockDoubt, RemovedSegment};

/// What retention has done in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionRetention {
    /// Its number.
    pub partition: u32,
    /// The segments that are gone, oldest first, and why.
    pub segments_removed: Vec<RemovedSegment>,
    /// The bytes of batches that are gone with them.
    pub bytes_freed: u64,
    /// Where it begins now.
    pub start: u64,
    /// Why nothing was found to be too old by the wall clock, if that is not believed.
    pub doubt: Option<ClockDoubt>,
}

/// What compaction has done in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionCompaction {
    /// Its number.
    pub partition: u32,
    /// The segments that were replaced.
    pub segments_before: u64,
    /// Those that took their place.
    pub segments_after: u64,
    /// The bytes of batches in the segments that were replaced.
    pub bytes_before: u64,
    /// The bytes of batches in those that took their place.
    pub bytes_after: u64,
    /// How many different keys were found in what was not compacted yet.
    pub keys: u64,
    /// Records in what was gone through, tombstones and markers of transactions included. Counted once in each round, if
    /// there were more rounds than one.
    pub records_before: u64,
    /// Those that are left of them.
    pub records_after: u64,
    /// Tombstones that are gone, which told all readers of a deletion for long enough.
    pub tombstones_dropped: u64,
    /// Up to where it is compacted now. What lies behind is in an open transaction, or came since.
    pub compacted_to: u64,
}

impl Admin {
    /// Removes what has outlived its use in a topic, by its settings, and says what that was in each partition. The broker
    /// does this by itself [every few minutes](crate::BrokerBuilder::retention_check_interval).
    ///
    /// Durable when it returns, and works on a full disk.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`](crate::Error::UnknownTopic), [`Error::Closed`](crate::Error::Closed), and those of the disk:
    /// the first, after every partition has had its turn.
    ///
    /// ```
    /// use brooklet::clock::ManualClock;
    /// use brooklet::{Acks, Broker, NewRecord, Timestamp, TopicConfig};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    /// let broker = Broker::builder().clock(clock.clone()).in_memory()?;
    /// let readings = broker.create_topic("readings", TopicConfig::new().retention(Duration::from_secs(60)))?;
    /// readings.partition(0)?.append([NewRecord::new().value("20 degrees")], Acks::Written)?;
    /// clock.advance(Duration::from_secs(61));
    /// let retained = broker.admin().enforce_retention_now("readings")?;
    /// assert_eq!((retained[0].segments_removed.len(), retained[0].start), (1, 1));
    /// # Ok::<(), brooklet::Error>(())
    /// ```
    pub fn enforce_retention_now(&self, topic: &str) -> Result<Vec<PartitionRetention>> {
        let removed = self.engine.enforce_retention_now(topic)?.into_iter();
        let report = removed.map(|(partition, removed)| PartitionRetention {
            partition,
            bytes_freed: removed.bytes(),
            start: removed.start,
            doubt: removed.doubt,
            segments_removed: removed.segments,
        });
        Ok(report.collect())
    }

    /// Compacts a topic, and says what became of it in each partition. The broker does this by itself when
    /// [it is worth the work](crate::TopicConfig::min_cleanable_dirty_ratio).
    ///
    /// This asks neither whether it is worth it nor how young records are, and begins a new segment first, so that
    /// everything is compacted that is in the topic now and in no open transaction. A tombstone stays for
    /// [its time](crate::TopicConfig::delete_retention) all the same, and goes in a later round that has something new to
    /// compact. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`](crate::Error::UnknownTopic); [`Error::PolicyViolation`](crate::Error::PolicyViolation) if the
    /// topic is not compacted; [`Error::Closed`](crate::Error::Closed); [`Error::Corrupt`](crate::Error::Corrupt) for damage
    /// in the way, and those of the disk: the first, after every partition has had its turn. Nothing is lost then.
    ///
    /// ```
    /// use brooklet::{Acks, Broker, CleanupPolicy, NewRecord, TopicConfig};
    ///
    /// let broker = Broker::in_memory()?;
    /// let prices = broker.create_topic("prices", TopicConfig::new().cleanup_policy(CleanupPolicy::Compact))?;
    /// for price in ["1", "2", "3"] {
    ///     prices.partition(0)?.append([NewRecord::new().key("apple").value(price)], Acks::Written)?;
    /// }
    /// let compacted = broker.admin().compact_now("prices")?;
    /// assert_eq!((compacted[0].records_before, compacted[0].records_after), (3, 1));
    /// # Ok::<(), brooklet::Error>(())
    /// ```
    pub fn compact_now(&self, topic: &str) -> Result<Vec<PartitionCompaction>> {
        let compacted = self.engine.compact_now(topic)?.into_iter();
        let report = compacted.map(|(partition, done)| PartitionCompaction {
            partition,
            segments_before: done.segments_in,
            segments_after: done.segments_out,
            bytes_before: done.bytes_in,
            bytes_after: done.bytes_out,
            keys: done.keys,
            records_before: done.records_in,
            records_after: done.records_in - done.records_dropped,
            tombstones_dropped: done.tombstones_dropped,
            compacted_to: done.first_dirty,
        });
        Ok(report.collect())
    }
}
