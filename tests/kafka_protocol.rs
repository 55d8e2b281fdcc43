//! Batches of ours in the hands of a decoder that we did not write (the crate kafka-protocol), and its batches in ours.
//!
//! It keeps headers in a map, so names do not repeat here; and it keeps its own idea of the offset-sequence relation,
//! so its batches carry sequences that follow the offsets.

use brooklet::Timestamp;
use brooklet::record::{Batch, BatchBuilder, Compression, ControlRecord, EncodedBatch, Header, RecordParts};
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType as TheirTimestampType,
};

const NOON: i64 = 1_700_000_000_000;

fn codecs() -> impl Iterator<Item = (Compression, TheirCompression)> {
    let theirs = |codec| match codec {
        Compression::None => TheirCompression::None,
        Compression::Gzip => TheirCompression::Gzip,
        Compression::Snappy => TheirCompression::Snappy,
        Compression::Lz4 => TheirCompression::Lz4,
        Compression::Zstd => TheirCompression::Zstd,
    };
    Compression::ALL
        .into_iter()
        .filter(|codec| codec.is_compiled_in())
        .map(move |codec| (codec, theirs(codec)))
}

/// Records of all shapes, enough of them to fill several blocks of every codec.
fn their_records() -> Vec<TheirRecord> {
    let record = |at: i64| TheirRecord {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 4,
        producer_id: 9000,
        producer_epoch: 3,
        timestamp_type: TheirTimestampType::Creation,
        offset: 70 + at,
        sequence: 20 + at as i32,
        timestamp: NOON + (at * 7919) % 1000,
        key: (at % 3 != 0).then(|| Bytes::from(format!("key {at}"))),
        value: match at % 4 {
            0 => None,
            1 => Some(Bytes::new()),
            2 => Some(Bytes::from(vec![b'v'; at as usize])),
            _ => Some(Bytes::from(format!("value {}", at * at * 7919))),
        },
        headers: (0..at % 4).map(header).collect(),
    };
    (0..600).map(record).collect()
}

fn header(at: i64) -> (StrBytes, Option<Bytes>) {
    let value = (at != 1).then(|| Bytes::from(format!("header value {at}")));
    (StrBytes::from_string(format!("näme {at}")), value)
}

/// The same records through our builder.
fn ours(codec: Compression, records: &[TheirRecord]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    let first = &records[0];
    builder
        .producer(first.producer_id, first.producer_epoch, first.sequence)
        .transactional(first.transactional);
    for record in records {
        let headers: Vec<Header<'_>> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let parts = RecordParts {
            timestamp: Some(Timestamp::from_millis(record.timestamp)),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        builder.push(&parts).expect("it is a plain record");
    }
    let mut encoded = builder.build().expect("it has records");
    encoded.assign(first.offset as u64, first.partition_leader_epoch);
    encoded.bytes().to_vec()
}

fn theirs(compression: TheirCompression, records: &[TheirRecord]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    RecordBatchEncoder::encode(&mut out, records, &options).expect("they are plain records");
    out.to_vec()
}

/// What they read out of bytes.
fn read_by_them(bytes: Vec<u8>) -> Vec<TheirRecord> {
    let mut bytes = Bytes::from(bytes);
    let set = RecordBatchDecoder::decode(&mut bytes).expect("it is a batch");
    assert!(bytes.is_empty(), "it is one batch");
    set.records
}

/// What we read out of bytes, in their words.
fn read_by_us(bytes: &[u8]) -> Vec<TheirRecord> {
    let batch = Batch::decode(bytes).expect("it is a batch");
    let header = batch.header();
    let records = batch.records().expect("the codec is compiled in");
    let record = |record: Result<brooklet::record::RecordView<'_>, _>| {
        let record = record.expect("it is a plain record");
        TheirRecord {
            transactional: header.is_transactional(),
            control: header.is_control(),
            delete_horizon: header.attributes.has_delete_horizon(),
            partition_leader_epoch: header.leader_epoch,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            timestamp_type: TheirTimestampType::Creation,
            offset: record.offset() as i64,
            sequence: record.sequence().unwrap_or(-1),
            timestamp: record.timestamp().map_or(-1, Timestamp::as_millis),
            key: record.key().map(Bytes::copy_from_slice),
            value: record.value().map(Bytes::copy_from_slice),
            headers: record
                .headers()
                .map(|h| (StrBytes::from_string(h.key.to_owned()), h.value.map(Bytes::copy_from_slice)))
                .collect(),
        }
    };
    records.iter().map(record).collect()
}

#[test]
fn they_read_what_we_write() {
    let records = their_records();
    for (codec, _) in codecs() {
        assert_eq!(read_by_them(ours(codec, &records)), records, "{codec:?}");
    }
}

#[test]
fn we_read_what_they_write() {
    let records = their_records();
    for (codec, their_codec) in codecs() {
        let mut bytes = theirs(their_codec, &records);
        assert_eq!(read_by_us(&bytes), records, "{codec:?}");
        assert_eq!(Batch::decode(&bytes).expect("it is a batch").header().compression(), codec);
        assert!(EncodedBatch::from_bytes(&mut bytes).is_ok());
    }
}

#[test]
fn records_in_order_of_time_are_the_same_bytes_in_both_hands() {
    let mut records = their_records();
    records.sort_by_key(|record| record.timestamp);
    for (at, record) in records.iter_mut().enumerate() {
        (record.offset, record.sequence) = (70 + at as i64, 20 + at as i32);
    }
    // They count timestamps from the smallest, we from the first, as Kafka does.
    assert_eq!(ours(Compression::None, &records), theirs(TheirCompression::None, &records));
}

#[test]
fn they_read_our_markers() {
    let commit = ControlRecord::Commit { coordinator_epoch: 347 };
    let bytes = commit.encode(73, 13, Timestamp::from_millis(NOON)).expect("it is a marker");
    let records = read_by_them(bytes);
    let [record] = records.as_slice() else { panic!("a marker is one record") };
    assert!(record.control && record.transactional);
    assert_eq!((record.producer_id, record.producer_epoch, record.timestamp), (73, 13, NOON));
    assert_eq!(record.key.as_deref(), Some(&[0, 0, 0, 1][..]));
    assert_eq!(record.value.as_deref(), Some(&[0, 0, 0, 0, 1, 0x5b][..]));
}

#[test]
fn we_read_their_markers() {
    let abort = TheirRecord {
        transactional: true,
        control: true,
        sequence: -1,
        offset: 0,
        key: Some(Bytes::from_static(&[0, 0, 0, 0])),
        value: Some(Bytes::from_static(&[0, 0, 0, 0, 0, 9])),
        ..their_records().swap_remove(0)
    };
    let bytes = theirs(TheirCompression::None, &[abort]);
    let batch = Batch::decode(&bytes).expect("it is a batch");
    assert_eq!(batch.control(), Ok(Some(ControlRecord::Abort { coordinator_epoch: 9 })));
}
