//! Records as users hold them: what they say of themselves, and what of them is shared.

use super::*;
use crate::partition::Record;
use crate::record::{BatchBuilder, Compression, EncodedBatch, Header, RecordParts, TimestampType};
use crate::types::Timestamp;

fn partition(topic: &str, number: u32) -> Arc<TopicPartition> {
    Arc::new(TopicPartition::new(topic, number).unwrap())
}

/// Each with something that another lacks.
fn parts() -> [RecordParts<'static>; 4] {
    const HEADERS: &[Header<'_>] = &[
        Header { key: "trace", value: Some(b"1") },
        Header { key: "", value: None },
        Header { key: "trace", value: Some(b"") },
    ];
    let at = |millis| Some(Timestamp::from_millis(millis));
    [
        RecordParts { timestamp: at(5), key: Some(b"k"), value: Some(b"v"), headers: HEADERS },
        RecordParts { timestamp: at(3), key: None, value: Some(b""), headers: &[] },
        RecordParts { timestamp: None, key: Some(b""), value: None, headers: &HEADERS[..1] },
        RecordParts { timestamp: at(0), key: None, value: None, headers: &HEADERS[1..] },
    ]
}

fn batch(codec: Compression, base_offset: u64, epoch: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    parts().iter().for_each(|parts| builder.push(parts).unwrap());
    let mut batch = builder.build().unwrap();
    batch.assign(base_offset, epoch);
    batch.bytes().to_vec()
}

/// Adds all batches of a chunk, as a reader does.
fn add(records: &mut Records, partition: &Arc<TopicPartition>, chunk: &Bytes, from: u64) {
    let mut rest = &chunk[..];
    while !rest.is_empty() {
        let batch = Batch::decode(rest).unwrap();
        records.add_batch(partition, &batch, chunk, from).unwrap();
        rest = &rest[batch.bytes().len()..];
    }
}

fn one_chunk(codec: Compression) -> Records {
    let chunk = Bytes::from([batch(codec, 10, 2), batch(codec, 20, 2)].concat());
    let mut records = Records::new();
    add(&mut records, &partition("orders", 7), &chunk, 0);
    records
}

fn assert_is(record: RecordRef<'_>, parts: &RecordParts<'_>) {
    assert_eq!((record.topic(), record.partition(), record.leader_epoch()), ("orders", 7, Some(2)));
    assert_eq!((record.timestamp(), record.timestamp_type()), (parts.timestamp, TimestampType::Create));
    assert_eq!((record.key(), record.value()), (parts.key, parts.value));
    assert_eq!(record.headers().collect::<Vec<_>>(), parts.headers);
}

#[test]
fn everything_of_a_record_comes_back_borrowed_shared_and_detached() {
    for codec in Compression::ALL {
        let records = one_chunk(codec);
        let kept: Vec<[Record; 2]> = records.iter().map(|record| [record.share(), record.detach()]).collect();
        let expected = parts().into_iter().chain(parts());
        for (number, (record, parts)) in records.iter().zip(expected.clone()).enumerate() {
            assert_eq!(record.offset(), [10, 20][number / 4] + number as u64 % 4, "{codec:?}");
            assert_is(record, &parts);
            assert_eq!(kept[number].each_ref().map(Record::offset), [record.offset(); 2]);
        }
        drop(records);
        for (kept, parts) in kept.iter().zip(expected) {
            kept.iter().for_each(|kept| assert_is(kept.clone().as_ref(), &parts));
        }
    }
}

#[test]
fn a_batch_that_is_not_compressed_is_not_copied() {
    let chunk = Bytes::from([batch(Compression::None, 0, 0), batch(Compression::None, 4, 0)].concat());
    let mut records = Records::new();
    add(&mut records, &partition("orders", 0), &chunk, 0);
    let inside = |bytes: &[u8]| chunk.as_ptr_range().contains(&bytes.as_ptr());
    let record = records.get(4).unwrap();
    assert!(inside(record.key().unwrap()) && inside(record.share().key().unwrap()));
    assert!(!inside(record.detach().key().unwrap()));
    assert_eq!(records.parts.len(), 1, "batches of one chunk share a part");
    drop(records);
    assert!(chunk.is_unique());
}

#[test]
fn a_shared_record_holds_on_to_its_chunk_and_a_detached_one_does_not() {
    let chunk = Bytes::from(batch(Compression::None, 0, 0));
    let mut records = Records::new();
    add(&mut records, &partition("orders", 0), &chunk, 0);
    let detached = records.get(0).unwrap().detach();
    let shared = records.get(0).unwrap().share();
    drop(records);
    assert!(!chunk.is_unique());
    drop(shared);
    assert!(chunk.is_unique());
    assert_eq!(detached.value(), Some(&b"v"[..]));
    assert!(detached.as_ref().part.bytes.len() < 24, "{} bytes", detached.as_ref().part.bytes.len());
}

