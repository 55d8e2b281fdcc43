//! Segments that leave a log: however many go at once, few files are open meanwhile, and what cannot be unlinked is tried
//! again until it is gone.

use crate::batches::Spec;
use crate::disk;
use crate::reading::read_on;
use crate::world::partition;
use brooklet::clock::ManualClock;
use brooklet::io::Fs;
use brooklet::log::{
    CompactionConfig, CompactionProgress, Cursor, Log, LogDir, LogDirOptions, ReadLimit, RetentionConfig,
};
use brooklet::record::BatchHeader;
use brooklet::{CleanupPolicy, Error, LogConfig, Result, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const OPEN_FILES: usize = 8;
/// Those of the pool, and the few files of one segment or of a swap that are beside it.
const OPEN_MOST: usize = OPEN_FILES + 8;

struct Disk {
    fs: disk::Disk,
    dir: LogDir,
    log: Arc<Log>,
}

impl Disk {
    fn open(fs: disk::Disk, create: bool) -> Disk {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let options = LogDirOptions { open_files: OPEN_FILES, ..LogDirOptions::default() };
        let dir = LogDir::open_with(Arc::new(fs.clone()), clock, "/", options).expect("our own directory");
        let config = LogConfig { segment_bytes: 700, index_interval_bytes: 150, ..LogConfig::default() };
        let log = match create {
            true => dir.create_log(&partition(0), config),
            false => dir.open_log(&partition(0), config),
        };
        Disk { fs, log: log.expect("our own log"), dir }
    }

    /// A log of a few hundred segments or of some, of which each was read.
    fn of(batches: u64) -> Disk {
        let disk = Disk::open(disk::Disk::default(), true);
        for number in 0..batches {
            // One record each, all with one key.
            Spec::plain(1_000 + number as i64, &[&format!("{number:0>100}")]).append_to(&disk.log);
        }
        disk.log.flush().expect("memory does not fail");
        for base in disk.log.segment_base_offsets() {
            // The middle of a segment is found by its index.
            disk.log.read(&Cursor::at(base + 2), ReadLimit::bytes(1)).expect("it is there");
        }
        disk
    }

    fn with_hundreds() -> Disk {
        let disk = Disk::of(1_200);
        assert!(disk.log.segment_base_offsets().len() > 200);
        disk
    }

    fn crashed(self) -> Disk {
        let Disk { fs, dir, log } = self;
        drop((dir, log));
        Disk::open(fs, false)
    }

    fn log_files(&self) -> usize {
        let entries = self.fs.list(self.log.path()).expect("memory does not fail");
        entries.iter().filter(|entry| entry.name.ends_with(".log")).count()
    }

    fn offsets(&self) -> Vec<u64> {
        read_on(&self.log, self.log.watermarks().start, 400).expect("nothing is damaged").offsets()
    }

    /// Compacts until a round is over.
    fn compact(&self, budget: u64) -> Result<()> {
        while self.compact_step(budget)? == CompactionProgress::More {}
        Ok(())
    }

    fn compact_step(&self, budget: u64) -> Result<CompactionProgress> {
        let config = CompactionConfig { min_dirty_ratio: 0.0, ..CompactionConfig::default() };
        Ok(self.log.compact(&config, &|_: &BatchHeader| false, budget)?.progress)
    }
}

fn keep_bytes(bytes: u64) -> RetentionConfig {
    RetentionConfig { time: Duration::MAX, bytes, policy: CleanupPolicy::CompactDelete }
}

fn keep_all() -> RetentionConfig {
    keep_bytes(u64::MAX)
}

#[test]
fn retention_of_hundreds_of_segments_keeps_few_files_open() {
    let disk = Disk::with_hundreds();
    let open = disk.fs.open_most(|| {
        let removed = disk.log.enforce_retention(&keep_bytes(700)).expect("memory does not fail");
        assert!(removed.segments.len() > 200);
    });
    assert!(open <= OPEN_MOST, "{open} files were open");
    assert_eq!(disk.log_files(), disk.log.segment_base_offsets().len());
}

#[test]
fn a_round_of_compaction_between_two_steps_keeps_no_file_open_that_retention_removes() {
    let disk = Disk::with_hundreds();
    assert_eq!(disk.compact_step(1).expect("memory does not fail"), CompactionProgress::More);
    let open = disk.fs.open_most(|| {
        let _ = disk.log.enforce_retention(&keep_bytes(700)).expect("memory does not fail");
    });
    assert!(open <= OPEN_MOST, "{open} files were open");
    let left = disk.offsets();
    disk.compact(u64::MAX).expect("the round is given up, and the next one knows");
    assert_eq!(disk.offsets().last(), left.last());
}

#[test]
fn a_swap_of_hundreds_of_segments_for_one_keeps_few_files_open() {
    let disk = Disk::with_hundreds();
    let before = disk.log_files();
    let larger = LogConfig { segment_bytes: 1 << 20, ..disk.log.config().as_ref().clone() };
    disk.log.reconfigure(larger).expect("it can be");
    let open = disk.fs.open_most(|| disk.compact(u64::MAX).expect("memory does not fail"));
    assert!(open <= OPEN_MOST, "{open} files were open");
    assert!(disk.log_files() < before - 200);
}

#[test]
fn a_truncation_of_hundreds_of_segments_keeps_few_files_open() {
    let disk = Disk::with_hundreds();
    let open = disk.fs.open_most(|| disk.log.truncate(7).expect("memory does not fail"));
    assert!(open <= OPEN_MOST, "{open} files were open");
    assert_eq!(disk.offsets(), (0..7).collect::<Vec<_>>());
    assert_eq!(disk.log_files(), disk.log.segment_base_offsets().len());
}

#[test]
fn what_a_reader_holds_of_a_segment_that_goes_stays_open_for_him_alone() {
    let disk = Disk::with_hundreds();
    let chunk = disk.log.read(&Cursor::at(0), ReadLimit::bytes(300)).expect("it is there");
    let open = disk.fs.open_most(|| {
        let _ = disk.log.enforce_retention(&keep_bytes(700)).expect("memory does not fail");
    });
    assert!(open <= OPEN_MOST, "{open} files were open");
    assert!(chunk.batches().all(|batch| batch.is_ok()));
}

/// A log of which retention could not unlink the second segment.
fn with_leftover() -> (Disk, String) {
    let disk = Disk::of(60);
    let bases = disk.log.segment_base_offsets();
    assert!(bases.len() > 8);
    let name = format!("{:020}.log", bases[1]);
    disk.fs.refuse_to_remove(Some(&name));
    let error = disk.log.enforce_retention(&keep_bytes(2_500)).map(drop).expect_err("one cannot go");
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with(&name)), "{error}");
    (disk, name)
}

