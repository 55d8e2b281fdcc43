//! Random histories and random readers, held against a plain list of what was appended.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    /// Codec, producer of a transaction, records.
    Append(Compression, Option<i64>, usize),
    /// An emptied batch of so many offsets.
    Emptied(usize),
    End(i64, bool),
    /// Records, bytes, and how far below the end the limit lies.
    Fetch(usize, usize, u64),
    /// At this share of the log, in percent.
    Seek(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let codec = prop::sample::select(&Compression::ALL[..]);
    let producer = prop::option::weighted(0.7, 0..3i64);
    let records_max = prop_oneof![3 => 1usize..5, 1 => Just(MANY)];
    let bytes_max = prop_oneof![1 => 0usize..300, 1 => Just(MANY)];
    prop_oneof![
        6 => (codec, producer, 1usize..7).prop_map(|(codec, producer, records)| Step::Append(codec, producer, records)),
        1 => (1usize..4).prop_map(Step::Emptied),
        3 => (0..3i64, any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
        6 => (records_max, bytes_max, 0..6u64).prop_map(|(records, bytes, back)| Step::Fetch(records, bytes, back)),
        1 => (0..=100u64).prop_map(Step::Seek),
    ]
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Open(i64),
    Committed,
    Aborted,
}

/// All records that were appended.
#[derive(Default)]
struct Model(BTreeMap<u64, Fate>);

impl Model {
    fn end(&mut self, producer: i64, commit: bool) {
        let fate = if commit { Fate::Committed } else { Fate::Aborted };
        self.0.values_mut().filter(|it| **it == Fate::Open(producer)).for_each(|it| *it = fate);
    }

    /// What a reader at `position` may still get below `until`.
    fn expected(&self, isolation: Isolation, position: u64, until: u64) -> Vec<u64> {
        let records = self.0.range(position..).take_while(|(offset, _)| **offset < until);
        match isolation {
            Isolation::ReadUncommitted => records.map(|(offset, _)| *offset).collect(),
            Isolation::ReadCommitted => {
                let open = self.0.iter().find(|(_, fate)| matches!(fate, Fate::Open(_)));
                let stable = open.map_or(ALL, |(offset, _)| *offset);
                let decided = records.take_while(|(offset, _)| **offset < stable);
                decided.filter(|(_, fate)| **fate == Fate::Committed).map(|(offset, _)| *offset).collect()
            }
        }
    }
}

fn check_fetch(
    model: &Model,
    reader: &mut PartitionReader,
    (records_max, bytes_max, until): (usize, usize, u64),
) -> bool {
    let before = reader.position();
    let expected = model.expected(reader.isolation, before, until);
    let got = fetch(reader, records_max, bytes_max, until);
    let (position, isolation) = (reader.position(), reader.isolation);
    assert!(got.len() <= records_max);
    assert!(expected.starts_with(&got), "{isolation:?} from {before}: {got:?} of {expected:?}");
    assert_eq!(model.expected(isolation, position, until), expected[got.len()..], "left behind {position}");
    assert!(got.last().is_none_or(|last| *last < position) && position >= before);
    let moved = position > before;
    assert!(moved || expected.is_empty(), "{isolation:?} stands still at {before} before {expected:?}");
    moved
}

fn run(config: LogConfig, steps: &[Step]) {
    let world = World::with(config);
    let mut model = Model::default();
    let mut readers = [world.reader(0), world.committed_reader(0)];
    for step in steps {
        let end = world.end();
        match *step {
            Step::Append(codec, producer, records) => {
                let fate = producer.map_or(Fate::Committed, Fate::Open);
                model.0.extend((end..end + records as u64).map(|offset| (offset, fate)));
                world.append_bytes(&batch(codec, producer, end, records));
            }
            Step::Emptied(offsets) => world.append_emptied(offsets),
            Step::End(producer, commit) => {
                model.end(producer, commit);
                world.append_bytes(&marker(producer, commit));
            }
            Step::Fetch(records_max, bytes_max, back) => {
                let until = end.saturating_sub(back);
                for reader in &mut readers {
                    check_fetch(&model, reader, (records_max, bytes_max, until));
                }
            }
            Step::Seek(percent) => readers.iter_mut().for_each(|reader| reader.seek(end * percent / 100)),
        }
    }
    for reader in &mut readers {
        while check_fetch(&model, reader, (3, 200, ALL)) {}
        let stable = reader.upper_bound(world.end());
        assert!(
            reader.position() >= stable,
            "{:?} is at {} of {stable}",
            reader.isolation,
            reader.position()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn readers_agree_with_the_model(
        steps in prop::collection::vec(any_step(), 1..80),
        segment_bytes in 300u32..3000,
    ) {
        run(LogConfig { segment_bytes, index_interval_bytes: 100, ..LogConfig::default() }, &steps);
    }
}
