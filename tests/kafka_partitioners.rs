//! The partitions that Kafka's own classes chose for keys, case by case.
//!
//! Where the fixtures are, and what happens without them: `common/fixtures.rs`.

#[path = "common/fixtures.rs"]
mod fixtures;

use brooklet::NewRecord;
use brooklet::partitioners::{
    Murmur2, Murmur2Consistent, Murmur2Random, Partitioner, TopicMemory, TopicView, murmur2,
};
use fixtures::{bytes, cases, fixtures, integer, say};

/// All that hash a key as Java's client does.
const LIKE_JAVA: [&dyn Partitioner; 3] = [&Murmur2, &Murmur2Random, &Murmur2Consistent];

#[test]
fn every_key_goes_where_kafka_sends_it() {
    let Some(folder) = fixtures() else { return };
    let cases = cases(&folder, "murmur2.json");
    let memory = TopicMemory::new(0);
    let mut answers = 0;
    for case in &cases {
        let key = bytes(case["key_hex"].as_str().expect("key_hex"));
        let hash = murmur2(&key);
        assert_eq!(i64::from(hash.cast_signed()), integer(case, "murmur2"), "{case}");
        assert_eq!(i64::from(hash & 0x7fff_ffff), integer(case, "to_positive"), "{case}");
        for (partitions, expected) in case["partition"].as_object().expect("partition") {
            let partitions = partitions.parse().expect("a number of partitions");
            let topic = TopicView::new("t", partitions, &memory);
            for partitioner in LIKE_JAVA {
                let partition = partitioner.partition(&NewRecord::to("t").key(&key), &topic);
                assert_eq!(*expected, partition, "{partitioner:?} with {partitions} partitions: {case}");
                answers += 1;
            }
        }
    }
    assert!(answers >= 3 * cases.len(), "there are no partition counts in the cases");
    say(&format!("{} keys of Kafka hold, with {answers} partitions", cases.len()));
}
