//! What things take in memory while nothing happens: bytes of the heap for each, counted by the allocator.
//!
//! `cargo bench --bench memory` prints a line per kind of thing, and what bounds their number. Each is the difference between
//! having many of them and having none, divided by how many. Nothing is timed, so a busy machine changes nothing. Files are
//! on disk: what is in the page cache, and the address space of maps, is not counted.

#[expect(dead_code, reason = "nothing is compared here, and no batch is made by hand")]
mod turns;

use brooklet::assignors::Range;
use brooklet::group::{Caller, Event, Group, GroupState, Join};
use brooklet::io::{EntryKind, Fs, MemFs, OsFs};
use brooklet::{Acks, Broker, NewRecord, Start, TopicConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tempfile::TempDir;
use turns::{is_measuring, scratch, value};

struct Counting;

/// Bytes that are allocated now.
static HELD: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "there is no other way to stand between a program and its allocator")]
// SAFETY: every call is passed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many of each: fewer where only is looked whether this still works.
fn many() -> usize {
    if is_measuring() { 1_000 } else { 20 }
}

fn main() {
    println!("| what | bytes of the heap for each | what bounds it |\n|---|---|---|");
    idle_partitions();
    segments();
    let world = World::new();
    world.consumers();
    world.assigned();
    world.producers();
    world.lanes();
    world.lingering();
    world.numbered();
    groups();
}

fn print(what: &str, bound: &str, count: usize, bytes: usize) {
    println!("| {what} | {} | {bound} |", bytes.div_ceil(count));
}

/// What `make` holds on to, and that itself.
fn held<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.load(Relaxed);
    let made = make();
    (HELD.load(Relaxed).saturating_sub(before), made)
}

/// A directory that a broker in memory left, copied to the disk: thousands of syncs are not waited for.
fn made(make: impl FnOnce(&Broker)) -> TempDir {
    let memory = Arc::new(MemFs::new());
    let broker = Broker::builder().fs(memory.clone()).in_memory().expect("there is memory");
    make(&broker);
    broker.close().expect("nothing fails in memory");
    let dir = scratch();
    copy(memory.as_ref(), Path::new("/"), &dir.path().join("made"));
    dir
}

fn copy(source: &MemFs, from: &Path, to: &Path) {
    let disk = OsFs::new();
    disk.create_dir(to).expect("it is new");
    for entry in source.list(from).expect("it is there") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        if entry.kind == EntryKind::Directory {
            copy(source, &from, &to);
            continue;
        }
        let file = source.open(&from).expect("it was just listed");
        let len = file.len().expect("nothing fails in memory");
        let bytes = file.read_at(0, len as usize).expect("nothing fails in memory");
        disk.create(&to).and_then(|file| file.write_all_at(0, &bytes)).expect("there is room");
    }
}

fn idle_partitions() {
    let topics = many();
    let dir = made(|broker| {
        for topic in 0..topics {
            let config = TopicConfig::new().partitions(10);
            broker.create_topic(&format!("topic-{topic}"), config).expect("there is none yet");
        }
    });
    let (bytes, broker) = held(|| Broker::open(dir.path().join("made")).expect("it was closed in order"));
    let bound = "your topics; open files are bounded by `open_files`";
    print("an idle partition, a tenth of its topic included", bound, topics * 10, bytes);
    drop(broker);
}

fn segments() {
    let count = many() * 10;
    let dir = made(|broker| {
        let config = TopicConfig::new().segment_bytes(1 << 10);
        let partition =
            broker.create_topic("t", config).and_then(|topic| topic.partition(0)).expect("it is new");
        for _ in 0..count {
            let records = (0..5).map(|_| NewRecord::new().value(value().to_vec()));
            partition.append(records, Acks::Written).expect("there is room");
        }
        assert!(partition.watermarks().end == 5 * count as u64);
    });
    let (bytes, broker) = held(|| Broker::open(dir.path().join("made")).expect("it was closed in order"));
    let bound = "retention; their indexes are searched in their files";
    print("a closed segment that nobody reads", bound, count, bytes);
    drop(broker);
}

