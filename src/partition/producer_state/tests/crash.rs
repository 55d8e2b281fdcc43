//! Saving that is cut short: by a crash at each of its steps, and by failures of the log and of the disk.

use super::*;
use crate::io::{Entry, File, Lock, Metadata, read_file};
use bytes::Bytes;
use std::io;

/// What may be changed, call by call: given a verb and a file name, "sync 00000000000000000000.log".
type Plan = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// Files in memory whose changes happen only if the plan says so.
#[derive(Clone)]
struct Planned {
    inner: MemFs,
    plan: Arc<Mutex<Plan>>,
}

struct PlannedFile {
    inner: Arc<dyn File>,
    name: String,
    plan: Arc<Mutex<Plan>>,
}

impl Planned {
    fn new(inner: MemFs) -> Self {
        Self { inner, plan: Arc::new(Mutex::new(Box::new(|_| Ok(())))) }
    }

    fn plan(&self, plan: impl FnMut(&str) -> io::Result<()> + Send + 'static) {
        *self.plan.lock() = Box::new(plan);
    }

    /// From now on only so many changes happen.
    fn die_after(&self, mut changes: usize) {
        self.plan(move |_| {
            let lives = changes > 0;
            changes = changes.saturating_sub(1);
            if lives { Ok(()) } else { Err(io::Error::other("it is dead")) }
        });
    }

    fn ask(&self, verb: &str, path: &Path) -> io::Result<()> {
        (self.plan.lock())(&format!("{verb} {}", name_of(path)))
    }

    fn file(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(PlannedFile { inner, name: name_of(path), plan: self.plan.clone() })
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Planned")
    }
}

