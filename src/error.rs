//! The one error: each variant says what happened and, in its sentence, what the caller does next.

use crate::types::{InvalidName, TopicPartition};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what the caller does about it.
///
/// [`Error::is_retriable`] and [`Error::is_fatal`] answer the two questions that a program asks; the text answers a
/// person's.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to the file system failed. What was asked for did not happen.
    #[error("could not {action} {}: {source}; nothing was changed that was acknowledged, so mend the cause and try again", path.display())]
    Io {
        /// What was being done, as a verb: "open", "write to".
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },

    /// There is no space left. Nothing acknowledged is lost.
    #[error("the disk is full: could not {action} {}; free some space and go on, nothing needs to be reopened", path.display())]
    DiskFull {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },

    /// Bytes that were once good are not what they were. Reading can go on behind the damage.
    #[error(
        "{} is damaged at byte {position}: expected {expected}, found {found}; offsets {} to {} cannot be read: \
         restore the file from a backup, or seek to {} to go on without them",
        path.display(), offsets.start, offsets.end.saturating_sub(1), offsets.end
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in it the damaged batch or entry begins.
        position: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// The offsets that are lost; their end is where reading can go on.
        offsets: Range<u64>,
    },

    /// Somebody has this directory open already: another process, or this one.
    #[error("{} is in use by another process or by this one; close that one first, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },

    /// A directory that this library did not make.
    #[error("{} is not a brooklet directory: {found}; choose an empty one, or adopt it if Kafka wrote it", path.display())]
    NotOurs {
        /// The directory or file.
        path: PathBuf,
        /// What was found there.
        found: String,
    },

    /// Written by a newer version of this library.
    #[error("{} has format version {found}, and this library knows up to {supported}; open it with a newer one", path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this library reads.
        supported: u32,
    },

    /// An offset that the log does not hold.
    #[error(
        "offset {requested} is out of range: the log holds {start} to {end} (exclusive); seek to one of these ends"
    )]
    OffsetOutOfRange {
        /// The offset asked for.
        requested: u64,
        /// The first offset that can be read.
        start: u64,
        /// The offset that the next record will get.
        end: u64,
    },

    /// A batch or record that is larger than the limit.
    #[error("{bytes} bytes are more than the limit of {limit}; send less at once or raise {setting}")]
    TooLarge {
        /// How large it is, headers included.
        bytes: u64,
        /// How large it may be.
        limit: u64,
        /// The setting that says so.
        setting: &'static str,
    },

    /// Bytes handed in that are not a record batch, or a record that cannot be one.
    #[error(
        "invalid record batch: {why}; nothing of it was appended or read, whoever makes it has to correct it"
    )]
    InvalidBatch {
        /// What is wrong, with what was expected and what was found.
        why: String,
    },

    /// A setting that cannot be.
    #[error("{setting} cannot be {value}: {why}")]
    InvalidConfig {
        /// The setting's name.
        setting: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        why: &'static str,
    },

    /// A name that Kafka's grammar does not allow.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),

    /// A batch that is compressed with a codec that was not compiled in.
    #[error("the codec {codec} is not compiled in; build with the feature {codec:?} of brooklet")]
    CodecMissing {
        /// The codec, which is also the feature's name.
        codec: &'static str,
    },

    /// Something with this name exists already.
    #[error("{} exists already; open it instead, or choose another name", path.display())]
    AlreadyExists {
        /// What exists.
        path: PathBuf,
    },

    /// Nothing has this name.
    #[error("{} does not exist; create it first, or check the name", path.display())]
    NotFound {
        /// What does not exist.
        path: PathBuf,
    },

    /// Whether it happened cannot be known: the system failed while making it durable.
    #[error(
        "it is not known whether offsets up to {until} of {} are durable: {cause}; \
         reopen the log, look at its end, and send again what is missing", path.display()
    )]
    Indeterminate {
        /// The log's directory.
        path: PathBuf,
        /// The end of what was to be made durable.
        until: u64,
        /// The failure, in words.
        cause: String,
    },

    /// An earlier failure made the state on disk unknowable; writing is refused until the log is opened anew.
    #[error("{} refuses writes since an earlier failure: {cause}; reads go on, reopen it to write again", path.display())]
    Poisoned {
        /// The log's directory.
        path: PathBuf,
        /// The failure, in words.
        cause: String,
    },

    /// Data that was durable is gone; the log is kept as it is, for reading only.
    #[error("{} was opened read-only: {lost}; restore the missing file from a backup and reopen", path.display())]
    ReadOnly {
        /// The log's directory.
        path: PathBuf,
        /// What is lost.
        lost: String,
    },

    /// It was closed.
    #[error("{} is closed; open it again", path.display())]
    Closed {
        /// What was closed.
        path: PathBuf,
    },

    /// A producer or consumer that was closed.
    #[error("this {handle} is closed; build a new one")]
    HandleClosed {
        /// Which kind of handle.
        handle: &'static str,
    },

    /// There is no such topic, or not any more.
    #[error("there is no topic {topic:?}; create it first, or check the name")]
    UnknownTopic {
        /// Its name.
        topic: String,
    },

    /// The topic has no such partition.
    #[error("topic {topic:?} has no partition {partition}, only 0 to {}; name one of these, or add partitions", partitions.saturating_sub(1))]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition that was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },

    /// There is a topic of this name, or of one that metrics could not tell from it.
    #[error("topic {topic:?} cannot be created: there is {existing:?} already{}; use that one, or choose another name",
        if topic == existing { "" } else { ", and '.' and '_' look the same in the names of metrics" })]
    TopicExists {
        /// The topic that was to be made.
        topic: String,
        /// The topic that there is.
        existing: String,
    },

    /// Something of a deleted topic is in the way: the topic is gone, and its name is not free.
    #[error(
        "topic {topic:?} is deleted, and its name is not free while {} is there: {source}; \
         move that away, or mend the cause, and create the topic or open the broker anew", path.display()
    )]
    DeletionUnfinished {
        /// The topic that was deleted.
        topic: String,
        /// What could not be removed.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },

    /// A record that this topic does not take.
    #[error("{partition} does not take this record: {why}; nothing of its batch was appended")]
    InvalidRecord {
        /// Where it was to go.
        partition: TopicPartition,
        /// What is wrong with it, and what would be right.
        why: String,
    },

    /// What the topic's settings do not allow.
    #[error("{topic:?} does not allow this: {why}")]
    PolicyViolation {
        /// The topic.
        topic: String,
        /// What is not allowed, and what to do instead.
        why: &'static str,
    },

    /// It took longer than it was given. What it was about may be tried again.
    #[error("{what} took longer than {after:?}; try again, or allow more time with {setting}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
        /// The setting that says how long.
        setting: &'static str,
    },

    /// The producer's buffer has no room for this record now.
    #[error(
        "the producer's buffer of {limit} bytes is full; wait for what was sent, or allow more with buffer_memory"
    )]
    BufferFull {
        /// Its size.
        limit: u64,
    },

    /// A batch is missing before this one, or this one comes too late to be recognised.
    #[error(
        "{partition} expects sequence {expected} of producer {producer_id} and was given {found}; \
         something before it is missing: build a new producer and send from there"
    )]
    OutOfOrderSequence {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: i64,
        /// The sequence that it would have to begin with.
        expected: i32,
        /// The sequence that it begins with.
        found: i32,
    },

    /// A newer producer with the same id has taken over.
    #[error(
        "producer {producer_id} of epoch {found} was fenced: {partition} has seen epoch {current}; \
         another one works in its place, so stop this one"
    )]
    ProducerFenced {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: i64,
        /// The newest epoch.
        current: i16,
        /// The epoch of this one.
        found: i16,
    },

    /// A batch and the transaction of its producer do not go together.
    #[error("{partition} does not take a batch of producer {producer_id}: {why}; abort the transaction")]
    InvalidTxnState {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: i64,
        /// What does not go together.
        why: String,
    },

    /// A newer coordinator of transactions has taken over.
    #[error(
        "a coordinator of epoch {found} was fenced: {partition} has seen epoch {current}; \
         another one ends transactions in its place, so stop this one"
    )]
    CoordinatorFenced {
        /// The partition.
        partition: TopicPartition,
        /// The newest epoch.
        current: i32,
        /// The epoch of this one.
        found: i32,
    },

    /// A consumer does not know where to read on, and was not told where to begin in such a case.
    #[error(
        "{partition} has nothing at {}, only {start} to {end} (exclusive); seek, or say where to start",
        requested.map_or("an unknown position".to_owned(), |offset| format!("offset {offset}"))
    )]
    NoPosition {
        /// The partition.
        partition: TopicPartition,
        /// Where it stood, if it stood anywhere.
        requested: Option<u64>,
        /// The first offset that can be read.
        start: u64,
        /// The offset that the next record will get.
        end: u64,
    },

    /// A partition that this consumer does not read.
    #[error("{partition} is not assigned to this consumer; assign it first")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },

    /// Two things that cannot be asked for together, or not in this state.
    #[error("{what}: {why}")]
    IllegalState {
        /// What was asked for.
        what: &'static str,
        /// Why it cannot be, and what to do.
        why: &'static str,
    },

    /// Somebody woke the consumer with `wakeup`.
    #[error("the consumer was woken up; poll again to go on")]
    WokenUp,

    /// A piece of the program that was handed in panicked. Nothing else was harmed.
    #[error("{what} panicked: {message}; nothing else was harmed, mend it")]
    Panicked {
        /// What panicked: a partitioner, a callback.
        what: &'static str,
        /// What it said.
        message: String,
    },

    /// The catalog of topics cannot be read. Nothing was changed.
    #[error(
        "the catalog {} cannot be read: {found}; restore it from a backup, or adopt the directory, \
         which finds the topics by their directories and gives them settings that delete nothing", path.display()
    )]
    CatalogDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },

    /// The group does not know this member: it left, was expired or evicted, or never joined.
    #[error(
        "group {group:?} has no member {member:?}{}; what it read since is read by others, so join again",
        if member.is_empty() { ", and members it has: only they may commit" } else { "" }
    )]
    UnknownMember {
        /// The group.
        group: String,
        /// The member; empty if none was named.
        member: String,
    },

    /// The group has gone on without this member noticing, as after a rebalance.
    #[error(
        "group {group:?} is at epoch {current} with {member:?}, not {found}; poll to learn what is assigned now"
    )]
    IllegalGeneration {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// The epoch that the member is at, or the group where there is no such member.
        current: u32,
        /// The epoch that it named.
        found: u32,
    },

    /// Another consumer with the same instance id has taken over.
    #[error(
        "instance {instance:?} of group {group:?} is another member now; stop this one, or give it an id of its own"
    )]
    FencedInstance {
        /// The group.
        group: String,
        /// The instance id.
        instance: String,
    },

    /// The group is about to divide its partitions anew, and this member has no part in it yet.
    #[error("group {group:?} is rebalancing; poll until partitions are assigned, then try again")]
    RebalanceInProgress {
        /// The group.
        group: String,
    },

    /// There is no such group, or not any more.
    #[error(
        "there is no group {group:?}, or it was deleted; join it or commit to it anew, or check the name"
    )]
    UnknownGroup {
        /// The group.
        group: String,
    },

    /// Only a group without members can be changed in this way.
    #[error("group {group:?} has {members} members; close these first, or wait until they have expired")]
    GroupNotEmpty {
        /// The group.
        group: String,
        /// How many.
        members: usize,
    },
}

/// Puts words to a `std::io` failure where it happens: `file.sync().or_io("sync", path)?`.
pub(crate) trait OrIo<T> {
    /// Names what was being done, and to what.
    fn or_io(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> OrIo<T> for io::Result<T> {
    fn or_io(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source))
    }
}

mod answers;
#[cfg(test)]
mod tests;