#[test]
fn batches_that_differ_are_told_apart() {
    let mut stamped = batch(Compression::None, 8, 4);
    EncodedBatch::from_bytes(&mut stamped).unwrap().stamp_log_append_time(Timestamp::from_millis(77));
    let far = batch(Compression::None, 1 << 40, 4);
    let batches = [batch(Compression::None, 0, -1), batch(Compression::None, 4, 4), stamped, far];
    let mut records = Records::new();
    add(&mut records, &partition("orders", 0), &Bytes::from(batches.concat()), 0);
    let firsts: Vec<_> = records.iter().step_by(4).collect();
    assert_eq!(firsts.iter().map(|it| it.offset()).collect::<Vec<_>>(), [0, 4, 8, 1 << 40]);
    assert_eq!(
        firsts.iter().map(|it| it.leader_epoch()).collect::<Vec<_>>(),
        [None, Some(4), Some(4), Some(4)]
    );
    assert_eq!(firsts[2].timestamp_type(), TimestampType::LogAppend);
    assert_eq!(records.get(10).unwrap().timestamp(), Some(Timestamp::from_millis(77)));
    assert_eq!(firsts[3].timestamp_type(), TimestampType::Create);
}

#[test]
fn only_records_from_an_offset_on_are_added() {
    for codec in [Compression::None, Compression::Lz4] {
        let mut records = Records::new();
        add(&mut records, &partition("orders", 0), &Bytes::from(batch(codec, 5, 0)), 7);
        assert_eq!(records.iter().map(|record| record.offset()).collect::<Vec<_>>(), [7, 8]);
    }
}

#[test]
fn a_batch_with_a_wrong_record_adds_nothing() {
    let mut bytes = batch(Compression::None, 0, 0);
    let last = bytes.len() - 1;
    bytes[last] = 78; // the length of the last header's value
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let chunk = Bytes::from(bytes);
    let mut records = one_chunk(Compression::None);
    let result = records.add_batch(&partition("orders", 7), &Batch::decode(&chunk).unwrap(), &chunk, 0);
    assert!(matches!(result, Err(Invalid::Records { index: 3, .. })), "{result:?}");
    assert_eq!(records.len(), 8);
}

#[test]
fn records_of_several_partitions_know_where_they_come_from() {
    let (orders, payments) = (partition("orders", 7), partition("payments", 1));
    let mut records = one_chunk(Compression::None);
    add(&mut records, &payments, &Bytes::from(batch(Compression::None, 0, 0)), 0);
    records.set_next_offset(&payments, 4);
    records.set_next_offset(&orders, 24);
    records.set_next_offset(&payments, 5);
    assert_eq!(records.partitions().collect::<Vec<_>>(), [&*orders, &*payments]);
    assert_eq!((records.next_offset(&orders), records.next_offset(&payments)), (Some(24), Some(5)));
    assert_eq!(records.next_offset(&partition("orders", 6)), None);
    let topics: Vec<_> = (&records).into_iter().map(|record| (record.topic(), record.partition())).collect();
    assert_eq!((topics[7], topics[8]), (("orders", 7), ("payments", 1)));
    let none = Records::new();
    assert_eq!((none.len(), none.is_empty(), none.partitions().len()), (0, true, 0));
}

#[test]
fn iterating_goes_both_ways_and_knows_how_much_is_left() {
    let records = one_chunk(Compression::None);
    let mut iter = records.iter();
    assert_eq!((iter.len(), records.len()), (8, 8));
    assert_eq!(iter.next().map(RecordRef::offset), Some(10));
    assert_eq!(iter.next_back().map(RecordRef::offset), Some(23));
    assert_eq!(iter.len(), 6);
    assert_eq!(records.get(8).map(RecordRef::offset), None);
}

#[test]
fn a_record_prints_as_what_is_in_it() {
    let records = one_chunk(Compression::None);
    assert_eq!(
        format!("{:?}", records.get(2).unwrap().share()),
        r#"Record { partition: orders-7, offset: 12, key: "", value: null, header: ("trace", "1") }"#
    );
}

#[test]
fn records_go_between_threads() {
    fn assert_both<T: Send + Sync + 'static>() {}
    assert_both::<Records>();
    assert_both::<Record>();
    assert_both::<RecordRef<'static>>();
}
