//! Reading records: of which partitions, from where on, and how many at a time.
//!
//! - `assignment`: the partitions, and where the consumer stands in each.
//! - `member`: the consumer in its group. `rebalance`: following it. `listener`: what the program does then; `event`: the
//!   same between polls, for tasks.
//! - `commit`: what is dealt with, said by the program or by itself.
//! - `wait`: a poll: fair turns between the partitions, and waiting for what is not there yet, in threads and in tasks.
//! - `stream`: the same, record by record.
//! - `wakeup_handle`: what other threads wake it with.
//! - `builder`: the settings.
//!
//! A consumer does nothing in the background: what it reads it reads when it is polled.

mod assignment;
mod builder;
mod commit;
mod event;
mod group_config;
mod listener;
mod member;
mod rebalance;
mod stream;
mod wait;
mod wakeup_handle;

pub use builder::ConsumerBuilder;
pub use event::{ConsumerEvent, PollEventFuture, RevocationGuard};
pub use listener::{RebalanceCx, RebalanceListener};
pub use member::AutoCommit;
pub use stream::RecordStream;
pub use wait::PollFuture;
pub use wakeup_handle::WakeupHandle;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group::Pattern;
use crate::partition::Records;
use crate::types::{Timestamp, TopicPartition};
use assignment::{Assigned, Goal};
use builder::ConsumerConfig;
use member::{GroupSide, Subscription};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wakeup_handle::Shared;

/// Where to begin in a partition, and where to go on if one's position is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Start {
    /// With the first record that there is.
    Earliest,
    /// With what comes next. Kafka's default, and so ours: what was sent before is not seen.
    #[default]
    Latest,
    /// Nowhere: a poll says [`Error::NoPosition`] until somebody seeks.
    None,
    /// With the first record that is not older than this; if there is none, with what comes next.
    ByDuration(Duration),
}

/// Reads records of some partitions, in order within each: those that it was assigned by hand, or those that its group
/// gives it.
///
/// One thread at a time polls it; it can be moved between threads. [`Consumer::wakeup_handle`] is for the others.
///
/// ```
/// use brooklet::{Acks, Broker, NewRecord, Start, TopicConfig};
/// use std::time::Duration;
///
/// let broker = Broker::in_memory()?;
/// broker.ensure_topic("orders", TopicConfig::new())?;
/// broker.producer().build()?.send(NewRecord::to("orders").value("created"))?.wait()?;
///
/// let mut consumer = broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build()?;
/// for record in &consumer.poll(Duration::from_secs(1))? {
///     assert_eq!(record.value(), Some(&b"created"[..]));
/// }
/// assert_eq!(consumer.position("orders", 0)?, 1);
/// # Ok::<(), brooklet::Error>(())
/// ```
///
/// With a group the program says how often a record is dealt with, by when it commits. *At least once*: first deal with
/// the records, then commit; whoever dies in between deals with them again. *At most once*: first commit; whoever dies in
/// between never deals with them.
///
/// ```
/// # use brooklet::{AutoCommit, Broker, NewRecord, RecordRef, Start, TopicConfig};
/// # use std::time::Duration;
/// # let broker = Broker::in_memory()?;
/// # broker.ensure_topic("orders", TopicConfig::new())?;
/// # broker.producer().build()?.send_batch([(); 4].map(|()| NewRecord::to("orders").value("created")))?;
/// # let (mut dealt, second) = (0, Duration::from_secs(1));
/// # let mut deal_with = |_: RecordRef<'_>| dealt += 1;
/// let billing = || broker.consumer().group("billing").subscribe(["orders"]).auto_commit(AutoCommit::Off);
/// let mut consumer = billing().start(Start::Earliest).max_poll_records(2).build()?;
///
/// // At least once.
/// consumer.poll(second)?.iter().for_each(&mut deal_with);
/// consumer.commit()?;
///
/// // At most once.
/// let records = consumer.poll(second)?;
/// consumer.commit()?;
/// records.iter().for_each(&mut deal_with);
/// # assert_eq!((dealt, consumer.committed("orders", 0)?.map(|at| at.offset)), (4, Some(4)));
/// # Ok::<(), brooklet::Error>(())
/// ```
#[derive(Debug)]
pub struct Consumer {
    engine: Arc<Engine>,
    config: ConsumerConfig,
    assigned: Vec<Assigned>,
    /// Whose turn is first in the next poll.
    turn: usize,
    shared: Arc<Shared>,
    group: Option<Box<GroupSide>>,
}

