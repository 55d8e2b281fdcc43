//! A batch with some of its records taken out, as Kafka's cleaner writes it: offsets, producer and leader epoch stay what
//! they were, and so does the codec.
//!
//! The base offset and the last offset delta are those of the whole batch, so its place in the log and its producer's last
//! sequence number survive though the records do not. Timestamps stay too; only what they are counted from changes.

use super::header::{NO_TIMESTAMP, timestamp_from_millis};
use super::layout::{CRC, HEADER_LEN};
use super::varint::{encode_varint, encode_varlong, varint_len, varlong_len};
use super::{Attributes, Batch, BatchHeader, Compression, RecordView, TimestampType, checksum};
use crate::error::{Error, Result};
use crate::types::Timestamp;

const NULL: i32 = -1;
const ATTRIBUTES_LEN: usize = 1;

impl Batch<'_> {
    /// Its bytes with just these of its records, of which there is one at least. A horizon is when its tombstones and its
    /// marker may go; without one it keeps what it has.
    pub(crate) fn retained(&self, records: &[RecordView<'_>], horizon: Option<Timestamp>) -> Result<Vec<u8>> {
        assert!(!records.is_empty(), "a batch without records is an emptied one");
        let header = self.header();
        let (base, has_horizon) = base_timestamp(header, records, horizon);
        let mut bytes = Vec::with_capacity(self.bytes().len());
        bytes.resize(HEADER_LEN, 0);
        let encode = |out: &mut Vec<u8>| {
            records.iter().try_for_each(|record| encode_record(record, header.base_offset, base, out))
        };
        if header.compression() == Compression::None {
            encode(&mut bytes)?;
        } else {
            let mut payload = Vec::new();
            encode(&mut payload)?;
            header.compression().compress(&payload, &mut bytes)?;
        }
        let size = length(bytes.len())? as u32;
        let timestamps = records.iter().map(millis).max().unwrap_or(NO_TIMESTAMP);
        let max_timestamp = match header.timestamp_type() {
            TimestampType::LogAppend => header.max_timestamp,
            TimestampType::Create => timestamp_from_millis(timestamps),
        };
        let header = BatchHeader {
            size,
            attributes: header.attributes.with_delete_horizon(has_horizon),
            base_timestamp: base,
            max_timestamp,
            records_count: records.len() as u32,
            ..*header
        };
        Ok(sealed(header, bytes))
    }

    /// Its header alone: what its producer and the end of the log need to be known by.
    pub(crate) fn emptied(&self) -> Vec<u8> {
        let attributes = self.header().attributes;
        let attributes = Attributes::default()
            .with_compression(Compression::None)
            .with_timestamp_type(attributes.timestamp_type())
            .with_transactional(attributes.is_transactional())
            .with_control(attributes.is_control());
        let header = BatchHeader {
            size: HEADER_LEN as u32,
            attributes,
            base_timestamp: NO_TIMESTAMP,
            records_count: 0,
            ..*self.header()
        };
        sealed(header, vec![0; HEADER_LEN])
    }
}