/// A topic of many partitions on the disk.
struct World {
    broker: Broker,
    partitions: usize,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let partitions = many();
        let dir = made(|broker| {
            drop(broker.create_topic("t", TopicConfig::new().partitions(partitions as u32)));
        });
        let broker = Broker::open(dir.path().join("made")).expect("it was closed in order");
        Self { broker, partitions, _dir: dir }
    }

    fn consumers(&self) {
        let consumer = || {
            let builder = self.broker.consumer().assign([("t", 0)]).start(Start::Earliest);
            let mut consumer = builder.build().expect("it is there");
            assert!(consumer.poll(Duration::ZERO).expect("an empty partition").is_empty());
            consumer
        };
        let first = consumer();
        let (bytes, consumers) = held(|| (0..many()).map(|_| consumer()).collect::<Vec<_>>());
        print("a consumer of one partition, between two polls", "you", consumers.len(), bytes);
        drop(first);
    }

    fn assigned(&self) {
        let all = || (0..self.partitions as u32).map(|number| ("t", number));
        let (bytes, consumer) = held(|| {
            let mut consumer = self.broker.consumer().assign(all()).build().expect("they are there");
            consumer.poll(Duration::ZERO).expect("empty partitions");
            consumer
        });
        let bound = "your partitions; a poll holds `fetch_max_bytes` more until its records are dropped";
        print("one more partition of a consumer", bound, self.partitions, bytes);
        drop(consumer);
    }

    fn producers(&self) {
        let (bytes, producers) = held(|| {
            (0..many()).map(|_| self.broker.producer().build().expect("valid settings")).collect::<Vec<_>>()
        });
        print("a producer that has sent nothing", "you", producers.len(), bytes);
    }

    fn send_to_all(&self, producer: &brooklet::Producer) {
        for number in 0..self.partitions as u32 {
            let record = NewRecord::to("t").partition(number).value(value().to_vec());
            drop(producer.send(record).expect("there is room"));
        }
    }

    fn lanes(&self) {
        // What the partitions themselves take for being written to is paid before.
        self.send_to_all(&self.broker.producer().acks(Acks::Written).build().expect("valid settings"));
        let producer = self.broker.producer().acks(Acks::Written).build().expect("valid settings");
        let (bytes, ()) = held(|| self.send_to_all(&producer));
        let bound = "your partitions; its buffer is as large as its largest batch, `batch_bytes` mostly";
        print("a partition that a producer has written to", bound, self.partitions, bytes);
    }

    fn lingering(&self) {
        let builder = self.broker.producer().acks(Acks::Written).linger(Duration::from_secs(60));
        let producer = builder.batch_bytes(1 << 20).build().expect("valid settings");
        let records = 8 * many();
        let send = |_| drop(producer.send(NewRecord::to("t").partition(0).value(value().to_vec())));
        let (bytes, ()) = held(|| (0..records).for_each(send));
        print("a record of 100 bytes that lingers", "`buffer_memory`", records, bytes);
        producer.close().expect("there is room");
    }

    fn numbered(&self) {
        let send = || {
            let producer = self.broker.producer().idempotent(true).acks(Acks::Written).build();
            let record = NewRecord::to("t").partition(0).value(value().to_vec());
            drop(producer.expect("valid settings").send(record).expect("there is room"));
        };
        send();
        let count = many();
        let (bytes, ()) = held(|| (0..count).for_each(|_| send()));
        let bound = "one that is silent for a day is forgotten";
        print("what a partition knows of a producer that numbers", bound, count, bytes);
    }
}

/// A group that stands: all members want all topics, each of ten partitions. Its state machine alone: the coordinator keeps
/// what was committed beside it.
fn group(members: usize, topics: usize) -> Group {
    let names: Vec<String> = (0..topics).map(|topic| format!("topic-{topic}")).collect();
    let counts: BTreeMap<String, u32> = names.iter().map(|topic| (topic.clone(), 10)).collect();
    let mut group = Group::new("bench", 0, Arc::new(BTreeMap::new()));
    let apply = |group: &mut Group, event| {
        group.apply(event, Duration::ZERO, &mut Vec::new()).expect("nothing is wrong with it");
    };
    let name = |member| format!("member-{member:05}");
    for member in 0..members {
        let join = Join::new(name(member), names.iter().map(String::as_str), Arc::new(Range));
        apply(&mut group, Event::Join(join));
    }
    apply(&mut group, Event::TopicsChanged { topics: Arc::new(counts), matched: BTreeMap::new() });
    while group.state() != GroupState::Stable {
        for member in 0..members {
            let view = group.member(&name(member)).expect("nobody leaves");
            let caller = Caller { member_id: name(member), instance_id: None, epoch: view.epoch() };
            let (keeps, gives_up) = (view.assigned().clone(), !view.revoking().is_empty());
            apply(&mut group, if gives_up { Event::Acknowledge(caller, keeps) } else { Event::Poll(caller) });
        }
    }
    group
}

fn groups() {
    let members = many();
    let held_by = |members, topics| held(|| group(members, topics)).0;
    let (one, few, all) = (held_by(1, 10), held_by(members, 10), held_by(members, members));
    let bound = "you; one that is silent for its session timeout is removed";
    print("a member of a group, of whose topics all want all", bound, members - 1, few.saturating_sub(one));
    let partitions = 10 * (members - 10);
    print("one more partition of a group", "your partitions", partitions, all.saturating_sub(few));
}
