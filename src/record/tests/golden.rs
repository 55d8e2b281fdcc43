//! Bytes that Kafka wrote, or agrees to: ours are the same, and say the same when read.

use super::*;

const NOON: i64 = 1_700_000_000_000;

const TWO_RECORDS: &str = "000000000000000000000055ffffffff02e58cf1ff00000000000100000000000454c300000000000454c3\
     ffffffffffffffffffffffffffff0000000220000000086b6579310c76616c756531002400e1bf2202086b6579320c76616c75653200";
const COMMIT: &str = "00000000000003d7000000420000001d02050d7e510030000000000000018bcfe568000000018bcfe56800\
     0000000000000049000dffffffff000000012000000008000000010c00000000015b00";
const NULLS_AND_HEADERS: &str = "00000000000000000000007affffffff02b55538990000000000030000018bcfe568000000018bcfe65260\
     ffffffffffffffffffffffffffff000000041c000000066b65790a76616c7565001a00e0d40302010a76616c7565001600c0a90704066b6579\
     01003e00c0a90706066b65790a76616c75650406666f6f0a76616c75650662617201";

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).expect("it is a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn parts<'a>(millis: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RecordParts<'a> {
    RecordParts { timestamp: Some(Timestamp::from_millis(millis)), key, value, headers: &[] }
}

fn built(records: &[RecordParts<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in records {
        builder.push(record).expect("it is a plain record");
    }
    builder.build().expect("it has records").bytes().to_vec()
}

fn seen(offset: u64, record: &RecordParts<'_>) -> Seen {
    Seen {
        offset,
        timestamp: record.timestamp.map(Timestamp::as_millis),
        sequence: None,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record.headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn assert_golden(text: &str, records: &[RecordParts<'_>]) -> BatchHeader {
    let golden = unhex(text);
    assert_eq!(built(records), golden);
    let batch = Batch::decode(&golden).expect("Kafka wrote it");
    let expected: Vec<Seen> =
        records.iter().enumerate().map(|(at, record)| seen(at as u64, record)).collect();
    assert_eq!(see(&batch), Ok(expected));
    assert_eq!(batch.bytes(), golden);
    *batch.header()
}

#[test]
fn two_records_are_the_bytes_of_kafkas_own_test() {
    let records =
        [parts(283_843, Some(b"key1"), Some(b"value1")), parts(1234, Some(b"key2"), Some(b"value2"))];
    let header = assert_golden(TWO_RECORDS, &records);
    assert_eq!((header.crc, header.size, header.leader_epoch), (3_851_219_455, 97, -1));
    assert_eq!(
        (header.base_timestamp, header.max_timestamp),
        (283_843, Some(Timestamp::from_millis(283_843)))
    );
    assert_eq!((header.producer_id, header.last_sequence(), header.records_count), (-1, -1, 2));
}

#[test]
fn null_keys_null_values_and_headers_are_kafkas_bytes() {
    let headers = [Header { key: "foo", value: Some(b"value") }, Header { key: "bar", value: None }];
    let records = [
        parts(NOON, Some(b"key"), Some(b"value")),
        parts(NOON + 30_000, None, Some(b"value")),
        parts(NOON + 60_000, Some(b"key"), None),
        RecordParts { headers: &headers, ..parts(NOON + 60_000, Some(b"key"), Some(b"value")) },
    ];
    let header = assert_golden(NULLS_AND_HEADERS, &records);
    assert_eq!(header.max_timestamp, Some(Timestamp::from_millis(NOON + 60_000)));
}

#[test]
fn a_commit_marker_is_kafkas_bytes() {
    let commit = ControlRecord::Commit { coordinator_epoch: 347 };
    let mut bytes = commit.encode(73, 13, Timestamp::from_millis(NOON)).expect("it is a marker");
    let mut encoded = EncodedBatch::from_bytes(&mut bytes).expect("we built it");
    encoded.assign(983, 29);
    let golden = unhex(COMMIT);
    assert_eq!(encoded.bytes(), golden);

    let batch = Batch::decode(&golden).expect("Kafka wrote it");
    assert_eq!(batch.control(), Ok(Some(commit)));
    let header = batch.header();
    assert!(header.is_control() && header.is_transactional());
    assert_eq!((header.base_offset, header.next_offset(), header.leader_epoch), (983, 984, 29));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (73, 13, -1));
}
