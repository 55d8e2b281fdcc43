//! Planted bugs: a disk that behaves as if the library above it had made a mistake. A harness that finds none of them
//! proves nothing.
//!
//! A plant changes when and whether calls reach the disk, never what the disk does with them. What a bug remembers or
//! holds back is the library's own memory: it is gone with the process, and a reopened library gets a new [`Planted`].
//! The end that a crash-stop makes is no error to be swallowed: it passes through every bug.

mod file;
mod fs;
mod memory;

use crate::disk::SimDisk;
use memory::Memory;
use parking_lot::Mutex;
use std::sync::Arc;

/// The mistake that a library makes. Each says in one line which one it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Records are acknowledged as durable without any sync: syncs of `.log` files are dropped.
    DropLogSync,
    /// At a roll the old segment is forgotten: only the newest `.log` of a directory is synced.
    DropOldSegmentSync,
    /// Names are taken for durable once their files are: no directory is synced.
    DropDirSync,
    /// A new directory is synced, but not the one it is in: directories that hold directories are not synced.
    DropParentDirSync,
    /// The durable end is believed without ever being durable: syncs of the sidecar are dropped.
    DropSidecarSync,
    /// The classic "rename without fsync": a temporary file gets its final name with its bytes not durable.
    NoSyncBeforeRename,
    /// The same two steps in the wrong order: the temporary file is synced after the rename.
    SyncAfterRename,
    /// A replaced file may be the old one again: the first directory sync after a rename is dropped.
    NoDirSyncAfterRename,
    /// A new segment's bytes are durable, its name is not: the first directory sync after a creation is dropped.
    NoDirSyncAfterCreate,
    /// The directory is synced when it is set up and never again.
    SyncDirOnlyOnce,
    /// The acknowledgement comes before the sync: a sync answers at once, and is done before the change after next.
    SyncTooLate,
    /// Written is said of bytes that are still in a buffer of the process: a write is done at the next call.
    WriteTooLate,
    /// The durable end is noted before the bytes below it are durable: a `.log` is synced after the next sidecar write.
    SidecarBeforeData,
    /// A torn tail is cut one byte too late.
    CutTooLittle,
    /// A torn tail is cut one byte too early.
    CutTooMuch,
    /// A cut is not made durable before the next append: the sync that follows a truncation is dropped.
    DropTruncateSync,
    /// What is needed longer is deleted first: two removals in a row change places. One that is followed by any other
    /// change or look at names is done before that.
    SwapRemoves,
    /// Files are put in place in the wrong order: two renames in a row change places.
    SwapRenames,
    /// Replacing is removing and then renaming: in between there is neither file.
    RemoveBeforeRename,
    /// A sync that failed is taken for one that did not.
    SwallowSyncError,
    /// A sync that failed is done again, and the second answer is believed.
    RetryFailedSync,
    /// What a write answers is not looked at: short and failed ones count as whole.
    ShortWriteTakenAsWhole,
    /// A read that fails is taken for the end of the file.
    ReadErrorTakenAsEnd,
    /// A file that should be new is emptied if it is there already.
    CreateNotExclusive,
    /// Whoever asks for the lock gets it.
    LockNotExclusive,
}

impl Bug {
    /// One of each, for a harness to go through.
    pub(crate) const ALL: [Bug; 25] = [
        Bug::DropLogSync,
        Bug::DropOldSegmentSync,
        Bug::DropDirSync,
        Bug::DropParentDirSync,
        Bug::DropSidecarSync,
        Bug::NoSyncBeforeRename,
        Bug::SyncAfterRename,
        Bug::NoDirSyncAfterRename,
        Bug::NoDirSyncAfterCreate,
        Bug::SyncDirOnlyOnce,
        Bug::SyncTooLate,
        Bug::WriteTooLate,
        Bug::SidecarBeforeData,
        Bug::CutTooLittle,
        Bug::CutTooMuch,
        Bug::DropTruncateSync,
        Bug::SwapRemoves,
        Bug::SwapRenames,
        Bug::RemoveBeforeRename,
        Bug::SwallowSyncError,
        Bug::RetryFailedSync,
        Bug::ShortWriteTakenAsWhole,
        Bug::ReadErrorTakenAsEnd,
        Bug::CreateNotExclusive,
        Bug::LockNotExclusive,
    ];
}

/// A simulated disk as a library with one bug uses it.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    disk: SimDisk,
    bug: Bug,
    memory: Arc<Mutex<Memory>>,
}

impl Planted {
    /// A library with this bug, freshly started on this disk.
    pub(crate) fn new(disk: SimDisk, bug: Bug) -> Self {
        Self { disk, bug, memory: Arc::default() }
    }
}
