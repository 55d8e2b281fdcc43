//! Settings of a log, as plain data.

use crate::error::{Error, Result};
use std::time::Duration;

/// How a log cuts its sequence into files. The defaults are Kafka's.
///
/// ```
/// use brooklet::LogConfig;
///
/// let config = LogConfig { segment_bytes: 64 << 20, ..LogConfig::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment is closed and a new one begun before it grows beyond this (`segment.bytes`). Smaller segments are
    /// freed sooner by retention and cost more files. Default 1 GiB; a few hundred bytes are allowed, for tests.
    pub segment_bytes: u32,
    /// A segment is also closed when a record arrives that is this much younger than its first one (`segment.ms`).
    /// `Duration::MAX` means never. Default 7 days.
    pub segment_age: Duration,
    /// One index entry per this many bytes (`index.interval.bytes`). Less makes seeks read less and indexes larger.
    /// Default 4096.
    pub index_interval_bytes: u32,
    /// A segment is also closed when one of its indexes would grow beyond this (`segment.index.bytes`). Default 10 MiB.
    pub segment_index_bytes: u32,
    /// The largest batch that is accepted, header included (`max.message.bytes`). Default 1 MiB and 12 bytes.
    pub max_message_bytes: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_age: Duration::from_secs(7 * 24 * 60 * 60),
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            max_message_bytes: (1 << 20) + 12,
        }
    }
}

impl LogConfig {
    /// Positions in a segment are 31 bits wide in Kafka's indexes.
    pub(super) const SEGMENT_BYTES_LIMIT: u32 = i32::MAX as u32;
    /// Room for one header and a little more; below it no batch would ever fit.
    pub(super) const SEGMENT_BYTES_LEAST: u32 = 128;
    /// Two entries of the time index: one in use and the one that is kept free for the roll.
    pub(super) const INDEX_BYTES_LEAST: u32 = 24;

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first setting that cannot be, and what it may be.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            (
                "segment_bytes",
                self.segment_bytes,
                Self::SEGMENT_BYTES_LEAST..=Self::SEGMENT_BYTES_LIMIT,
                "it lies between 128 bytes and 2 GiB - 1",
            ),
            (
                "index_interval_bytes",
                self.index_interval_bytes,
                0..=Self::SEGMENT_BYTES_LIMIT,
                "it is at most 2 GiB - 1",
            ),
            (
                "segment_index_bytes",
                self.segment_index_bytes,
                Self::INDEX_BYTES_LEAST..=Self::SEGMENT_BYTES_LIMIT,
                "it lies between 24 bytes and 2 GiB - 1",
            ),
            (
                "max_message_bytes",
                self.max_message_bytes,
                1..=Self::SEGMENT_BYTES_LIMIT,
                "it lies between 1 byte and 2 GiB - 1",
            ),
        ];
        for (setting, value, allowed, why) in checks {
            if !allowed.contains(&value) {
                return Err(Error::InvalidConfig { setting, value: value.to_string(), why });
            }
        }
        if self.segment_age.is_zero() {
            let why = "it is at least one millisecond";
            return Err(Error::InvalidConfig { setting: "segment_age", value: "0".into(), why });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_nonsense_is_named() {
        LogConfig::default().validate().unwrap();
        for (config, name) in [
            (LogConfig { segment_bytes: 0, ..Default::default() }, "segment_bytes"),
            (LogConfig { segment_bytes: u32::MAX, ..Default::default() }, "segment_bytes"),
            (LogConfig { segment_index_bytes: 1, ..Default::default() }, "segment_index_bytes"),
            (LogConfig { max_message_bytes: 0, ..Default::default() }, "max_message_bytes"),
            (LogConfig { segment_age: Duration::ZERO, ..Default::default() }, "segment_age"),
        ] {
            match config.validate() {
                Err(Error::InvalidConfig { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name} passed: {other:?}"),
            }
        }
    }
}
