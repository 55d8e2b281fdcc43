//! Topics: a name, its settings, its partitions, and the catalog that knows them all.
//!
//! - [`handle`]: a topic as users hold it.
//! - [`id`]: what a topic is called beside its name, and what tells it from a later one of the same name.
//! - [`metadata`]: the file that says in each partition's directory to which topic it belongs.
//! - [`catalog`]: which topics there are; pure changes, and the file.

mod catalog;
mod handle;
mod id;
pub(crate) mod metadata;

pub(crate) use catalog::{CATALOG, Catalog, DeletedTopic, TopicEntry};
pub use handle::Topic;
pub use id::{InvalidTopicId, TopicId};
