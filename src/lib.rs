//! Kafka's log inside your process: an append-only segmented log in Kafka's own on-disk format, and no server.
//!
//! ```no_run
//! use brooklet::log::{Cursor, LogDir, ReadLimit};
//! use brooklet::record::{BatchBuilder, Compression, RecordParts};
//! use brooklet::{LogConfig, TopicPartition};
//!
//! let dir = LogDir::open("./data")?;
//! let log = dir.create_log(&TopicPartition::new("orders", 0)?, LogConfig::default())?;
//!
//! let mut batch = BatchBuilder::new(Compression::None);
//! batch.push(&RecordParts { key: Some(b"alice"), value: Some(b"created"), ..Default::default() })?;
//! let appended = log.append(&mut batch.build()?)?;        // survives the end of the process
//! log.flush_to(appended.last_offset + 1)?;                // survives a power cut
//!
//! let chunk = log.read(&Cursor::at(appended.base_offset), ReadLimit::bytes(1 << 20))?;
//! for batch in chunk.batches() {
//!     for record in batch?.records()?.iter() {
//!         println!("{:?}", record?.value());
//!     }
//! }
//! dir.close()?;
//! # Ok::<(), brooklet::Error>(())
//! ```
//!
//! From the top down:
//!
//! - [`log`]: one partition's log, and a directory of many. Append, flush, read, find by time, truncate, recover.
//! - [`segment`]: the files that a log is cut into, and their indexes.
//! - [`record`]: records to bytes and back.
//! - [`partition`]: who may write to a partition, as pure functions; the rooms that will use them are not built yet.
//! - [`io`], [`clock`]: the two doors to the world. A test brings its own disk and its own time.
//!
//! What is promised after which call, and what a crash leaves, stands with each of them, and row by row in
//! `docs/guarantees.md`.

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
