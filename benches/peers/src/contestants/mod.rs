//! Those who take part, one file each.
//!
//! Every one is driven as its own documentation does, with the settings that make it fastest at what is measured.

pub(crate) mod commitlog;
pub(crate) mod file;
pub(crate) mod mapped;
pub(crate) mod mrecordlog;
pub(crate) mod okaywal;
pub(crate) mod ours;
pub(crate) mod raft_engine;
pub(crate) mod walrus;
pub(crate) mod yaque;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind a lock is ours while we work with it; a writer that panicked has already failed its round.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The directories of so many partitions, made in the one above.
fn partition_dirs(dir: &std::path::Path, partitions: usize) -> std::io::Result<Vec<std::path::PathBuf>> {
    let dirs = (0..partitions).map(|number| dir.join(format!("partition-{number}")));
    dirs.map(|dir| std::fs::create_dir(&dir).map(|()| dir)).collect()
}
