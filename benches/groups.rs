//! Groups: what a rebalance costs as groups grow, how soon a new member reads, and what a commit costs.
//!
//! | what | goal |
//! |---|---|
//! | 1,000 members over 10,000 partitions: one more member, divided anew | at most 100 ms |
//! | a member joins a group of 100 and has its first record, in memory | at most 1 ms |
//! | a commit of what is durable | one append, one sync |
//!
//! A rebalance is measured on the state machine, without the disk: a member joins a group that stands, and everybody's
//! share is made anew; then everybody gives up and takes, until the group stands again. Times are medians.

#[expect(dead_code, reason = "only what is written is counted here")]
mod counting;
#[expect(dead_code, reason = "no batch is made by hand here")]
mod turns;

use brooklet::assignors::{Assignor, CooperativeSticky, Range, RoundRobin, Sticky};
use brooklet::clock::{Clock, SystemClock};
use brooklet::group::{Caller, Event, Group, GroupState, Join};
use brooklet::{
    Acks, AutoCommit, Broker, Consumer, NewRecord, Partition, Start, TopicConfig, TopicPartition,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use turns::{Side, compare, elapsed, is_measuring};

/// Fewer are no median.
const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 51;
/// How long a group is measured, if it has had its rounds.
const TIME_PER_GROUP: Duration = Duration::from_millis(500);

fn main() {
    if is_measuring() {
        print_rebalances();
        print_different_wishes();
        print_first_record();
        print_commits();
    } else {
        // Only whether it still works.
        assert_eq!(Crowd::with(Arc::new(Range), 10, 100).one_more(), 12);
    }
}

/// A copy of an assignor, which has no state.
fn assignors() -> [(&'static str, Arc<dyn Assignor>); 4] {
    [
        ("range", Arc::new(Range)),
        ("roundrobin", Arc::new(RoundRobin)),
        ("sticky", Arc::new(Sticky)),
        ("cooperative-sticky", Arc::new(CooperativeSticky)),
    ]
}

/// A group that stands.
struct Crowd {
    group: Group,
    assignor: Arc<dyn Assignor>,
    members: usize,
    topics: Vec<String>,
    /// Each member does without one of so many topics, another one than its neighbour; none: all want all.
    without_one_of: Option<usize>,
}

impl Crowd {
    fn with(assignor: Arc<dyn Assignor>, members: usize, partitions: u32) -> Crowd {
        Crowd::choosy(assignor, members, partitions, None)
    }

    fn choosy(
        assignor: Arc<dyn Assignor>,
        members: usize,
        partitions: u32,
        without_one_of: Option<usize>,
    ) -> Crowd {
        // Ten to a topic, as topics are.
        let topics: Vec<String> =
            (0..partitions.div_ceil(10)).map(|topic| format!("topic-{topic}")).collect();
        let counts: BTreeMap<String, u32> = topics.iter().map(|topic| (topic.clone(), 10)).collect();
        let group = Group::new("bench", 0, Arc::new(BTreeMap::new()));
        let mut crowd = Crowd { group, assignor, members: 0, topics, without_one_of };
        // Without topics nobody has anything to give up while they join.
        (0..members).for_each(|_| crowd.join());
        crowd.apply(Event::TopicsChanged { topics: Arc::new(counts), matched: BTreeMap::new() });
        crowd.settle();
        crowd
    }

    fn apply(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.group.apply(event, Duration::ZERO, &mut effects).expect("nothing is wrong with it");
    }

    fn join(&mut self) {
        let member = self.members;
        let wants =
            |topic: usize| self.without_one_of.is_none_or(|one_of| !(topic + member).is_multiple_of(one_of));
        let topics = self.topics.iter().enumerate().filter(|(topic, _)| wants(*topic));
        let topics = topics.map(|(_, name)| name.as_str());
        let join = Join::new(format!("member-{member:05}"), topics, self.assignor.clone());
        self.members += 1;
        self.apply(Event::Join(join));
    }

    /// Everybody follows until the group stands.
    fn settle(&mut self) {
        while self.group.state() != GroupState::Stable {
            for member in 0..self.members {
                let member_id = format!("member-{member:05}");
                let Some(view) = self.group.member(&member_id) else { continue };
                let caller = Caller { member_id: member_id.clone(), instance_id: None, epoch: view.epoch() };
                let (keeps, gives_up) = (view.assigned().clone(), !view.revoking().is_empty());
                self.apply(if gives_up { Event::Acknowledge(caller, keeps) } else { Event::Poll(caller) });
            }
        }
    }

    /// One more joins: the share of each is made anew.
    fn one_more(&mut self) -> u32 {
        self.join();
        self.group.epoch()
    }

    /// How long that takes until it is known who is to have what, and until everybody has it; in milliseconds.
    fn measure(&mut self) -> (f64, f64) {
        let clock = SystemClock::new();
        let (mut divided, mut done) = (Vec::new(), Vec::new());
        while divided.len() < ROUNDS_MIN || (divided.len() < ROUNDS_MAX && clock.monotonic() < TIME_PER_GROUP)
        {
            let first = elapsed(|| _ = black_box(self.one_more())).as_secs_f64() * 1e3;
            let rest = elapsed(|| self.settle()).as_secs_f64() * 1e3;
            divided.push(first);
            done.push(first + rest);
        }
        (median(divided), median(done))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn verdict(unit: &str, value: f64, goal: f64) -> String {
    format!("goal: at most {goal} {unit}, {}", if value <= goal { "met" } else { "MISSED" })
}

const SIZES: [(usize, u32); 8] = [
    (1, 10),
    (1, 10_000),
    (10, 100),
    (100, 1_000),
    (100, 10_000),
    (1_000, 10),
    (1_000, 1_000),
    (1_000, 10_000),
];

fn print_rebalances() {
    println!(
        "one more member joins; until it is known who is to have what, and until everybody has it, in ms:"
    );
    print!("{:>18}", "members/partitions");
    SIZES.iter().for_each(|(members, partitions)| print!("{:>15}", format!("{members}/{partitions}")));
    println!();
    for (name, assignor) in assignors() {
        print!("{name:>18}");
        let mut last = (0.0, 0.0);
        for (members, partitions) in SIZES {
            last = Crowd::with(assignor.clone(), members, partitions).measure();
            print!("{:>15}", format!("{:.3} {:.3}", last.0, last.1));
        }
        println!("   {}", verdict("ms", last.1, 100.0));
    }
}

/// Where members want different things there is no quota, and one partition is moved after the other.
fn print_different_wishes() {
    for (assignor, without) in [("range", 3), ("cooperative-sticky", 3), ("cooperative-sticky", 97)] {
        let chosen =
            assignors().into_iter().find(|(name, _)| *name == assignor).expect("it is one of ours").1;
        let (divided, done) = Crowd::choosy(chosen, 1_000, 10_000, Some(without)).measure();
        println!("{assignor}, each member without one topic in {without}, in turn: {divided:.3} {done:.3}");
    }
}

fn broker(partitions: u32) -> Broker {
    let broker = Broker::in_memory().expect("there is memory");
    broker.create_topic("bench", TopicConfig::new().partitions(partitions)).expect("there is none yet");
    let topic = broker.topic("bench").expect("it was just made");
    for partition in topic.partitions().iter() {
        partition.append([NewRecord::new().value("1")], Acks::Written).expect("there is room");
    }
    broker
}

fn member(broker: &Broker) -> Consumer {
    let builder = broker.consumer().group("bench").subscribe(["bench"]).start(Start::Earliest);
    let builder = builder.assignor(CooperativeSticky).auto_commit(AutoCommit::Off);
    builder.build().expect("valid settings")
}

/// A hundred members on a hundred partitions and ten: each has one, and ten have two. Who joins gets one of these.
fn print_first_record() {
    const GOAL_MICROS: f64 = 1_000.0;
    const MEMBERS: usize = 100;
    let broker = broker(110);
    let mut crowd: Vec<Consumer> = (0..MEMBERS).map(|_| member(&broker)).collect();
    let follow = |crowd: &mut Vec<Consumer>| {
        for consumer in crowd.iter_mut() {
            drop(consumer.poll(Duration::ZERO).expect("nothing fails in memory"));
        }
    };
    (0..4).for_each(|_| follow(&mut crowd));
    let (mut totals, mut joins, mut others, mut firsts) = (vec![], vec![], vec![], vec![]);
    for _ in 0..51 {
        let clock = SystemClock::new();
        let mut new = member(&broker);
        let mut records = new.poll(Duration::ZERO).expect("nothing fails in memory");
        let joined = clock.monotonic();
        // The others are told, and give up what is the new one's in their next poll.
        follow(&mut crowd);
        let gave_up = clock.monotonic();
        while records.is_empty() {
            records = new.poll(Duration::from_secs(10)).expect("nothing fails in memory");
        }
        let done = clock.monotonic();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        totals.push(micros(done));
        joins.push(micros(joined));
        others.push(micros(gave_up - joined));
        firsts.push(micros(done - gave_up));
        new.close().expect("nothing fails in memory");
        (0..3).for_each(|_| follow(&mut crowd));
    }
    let total = median(totals);
    println!(
        "from joining {MEMBERS} to the first record: {total:.0} us; {}",
        verdict("us", total, GOAL_MICROS)
    );
    println!(
        "    of that: joining {:.0} us, {MEMBERS} polls of the others {:.0} us, taking and reading {:.0} us",
        median(joins),
        median(others),
        median(firsts)
    );
}

/// A broker on the disk with one durable record, in a directory that goes with it.
fn on_disk() -> (Broker, Arc<counting::CountingFs>, tempfile::TempDir) {
    let (fs, scratch) = (counting::CountingFs::on_disk(), turns::scratch());
    let broker = Broker::builder().fs(fs.clone()).open(scratch.path().join("data")).expect("a disk");
    broker.create_topic("bench", TopicConfig::new()).expect("there is none yet");
    partition_of(&broker, "bench")
        .append([NewRecord::new().value("1")], Acks::Durable)
        .expect("there is room");
    (broker, fs, scratch)
}

fn partition_of(broker: &Broker, topic: &str) -> Partition {
    broker.topic(topic).and_then(|topic| topic.partition(0)).expect("it was made")
}

/// Does something on so many threads at once, so often on each: how long it takes, and how many that are.
fn on_threads(threads: usize, times: u64, act: impl Fn(usize) + Sync) -> (Duration, u64) {
    let time = elapsed(|| {
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let act = &act;
                scope.spawn(move || (0..times).for_each(|_| act(thread)));
            }
        });
    });
    (time, threads as u64 * times)
}

/// A commit of what is durable beside an append of as many bytes, by one thread, and by sixteen that share syncs.
fn print_commits() {
    const TIMES: u64 = 20;
    let id = TopicPartition::new("bench", 0).expect("a valid name");
    for threads in [1, 16] {
        let (broker, fs, _scratch) = on_disk();
        let consumers: Vec<Mutex<Consumer>> = (0..threads)
            .map(|thread| {
                let builder = broker.consumer().group(format!("bench-{thread}")).auto_commit(AutoCommit::Off);
                Mutex::new(builder.assign([("bench", 0)]).build().expect("valid settings"))
            })
            .collect();
        let commit = |thread: usize| {
            let mut consumer = consumers[thread].lock();
            consumer.commit_offsets([(id.clone(), 1)]).expect("a disk");
        };
        commit(0);
        let offsets = partition_of(&broker, "__consumer_offsets");
        let (before, _) = (offsets.watermarks().end, fs.take_syncs());
        let (_, commits) = on_threads(threads, TIMES, commit);
        let per = |count: u64| count as f64 / commits as f64;
        let (records, syncs) = (per(offsets.watermarks().end - before), per(fs.take_syncs()));
        println!("{threads} threads commit: {records:.2} records and {syncs:.2} syncs each");
        let beside = partition_of(&broker, "bench");
        let append = |_: usize| {
            let record = NewRecord::new().key([7_u8; 22]).value([7_u8; 24]);
            beside.append([record], Acks::Durable).expect("a disk");
        };
        compare(
            &format!("a durable commit, {threads} threads"),
            "commit",
            None,
            Side::new("commit", || on_threads(threads, TIMES, commit)),
            Side::new("Partition::append", || on_threads(threads, TIMES, append)),
        );
    }
    print_written();
}

/// The same without the disk: what a commit itself costs.
fn print_written() {
    const TIMES: u64 = 1_000;
    let broker = Broker::builder().acks(Acks::Written).in_memory().expect("there is memory");
    broker.create_topic("bench", TopicConfig::new()).expect("there is none yet");
    let beside = partition_of(&broker, "bench");
    beside.append([NewRecord::new().value("1")], Acks::Durable).expect("there is room");
    let builder = broker.consumer().group("bench").auto_commit(AutoCommit::Off).assign([("bench", 0)]);
    let mut consumer = builder.build().expect("valid settings");
    let id = TopicPartition::new("bench", 0).expect("a valid name");
    let commit = || {
        let time = elapsed(|| {
            for _ in 0..TIMES {
                consumer.commit_offsets([(id.clone(), 1)]).expect("there is memory");
            }
        });
        (time, TIMES)
    };
    let append = || {
        let time = elapsed(|| {
            for _ in 0..TIMES {
                let record = NewRecord::new().key([7_u8; 22]).value([7_u8; 24]);
                beside.append([record], Acks::Written).expect("there is memory");
            }
        });
        (time, TIMES)
    };
    compare(
        "a written commit, in memory",
        "commit",
        None,
        Side::new("commit", commit),
        Side::new("Partition::append", append),
    );
}
