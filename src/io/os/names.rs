//! Many names of one directory looked up at once, by several threads: each is a trip into the file system, and where the
//! names are not in memory the trips wait for the disk, better together than one after the other.

use super::super::Metadata;
use super::metadata_from;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, statat};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::num::NonZero;
use std::thread::{Builder, ScopedJoinHandle, available_parallelism, scope};

/// So many are looked up while a thread begins.
const NAMES_OF_A_THREAD: usize = 512;
/// More wait for each other in the file system.
const THREADS_MAX: usize = 8;

type Found = io::Result<Vec<Option<Metadata>>>;

/// What each name stands for in `dir`; none for one that is not there.
pub(super) fn look_up<'n>(dir: &'n OwnedFd, names: &'n [String]) -> Found {
    let wanted = (names.len() / NAMES_OF_A_THREAD).min(THREADS_MAX);
    if wanted < 2 {
        return each(dir, names);
    }
    // Not asked for nothing: to know it the system's files are read.
    let threads = available_parallelism().map_or(1, NonZero::get).min(wanted);
    let (own, others) = names.split_at(names.len().div_ceil(threads));
    scope(|scope| {
        let part = |names: &'n [String]| {
            Builder::new().spawn_scoped(scope, move || each(dir, names)).map_err(|_| names)
        };
        let helpers: Vec<_> = others.chunks(own.len()).map(part).collect();
        let mut found = each(dir, own)?;
        for helper in helpers {
            found.extend(helper.map_or_else(|names| each(dir, names), joined)?);
        }
        Ok(found)
    })
}

fn each(dir: &OwnedFd, names: &[String]) -> Found {
    let found = |name: &String| match retry_on_intr(|| statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW))
    {
        Ok(stat) => Ok(Some(metadata_from(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    };
    names.iter().map(found).collect()
}

fn joined(helper: ScopedJoinHandle<'_, Found>) -> Found {
    helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
