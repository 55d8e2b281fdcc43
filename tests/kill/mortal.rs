//! A file system whose process dies in place of its n-th call: what was done before stays, and nothing more happens.

use crate::passing::passes_on;
use brooklet::io::{File, Fs};
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many calls are left.
#[derive(Debug, Clone)]
struct Left(Arc<AtomicU64>);

impl Left {
    fn spend(&self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    }
}

/// Passes everything on, as long as it lives.
#[derive(Debug)]
pub(crate) struct MortalFs {
    inner: Arc<dyn Fs>,
    left: Left,
}

impl MortalFs {
    /// Dies at its so-manieth call, the first being 1.
    pub(crate) fn new(inner: Arc<dyn Fs>, call: u64) -> Self {
        Self { inner, left: Left(Arc::new(AtomicU64::new(call))) }
    }

    fn inner(&self) -> &dyn Fs {
        self.left.spend();
        self.inner.as_ref()
    }

    fn mortal(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        file.map(|inner| Arc::new(MortalFile { inner, left: self.left.clone() }) as Arc<dyn File>)
    }
}

impl Fs for MortalFs {
    passes_on!([inner()] create_dir remove_dir list metadata rename remove sync_dir lock);

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.inner().create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.mortal(self.inner().open(path))
    }
}

#[derive(Debug)]
struct MortalFile {
    inner: Arc<dyn File>,
    left: Left,
}

impl MortalFile {
    fn inner(&self) -> &dyn File {
        self.left.spend();
        self.inner.as_ref()
    }
}

impl File for MortalFile {
    passes_on!([inner()] len read_at write_at allocate truncate sync);
}
