//! What the pool knows of one file: its inner file while it is open, and what must not be forgotten while it is not.

use super::super::File;
use parking_lot::{Mutex, RwLock};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One file of the pool, open or not.
#[derive(Debug)]
pub(super) struct Slot {
    /// Where to find it again; `None` once its name is gone. Whoever opens, renames or removes it holds this lock, and
    /// takes it before `opened`.
    pub(super) path: Mutex<Option<PathBuf>>,
    /// The inner file. Held for reading by those who use it, for writing to open or close it.
    pub(super) opened: RwLock<Option<Opened>>,
    /// Used since the hand of the clock last passed.
    pub(super) used: AtomicBool,
    /// Changed since the last sync.
    ///
    /// Set *after* a change: set before, it could be cleared by a sync that the change comes too late for. Nobody
    /// closes the file in between, since the change holds `opened`. `Relaxed` is enough: the inner file itself orders
    /// its changes and syncs, and `opened` orders both and the closing.
    pub(super) dirty: AtomicBool,
    lost: Mutex<Option<Loss>>,
}

/// Writes that were accepted, and then could not be made durable before closing.
#[derive(Debug)]
struct Loss {
    kind: io::ErrorKind,
    reported: bool,
}

impl Slot {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path: Mutex::new(Some(path)),
            opened: RwLock::new(None),
            used: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            lost: Mutex::new(None),
        }
    }

    /// Closes the inner file, durable before if it is dirty; false if there is none or it must stay. If it cannot be
    /// made durable, it is closed all the same (a second try proves nothing) and every later sync says so.
    pub(super) fn close(&self, opened: &mut Option<Opened>) -> bool {
        if opened.as_ref().is_none_or(|opened| opened.pinned) {
            return false;
        }
        let Some(closing) = opened.take() else {
            return false;
        };
        if self.dirty.swap(false, Ordering::Relaxed)
            && let Err(error) = closing.file.sync()
        {
            self.lose(error.kind());
        }
        true
    }

    pub(super) fn lose(&self, kind: io::ErrorKind) {
        self.lost.lock().get_or_insert(Loss { kind, reported: false });
    }

    /// The answer to a sync, if writes were lost.
    pub(super) fn lost_writes(&self) -> Option<io::Error> {
        let mut lost = self.lost.lock();
        let loss = lost.as_mut()?;
        loss.reported = true;
        let why =
            "earlier writes could not be made durable when the file was closed to make room for another";
        Some(io::Error::new(loss.kind, why))
    }

    /// What nobody has been told yet.
    pub(super) fn unreported_loss(&self) -> Option<io::ErrorKind> {
        self.lost.lock().as_ref().filter(|loss| !loss.reported).map(|loss| loss.kind)
    }
}

/// An inner file that is open, and counted.
#[derive(Debug)]
pub(super) struct Opened {
    // Declared before the count, and so closed before it is taken out of it.
    pub(super) file: Arc<dyn File>,
    /// It has no name to be reopened by, stays open, and is not in the ring.
    pub(super) pinned: bool,
    _counted: Counted,
}

impl Opened {
    pub(super) fn new(file: Arc<dyn File>, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { file, pinned: false, _counted: Counted(open.clone()) }
    }
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Fs, MemFs};
    use super::*;
    use std::path::Path;

    #[test]
    fn a_pinned_file_is_never_closed() {
        let open = Arc::default();
        let slot = Slot::new("a".into());
        let mut opened = slot.opened.write();
        *opened = Some(Opened::new(MemFs::new().create(Path::new("a")).unwrap(), &open));
        opened.as_mut().unwrap().pinned = true;
        assert!(!slot.close(&mut opened));
        assert_eq!(open.load(Ordering::Relaxed), 1);

        opened.as_mut().unwrap().pinned = false;
        assert!(slot.close(&mut opened));
        assert!(!slot.close(&mut opened));
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}
