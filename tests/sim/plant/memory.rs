//! What a planted bug holds back, and when it is carried out after all.

use super::{Bug, Planted};
use crate::disk::{Op, SimDisk, SimFile};
use brooklet::io::{File, Fs};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The memory of the library with the bug.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Files whose sync is still to be done, and how many changes may begin before.
    late_syncs: Vec<(u32, Arc<SimFile>)>,
    /// Bytes that are still in a buffer.
    late_write: Option<(Arc<SimFile>, u64, Vec<u8>)>,
    /// A removal, or a rename, that waits for the next one.
    held: Option<Held>,
    /// Files that are synced after something else has happened.
    waiting: Vec<Arc<SimFile>>,
    /// Paths that the bug has seen: what this means depends on the bug.
    seen: BTreeSet<PathBuf>,
}

/// A change of names that waits.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Held {
    fn op(&self) -> Op {
        match self {
            Held::Remove(_) => Op::Remove,
            Held::Rename(..) => Op::Rename,
        }
    }

    fn carry_out(&self, disk: &SimDisk) -> io::Result<()> {
        match self {
            Held::Remove(path) => disk.remove(path),
            Held::Rename(from, to) => disk.rename(from, to),
        }
    }
}

impl Planted {
    /// Comes before every call: does what is due by now. Its errors go unheard, as the library expects none.
    pub(super) fn before(&self, op: Op) {
        let write = self.memory.lock().late_write.take();
        if let Some((file, offset, bytes)) = write {
            let file: &dyn File = &*file;
            let _ = file.write_all_at(offset, &bytes);
        }
        if op.is_change() {
            let due = self.syncs_due();
            due.iter().for_each(|file| drop(file.sync()));
        }
        let is_about_names = !matches!(op, Op::Read | Op::Len);
        let held = self.memory.lock().held.take_if(|held| is_about_names && held.op() != op);
        if let Some(held) = held {
            let _ = held.carry_out(&self.disk);
        }
    }

    fn syncs_due(&self) -> Vec<Arc<SimFile>> {
        let late = &mut self.memory.lock().late_syncs;
        late.iter_mut().for_each(|(changes_left, _)| *changes_left -= 1);
        late.extract_if(.., |(changes_left, _)| *changes_left == 0).map(|(_, file)| file).collect()
    }

    /// Puts a sync off until before the change after next.
    pub(super) fn sync_late(&self, file: &Arc<SimFile>) {
        self.memory.lock().late_syncs.push((2, Arc::clone(file)));
    }

    /// Keeps bytes in a buffer until the next call.
    pub(super) fn write_late(&self, file: &Arc<SimFile>, offset: u64, bytes: &[u8]) {
        self.memory.lock().late_write = Some((Arc::clone(file), offset, bytes.to_vec()));
    }

    /// Puts a sync off until [`Planted::sync_waiting`].
    pub(super) fn sync_when_told(&self, file: &Arc<SimFile>) {
        self.memory.lock().waiting.push(Arc::clone(file));
    }

    /// Does the syncs that waited.
    pub(super) fn sync_waiting(&self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.memory.lock().waiting);
        waiting.iter().try_for_each(|file| file.sync())
    }

    /// Holds a change of names back, or does the one that was held back after this one.
    pub(super) fn swap(&self, change: Held) -> io::Result<()> {
        let first = self.memory.lock().held.take();
        let Some(first) = first else {
            self.memory.lock().held = Some(change);
            return Ok(());
        };
        match change.carry_out(&self.disk) {
            // The second builds on the first, so nobody would have written them the other way round.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                first.carry_out(&self.disk)?;
                change.carry_out(&self.disk)
            }
            done => done.and_then(|()| first.carry_out(&self.disk)),
        }
    }

    /// Notes a path.
    pub(super) fn see(&self, path: &Path) -> bool {
        self.memory.lock().seen.insert(path.to_owned())
    }

    /// Notes the directory of a path.
    pub(super) fn see_dir_of(&self, bug: Bug, path: &Path) {
        if self.bug == bug
            && let Some(dir) = path.parent()
        {
            self.see(dir);
        }
    }

    /// Whether the path was noted; it is not any more.
    pub(super) fn was_seen(&self, path: &Path) -> bool {
        self.memory.lock().seen.remove(path)
    }
}
