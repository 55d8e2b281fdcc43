//! The threads of the crate, two at most: each calls its step when something is due, and ends with the engine.

use super::Engine;
use crate::error::{Error, OrIo, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread's leash. Without a thread it is slack: then somebody else takes the steps.
#[derive(Default)]
pub(super) struct Background {
    thread: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Background {
    /// Starts the thread if there is none. It keeps nothing alive: once the engine is dropped it ends by itself.
    pub(super) fn start(&self, engine: &Arc<Engine>, step: Step) -> Result<()> {
        let mut running = self.thread.lock();
        if running.is_none() {
            let (sender, receiver) = crossbeam_channel::bounded(1);
            let weak = Arc::downgrade(engine);
            let builder = std::thread::Builder::new().name("brooklet".into());
            let thread = builder.spawn(move || run(&weak, &receiver, step));
            *running = Some((sender, thread.or_io("start a thread for", engine.path())?));
        }
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.lock().is_some()
    }

    /// Has it look anew at what is due.
    pub(super) fn wake(&self) {
        if let Some((sender, _)) = &*self.thread.lock() {
            // If the channel is full it will look soon anyway.
            let _ = sender.try_send(());
        }
    }

    /// Ends the thread and waits for the step that it is at; if that is the caller's own, it ends after it.
    pub(super) fn stop(&self) {
        let Some((sender, thread)) = self.thread.lock().take() else { return };
        drop(sender);
        if thread.thread().id() != std::thread::current().id() {
            // It catches what others panic with; its own panic would be a bug that a test has seen.
            let _ = thread.join();
        }
    }
}

/// Does what is due, and says when to come again.
type Step = fn(&Arc<Engine>) -> Result<Option<Duration>>;

const RETRY: Duration = Duration::from_secs(1);

fn run(engine: &Weak<Engine>, receiver: &Receiver<()>, step: Step) {
    loop {
        let Some(alive) = engine.upgrade() else { return };
        let next = match step(&alive) {
            Ok(next) => next,
            Err(Error::Closed { .. }) => return,
            // What failed was told to whom it concerns, and is tried again in a while.
            Err(_) => Some(RETRY),
        };
        drop(alive);
        let woken = match next {
            Some(rest) => receiver.recv_timeout(rest),
            None => receiver.recv().map_err(RecvTimeoutError::from),
        };
        if woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
