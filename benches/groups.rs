//! Groups: what a rebalance costs as groups grow, how soon a new member reads, and what a commit costs.
//!
//! | what | goal |
//! |---|---|
//! | 1,000 members over 10,000 partitions: one more member, divided anew | at most 100 ms |
//! | a member joins a group of 100 and has its first record, in memory | at most 1 ms |
//! | a commit of what is durable | one append, one sync |
//!
//! A rebalance is measured on the state machine, without the disk: a member joins a group that stands, and everybody's
//! share is made anew. Times are medians.

#[expect(dead_code, reason = "only what is written is counted here")]
mod counting;
#[expect(dead_code, reason = "no comparison is made here, and no batch")]
mod turns;

use brooklet::assignors::{Assignor, CooperativeSticky, Range, RoundRobin, Sticky};
use brooklet::clock::{Clock, SystemClock};
use brooklet::group::{Caller, Event, Group, Join};
use brooklet::{Acks, AutoCommit, Broker, Consumer, NewRecord, Start, TopicConfig, TopicPartition};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use turns::{elapsed, is_measuring};

const ROUNDS: usize = 11;

fn main() {
    let mut criterion = turns::criterion();
    criterion.bench_function("groups: a member joins 10 over 100 partitions", |bencher| {
        bencher.iter_with_setup(|| Crowd::of(&Range, 10, 100), |mut crowd| black_box(crowd.one_more()));
    });
    criterion.final_summary();
    if is_measuring() {
        println!();
        print_rebalances();
        print_first_record();
        print_commits();
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
}

impl Crowd {
    fn of(assignor: &(impl Assignor + Clone), members: usize, partitions: u32) -> Crowd {
        Crowd::with(Arc::new(assignor.clone()), members, partitions)
    }

    /// One who owns everything makes room for the others: all of them give up and take until nothing is left to do.
    fn with(assignor: Arc<dyn Assignor>, members: usize, partitions: u32) -> Crowd {
        // Ten to a topic, as topics are.
        let topics = (0..partitions.div_ceil(10)).map(|topic| (format!("topic-{topic}"), 10));
        let mut crowd =
            Crowd { group: Group::new("bench", 0, Arc::new(BTreeMap::new())), assignor, members: 0 };
        // Without topics nobody has anything to give up while they join.
        (0..members).for_each(|_| crowd.join(partitions));
        let topics: Arc<BTreeMap<String, u32>> = Arc::new(topics.collect());
        crowd.apply(Event::TopicsChanged { topics, matched: BTreeMap::new() });
        crowd.settle();
        crowd
    }

    fn apply(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.group.apply(event, Duration::ZERO, &mut effects).expect("nothing is wrong with it");
    }

    fn join(&mut self, partitions: u32) {
        let topics: Vec<String> =
            (0..partitions.div_ceil(10)).map(|topic| format!("topic-{topic}")).collect();
        let topics = topics.iter().map(String::as_str);
        let join = Join::new(format!("member-{:05}", self.members), topics, self.assignor.clone());
        self.members += 1;
        self.apply(Event::Join(join));
    }

    /// Everybody follows until the group stands.
    fn settle(&mut self) {
        for _ in 0..3 {
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
        let partitions =
            10 * self.group.member("member-00000").map_or(0, |member| member.said().topics.len());
        self.join(partitions as u32);
        self.group.epoch()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn verdict(unit: &str, value: f64, goal: f64) -> String {
    format!("goal: at most {goal} {unit}, {}", if value <= goal { "met" } else { "MISSED" })
}

fn print_rebalances() {
    const SIZES: [(usize, u32); 7] =
        [(1, 10), (1, 10_000), (10, 100), (100, 1_000), (100, 10_000), (1_000, 1_000), (1_000, 10_000)];
    println!("one more member joins, in ms:");
    print!("{:>20}", "members/partitions");
    SIZES.iter().for_each(|(members, partitions)| print!("{:>13}", format!("{members}/{partitions}")));
    println!();
    for (name, assignor) in assignors() {
        print!("{name:>20}");
        let mut last = 0.0;
        for (members, partitions) in SIZES {
            let mut crowd = Crowd::with(assignor.clone(), members, partitions);
            let once = |_| {
                let time = elapsed(|| _ = black_box(crowd.one_more())).as_secs_f64() * 1e3;
                crowd.settle();
                time
            };
            let rounds = if members * partitions as usize > 1_000_000 { 5 } else { ROUNDS };
            last = median((0..rounds).map(once).collect());
            print!("{last:>13.3}");
        }
        println!("   {}", verdict("ms", last, 100.0));
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

/// Commits of one thread, and of sixteen that share syncs; on a file system in memory that counts.
fn print_commits() {
    const COMMITS: u64 = 200;
    for threads in [1_u64, 16] {
        let fs = counting::CountingFs::on_disk();
        let scratch = turns::scratch();
        let broker = Broker::builder().fs(fs.clone()).open(scratch.path().join("data")).expect("a disk");
        broker.create_topic("bench", TopicConfig::new()).expect("there is none yet");
        let partition = broker.topic("bench").and_then(|topic| topic.partition(0)).expect("it was just made");
        for _ in 0..COMMITS + 1 {
            partition.append([NewRecord::new().value("1")], Acks::Written).expect("there is room");
        }
        partition.flush().expect("a disk");
        let simple = |thread: u64| {
            let builder = broker.consumer().group(format!("bench-{thread}")).auto_commit(AutoCommit::Off);
            builder.assign([("bench", 0)]).build().expect("valid settings")
        };
        let id = TopicPartition::new("bench", 0).expect("a valid name");
        let mut consumers: Vec<Consumer> = (0..threads).map(simple).collect();
        for consumer in &mut consumers {
            consumer.commit_offsets([(id.clone(), 0)]).expect("a disk");
        }
        let offsets = broker.topic("__consumer_offsets").and_then(|topic| topic.partition(0)).expect("made");
        let (before, _) = (offsets.watermarks().end, fs.take_syncs());
        let commits = AtomicU64::new(0);
        let time = elapsed(|| {
            std::thread::scope(|scope| {
                for consumer in &mut consumers {
                    scope.spawn(|| {
                        for offset in 1..=COMMITS {
                            consumer.commit_offsets([(id.clone(), offset)]).expect("a disk");
                            commits.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
        });
        let (commits, appended) = (commits.into_inner(), offsets.watermarks().end - before);
        let per = |count: u64| count as f64 / commits as f64;
        println!(
            "{threads} threads commit {commits} times: {:.2} records, {:.2} syncs, {:.1} us each",
            per(appended),
            per(fs.take_syncs()),
            time.as_secs_f64() * 1e6 / commits as f64
        );
    }
}
