//! The simulated disk: an `Fs` that remembers what a power cut may take away.
//!
//! ```text
//!   SimDisk (one lock) ── state    the gate of every call: number, stop, faults, deed, trace
//!                           ├── tree, names     directories: per name the durable target and the ones since
//!                           ├── content         files: per sector the durable bytes and the ones since
//!                           ├── crash, survive  what is left when the power goes, chosen by a seed
//!                           └── faults, trace   what goes wrong, and what was done
//! ```
//!
//! One thread, one seed: the same calls and the same plan give the same bytes, the same errors and the same
//! [`SimDisk::trace_hash`]. Copies share what they do not change, so a crash costs microseconds.
//!
//! It starts as an empty root directory `/`, and paths are absolute or taken from there.

mod content;
mod crash;
mod faults;
mod handle;
mod names;
mod rng;
mod state;
mod survive;
mod trace;
mod tree;

pub(crate) use crash::{Crash, Survival};
pub(crate) use faults::{CrashStop, Errno, Fault, Op, Stop};
pub(crate) use handle::SimFile;
pub(crate) use rng::Rng;

use brooklet::Timestamp;
use brooklet::io::{Entry, File, Fs, Lock, Metadata};
use handle::SimLock;
use parking_lot::{Mutex, MutexGuard};
use state::{Past, State};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use trace::Call;

/// A disk in memory that can lose power. Clones are the same disk; [`SimDisk::fork`] makes another.
#[derive(Clone)]
pub(crate) struct SimDisk {
    shared: Arc<Mutex<State>>,
}

/// Crashes and copies.
impl SimDisk {
    /// An empty root directory.
    pub(crate) fn new() -> Self {
        Self::holding(State::new())
    }

    /// Another disk in the same state, plan and trace included, in which nothing is open or locked.
    pub(crate) fn fork(&self) -> SimDisk {
        let mut state = self.state().fork();
        state.tree.tidy();
        Self::holding(state)
    }

    /// Ends the process or the power. Handles and locks are dead and a crash-stop is over; faults stay. Paths are not
    /// dead: where the old program may still act, crash a fork and leave it the old disk.
    pub(crate) fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.tree.crash(crash);
        state.end_life();
        state.trace.mark(format!("crash: {crash:?}"));
    }

    /// From now on, keeps the state after each operation, for [`SimDisk::state_after`].
    pub(crate) fn remember_states(&self) {
        let mut state = self.state();
        let states = vec![(state.tree.clone(), state.trace.hash)];
        state.past = Some(Past { first_number: state.number, states });
    }

    /// A fork of the disk as it was after operation `number`: one run can be crashed at each of its operations.
    /// `None` if it was not remembered. Faults and lines are not taken along.
    pub(crate) fn state_after(&self, number: u64) -> Option<SimDisk> {
        let now = self.state();
        let past = now.past.as_ref()?;
        let index = usize::try_from(number.checked_sub(past.first_number)?).ok()?;
        let (tree, hash) = past.states.get(index)?;
        let mut state = State { number, tree: tree.clone(), ..State::new() };
        (state.numbers_reads, state.capacity, state.trace.hash) = (now.numbers_reads, now.capacity, *hash);
        state.tree.tidy();
        Some(Self::holding(state))
    }
}

/// The plan of what goes wrong.
impl SimDisk {
    /// Stops at the operation with this number: it and all later calls fail with an error that
    /// [`SimDisk::is_crash_stop`] knows, until [`SimDisk::crash`].
    pub(crate) fn stop_at(&self, number: u64, stop: Stop) {
        self.state().stop_at = Some((number, stop));
    }

    /// Whether the stop was reached: nothing that the program says since then counts.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    /// Whether this error says that the simulated process has ended.
    pub(crate) fn is_crash_stop(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<CrashStop>())
    }

    /// Adds a fault to the plan.
    pub(crate) fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes all faults off the plan.
    pub(crate) fn heal(&self) {
        self.state().faults.clear();
    }

    /// How many bytes all files together may take; `None` is no limit.
    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// How many bytes are taken, by files with a name and by those that somebody has open.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Sets the time that changed files are stamped with; each change moves it on by a millisecond.
    pub(crate) fn set_time(&self, now: Timestamp) {
        self.state().tree.now = now;
    }
}

