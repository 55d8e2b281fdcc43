//! What is behind the disk's one lock, and the gate that every call passes: number, stop, faults, deed, trace.

use super::faults::{CrashStop, Effect, Errno, Fault, Op, Stop};
use super::trace::{Call, Trace};
use super::tree::{Node, NodeId, Tree};
use brooklet::io::{Entry, Metadata};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The whole disk, with whatever is planned for it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) trace: Trace,
    pub(crate) number: u64,
    pub(crate) numbers_reads: bool,
    pub(crate) stop_at: Option<(u64, Stop)>,
    pub(crate) is_stopped: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) capacity: Option<u64>,
    /// Counts crashes: a handle of an earlier life is dead.
    pub(crate) life: u64,
    /// How many handles each file has.
    pub(crate) handles: BTreeMap<NodeId, u64>,
    pub(crate) locked: BTreeSet<NodeId>,
    /// The disk before the first operation since they are remembered, and after each.
    pub(crate) past: Option<Past>,
}

#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) first_number: u64,
    /// The tree, and the hash of the trace.
    pub(crate) states: Vec<(Tree, u64)>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            tree: Tree::new(),
            trace: Trace::default(),
            number: 0,
            numbers_reads: false,
            stop_at: None,
            is_stopped: false,
            faults: Vec::new(),
            capacity: None,
            life: 0,
            handles: BTreeMap::new(),
            locked: BTreeSet::new(),
            past: None,
        }
    }

    /// The same disk for another process: nothing is open, nothing is locked, no states are remembered.
    pub(crate) fn fork(&self) -> Self {
        Self {
            tree: self.tree.clone(),
            trace: self.trace.clone(),
            faults: self.faults.clone(),
            number: self.number,
            numbers_reads: self.numbers_reads,
            stop_at: self.stop_at,
            is_stopped: self.is_stopped,
            capacity: self.capacity,
            ..Self::new()
        }
    }

    /// Does what `act` does, or what the plan makes of it. `act` is told how many bytes it may at most move; what
    /// moves no bytes is done only if there is no such limit.
    pub(crate) fn perform<T: Outcome>(
        &mut self,
        call: Call<'_>,
        act: impl FnOnce(&mut State, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_stopped {
            return Err(io::Error::other(CrashStop));
        }
        let number = self.next_number(call.op);
        let stop = self.stop_at.filter(|stop| Some(stop.0) == number).map(|stop| stop.1);
        let effect = self.struck(number, &call);
        let result = match (stop, effect) {
            (Some(stop), _) => self.stop(stop, &call, act),
            (None, Some(effect)) => self.do_faulty(effect, call.op, act),
            (None, None) => act(self, usize::MAX),
        };
        if let Some(number) = number {
            self.trace.note(number, &call, result.as_ref().map(Outcome::value));
            if let Some(past) = &mut self.past {
                past.states.push((self.tree.clone(), self.trace.hash));
            }
        }
        result
    }

    fn next_number(&mut self, op: Op) -> Option<u64> {
        let is_numbered = op.is_change() || self.numbers_reads;
        self.number += u64::from(is_numbered);
        is_numbered.then_some(self.number)
    }

    /// Every fault counts every call; the first that strikes decides.
    fn struck(&mut self, number: Option<u64>, call: &Call<'_>) -> Option<Effect> {
        let paths = [Some(call.path), call.to];
        self.faults.iter_mut().fold(None, |effect, fault| effect.or(fault.strikes(number, call.op, paths)))
    }

    fn stop<T>(
        &mut self,
        stop: Stop,
        call: &Call<'_>,
        act: impl FnOnce(&mut State, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        self.is_stopped = true;
        // What the deed itself would answer is of no interest: nobody is there to hear it.
        match stop {
            Stop::Half if call.op == Op::Write => drop(act(self, call.bytes.len() / 2)),
            Stop::Before | Stop::Half => {}
            Stop::After => drop(act(self, usize::MAX)),
        }
        Err(io::Error::other(CrashStop))
    }

    fn do_faulty<T>(
        &mut self,
        effect: Effect,
        op: Op,
        act: impl FnOnce(&mut State, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        let moves_bytes = matches!(op, Op::Write | Op::Read);
        match effect {
            Effect::Short(bytes) if moves_bytes => act(self, bytes.max(1)),
            Effect::Short(_) => act(self, usize::MAX),
            Effect::FailPartway(errno, bytes) if op == Op::Write => {
                act(self, bytes)?;
                Err(errno.error())
            }
            // The deed of a sync that may not sync is to lose what it should have synced.
            Effect::Fail(errno) | Effect::FailPartway(errno, _)
                if op == Op::Sync && errno != Errno::Interrupted =>
            {
                act(self, 0)?;
                Err(errno.error())
            }
            Effect::Fail(errno) | Effect::FailPartway(errno, _) => Err(errno.error()),
            Effect::FailAfter(errno) => {
                act(self, usize::MAX)?;
                Err(errno.error())
            }
        }
    }

    /// How many bytes more there is space for.
    pub(crate) fn room(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    /// The space that is taken: by files that have a name, and by those that somebody still has open.
    pub(crate) fn used(&self) -> u64 {
        let files = self.tree.nodes.iter().filter_map(|(id, node)| match node {
            Node::File(file) if file.is_linked || self.handles.contains_key(id) => Some(file),
            _ => None,
        });
        files.map(|file| file.content.backed()).sum()
    }

    pub(crate) fn release(&mut self, file: NodeId) {
        if let Some(count) = self.handles.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&file);
            }
        }
    }

    /// The process is gone: handles, locks and the stop with it. Faults stay, they are the disk's.
    pub(crate) fn end_life(&mut self) {
        self.life += 1;
        self.handles.clear();
        self.locked.clear();
        (self.stop_at, self.is_stopped) = (None, false);
    }
}

/// What a call answers, as a number for the trace.
pub(crate) trait Outcome {
    fn value(&self) -> u64;
}

impl Outcome for () {
    fn value(&self) -> u64 {
        0
    }
}

impl Outcome for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

impl Outcome for usize {
    fn value(&self) -> u64 {
        *self as u64
    }
}

impl Outcome for Bytes {
    fn value(&self) -> u64 {
        self.len() as u64
    }
}

impl Outcome for Vec<Entry> {
    fn value(&self) -> u64 {
        self.len() as u64
    }
}

impl Outcome for Metadata {
    fn value(&self) -> u64 {
        self.len
    }
}
