//! Settings, as plain data: of a log, of a topic, and the words for how sure a record is.

mod levels;
mod log;
mod topic;

pub use levels::{Acks, Isolation, Visibility};
pub use log::LogConfig;
pub use topic::{CleanupPolicy, TopicConfig};
