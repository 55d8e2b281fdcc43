//! Pages made ahead of whoever writes through memory, on a thread of its own: a page that is there is a copy, one that is
//! not is a trip into the file system.
//!
//! The thread begins when somebody has written so much without a sync that it pays, and ends with the last file. Where
//! there is none, or it does not keep up, writers make their pages themselves.

use super::super::mapped::PagesAhead;
use crossbeam_channel::{Receiver, Sender};
use std::sync::{Arc, OnceLock};

/// Requests that may wait. There is one for each mebibyte or so that is written, and who comes too late is not needed.
const WAITING_MAX: usize = 64;

type Request = (Arc<std::fs::File>, PagesAhead);

/// Where to ask for pages.
#[derive(Debug, Clone, Default)]
pub(super) struct PageMaker {
    /// None inside where no thread could be started.
    requests: Arc<OnceLock<Option<Sender<Request>>>>,
}

impl PageMaker {
    /// Has these pages of a file made soon, if anybody can.
    #[cold]
    pub(super) fn ask(&self, file: &Arc<std::fs::File>, pages: PagesAhead) {
        if let Some(requests) = self.requests.get_or_init(start) {
            // If too many wait already, these are not made ahead.
            let _ = requests.try_send((file.clone(), pages));
        }
    }
}

fn start() -> Option<Sender<Request>> {
    let (sender, receiver) = crossbeam_channel::bounded(WAITING_MAX);
    let builder = std::thread::Builder::new().name("brooklet pages".into());
    builder.spawn(move || run(&receiver)).ok().map(|_| sender)
}

fn run(requests: &Receiver<Request>) {
    for (file, pages) in requests {
        let write_zeros = |from: u64, zeros: &[u8]| Ok(rustix::io::pwrite(&*file, zeros, from).map(drop)?);
        while pages.make_some(write_zeros) {}
    }
}
