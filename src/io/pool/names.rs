//! Which handle has which name: so that two who open a path share one file, and names change one at a time.
//!
//! Each name in use has a lock of its own, held while the inner file system is asked about it. The map of all names is
//! locked for a moment only.

use super::file::PooledFile;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

#[derive(Debug, Default)]
pub(super) struct Names {
    // Looked up by path only, so its order is never seen.
    names: Mutex<HashMap<PathBuf, Name>>,
    /// Lost writes that nobody was told of before the last handle was dropped: the next who opens the file inherits
    /// them, as the kernel does it with errors of writing back.
    // Looked up by path only, so its order is never seen.
    losses: Mutex<HashMap<PathBuf, io::ErrorKind>>,
}

type Name = Arc<Mutex<Weak<PooledFile>>>;

impl Names {
    /// Does something while nobody else does anything to this name.
    pub(super) fn with<R>(&self, path: &Path, act: impl FnOnce(&mut Weak<PooledFile>) -> R) -> R {
        let name = self.get(path);
        let done = act(&mut name.lock());
        drop(name);
        self.forget(path);
        done
    }

    /// The same with two names, which must differ.
    pub(super) fn with_both<R>(
        &self,
        first: &Path,
        second: &Path,
        act: impl FnOnce(&mut Weak<PooledFile>, &mut Weak<PooledFile>) -> R,
    ) -> R {
        let (one, other) = (self.get(first), self.get(second));
        // In the order of the paths, so that two who rename crosswise do not wait for each other.
        let done = if first < second {
            let (mut one, mut other) = (one.lock(), other.lock());
            act(&mut one, &mut other)
        } else {
            let (mut other, mut one) = (other.lock(), one.lock());
            act(&mut one, &mut other)
        };
        drop((one, other));
        self.forget(first);
        self.forget(second);
        done
    }

    /// Drops the name if no handle has it and nobody is busy with it.
    pub(super) fn forget(&self, path: &Path) {
        let mut names = self.names.lock();
        // Names are given out under this lock only, so a name that is held once is held by the map alone.
        if names.get(path).is_some_and(|name| Arc::strong_count(name) == 1 && name.lock().strong_count() == 0)
        {
            names.remove(path);
        }
    }

    pub(super) fn keep_loss(&self, path: &Path, kind: io::ErrorKind) {
        self.losses.lock().insert(path.to_owned(), kind);
    }

    pub(super) fn take_loss(&self, path: &Path) -> Option<io::ErrorKind> {
        self.losses.lock().remove(path)
    }

    /// The losses of a file go with it; those of the one that it replaces are forgotten.
    pub(super) fn move_loss(&self, from: &Path, to: &Path) {
        let mut losses = self.losses.lock();
        losses.remove(to);
        if let Some(kind) = losses.remove(from) {
            losses.insert(to.to_owned(), kind);
        }
    }

    fn get(&self, path: &Path) -> Name {
        let mut names = self.names.lock();
        match names.get(path) {
            Some(name) => name.clone(),
            None => names.entry(path.to_owned()).or_default().clone(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_busy(&self, path: &Path) -> bool {
        self.names.lock().get(path).is_some_and(|name| name.is_locked())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.names.lock().len()
    }
}
