//! Tests of the room as a whole: golden bytes, damage, hostile batches, and round trips.

mod damage;
mod golden;
mod hostile;
mod round_trip;

use super::*;
use crate::types::Timestamp;

/// An owned copy of everything that a [`RecordView`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: u64,
    timestamp: Option<i64>,
    sequence: Option<i32>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn see(batch: &Batch<'_>) -> Result<Vec<Seen>, Invalid> {
    let records = batch.records_bounded(1 << 20)?;
    let seen = records.iter().map(|record| {
        let record = record?;
        let header = |header: Header<'_>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        Ok(Seen {
            offset: record.offset(),
            timestamp: record.timestamp().map(Timestamp::as_millis),
            sequence: record.sequence(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: record.headers().map(header).collect(),
        })
    });
    seen.collect()
}

/// A header without any records behind it: two offsets, no producer.
fn plain_header() -> BatchHeader {
    BatchHeader {
        base_offset: 100,
        size: 61,
        leader_epoch: 3,
        crc: 0,
        attributes: Attributes::default(),
        last_offset_delta: 1,
        base_timestamp: 1000,
        max_timestamp: Some(Timestamp::from_millis(2000)),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        records_count: 0,
    }
}

/// A batch of this header and any bytes behind it, whose size and checksum are right.
fn sealed(header: BatchHeader, payload: &[u8]) -> Vec<u8> {
    let header = BatchHeader { size: (layout::HEADER_LEN + payload.len()) as u32, ..header };
    let mut raw = [0; layout::HEADER_LEN];
    header.write_to(&mut raw);
    let mut bytes = raw.to_vec();
    bytes.extend_from_slice(payload);
    reseal(&mut bytes);
    bytes
}

/// Makes the checksum right again.
fn reseal(bytes: &mut [u8]) {
    let crc = checksum::of_batch(bytes);
    bytes[layout::CRC..layout::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

/// A record with this body.
fn record(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode_varint(body.len() as i32, &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// Three records that use all there is to a record, by producer 7 whose sequences wrap, compressed if wanted.
fn rich_batch(codec: Compression) -> Vec<u8> {
    let headers = [
        Header { key: "trace", value: Some(b"abc") },
        Header { key: "trace", value: None },
        Header { key: "", value: Some(b"") },
    ];
    let value = b"a value that is long enough to be compressed, a value that is long enough to be compressed";
    let mut builder = BatchBuilder::new(codec);
    builder.producer(7, 2, i32::MAX - 1).transactional(true);
    for record in [
        RecordParts {
            timestamp: Some(Timestamp::from_millis(9000)),
            key: Some(b"k"),
            value: Some(value),
            headers: &headers,
        },
        RecordParts {
            timestamp: Some(Timestamp::from_millis(4000)),
            key: Some(b""),
            value: None,
            headers: &headers[..1],
        },
        RecordParts { timestamp: None, key: None, value: Some(b""), headers: &[] },
    ] {
        builder.push(&record).expect("it is a plain record");
    }
    let mut encoded = builder.build().expect("it has records");
    encoded.assign(500, 4);
    encoded.bytes().to_vec()
}

fn available() -> impl Iterator<Item = Compression> {
    Compression::ALL.into_iter().filter(|codec| codec.is_compiled_in())
}
