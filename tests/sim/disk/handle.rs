//! Open files and locks: they point into the disk, and are dead once it has crashed.

use super::SimDisk;
use super::faults::{Errno, Op};
use super::state::State;
use super::trace::Call;
use super::tree::NodeId;
use brooklet::io::{File, Lock};
use bytes::Bytes;
use parking_lot::MutexGuard;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file of a [`SimDisk`].
pub(crate) struct SimFile {
    disk: SimDisk,
    node: NodeId,
    life: u64,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, state: &mut State, node: NodeId) -> Self {
        *state.handles.entry(node).or_insert(0) += 1;
        Self { disk, node, life: state.life }
    }

    /// The name that it has now, or the last one it had; `None` after a crash.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.enter().ok().map(|(_, path)| path.to_path_buf())
    }

    fn enter(&self) -> io::Result<(MutexGuard<'_, State>, Arc<Path>)> {
        let state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the simulated process that opened this file is gone"));
        }
        let path = Arc::clone(&state.tree.file(self.node).path);
        Ok((state, path))
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Len, &path), |state, _| Ok(state.tree.file(self.node).content.len()))
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Read, &path).range(offset, len as u64), |state, limit| {
            Ok(Bytes::from(state.tree.file(self.node).content.read(offset, len.min(limit))))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Write, &path).bytes(offset, bytes), |state, limit| {
            check_size(offset.saturating_add(bytes.len() as u64))?;
            let space_end = state.tree.file(self.node).content.backed().saturating_add(state.room());
            let space = usize::try_from(space_end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let taken = bytes.len().min(limit).min(space);
            if taken == 0 && space == 0 && !bytes.is_empty() {
                return Err(Errno::NoSpace.error());
            }
            if taken > 0 {
                let (stamp, content) = state.tree.change(self.node);
                content.write(stamp, offset, &bytes[..taken]);
            }
            Ok(taken)
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Allocate, &path).range(0, len), |state, _| {
            check_size(len)?;
            if len.saturating_sub(state.tree.file(self.node).content.backed()) > state.room() {
                return Err(Errno::NoSpace.error());
            }
            let (stamp, content) = state.tree.change(self.node);
            content.allocate(stamp, len);
            Ok(())
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Truncate, &path).range(0, len), |state, _| {
            check_size(len)?;
            let (stamp, content) = state.tree.change(self.node);
            content.truncate(stamp, len);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, path) = self.enter()?;
        state.perform(Call::new(Op::Sync, &path), |state, limit| {
            let content = &mut state.tree.file_mut(self.node).content;
            if limit == 0 {
                content.lose_unsynced()
            } else {
                content.sync()
            }
            Ok(())
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.release(self.node);
        }
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({:?})", self.path())
    }
}

/// A lock of a [`SimDisk`]; it holds its file open.
#[derive(Debug)]
pub(crate) struct SimLock {
    file: SimFile,
}

impl SimLock {
    pub(super) fn new(file: SimFile, state: &mut State) -> Self {
        state.locked.insert(file.node);
        Self { file }
    }
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.file.disk.state();
        if state.life == self.file.life {
            state.locked.remove(&self.file.node);
        }
    }
}

fn check_size(end: u64) -> io::Result<()> {
    if i64::try_from(end).is_err() { Err(ErrorKind::FileTooLarge.into()) } else { Ok(()) }
}
