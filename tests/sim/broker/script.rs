//! What is done to a broker in a run: steps drawn from a seed.
//!
//! A step holds numbers, not names: which topics and partitions there are is known only when its turn comes.

use crate::disk::Rng;
use brooklet::{Acks, CleanupPolicy, TopicConfig, Visibility};
use std::time::Duration;

/// Few, so that names are used again.
pub(super) const NAMES: [&str; 3] = ["orders", "users", "x.y"];

/// How many kinds of producers there are: see [`super::produce`].
pub(super) const SLOTS: usize = 6;

/// What becomes of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Wait,
    Drop,
    Keep,
    Callback,
}

/// One step. `pick` chooses among what there is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Create {
        name: &'static str,
        config: TopicConfig,
    },
    Ensure {
        name: &'static str,
        config: TopicConfig,
    },
    Delete {
        pick: u64,
    },
    Recreate {
        pick: u64,
        config: TopicConfig,
    },
    Grow {
        pick: u64,
        by: u32,
    },
    Alter {
        pick: u64,
        to: u64,
    },
    Send {
        slot: usize,
        pick: u64,
        how: How,
    },
    SendBatch {
        slot: usize,
        picks: Vec<u64>,
        how: How,
    },
    WaitForKept,
    Flush {
        slot: usize,
    },
    CloseProducer {
        slot: usize,
    },
    Append {
        pick: u64,
        records: u64,
        acks: Acks,
    },
    FlushPartition {
        pick: u64,
    },
    DeleteRecords {
        pick: u64,
        back: u64,
    },
    CompactNow {
        pick: u64,
    },
    RetainNow {
        pick: u64,
    },
    Pass {
        millis: u64,
    },
    Poll,
    Reopen,
    /// The process is killed, and what it left is opened.
    Kill,
}

/// The steps of a seed. They begin with a topic and a record; those of every third fill it before they take things away, in
/// turns by compaction and by retention.
pub(super) fn drawn(seed: u64, len: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed ^ 0xB20C);
    if seed.is_multiple_of(3) {
        return (0..len).map(|index| cleaning(&mut rng, seed / 6 % 2 == 1, index, len)).collect();
    }
    let first = Step::Create { name: NAMES[rng.index(NAMES.len())], config: config(&mut rng) };
    let mut steps = vec![first, send(&mut rng)];
    steps.extend((2..len).map(|_| step(&mut rng)));
    steps
}

fn cleaning(rng: &mut Rng, retains: bool, index: usize, len: usize) -> Step {
    use CleanupPolicy::{Compact, CompactDelete, Delete};
    if index == 0 {
        let config = config(rng).partitions(1);
        let config = match rng.index(2) {
            _ if !retains => {
                let delete_retention = Duration::from_secs([0, 4][rng.index(2)]);
                config.segment_bytes(450).delete_retention(delete_retention)
            }
            0 => config.segment_bytes(250).retention(Duration::from_secs(4)),
            _ => config.segment_bytes(250).retention_bytes(100),
        };
        let policies = if retains { [Delete, CompactDelete] } else { [Compact, CompactDelete] };
        return Step::Create { name: NAMES[0], config: config.cleanup_policy(policies[rng.index(2)]) };
    }
    let pick = rng.draw();
    match rng.below(9) {
        _ if 2 * index < len => {
            let picks = (0..rng.between(2, 5)).map(|_| rng.draw()).collect();
            Step::SendBatch { slot: rng.index(SLOTS), picks, how: how(rng) }
        }
        0..4 if retains => Step::RetainNow { pick },
        0..4 => Step::CompactNow { pick },
        4..6 => Step::Pass { millis: 5000 },
        6 => [Step::CompactNow { pick }, Step::RetainNow { pick }][rng.index(2)].clone(),
        7 => send(rng),
        _ => step(rng),
    }
}