impl Consumer {
    fn new(engine: Arc<Engine>, config: ConsumerConfig, group: Option<Box<GroupSide>>) -> Self {
        Self { engine, config, assigned: Vec::new(), turn: 0, shared: Arc::default(), group }
    }

    /// Reads just these partitions from now on. Where it stands in those that it had already stays; in others it begins at
    /// what its group has committed, if it has one that did.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] or [`Error::UnknownPartition`], or [`Error::IllegalState`] for a consumer that subscribes;
    /// then nothing changes.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        if self.member().is_some() {
            let why = "a consumer reads what it is assigned by hand or what its group gives it, not both; \
                       unsubscribe first, or build another one";
            return Err(Error::IllegalState { what: "assign and subscribe", why });
        }
        let mut wanted: Vec<TopicPartition> = partitions.into_iter().collect();
        wanted.sort_unstable();
        wanted.dedup();
        for id in &wanted {
            self.engine.topic(id.topic())?.partition(id.partition())?;
        }
        let stays = |assigned: &Assigned| {
            wanted.binary_search(assigned.partition().id()).is_ok() && !assigned.partition().is_deleted()
        };
        let (kept, given_up) = std::mem::take(&mut self.assigned).into_iter().partition(stays);
        self.assigned = kept;
        let has = |id: &TopicPartition| self.assigned.iter().any(|one| one.partition().id().as_ref() == id);
        let added: Vec<TopicPartition> = wanted.iter().filter(|id| !has(id)).cloned().collect();
        let begun = self.begin_with(&added);
        if begun.is_err() {
            self.assigned.extend::<Vec<Assigned>>(given_up);
        }
        begun
    }

    /// Reads what its group gives it of these topics from the next poll on. Those that do not exist yet are read once
    /// they do. It joins the group in its next poll.
    ///
    /// # Errors
    /// [`Error::IllegalState`] without a group, or for a consumer that was assigned partitions by hand.
    pub fn subscribe<'a>(&mut self, topics: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let topics = Arc::new(topics.into_iter().map(str::to_owned).collect());
        self.set_subscription(Subscription::Topics(topics))
    }

    /// The same for all topics whose whole name matches this regular expression, now or later. Internal topics are read
    /// by name only.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`], or [`Error::InvalidConfig`] for what is no regular expression.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<()> {
        self.set_subscription(Subscription::Pattern(Pattern::new(pattern)?))
    }

    /// What it subscribes to by name, in order.
    pub fn subscription(&self) -> Vec<String> {
        self.subscribed_topics().iter().cloned().collect()
    }

    /// Commits if it does so by itself, gives up everything, and leaves its group. It may subscribe or be assigned
    /// partitions anew.
    ///
    /// # Errors
    /// As [`Consumer::close`].
    pub fn unsubscribe(&mut self) -> Result<()> {
        let left = self.leave_group();
        self.assigned.clear();
        self.turn = 0;
        left
    }

    /// The partitions that it reads, in order.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.assigned.iter().map(|assigned| assigned.partition().id().as_ref().clone()).collect()
    }

    /// The records that there are, or the first that come within `timeout`; none if none come. With a timeout of zero it
    /// does not wait.
    ///
    /// # Errors
    /// [`Error::WokenUp`]; [`Error::NoPosition`] without a place to begin; [`Error::Corrupt`] for damage, again and again
    /// until somebody seeks past it; those of the disk. What was read before an error is returned first; what
    /// was read when somebody woke it, by the next poll.
    pub fn poll(&mut self, timeout: Duration) -> Result<Records> {
        self.begin_poll(false);
        let polled = self.poll_blocking(timeout);
        self.end_poll();
        polled
    }

    /// The records that there are, or the first that come. Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    pub fn poll_async(&mut self) -> PollFuture<'_> {
        PollFuture::new(self)
    }

    /// Records, or what changes in the assignment: the events of a [`RebalanceListener`], for tasks that have to await
    /// something before they let go of a partition. What is revoked comes with a guard, and goes to others once that is
    /// completed or dropped. Dropped before it is ready, it has taken nothing.
    ///
    /// A listener is called all the same, before the event. Other polls make no events; what a poll of theirs has changed
    /// is not told later.
    ///
    /// ```
    /// # use brooklet::{AutoCommit, Broker, ConsumerEvent, NewRecord, Start, TopicConfig};
    /// # pollster::block_on(async {
    /// # let broker = Broker::in_memory()?;
    /// # broker.ensure_topic("orders", TopicConfig::new().partitions(2))?;
    /// # broker.producer().build()?.send(NewRecord::to("orders").value("created"))?.wait()?;
    /// # async fn write_down(_: &[String]) {}
    /// # let mut first = true;
    /// let billing = || broker.consumer().group("billing").subscribe(["orders"]).auto_commit(AutoCommit::Off);
    /// let mut consumer = billing().start(Start::Earliest).build()?;
    /// let mut unwritten = Vec::new();
    /// loop {
    ///     match consumer.poll_event_async().await? {
    ///         ConsumerEvent::Records(records) => {
    ///             unwritten.extend(records.iter().map(|record| format!("{record:?}")));
    /// #           if !first { break }
    /// #           first = false;
    /// #           broker.consumer().group("billing").subscribe(["orders"]).build()?.poll(std::time::Duration::ZERO)?;
    ///         }
    ///         ConsumerEvent::Assigned { partitions, cx: _ } => println!("reading {partitions:?}"),
    ///         ConsumerEvent::Revoked { mut guard, .. } => {
    ///             // Nobody else has them yet, however long this takes.
    ///             write_down(&unwritten).await;
    ///             unwritten.clear();
    ///             guard.commit_async()?.await?;
    ///             guard.complete()?;
    /// #           broker.producer().build()?.send_batch([0, 1].map(|to| NewRecord::to("orders").partition(to)))?;
    ///         }
    ///         // Others read them already, from what was committed.
    ///         ConsumerEvent::Lost { .. } => unwritten.clear(),
    ///     }
    /// }
    /// # assert_eq!(unwritten.len(), 1);
    /// # assert_eq!(consumer.assignment().len(), 1);
    /// # Ok::<(), brooklet::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn poll_event_async(&mut self) -> PollEventFuture<'_> {
        PollEventFuture::new(self)
    }

    /// Record by record, each owned, without an end. Dropped, it gives back what it has read ahead.
    pub fn stream(&mut self) -> RecordStream<'_> {
        RecordStream::new(self)
    }

    /// The offset of the next record of a partition that a poll will return.
    ///
    /// # Errors
    /// [`Error::NotAssigned`], and those of looking for where to begin.
    pub fn position(&mut self, topic: &str, partition: u32) -> Result<u64> {
        let clock = self.engine.clock().clone();
        self.find(topic, partition)?.position(clock.as_ref())
    }

    /// How far behind the end it is in each partition: offsets, not records, where there are gaps.
    ///
    /// # Errors
    /// Those of looking for where to begin.
    pub fn lag(&mut self) -> Result<BTreeMap<TopicPartition, u64>> {
        let clock = self.engine.clock().clone();
        let lags = self.assigned.iter_mut().map(|assigned| {
            let lag = assigned.lag(clock.as_ref())?;
            Ok((assigned.partition().id().as_ref().clone(), lag))
        });
        lags.collect()
    }

    /// Goes on at an offset of a partition. Whether it is there, the next poll says.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn seek(&mut self, topic: &str, partition: u32, offset: u64) -> Result<()> {
        self.find(topic, partition).map(|assigned| assigned.seek(offset))
    }

    /// Goes on at the beginning, or at the end, as they are when the next poll looks.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn seek_to(&mut self, topic: &str, partition: u32, start: Start) -> Result<()> {
        self.find(topic, partition).map(|assigned| assigned.seek_to(Goal::Start(start)))
    }

    /// Goes on with the first record that is not older than `timestamp`; if there is none, with what comes next.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn seek_to_time(&mut self, topic: &str, partition: u32, timestamp: Timestamp) -> Result<()> {
        self.find(topic, partition).map(|assigned| assigned.seek_to(Goal::Time(timestamp)))
    }

    /// Returns nothing of these topics until they are resumed. Where it stands in them stays.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] for a topic of which it reads nothing; then nothing changes.
    pub fn pause<'a>(&mut self, topics: impl IntoIterator<Item = &'a str>) -> Result<()> {
        self.set_paused(topics, true)
    }

    /// Returns records of these topics again.
    ///
    /// # Errors
    /// As [`Consumer::pause`].
    pub fn resume<'a>(&mut self, topics: impl IntoIterator<Item = &'a str>) -> Result<()> {
        self.set_paused(topics, false)
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let paused = self.assigned.iter().filter(|assigned| assigned.is_paused);
        paused.map(|assigned| assigned.partition().id().as_ref().clone()).collect()
    }

    /// What another thread wakes this consumer with.
    pub fn wakeup_handle(&self) -> WakeupHandle {
        WakeupHandle::new(self.shared.clone())
    }

    /// Closes it: commits if it does so by itself, gives up its partitions, and leaves its group, so that others get them
    /// at once. A static member does not leave: its partitions wait for it.
    ///
    /// A consumer that is dropped instead has not committed what it returned last, and its partitions are given to others
    /// when its session has run out. Without a group nothing is lost.
    ///
    /// # Errors
    /// Why the last commit failed; it has left all the same. What a listener panicked with.
    pub fn close(mut self) -> Result<()> {
        self.leave_group()
    }

    /// A poll begins. Whether it ends with each change of the assignment.
    #[inline]
    fn begin_poll(&mut self, tells_changes: bool) {
        if let Some(group) = &mut self.group {
            if let Some(member) = &mut group.member {
                member.tells_changes = tells_changes;
                member.link.begin_poll();
            }
            self.auto_commit_if_due();
        }
    }

    /// A poll has ended.
    #[inline]
    fn end_poll(&mut self) {
        if let Some(member) = self.group.as_ref().and_then(|group| group.member.as_ref()) {
            member.link.end_poll(self.engine.clock().monotonic());
        }
    }

    fn set_paused<'a>(&mut self, topics: impl IntoIterator<Item = &'a str>, paused: bool) -> Result<()> {
        let topics: Vec<&str> = topics.into_iter().collect();
        let reads = |topic: &str| self.assigned.iter().any(|assigned| assigned.partition().topic() == topic);
        if let Some(unknown) = topics.iter().find(|topic| !reads(topic)) {
            return Err(Error::UnknownTopic { topic: (*unknown).to_owned() });
        }
        for assigned in &mut self.assigned {
            if topics.contains(&assigned.partition().topic()) {
                assigned.is_paused = paused;
            }
        }
        Ok(())
    }

    fn find(&mut self, topic: &str, number: u32) -> Result<&mut Assigned> {
        let is_it = |assigned: &Assigned| {
            assigned.partition().topic() == topic && assigned.partition().number() == number
        };
        match self.assigned.iter().position(is_it) {
            Some(index) => Ok(&mut self.assigned[index]),
            None => Err(Error::NotAssigned { partition: TopicPartition::new(topic, number)? }),
        }
    }
}