fn is_there(disk: &Disk, name: &str) -> bool {
    disk.fs.metadata(&disk.log.path().join(name)).is_ok()
}

#[test]
fn what_retention_could_not_unlink_keeps_nothing_else_and_goes_with_a_later_check() {
    let (disk, name) = with_leftover();
    let kept = disk.log.segment_base_offsets().len();
    assert_eq!(disk.log_files(), kept + 1, "the others went");
    assert_eq!(disk.fs.removed_and_not_synced(), 0, "and that is durable");
    assert!(disk.log.enforce_retention(&keep_all()).is_err(), "and whoever asks again is told again");

    disk.fs.refuse_to_remove(None);
    assert_eq!(disk.log.enforce_retention(&keep_all()).expect("all can go").segments, []);
    assert!(!is_there(&disk, &name));
    assert_eq!((disk.log_files(), disk.fs.removed_and_not_synced()), (kept, 0));
}

#[test]
fn a_failure_to_try_again_does_not_hold_up_the_retention_of_others() {
    let (disk, _) = with_leftover();
    let before = disk.log.segment_base_offsets();
    assert!(disk.log.enforce_retention(&keep_bytes(700)).is_err());
    assert!(disk.log.segment_base_offsets().len() < before.len());
    assert_eq!(disk.log_files(), disk.log.segment_base_offsets().len() + 1);
}

#[test]
fn what_retention_could_not_unlink_goes_with_the_next_round_of_compaction() {
    let (disk, name) = with_leftover();
    disk.fs.refuse_to_remove(None);
    disk.compact(u64::MAX).expect("memory does not fail");
    assert!(!is_there(&disk, &name));
    assert_eq!(disk.fs.removed_and_not_synced(), 0);
}

#[test]
fn what_could_not_be_unlinked_is_not_forgotten_by_a_swap_and_is_never_served_again() {
    let (disk, name) = with_leftover();
    disk.compact(u64::MAX).expect("what cannot be unlinked is not in its way");
    assert!(is_there(&disk, &name));
    let (left, bases) = (disk.offsets(), disk.log.segment_base_offsets());
    disk.fs.refuse_to_remove(None);

    // The start is lost with its note, so nothing but the manifest says that the segment is not part of the log.
    let note = disk.log.path().join("durable-end");
    disk.fs.remove(&note).expect("memory does not fail");
    let disk = disk.crashed();
    assert!(disk.log.damage().is_empty(), "{:?}", disk.log.damage());
    assert_eq!(disk.log.segment_base_offsets()[..bases.len()], bases);
    assert_eq!(disk.offsets(), left);
    assert!(!is_there(&disk, &name), "the opening has removed it");
}

#[test]
fn what_a_truncation_or_a_swap_could_not_unlink_goes_with_the_next_check() {
    for acts in [(|disk| disk.log.truncate(7)) as fn(&Disk) -> Result<()>, |disk| {
        let larger = LogConfig { segment_bytes: 1 << 20, ..disk.log.config().as_ref().clone() };
        disk.log.reconfigure(larger).and_then(|()| disk.compact(u64::MAX))
    }] {
        let disk = Disk::of(60);
        let name = format!("{:020}.log", disk.log.segment_base_offsets()[3]);
        disk.fs.refuse_to_remove(Some(&name));
        assert!(acts(&disk).is_err());
        assert_eq!(disk.log_files(), disk.log.segment_base_offsets().len() + 1, "the others went");
        let left = disk.offsets();
        assert!(disk.log.enforce_retention(&keep_all()).is_err());
        disk.fs.refuse_to_remove(None);
        let _ = disk.log.enforce_retention(&keep_all()).expect("all can go");
        assert!(!is_there(&disk, &name));
        assert_eq!((disk.offsets(), disk.fs.removed_and_not_synced()), (left, 0));
    }
}
