//! How sure a record is: when it counts as sent, and when it may be read.

/// When a record counts as sent.
///
/// | level | acknowledged when | after a kill | after a power cut |
/// |---|---|---|---|
/// | `None` | it is in the producer's buffer | a suffix may be lost | a suffix may be lost |
/// | `Written` | it is in the log, which the operating system holds | all kept | what was not synced yet may be lost |
/// | `Durable` | it is on disk, and every name that leads to it | all kept | all kept |
///
/// What is lost is only ever a suffix of a partition: there are no holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Acks {
    /// Nobody waits for anything.
    None,
    /// It survives the end of the process.
    Written,
    /// It survives a power cut.
    #[default]
    Durable,
}

/// What a reader sees of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// Everything that is in the log.
    #[default]
    ReadUncommitted,
    /// What no open transaction lies before, without what was aborted.
    ReadCommitted,
}

/// From when on a record can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// As soon as it is written, as in Kafka. A power cut may take back what was read.
    #[default]
    Written,
    /// Once it is durable: what was read once is never taken back.
    Durable,
}
