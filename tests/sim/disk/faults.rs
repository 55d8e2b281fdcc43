//! What goes wrong, by plan: operations that fail or do less than asked, and the one at which everything stops.
//!
//! A [`Fault`] is a sentence: `Fault::fail(Errno::Io).on(Op::Sync).path(".log").nth(3).forever()`.

use std::fmt;
use std::io;
use std::path::Path;

/// What a caller can ask of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    CreateDir,
    RemoveDir,
    Create,
    Rename,
    Remove,
    SyncDir,
    Lock,
    Write,
    Allocate,
    Truncate,
    Sync,
    Open,
    List,
    Metadata,
    Read,
    Len,
}

impl Op {
    /// One of each; those that change something come first.
    pub(crate) const ALL: [Op; 16] = [
        Op::CreateDir,
        Op::RemoveDir,
        Op::Create,
        Op::Rename,
        Op::Remove,
        Op::SyncDir,
        Op::Lock,
        Op::Write,
        Op::Allocate,
        Op::Truncate,
        Op::Sync,
        Op::Open,
        Op::List,
        Op::Metadata,
        Op::Read,
        Op::Len,
    ];

    /// Whether it is always numbered; the others only on demand. A lock may create its file.
    pub(crate) fn is_change(self) -> bool {
        self <= Op::Sync
    }
}

/// The errors that a disk gives, with the numbers that Linux gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    Interrupted = 4,
    Io = 5,
    TooManyFiles = 24,
    NoSpace = 28,
    ReadOnly = 30,
}

impl Errno {
    /// One of each.
    pub(crate) const ALL: [Errno; 5] =
        [Errno::Interrupted, Errno::Io, Errno::TooManyFiles, Errno::NoSpace, Errno::ReadOnly];

    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self as i32)
    }
}

/// One thing that will go wrong.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    effect: Effect,
    op: Option<Op>,
    suffix: Option<String>,
    when: When,
    is_forever: bool,
    seen: u64,
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// The n-th operation that matches, from 1, counted since the fault was injected.
    Nth(u64),
    /// The operation with this number.
    Number(u64),
}

/// What a fault makes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is not done. A sync that fails so loses what it should have made durable (unless it was interrupted).
    Fail(Errno),
    /// It is done, and fails all the same.
    FailAfter(Errno),
    /// A write puts so many bytes down before it fails; anything else is not done.
    FailPartway(Errno, usize),
    /// A write or read does no more than so many bytes, at least one, and says so.
    Short(usize),
}

impl Fault {
    /// The first operation fails, and nothing of it is done.
    pub(crate) fn fail(errno: Errno) -> Self {
        Self::new(Effect::Fail(errno))
    }

    /// It fails although it was done.
    pub(crate) fn fail_after(errno: Errno) -> Self {
        Self::new(Effect::FailAfter(errno))
    }

    /// A write fails after `bytes` of it.
    pub(crate) fn fail_partway(errno: Errno, bytes: usize) -> Self {
        Self::new(Effect::FailPartway(errno, bytes))
    }

    /// A write or read does only `bytes`, at least one.
    pub(crate) fn short(bytes: usize) -> Self {
        Self::new(Effect::Short(bytes))
    }

    fn new(effect: Effect) -> Self {
        Self { effect, op: None, suffix: None, when: When::Nth(1), is_forever: false, seen: 0 }
    }

    /// Only operations of this kind. Without it, all that are numbered.
    pub(crate) fn on(mut self, op: Op) -> Self {
        self.op = Some(op);
        self
    }

    /// Only operations on paths that end so; for a rename, either path.
    pub(crate) fn path(mut self, suffix: &str) -> Self {
        self.suffix = Some(suffix.to_owned());
        self
    }

    /// The n-th that matches from now on, counted from 1, instead of the first.
    pub(crate) fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// The operation with this number, if it matches.
    pub(crate) fn at(mut self, number: u64) -> Self {
        self.when = When::Number(number);
        self
    }

    /// And all that match after it.
    pub(crate) fn forever(mut self) -> Self {
        self.is_forever = true;
        self
    }

    /// What this fault makes of a call, if anything; `number` is `None` for calls that are not numbered.
    pub(crate) fn strikes(
        &mut self,
        number: Option<u64>,
        op: Op,
        paths: [Option<&Path>; 2],
    ) -> Option<Effect> {
        let matches_op = self.op.map_or(number.is_some(), |wanted| wanted == op);
        let matches_path = self
            .suffix
            .as_deref()
            .is_none_or(|suffix| paths.iter().flatten().any(|path| path.to_string_lossy().ends_with(suffix)));
        if !matches_op || !matches_path {
            return None;
        }
        self.seen += 1;
        let (here, wanted) = match self.when {
            When::Nth(n) => (self.seen, n),
            When::Number(wanted) => (number.unwrap_or(0), wanted),
        };
        (here == wanted || (self.is_forever && here > wanted)).then_some(self.effect)
    }
}

/// How far the operation gets at which everything stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is not done.
    Before,
    /// A write is half done; anything else is not.
    Half,
    /// It is done, but nobody hears of it.
    After,
}

impl Stop {
    /// One of each.
    pub(crate) const ALL: [Stop; 3] = [Stop::Before, Stop::Half, Stop::After];
}

/// The error of every call since the stop.
#[derive(Debug)]
pub(crate) struct CrashStop;

impl fmt::Display for CrashStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("crash-stop: the simulated process has ended here")
    }
}

impl std::error::Error for CrashStop {}