/// What was done.
impl SimDisk {
    /// The number of the last operation; the first one is 1. Changes are numbered, and locks; a crash point each.
    pub(crate) fn ops(&self) -> u64 {
        self.state().number
    }

    /// Numbers opens, reads, lists and the like as well, from now on.
    pub(crate) fn number_reads(&self) {
        self.state().numbers_reads = true;
    }

    /// A hash of every numbered operation with its arguments and its result, and of every crash.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.state().trace.hash
    }

    /// Keeps a line per numbered operation, from now on.
    pub(crate) fn keep_trace(&self) {
        self.state().trace.lines.get_or_insert_default();
    }

    /// The lines kept so far.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.lines.clone().unwrap_or_default()
    }
}

/// A look, and a hand, past the gate: no operations, no faults, no trace.
impl SimDisk {
    /// All visible bytes of a file.
    pub(crate) fn peek(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let content = &state.tree.file(state.tree.find_file(path)?).content;
        Ok(content.read(0, usize::try_from(content.len()).unwrap_or(usize::MAX)))
    }

    /// What is visible in a directory.
    pub(crate) fn peek_list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.state().tree.list(dir)
    }

    /// Whether a power cut would leave this file's bytes, or this directory's names, as they are, under this path.
    pub(crate) fn is_durable(&self, path: &Path) -> io::Result<bool> {
        self.state().tree.is_durable(path)
    }

    /// The medium decays: the bits of `mask` flip in one byte, in all its versions.
    pub(crate) fn flip(&self, path: &Path, byte: u64, mask: u8) -> io::Result<()> {
        let mut state = self.state();
        let file = state.tree.find_file(path)?;
        if byte >= state.tree.file(file).content.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        state.tree.file_mut(file).content.flip(byte, mask);
        Ok(())
    }

    /// Somebody else's hand: the file holds just `bytes`, durably, under a durable name.
    pub(crate) fn plant(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.state().tree.plant(path, bytes)
    }

    /// Somebody else's hand: the file is gone, durably.
    pub(crate) fn erase(&self, path: &Path) -> io::Result<()> {
        self.state().tree.erase(path)
    }
}

impl SimDisk {
    /// [`Fs::create`], with the type known.
    pub(crate) fn create_file(&self, path: &Path) -> io::Result<Arc<SimFile>> {
        let mut state = self.state();
        let node = state.perform(Call::new(Op::Create, path), |state, _| state.tree.create(path))?;
        Ok(Arc::new(SimFile::new(self.clone(), &mut state, node)))
    }

    /// [`Fs::open`], with the type known.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<Arc<SimFile>> {
        let mut state = self.state();
        let node = state.perform(Call::new(Op::Open, path), |state, _| state.tree.find_file(path))?;
        Ok(Arc::new(SimFile::new(self.clone(), &mut state, node)))
    }

    fn holding(state: State) -> Self {
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Fs for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().perform(Call::new(Op::CreateDir, path), |state, _| state.tree.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.state().perform(Call::new(Op::RemoveDir, path), |state, _| state.tree.remove_dir(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.state().perform(Call::new(Op::List, dir), |state, _| state.tree.list(dir))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.state().perform(Call::new(Op::Metadata, path), |state, _| state.tree.metadata(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.create_file(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.open_file(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().perform(Call::new(Op::Rename, from).to(to), |state, _| state.tree.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().perform(Call::new(Op::Remove, path), |state, _| state.tree.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().perform(Call::new(Op::SyncDir, dir), |state, _| state.tree.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        let node = state.perform(Call::new(Op::Lock, path), |state, _| match state.tree.find_file(path) {
            Ok(file) if state.locked.contains(&file) => Err(ErrorKind::WouldBlock.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => state.tree.create(path),
            found => found,
        })?;
        let file = SimFile::new(self.clone(), &mut state, node);
        Ok(Box::new(SimLock::new(file, &mut state)))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "SimDisk(operation {}, trace {:016x})", state.number, state.trace.hash)
    }
}