/// A compacted topic is deleted and made anew, and before anything was closed in order again the process is killed.
pub(super) fn renewed(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed ^ 0x4E37);
    let compacted = |rng: &mut Rng| {
        let config = config(rng).partitions(1).segment_bytes(450).cleanup_policy(CleanupPolicy::Compact);
        config.delete_retention(Duration::from_secs([0, 4][rng.index(2)]))
    };
    let fill = |rng: &mut Rng, times| {
        let some = |rng: &mut Rng| Step::Append { pick: 0, records: rng.between(1, 3), acks: Acks::Written };
        (0..times).map(|_| some(rng)).collect::<Vec<_>>()
    };
    let mut steps = vec![Step::Create { name: NAMES[0], config: compacted(&mut rng) }];
    steps.extend(fill(&mut rng, 4));
    steps.extend([Step::CompactNow { pick: 0 }, Step::Reopen]);
    steps.push(Step::Recreate { pick: 0, config: compacted(&mut rng) });
    steps.extend(fill(&mut rng, 6));
    steps.push(Step::Kill);
    for _ in 0..2 {
        steps.extend(fill(&mut rng, 1));
        steps.extend([Step::CompactNow { pick: 0 }, Step::Pass { millis: 5000 }]);
    }
    steps
}

/// Any step.
pub(super) fn step(rng: &mut Rng) -> Step {
    let pick = rng.draw();
    match rng.below(110) {
        0..7 => Step::Create { name: NAMES[rng.index(NAMES.len())], config: config(rng) },
        7..10 => Step::Ensure { name: NAMES[rng.index(NAMES.len())], config: config(rng) },
        10..14 => Step::Delete { pick },
        14..18 => Step::Recreate { pick, config: config(rng) },
        18..23 => Step::Grow { pick, by: rng.between(1, 2) as u32 },
        23..28 => Step::Alter { pick, to: rng.draw() },
        28..52 => send(rng),
        52..60 => {
            let picks = (0..rng.between(2, 5)).map(|_| rng.draw()).collect();
            Step::SendBatch { slot: rng.index(SLOTS), picks, how: how(rng) }
        }
        60..66 => Step::WaitForKept,
        66..72 => Step::Flush { slot: rng.index(SLOTS) },
        72..74 => Step::CloseProducer { slot: rng.index(SLOTS) },
        74..79 => {
            let acks = [Acks::None, Acks::Written, Acks::Durable][rng.index(3)];
            Step::Append { pick, records: rng.between(1, 3), acks }
        }
        79..82 => Step::FlushPartition { pick },
        82..87 => Step::DeleteRecords { pick, back: rng.below(6) },
        87..93 => Step::Pass { millis: [30, 60, 1000, 5000][rng.index(4)] },
        93..95 => Step::Poll,
        95..101 => Step::CompactNow { pick },
        101..105 => Step::RetainNow { pick },
        _ => Step::Reopen,
    }
}

pub(super) fn send(rng: &mut Rng) -> Step {
    Step::Send { slot: rng.index(SLOTS), pick: rng.draw(), how: how(rng) }
}

fn how(rng: &mut Rng) -> How {
    match rng.below(10) {
        0..4 => How::Wait,
        4..6 => How::Drop,
        6..8 => How::Keep,
        _ => How::Callback,
    }
}

fn config(rng: &mut Rng) -> TopicConfig {
    let policies = [CleanupPolicy::Delete, CleanupPolicy::Compact, CleanupPolicy::CompactDelete];
    let config = TopicConfig::new()
        .cleanup_policy(policies[[0, 0, 1, 2][rng.index(4)]])
        .retention(Duration::from_secs([4, 7 * 86_400][rng.index(2)]))
        .retention_bytes([600, 2000, u64::MAX, u64::MAX][rng.index(4)])
        .partitions(rng.between(1, 2) as u32)
        .segment_bytes([450, 900, 4000][rng.index(3)])
        .segment_age(Duration::from_secs([1, 3600][rng.index(2)]))
        .index_interval_bytes([0, 150, 4096][rng.index(3)])
        .min_acks([Acks::None, Acks::None, Acks::Written, Acks::Durable][rng.index(4)]);
    if rng.percent(15) { config.visibility(Visibility::Durable) } else { config }
}

/// What the settings of a topic are altered to.
pub(super) fn altered(config: TopicConfig, to: u64) -> TopicConfig {
    let mut rng = Rng::new(to);
    config
        .segment_bytes([450, 900, 4000][rng.index(3)])
        .min_acks([Acks::None, Acks::Written, Acks::Durable][rng.index(3)])
        .retention(Duration::from_secs(rng.between(1000, 9000)))
}
