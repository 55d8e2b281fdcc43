//! Transactions as a log sees them: which were aborted, and up to where all is decided; held against a model over
//! random histories with crashes, truncations and reopenings in between.

use crate::batches::{Spec, append_bytes, marker};
use crate::world::{World, small};
use brooklet::LogConfig;
use brooklet::log::Watermarks;
use brooklet::segment::AbortedTransaction;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Plain,
    Write(i64),
    End(i64, bool),
    Flush,
    Reopen,
    Crash,
    /// At this share of the log, in percent.
    Truncate(u64),
    /// The records before this share of it.
    Delete(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Plain),
        6 => (0..4i64).prop_map(Step::Write),
        4 => (0..4i64, any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => (0..=100u64).prop_map(Step::Truncate),
        1 => (0..=100u64).prop_map(Step::Delete),
    ]
}

/// One batch that matters.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Write(i64),
    End(i64, bool),
}

/// All batches that matter, by offset. Each has one record.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<u64, Entry>,
}

impl Model {
    fn aborted(&self) -> Vec<AbortedTransaction> {
        self.replay().0
    }

    fn last_stable(&self, end: u64) -> u64 {
        self.replay().1.values().copied().min().unwrap_or(end)
    }

    fn replay(&self) -> (Vec<AbortedTransaction>, BTreeMap<i64, u64>) {
        let (mut aborted, mut open) = (Vec::new(), BTreeMap::new());
        for (&offset, entry) in &self.entries {
            match *entry {
                Entry::Write(producer) => _ = open.entry(producer).or_insert(offset),
                Entry::End(producer, commit) => {
                    let Some(first_offset) = open.remove(&producer) else { continue };
                    let last_stable_offset = open.values().copied().min().unwrap_or(offset + 1);
                    if !commit {
                        aborted.push(AbortedTransaction {
                            producer_id: producer,
                            first_offset,
                            last_offset: offset,
                            last_stable_offset,
                        });
                    }
                }
            }
        }
        (aborted, open)
    }
}

fn run(mut world: World, steps: &[Step]) {
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let Watermarks { start, end, .. } = world.log.watermarks();
        match *step {
            Step::Plain => _ = Spec::plain(number as i64, &["plain"]).append_to(&world.log),
            Step::Write(producer) => {
                let appended = Spec::plain(number as i64, &["write"]).by(producer).append_to(&world.log);
                model.entries.insert(appended.base_offset, Entry::Write(producer));
            }
            Step::End(producer, commit) => {
                let bytes = marker(producer, commit, number as i64);
                let appended = append_bytes(&world.log, bytes).expect("a marker");
                model.entries.insert(appended.base_offset, Entry::End(producer, commit));
            }
            Step::Flush => _ = world.log.flush().expect("memory does not fail"),
            Step::Reopen => world = world.reopened(),
            Step::Crash => world = world.crashed(),
            Step::Truncate(percent) => {
                let offset = start + (end - start) * percent / 100;
                world.log.truncate(offset).expect("it is in range");
                model.entries.split_off(&offset);
            }
            Step::Delete(percent) => {
                let offset = start + (end - start) * percent / 100;
                assert_eq!(world.log.advance_start(offset).expect("it is in range"), offset);
            }
        }
        check(&world, &model, &format!("after step {number} of {steps:?}"));
    }
}

fn check(world: &World, model: &Model, when: &str) {
    let marks = world.log.watermarks();
    assert_eq!(marks.last_stable, model.last_stable(marks.end).max(marks.start), "last stable {when}");
    let aborted = model.aborted();
    let step = (marks.end / 7).max(1);
    for from in (0..=marks.end).step_by(step as usize) {
        for until in [from, from + 1, from + step, marks.end, u64::MAX] {
            let concerns = |one: &&AbortedTransaction| one.last_offset >= from && one.first_offset < until;
            let expected: Vec<_> = aborted.iter().filter(concerns).copied().collect();
            let found = world.log.aborted_transactions(from, until).expect("nothing is damaged");
            assert_eq!(found, expected, "aborted in {from}..{until} {when}");
        }
    }
}

#[test]
fn a_transaction_that_spans_segments_and_a_crash_is_known_to_the_end() {
    let mut steps = vec![Step::Write(1), Step::Write(2)];
    steps.extend(vec![Step::Plain; 20]);
    steps.extend([Step::Reopen, Step::End(2, false), Step::Crash, Step::Write(1), Step::Crash]);
    steps.extend(vec![Step::Plain; 20]);
    steps.extend([Step::End(1, false), Step::Reopen, Step::Truncate(60), Step::Crash, Step::End(1, true)]);
    run(World::new(small()), &steps);
}

#[test]
fn a_transaction_whose_records_are_deleted_holds_back_what_comes_behind_them() {
    let open = [Step::Write(1), Step::Plain, Step::Plain, Step::Delete(50), Step::Reopen, Step::Crash];
    run(World::new(small()), &open);
    run(World::new(small()), &[open.as_slice(), &[Step::End(1, false), Step::Plain]].concat());
}

#[test]
fn a_marker_without_a_transaction_changes_nothing() {
    run(World::new(small()), &[Step::End(1, false), Step::End(1, true), Step::Plain, Step::Crash]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn random_histories_agree_with_the_model(
        steps in prop::collection::vec(any_step(), 1..60),
        (segment_bytes, index_interval_bytes) in (300u32..900, 0u32..300),
    ) {
        run(World::new(LogConfig { segment_bytes, index_interval_bytes, ..small() }), &steps);
    }
}
