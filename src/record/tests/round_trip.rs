//! What is put in is what is read out: for every codec, and for any records at all.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// The parts of a record, owned.
#[derive(Debug, Clone)]
struct Given {
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn given() -> impl Strategy<Value = Given> {
    let millis =
        prop_oneof![0..2000_i64, Just(0), Just(i64::MAX / 2), 1_699_999_999_000..1_700_000_001_000_i64];
    let key = option::of(vec(any::<u8>(), 0..80));
    let value = option::of(prop_oneof![vec(any::<u8>(), 0..200), vec(Just(b'v'), 0..20_000)]);
    let headers = vec((".{0,5}", option::of(vec(any::<u8>(), 0..5))), 0..4);
    (option::of(millis), key, value, headers).prop_map(|(timestamp, key, value, headers)| Given {
        timestamp,
        key,
        value,
        headers,
    })
}

fn push(builder: &mut BatchBuilder, given: &Given) {
    let headers: Vec<Header<'_>> =
        given.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
    let parts = RecordParts {
        timestamp: given.timestamp.map(Timestamp::from_millis),
        key: given.key.as_deref(),
        value: given.value.as_deref(),
        headers: &headers,
    };
    builder.push(&parts).expect("it is a plain record");
}

fn expected(given: &[Given], base_offset: u64, base_sequence: i32) -> Vec<Seen> {
    let seen = |(at, given): (usize, &Given)| Seen {
        offset: base_offset + at as u64,
        timestamp: given.timestamp,
        sequence: Some(increment_sequence(base_sequence, at as u32)),
        key: given.key.clone(),
        value: given.value.clone(),
        headers: given.headers.clone(),
    };
    given.iter().enumerate().map(seen).collect()
}

proptest! {
    #[test]
    fn any_records_come_back_through_every_codec(
        given in vec(given(), 1..20),
        base_offset in 0..i64::MAX as u64 - 20,
        base_sequence in prop_oneof![0..5, i32::MAX - 5..=i32::MAX],
        stamp in option::of(0..i64::MAX),
    ) {
        for codec in available() {
            let mut builder = BatchBuilder::new(codec);
            given.iter().for_each(|given| push(&mut builder, given));
            builder.producer(9, 0, base_sequence);
            let mut encoded = builder.build().expect("it has records");
            encoded.assign(base_offset, 1);
            let mut expected = expected(&given, base_offset, base_sequence);
            prop_assert_eq!(
                encoded.header().max_timestamp.map(Timestamp::as_millis),
                expected.iter().filter_map(|seen| seen.timestamp).max()
            );
            if let Some(stamp) = stamp {
                encoded.stamp_log_append_time(Timestamp::from_millis(stamp));
                expected.iter_mut().for_each(|seen| seen.timestamp = Some(stamp));
            }
            let batch = Batch::decode(encoded.bytes()).expect("we built it");
            prop_assert_eq!(batch.header(), encoded.header());
            prop_assert_eq!(batch.header().compression(), codec);
            prop_assert_eq!(see(&batch), Ok(expected));
            let mut copy = encoded.bytes().to_vec();
            prop_assert!(EncodedBatch::from_bytes(&mut copy).is_ok());
        }
    }

    #[test]
    fn any_bytes_behind_a_good_checksum_are_records_or_an_error(
        payload in vec(any::<u8>(), 0..200),
        records_count in 0..20_u32,
        bits in 0..128_i16,
    ) {
        let Ok(attributes) = Attributes::from_bits(bits) else { return Ok(()) };
        let header = BatchHeader { records_count, attributes, last_offset_delta: 30, ..plain_header() };
        let mut bytes = sealed(header, &payload);
        let batch = Batch::decode(&bytes).expect("its checksum is right");
        let seen = see(&batch);
        let _ = batch.control();
        if batch.header().compression().is_compiled_in() {
            prop_assert_eq!(EncodedBatch::from_bytes(&mut bytes).is_ok(), seen.is_ok());
        }
    }
}

#[test]
fn sequences_wrap_within_a_batch() {
    for codec in available() {
        let bytes = rich_batch(codec);
        let batch = Batch::decode(&bytes).expect("we built it");
        let seen = see(&batch).expect("we built it");
        let sequences: Vec<_> = seen.iter().map(|seen| seen.sequence).collect();
        assert_eq!(sequences, [Some(i32::MAX - 1), Some(i32::MAX), Some(0)]);
        assert_eq!(batch.header().last_sequence(), 0);
    }
}

#[test]
fn a_sequence_without_a_producer_means_nothing() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&RecordParts::default()).expect("it is a plain record");
    builder.producer(-1, -1, 0);
    let encoded = builder.build().expect("Kafka's group coordinator writes it so");
    let seen = see(&Batch::decode(encoded.bytes()).expect("we built it")).expect("we built it");
    assert_eq!(seen[0].sequence, None);
}

#[test]
fn empty_and_absent_are_two_things_and_headers_repeat() {
    let bytes = rich_batch(Compression::None);
    let seen = see(&Batch::decode(&bytes).expect("we built it")).expect("we built it");
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    assert_eq!(
        seen[0].headers,
        [header("trace", Some(b"abc")), header("trace", None), header("", Some(b""))]
    );
    assert_eq!((&seen[1].key, &seen[1].value), (&Some(vec![]), &None));
    assert_eq!((&seen[2].key, &seen[2].value), (&None, &Some(vec![])));
    assert_eq!(seen.iter().map(|seen| seen.timestamp).collect::<Vec<_>>(), [Some(9000), Some(4000), None]);
}

#[test]
fn a_delete_horizon_moves_the_base_and_not_the_timestamps() {
    // Records of 5 and 15 under a horizon of 1000, as the cleaner leaves them.
    let attributes = Attributes::default().with_delete_horizon(true);
    let mut payload = Vec::new();
    for (offset_delta, millis) in [(0, 5), (2, 15)] {
        let mut body = vec![0];
        varint::encode_varlong(millis - 1000, &mut body);
        body.extend_from_slice(&[offset_delta << 1, 1, 1, 0]);
        payload.extend(record(&body));
    }
    let header = BatchHeader { attributes, records_count: 2, last_offset_delta: 2, ..plain_header() };
    let bytes = sealed(header, &payload);
    let batch = Batch::decode(&bytes).expect("its checksum is right");
    assert_eq!(batch.header().delete_horizon(), Some(Timestamp::from_millis(1000)));
    let seen = see(&batch).expect("the cleaner leaves gaps");
    let places: Vec<_> = seen.iter().map(|seen| (seen.offset, seen.timestamp)).collect();
    assert_eq!(places, [(100, Some(5)), (102, Some(15))]);
}

#[test]
fn a_batch_that_compaction_emptied_still_holds_its_offsets() {
    for codec in available() {
        let attributes = Attributes::default().with_compression(codec);
        let bytes = sealed(BatchHeader { base_timestamp: -1, attributes, ..plain_header() }, &[]);
        let batch = Batch::decode(&bytes).expect("its checksum is right");
        assert_eq!((batch.bytes().len(), batch.header().next_offset()), (61, 102));
        assert_eq!(see(&batch), Ok(vec![]));
    }
}
