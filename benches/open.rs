//! Opening: after a clean close, and after a crash.
//!
//! | what | compared with |
//! |---|---|
//! | a log of 10, 1,000 and 10,000 segments that was closed in order | itself, with fewer segments; and the bytes read, by kind of file, with the promise that none of a `.log` is read |
//! | a log with 64 MiB (`BROOKLET_BENCH_TAIL_MIB`, less than a segment) behind its durable end: all of it is read and verified | a plain read of the same file from its beginning to its end, without and with a CRC-32C over all of it |
//!
//! All is in the page cache. What was written before is on disk, so a sync has little to do; how long it takes is the
//! disk's affair all the same.

mod counting;
mod turns;

use brooklet::LogConfig;
use brooklet::clock::SystemClock;
use brooklet::io::{Fs, MemFs, OsFs};
use brooklet::log::{Log, LogDir, LogDirOptions};
use bytes::Bytes;
use counting::{CountingFs, files_in, write_files};
use criterion::{Criterion, Throughput};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use turns::{Side, compare, elapsed, filled, partition, scratch};

const SEGMENTS: [u64; 3] = [10, 1_000, 10_000];

fn main() {
    let mut criterion = turns::criterion().sample_size(10);
    // First, for a file system that has just removed tens of thousands of files takes its time to make a new one.
    let tail = std::env::var("BROOKLET_BENCH_TAIL_MIB").ok();
    let crashed = Crashed::with_tail(tail.map_or(64, |mib| mib.parse().expect("a number of mebibytes")));
    crashed.bench(&mut criterion);
    crashed.compare();
    drop(crashed);

    let closed = SEGMENTS.map(Closed::with_segments);
    for closed in &closed {
        closed.bench(&mut criterion);
    }
    criterion.final_summary();
    for closed in &closed {
        closed.print_bytes_read();
    }
    compare_closed(&closed);
}

fn open(fs: Arc<dyn Fs>, root: &Path, config: LogConfig) -> (LogDir, Arc<Log>) {
    let clock = Arc::new(SystemClock::new());
    let dir = LogDir::open_with(fs, clock, root, LogDirOptions::default()).expect("it is ours");
    let log = dir.open_log(&partition(), config).expect("it is there");
    (dir, log)
}

/// A log that was closed in order.
struct Closed {
    segments: u64,
    scratch: TempDir,
}

impl Closed {
    fn config() -> LogConfig {
        LogConfig { segment_bytes: 1024, ..LogConfig::default() }
    }

    /// Made in memory, where ten thousand segments need no disk to wait for, and copied.
    fn with_segments(segments: u64) -> Self {
        let (memory, root) = (Arc::new(MemFs::new()), Path::new("/made"));
        let clock = Arc::new(SystemClock::new());
        let dir =
            LogDir::open_with(memory.clone(), clock, root, LogDirOptions::default()).expect("it is new");
        let log = dir.create_log(&partition(), Self::config()).expect("there is none yet");
        let mut builder = filled(5);
        let mut batch = builder.build().expect("it has records");
        for _ in 0..segments {
            log.append(&mut batch).expect("there is room");
        }
        assert_eq!(log.segment_base_offsets().len() as u64, segments, "one batch fits into a segment");
        dir.close().expect("nothing fails in memory");

        let (scratch, disk) = (scratch(), OsFs::new());
        let log_dir = partition().to_string();
        write_files(&disk, scratch.path(), &files_in(&*memory, root));
        disk.create_dir(&scratch.path().join(&log_dir)).expect("it is new");
        write_files(&disk, &scratch.path().join(&log_dir), &files_in(&*memory, &root.join(&log_dir)));
        Self { segments, scratch }
    }

    /// Opens it so many times, and closes it again; only the opening counts.
    fn open_times(&self, times: u64) -> Duration {
        let open_and_close = |_| {
            let mut opened = None;
            let time =
                elapsed(|| opened = Some(open(Arc::new(OsFs::new()), self.scratch.path(), Self::config())));
            let (dir, _log) = opened.expect("it was just opened");
            dir.close().expect("the disk works");
            time
        };
        (0..times).map(open_and_close).sum()
    }

    fn bench(&self, criterion: &mut Criterion) {
        criterion.bench_function(&format!("open, {} segments closed in order", self.segments), |bencher| {
            bencher.iter_custom(|times| self.open_times(times));
        });
    }

    fn print_bytes_read(&self) {
        let fs = CountingFs::on_disk();
        let (dir, _log) = open(fs.clone(), self.scratch.path(), Self::config());
        let (read, syncs) = (fs.take_bytes_read(), fs.take_syncs());
        dir.close().expect("the disk works");
        let log_bytes = read.get(".log").copied().unwrap_or(0);
        let verdict = if log_bytes == 0 { "met" } else { "MISSED" };
        println!("open, {} segments: {log_bytes} bytes of .log read; goal: 0, {verdict}", self.segments);
        let others: Vec<_> = read.iter().map(|(kind, bytes)| format!("{kind} {bytes}")).collect();
        println!("    {syncs} syncs; bytes read by kind of file: {}", others.join(", "));
    }
}

