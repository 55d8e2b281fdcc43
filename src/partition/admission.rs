//! Which records a topic takes: what its settings say about keys and times, as a pure decision per record.

use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::types::{Timestamp, TimestampType, TopicPartition};
use std::time::Duration;

/// What is asked of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) keyed: bool,
    /// A record may be so much older than the log's clock, or so much younger. Not asked where the log stamps.
    pub(crate) before_max: Duration,
    pub(crate) after_max: Duration,
    pub(crate) stamped: bool,
}

impl Admission {
    pub(crate) fn of(config: &TopicConfig) -> Self {
        Self {
            keyed: config.cleanup_policy.compacts(),
            before_max: config.timestamp_before_max,
            after_max: config.timestamp_after_max,
            stamped: config.timestamp_type == TimestampType::LogAppend,
        }
    }

    /// Says what is wrong with a record that was made at `created` and is to be appended `now`.
    pub(crate) fn check(
        &self,
        partition: &TopicPartition,
        has_key: bool,
        created: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let refuse = |why: String| Err(Error::InvalidRecord { partition: partition.clone(), why });
        if self.keyed && !has_key {
            return refuse("its topic is compacted, and so every record needs a key".into());
        }
        if created.as_millis() < 0 {
            return refuse(format!("its timestamp of {created} lies before 1970"));
        }
        if self.stamped {
            return Ok(());
        }
        if now.since(created) > self.before_max {
            let why = format!(
                "its timestamp of {created} is more than message.timestamp.before.max.ms before now, {now}"
            );
            return refuse(why);
        }
        if created.since(now) > self.after_max {
            let why = format!(
                "its timestamp of {created} is more than message.timestamp.after.max.ms after now, {now}"
            );
            return refuse(why);
        }
        Ok(())
    }
}
