//! A file system on which a truncation and a round of compaction meet: each waits for the other where it hurts most.

use crate::passing::passes_on;
use brooklet::io::{File, Fs, MemFs};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Whoever begins a compacted segment says so, and goes on when told; whoever puts a shortened log in place tells him, and
/// waits until he has tried.
#[derive(Debug)]
pub(crate) struct GatedFs {
    inner: MemFs,
    at_create: Mutex<Option<Sender<()>>>,
    go: (Mutex<Option<Sender<()>>>, Mutex<Receiver<()>>),
    tried: (Mutex<Option<Sender<()>>>, Mutex<Receiver<()>>),
}

fn gate() -> (Mutex<Option<Sender<()>>>, Mutex<Receiver<()>>) {
    let (sender, receiver) = channel();
    (Mutex::new(Some(sender)), Mutex::new(receiver))
}

impl GatedFs {
    /// And what is told once a compacted segment is about to be made.
    pub(crate) fn new(inner: MemFs) -> (GatedFs, Receiver<()>) {
        let (at_create, told) = channel();
        (GatedFs { inner, at_create: Mutex::new(Some(at_create)), go: gate(), tried: gate() }, told)
    }
}

fn pass(gate: &Mutex<Receiver<()>>) {
    gate.lock().recv().expect("the other one is there");
}

/// Once: nobody waits for him who comes a second time.
fn tell(gate: &Mutex<Option<Sender<()>>>) -> bool {
    gate.lock().take().is_some_and(|sender| sender.send(()).is_ok())
}

impl Fs for GatedFs {
    passes_on!([inner] create_dir remove_dir list metadata remove sync_dir lock);

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.inner.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let is_compaction = std::thread::current().name() == Some("compaction");
        if !is_compaction || !path.to_string_lossy().ends_with(".log.cleaned") {
            return self.inner.create(path);
        }
        if tell(&self.at_create) {
            pass(&self.go.1);
        }
        let created = self.inner.create(path);
        tell(&self.tried.0);
        created
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_compaction = std::thread::current().name() == Some("compaction");
        let is_log = to.extension().is_some_and(|extension| extension == "log");
        if !is_compaction && is_log && tell(&self.go.0) {
            pass(&self.tried.1);
        }
        self.inner.rename(from, to)
    }
}