fn compare_closed([few, more, many]: &[Closed; 3]) {
    for (larger, smaller) in [(more, few), (many, more)] {
        let names = [larger, smaller].map(|closed| format!("{} segments", closed.segments));
        compare(
            "open after a clean close",
            "log",
            None,
            Side::new(&names[0], || (larger.open_times(1), 1)),
            Side::new(&names[1], || (smaller.open_times(1), 1)),
        );
    }
}

/// A log that nobody flushed or closed, and can be brought back to that state again and again.
struct Crashed {
    scratch: TempDir,
    bytes: u64,
    /// All files of the log but the one with the batches, which recovery leaves as it is.
    others: Vec<(String, Bytes)>,
    /// Those of the directory above.
    above: Vec<(String, Bytes)>,
}

impl Crashed {
    const BATCHES: &str = "00000000000000000000.log";

    fn with_tail(mib: u64) -> Self {
        let (scratch, bytes) = (scratch(), mib << 20);
        let dir = LogDir::open(scratch.path()).expect("it is new");
        let log = dir.create_log(&partition(), LogConfig::default()).expect("there is none yet");
        let mut builder = filled(100);
        let mut batch = builder.build().expect("it has records");
        while log.size_bytes() < bytes {
            log.append(&mut batch).expect("there is room");
        }
        let bytes = log.size_bytes();
        drop((dir, log));
        let above = files_in(&OsFs::new(), scratch.path());
        let mut others = files_in(&OsFs::new(), &scratch.path().join(partition().to_string()));
        others.retain(|(name, _)| name != Self::BATCHES);
        Self { scratch, bytes, others, above }
    }

    fn name(&self) -> String {
        format!("open with {} MiB behind the durable end", self.bytes >> 20)
    }

    fn log_dir(&self) -> PathBuf {
        self.scratch.path().join(partition().to_string())
    }

    fn batches(&self) -> PathBuf {
        self.log_dir().join(Self::BATCHES)
    }

    /// Opens it once, as it was left on disk. Kibibytes are the unit, of which there is a whole number.
    fn recover_on_disk(&self) -> (Duration, u64) {
        let (disk, log_dir) = (OsFs::new(), self.log_dir());
        let found = disk.list(&log_dir).expect("it is there");
        for entry in found.iter().filter(|entry| entry.name != Self::BATCHES) {
            disk.remove(&log_dir.join(&entry.name)).expect("it was just listed");
        }
        write_files(&disk, &log_dir, &self.others);
        let batches = disk.open(&self.batches()).expect("recovery removes nothing that is whole");
        batches.sync().expect("the disk works");
        self.recover(CountingFs::on_disk())
    }

    /// The same in memory, but for the batches, which are read from disk.
    fn recover_in_memory(&self) -> (Duration, u64) {
        let fs = CountingFs::in_memory(self.batches());
        write_files(fs.as_ref(), self.scratch.path(), &self.above);
        write_files(fs.as_ref(), &self.log_dir(), &self.others);
        self.recover(fs)
    }

    fn recover(&self, fs: Arc<CountingFs>) -> (Duration, u64) {
        let mut opened = None;
        let time = elapsed(|| opened = Some(open(fs.clone(), self.scratch.path(), LogConfig::default())));
        let (_dir, log) = opened.expect("it was just opened");
        assert_eq!(log.size_bytes(), self.bytes, "nothing of the tail is lost");
        assert!(fs.take_bytes_read()[".log"] >= self.bytes, "all of it was read");
        (time, self.bytes >> 10)
    }

    /// Reads the same file, through one buffer of the size that recovery has.
    #[expect(clippy::disallowed_methods, reason = "the other side is a plain read, through no door of ours")]
    fn read_plain(&self, look: impl Fn(&[u8])) -> (Duration, u64) {
        let mut buffer = vec![0; 256 << 10];
        let time = elapsed(|| {
            let mut file = File::open(self.batches()).expect("it is there");
            loop {
                match file.read(&mut buffer).expect("the disk works") {
                    0 => break,
                    len => look(&buffer[..len]),
                }
            }
        });
        (time, self.bytes >> 10)
    }

    fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(self.name());
        group.throughput(Throughput::Bytes(self.bytes));
        group.bench_function("on disk", |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| self.recover_on_disk().0).sum());
        });
        group.bench_function("in memory but for the batches", |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| self.recover_in_memory().0).sum());
        });
        group.finish();
    }

    fn compare(&self) {
        let untouched = |bytes: &[u8]| {
            black_box(bytes);
        };
        let summed = |bytes: &[u8]| {
            black_box(crc32c::crc32c(bytes));
        };
        compare(
            &self.name(),
            "KiB",
            None,
            Side::new("LogDir::open_log", || self.recover_on_disk()),
            Side::new("plain read", || self.read_plain(untouched)),
        );
        let reading_only = "the same with all other files in memory";
        compare(
            reading_only,
            "KiB",
            None,
            Side::new("LogDir::open_log", || self.recover_in_memory()),
            Side::new("plain read", || self.read_plain(untouched)),
        );
        compare(
            reading_only,
            "KiB",
            None,
            Side::new("LogDir::open_log", || self.recover_in_memory()),
            Side::new("plain read and crc32c", || self.read_plain(summed)),
        );
    }
}