impl std::fmt::Debug for PlannedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Fs for Planned {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.ask("create_dir", path).and_then(|()| self.inner.create_dir(path))
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.ask("remove_dir", path).and_then(|()| self.inner.remove_dir(path))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(dir)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.ask("create", path)?;
        Ok(self.file(path, self.inner.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.ask("open", path)?;
        Ok(self.file(path, self.inner.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask("rename", from).and_then(|()| self.inner.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask("remove", path).and_then(|()| self.inner.remove(path))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.ask("sync_dir", dir).and_then(|()| self.inner.sync_dir(dir))
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.inner.lock(path)
    }
}

impl PlannedFile {
    fn ask(&self, verb: &str) -> io::Result<()> {
        (self.plan.lock())(&format!("{verb} {}", self.name))
    }
}

impl File for PlannedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, len)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.ask("write").and_then(|()| self.inner.write_at(offset, bytes))
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.ask("allocate").and_then(|()| self.inner.allocate(len))
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.ask("truncate").and_then(|()| self.inner.truncate(len))
    }
    fn sync(&self) -> io::Result<()> {
        self.ask("sync").and_then(|()| self.inner.sync())
    }
}

/// A world in which the log, and the snapshots, may fail. Two snapshots, at 5 and at 10; a third would be at 11.
fn planned() -> (World, Planned, Planned) {
    let World { fs, clock, dir, log, state } = World::lived_in();
    state.save().unwrap();
    drop((log, state));
    dir.close().unwrap();
    let (logs, snapshots) = (Planned::new(fs.clone()), Planned::new(fs.clone()));
    let world = World::with(fs, clock, Arc::new(logs.clone()), Arc::new(snapshots.clone()));
    world.send(1, 0, 5, 1).unwrap();
    (world, logs, snapshots)
}

#[test]
fn a_crash_at_any_step_of_saving_loses_nothing_and_leaves_nothing_for_good() {
    for changes in 0.. {
        let (world, _, snapshots) = planned();
        write(&world.fs, &world.snapshot_path(60), b"ahead of the log");
        let before = world.kept();
        snapshots.die_after(changes);
        let saved = world.state.save();
        let world = world.killed();
        assert_eq!(world.kept(), before, "killed after {changes} changes");
        world.send(1, 0, 6, 1).unwrap();
        let end = world.end();
        world.state.save().unwrap();
        let left = world.snapshots();
        assert_eq!((left.len(), left.last()), (2, Some(&end.to_string())), "{changes} changes left {left:?}");
        if saved.is_ok() {
            assert!(changes > 8, "saving takes more steps than {changes}");
            break;
        }
    }
}

#[test]
fn a_crash_at_any_step_of_a_truncation_leaves_no_snapshot_of_what_is_gone() {
    for changes in 0.. {
        let (world, _, snapshots) = planned();
        world.state.save().unwrap();
        let before = world.kept();
        snapshots.die_after(changes);
        let truncated = world.state.truncate(10);
        if truncated.is_err() {
            assert_eq!(world.kept(), before, "nothing was truncated");
            assert_eq!(world.killed().kept(), before);
            continue;
        }
        assert!(changes > 1, "what is removed is removed durably");
        assert_eq!(world.snapshots(), ["10"]);
        break;
    }
}

#[test]
fn what_a_snapshot_describes_is_durable_before_the_snapshot_is() {
    let (world, logs, snapshots) = planned();
    let synced = Arc::new(AtomicUsize::new(0));
    let counted = synced.clone();
    logs.plan(move |call| {
        let is_log = call.starts_with("sync ") && call.ends_with(".log");
        counted.fetch_add(usize::from(is_log), Ordering::SeqCst);
        Ok(())
    });
    let mut created = 0;
    let seen = Arc::new(AtomicUsize::new(0));
    let at_create = seen.clone();
    snapshots.plan(move |call| {
        created += usize::from(call.starts_with("create "));
        if created == 1 {
            at_create.store(synced.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        Ok(())
    });
    world.state.save().unwrap();
    assert!(seen.load(Ordering::SeqCst) > 0, "the snapshot was begun before the log was synced");
    assert_eq!(world.log.watermarks().durable_end, world.end());
}

#[test]
fn without_a_sync_of_the_log_there_is_no_snapshot() {
    let (world, logs, _) = planned();
    logs.plan(|call| if call.starts_with("sync ") { Err(io::Error::other("no")) } else { Ok(()) });
    assert!(matches!(world.state.save(), Err(Error::Indeterminate { .. })));
    assert_eq!(world.snapshots(), ["5", "10"]);
}

#[test]
fn an_append_that_fails_is_not_applied_and_can_be_made_again() {
    let (world, logs, _) = planned();
    let before = world.state.producers().unwrap();
    logs.plan(
        |call| if call.starts_with("write ") { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) },
    );
    assert!(matches!(world.send(1, 0, 6, 1), Err(Error::DiskFull { .. })));
    let commit = ControlRecord::Commit { coordinator_epoch: 3 };
    assert!(matches!(world.state.append_marker(2, 5, commit), Err(Error::DiskFull { .. })));
    assert_eq!(world.state.producers().unwrap(), before);
    logs.plan(|_| Ok(()));
    assert!(!world.send(1, 0, 6, 1).unwrap().is_duplicate);
    assert!(world.state.append_marker(2, 5, commit).unwrap().completed.is_some());
}

#[test]
fn a_snapshot_that_cannot_be_read_now_is_asked_for_again_and_a_lost_one_is_not() {
    let (world, _, snapshots) = planned();
    let before = world.kept();
    world.state.reload();
    snapshots.plan(
        |call| if call.ends_with(".snapshot") { Err(io::Error::from_raw_os_error(24)) } else { Ok(()) },
    );
    assert!(world.send(1, 0, 6, 1).unwrap_err().is_retriable());
    snapshots.plan(|call| if call.contains("10.snapshot") { Err(io::Error::other("EIO")) } else { Ok(()) });
    assert_eq!(world.kept(), before);
}

#[test]
fn a_log_of_which_something_is_lost_is_left_alone() {
    let (world, ..) = planned();
    (6..41).for_each(|sequence| _ = world.send(1, 0, sequence, 1).unwrap());
    world.state.save().unwrap();
    let names = world.snapshots();
    let world = world.closed();
    let segments = world.log.segment_base_offsets();
    let World { fs, clock, dir, log, state } = world;
    let lost = log.path().join(format!("{:020}.log", segments[segments.len() / 2]));
    drop((log, state, dir));
    fs.remove(&lost).unwrap();
    let world = World::again(fs, clock);
    let newest = world.snapshot_path(names.last().unwrap().parse().unwrap());
    write(&world.fs, &newest, b"as it was found");
    assert!(!world.log.damage().is_empty());
    assert_eq!(world.kept().len(), 2);
    assert!(matches!(world.send(1, 0, 41, 1), Err(Error::ReadOnly { .. })));
    world.state.save().unwrap();
    assert!(world.state.truncate(1).is_err());
    assert_eq!(world.snapshots(), names);
    assert_eq!(read_file(&world.fs, &newest, 100).unwrap().unwrap(), b"as it was found"[..]);
}
