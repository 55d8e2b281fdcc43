//! Kafka's log inside your process.

pub mod clock;
mod config;
mod error;
pub mod io;
pub mod log;
pub mod partition;
pub mod record;
pub mod segment;
mod types;

pub use config::LogConfig;
pub use error::{Error, Result};
pub use types::{InvalidName, Timestamp, TopicPartition};