/// What the timestamps are counted from, and whether that is a delete horizon: the new one, the old one, or else the
/// first record. Where a timestamp is too far from it to be written, it stays what it is, with which all could be.
fn base_timestamp(
    header: &BatchHeader,
    records: &[RecordView<'_>],
    horizon: Option<Timestamp>,
) -> (i64, bool) {
    let reaches_all = |base: &i64| records.iter().all(|record| millis(record).checked_sub(*base).is_some());
    let horizons = [horizon, header.delete_horizon()].into_iter().flatten().map(Timestamp::as_millis);
    if let Some(horizon) = horizons.into_iter().find(reaches_all) {
        return (horizon, true);
    }
    let first = Some(millis(&records[0])).filter(reaches_all);
    (first.unwrap_or(header.base_timestamp), false)
}

fn millis(record: &RecordView<'_>) -> i64 {
    record.timestamp().map_or(NO_TIMESTAMP, Timestamp::as_millis)
}

fn encode_record(record: &RecordView<'_>, base_offset: u64, base: i64, out: &mut Vec<u8>) -> Result<()> {
    let delta = i32::try_from(record.offset() - base_offset).expect("a record lies within its batch");
    let timestamp_delta =
        millis(record).checked_sub(base).expect("the base was chosen so that it reaches all");
    let field_len = |field: Option<&[u8]>| match field {
        None => Ok(varint_len(NULL)),
        Some(bytes) => length(bytes.len()).map(|len| varint_len(len) + bytes.len()),
    };
    let headers = record.headers();
    let body_len = ATTRIBUTES_LEN
        + varlong_len(timestamp_delta)
        + varint_len(delta)
        + field_len(record.key())?
        + field_len(record.value())?
        + varint_len(length(headers.len())?)
        + headers.rest().len();
    encode_varint(length(body_len)?, out);
    out.push(0); // attributes, which have no meaning yet
    encode_varlong(timestamp_delta, out);
    encode_varint(delta, out);
    for field in [record.key(), record.value()] {
        match field {
            None => encode_varint(NULL, out),
            Some(bytes) => {
                encode_varint(length(bytes.len())?, out);
                out.extend_from_slice(bytes);
            }
        }
    }
    encode_varint(length(headers.len())?, out);
    out.extend_from_slice(headers.rest());
    Ok(())
}

fn length(len: usize) -> Result<i32> {
    i32::try_from(len).map_err(|_| Error::InvalidBatch { why: format!("{len} bytes do not fit a batch") })
}

/// Writes the header before what stands behind it.
fn sealed(header: BatchHeader, mut bytes: Vec<u8>) -> Vec<u8> {
    header.write_to(bytes.first_chunk_mut().expect("there is room for the header"));
    let crc = checksum::of_batch(&bytes);
    bytes[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, ControlRecord, Header, RecordParts};

    fn batch(compression: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new(compression);
        builder.producer(7, 2, 40).transactional(true);
        for index in 0..5_i64 {
            let headers = [Header { key: "h", value: None }, Header { key: "", value: Some(b"v") }];
            let record = RecordParts {
                timestamp: (index != 1).then(|| Timestamp::from_millis(1_000 - 100 * index)),
                key: (index != 2).then_some(b"key".as_slice()),
                value: (index != 3).then_some(b"value".as_slice()),
                headers: &headers[..index as usize % 3],
            };
            builder.push(&record).unwrap();
        }
        let mut batch = builder.build().unwrap();
        batch.assign(900, 3);
        batch.bytes().to_vec()
    }

    /// Everything that a reader sees of a batch's records.
    fn seen(batch: &Batch<'_>) -> Vec<String> {
        let records = batch.records().unwrap();
        let all = records.iter().map(|record| {
            let record = record.unwrap();
            let headers: Vec<_> = record.headers().collect();
            let (offset, sequence) = (record.offset(), record.sequence());
            format!(
                "{offset} {sequence:?} {:?} {:?} {:?} {headers:?}",
                record.timestamp(),
                record.key(),
                record.value()
            )
        });
        all.collect()
    }

    fn of(batch: &Batch<'_>, keep: &[usize], horizon: Option<i64>) -> Vec<u8> {
        let records = batch.records().unwrap();
        let all: Vec<_> = records.iter().map(|record| record.unwrap()).collect();
        let kept: Vec<_> = keep.iter().map(|index| all[*index]).collect();
        batch.retained(&kept, horizon.map(Timestamp::from_millis)).unwrap()
    }

    #[test]
    fn what_is_kept_is_as_it_was_and_so_is_the_place_of_the_batch() {
        let bytes = batch(Compression::None);
        let whole = Batch::decode(&bytes).unwrap();
        for keep in [&[0, 1, 2, 3, 4][..], &[4], &[1], &[0, 3], &[2, 3]] {
            for horizon in [None, Some(5), Some(i64::MAX)] {
                let kept = of(&whole, keep, horizon);
                let kept = Batch::decode(&kept).unwrap();
                let expected: Vec<_> = keep.iter().map(|index| seen(&whole)[*index].clone()).collect();
                assert_eq!(seen(&kept), expected);
                let (old, new) = (whole.header(), kept.header());
                assert_eq!((new.base_offset, new.last_offset(), new.leader_epoch), (900, 904, 3));
                assert_eq!(
                    (new.last_sequence(), new.producer_id, new.producer_epoch),
                    (old.last_sequence(), 7, 2)
                );
                assert_eq!(new.delete_horizon(), horizon.map(Timestamp::from_millis));
                assert_eq!(new.size as usize, kept.bytes().len());
            }
        }
        assert_eq!(of(&whole, &[0, 1, 2, 3, 4], None), bytes, "all of it is the same bytes");
    }

    #[test]
    fn the_largest_timestamp_is_that_of_what_is_left() {
        let bytes = batch(Compression::None);
        let whole = Batch::decode(&bytes).unwrap();
        for (keep, largest) in [(&[0, 4][..], Some(1_000)), (&[4], Some(600)), (&[1], None)] {
            let kept = of(&whole, keep, None);
            let header = *Batch::decode(&kept).unwrap().header();
            assert_eq!(header.max_timestamp, largest.map(Timestamp::from_millis));
        }
    }

    #[test]
    fn an_old_horizon_stays_when_more_is_taken_out() {
        let bytes = batch(Compression::None);
        let stamped = of(&Batch::decode(&bytes).unwrap(), &[0, 3, 4], Some(77));
        let again = of(&Batch::decode(&stamped).unwrap(), &[1, 2], None);
        let again = Batch::decode(&again).unwrap();
        assert_eq!(again.header().delete_horizon(), Some(Timestamp::from_millis(77)));
        assert_eq!(seen(&again), seen(&Batch::decode(&bytes).unwrap())[3..]);
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn the_codec_stays_and_an_emptied_batch_has_none() {
        let bytes = batch(Compression::Lz4);
        let whole = Batch::decode(&bytes).unwrap();
        let kept = of(&whole, &[0, 3], None);
        assert_eq!(Batch::decode(&kept).unwrap().header().compression(), Compression::Lz4);
        let emptied = whole.emptied();
        let header = *Batch::decode(&emptied).unwrap().header();
        assert_eq!((header.compression(), header.size, header.records_count), (Compression::None, 61, 0));
    }

    #[test]
    fn an_emptied_batch_still_says_whose_it_was_and_where() {
        let bytes = batch(Compression::None);
        let emptied = Batch::decode(&bytes).unwrap().emptied();
        let (old, new) =
            (*Batch::decode(&bytes).unwrap().header(), *Batch::decode(&emptied).unwrap().header());
        assert!(new.is_transactional() && !new.is_control());
        assert_eq!((new.base_timestamp, new.max_timestamp), (-1, old.max_timestamp));
        assert_eq!(
            (new.base_offset, new.last_offset(), new.last_sequence()),
            (900, 904, old.last_sequence())
        );
        let marker = ControlRecord::Abort { coordinator_epoch: 1 };
        let marker = marker.encode(7, 2, Timestamp::from_millis(9)).unwrap();
        let marker = Batch::decode(&marker).unwrap().emptied();
        let header = *Batch::decode(&marker).unwrap().header();
        assert!(header.is_control() && header.is_transactional() && header.base_sequence == -1);
    }
}
