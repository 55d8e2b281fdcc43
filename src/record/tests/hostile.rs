//! Batches whose checksum holds and whose records lie: each lie is an error of its own, and ends the reading.

use super::*;

/// A record without key, value or headers at this offset delta.
fn bare(offset_delta: u8) -> Vec<u8> {
    record(&[0, 0, offset_delta << 1, 1, 1, 0])
}

/// What reading `count` records out of `payload` comes to: how many there were, and what ended it.
fn read(count: u32, payload: &[u8]) -> (usize, Option<(u32, &'static str, &'static str)>) {
    let bytes = sealed(BatchHeader { records_count: count, ..plain_header() }, payload);
    let batch = Batch::decode(&bytes).expect("its checksum is right");
    let records = batch.records().expect("they are not compressed");
    let mut iter = records.iter();
    let fault = iter.by_ref().find_map(Result::err).map(|invalid| match invalid {
        Invalid::Records { index, expected, found } => (index, expected, found),
        other => panic!("{other}"),
    });
    assert!(iter.next().is_none(), "nothing comes after an error");
    let good = records.iter().take_while(Result::is_ok).count();
    (good, fault)
}

fn assert_refused(body: &[u8], expected: &str, found: &str) {
    let (good, fault) = read(1, &record(body));
    assert_eq!((good, fault), (0, Some((0, expected, found))), "{body:?}");
}

#[test]
fn a_count_that_lies_is_an_error_both_ways() {
    let two = [bare(0), bare(1)].concat();
    assert_eq!(read(2, &two), (2, None));
    let missing = ("a record, as counted in the header", "the end of the batch");
    assert_eq!(read(3, &two), (2, Some((2, missing.0, missing.1))));
    assert_eq!(read(i32::MAX as u32, &two), (2, Some((2, missing.0, missing.1))));
    assert_eq!(read(1, &two), (1, Some((1, "the end, as counted in the header", "more bytes"))));
    assert_eq!(read(0, &two), (0, Some((0, "the end, as counted in the header", "more bytes"))));
}

#[test]
fn a_count_that_lies_reserves_nothing() {
    let bytes = sealed(BatchHeader { records_count: i32::MAX as u32, ..plain_header() }, &bare(0));
    let batch = Batch::decode(&bytes).expect("its checksum is right");
    let records = batch.records().expect("they are not compressed");
    assert_eq!(records.iter().size_hint(), (0, Some(2)));
}

#[test]
fn records_that_leave_their_batch_are_refused() {
    let beyond = ("a record within its batch", "a length beyond its end");
    for payload in [&[14, 0, 0, 0, 1, 1, 0][..], &[0xfe, 0xff, 0xff, 0xff, 0x0f, 0]] {
        assert_eq!(read(1, payload), (0, Some((0, beyond.0, beyond.1))));
    }
    let negative = ("a length that is not negative", "a negative one");
    assert_eq!(read(1, &[1, 0, 0]), (0, Some((0, negative.0, negative.1))));
    assert_eq!(read(1, &[0x80, 0x80]), (0, Some((0, "a whole record", "its end"))));
    let long = ("a number of at most 5 or 10 bytes", "a longer one");
    assert_eq!(read(1, &[0xff; 20]), (0, Some((0, long.0, long.1))));
}

#[test]
fn a_record_is_as_long_as_it_says() {
    let whole = [0, 0, 0, 2, b'k', 2, b'v', 2, 2, b'h', 1];
    assert_eq!(read(1, &record(&whole)).1, None);
    for len in 0..whole.len() {
        let (good, fault) = read(1, &record(&whole[..len]));
        assert!(good == 0 && fault.is_some(), "{len}");
    }
    assert_refused(&[&whole[..], &[0]].concat(), "the end of the record", "more bytes");
}

#[test]
fn keys_and_values_stay_within_their_record() {
    let mut body = vec![0; 100];
    body[3..5].copy_from_slice(&[0xd2, 0x01]); // a key of 105 bytes
    assert_refused(&body, "a key within the record", "a length beyond its end");
    assert_refused(&[0, 0, 0, 6, b'k', 1], "a key within the record", "a length beyond its end");
    assert_refused(
        &[0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0],
        "a value within the record",
        "a length beyond its end",
    );
}

#[test]
fn headers_are_as_many_as_they_say() {
    let with_count = |count: u8| [0, 0, 0, 1, 1, count, 2, b'h', 1];
    assert_eq!(read(1, &record(&with_count(2))).1, None);
    assert_refused(&with_count(0), "the end of the record", "more bytes");
    assert_refused(&with_count(4), "a whole record", "its end");
    assert_refused(&with_count(8), "a headers count within the record", "one that cannot be");
    assert_refused(&with_count(1), "a headers count within the record", "one that cannot be");
}

#[test]
fn header_keys_are_text_and_not_null() {
    assert_refused(&[0, 0, 0, 1, 1, 2, 1, 1], "a header key", "null");
    assert_refused(&[0, 0, 0, 1, 1, 2, 2, 0xff, 1], "a header key in UTF-8", "other bytes");
    assert_refused(&[0, 0, 0, 1, 1, 2, 6, b'h', 1], "a header within the record", "a length beyond its end");
    assert_refused(
        &[0, 0, 0, 1, 1, 2, 2, b'h', 4, 0],
        "a header within the record",
        "a length beyond its end",
    );
}

#[test]
fn any_negative_length_is_null() {
    let bytes = sealed(
        BatchHeader { records_count: 1, ..plain_header() },
        &record(&[0, 0, 0, 5, 0xff, 0x01, 2, 2, b'h', 7]),
    );
    let seen = see(&Batch::decode(&bytes).expect("its checksum is right")).expect("it is allowed");
    assert_eq!(
        (&seen[0].key, &seen[0].value, &seen[0].headers),
        (&None, &None, &vec![("h".to_owned(), None)])
    );
}

#[test]
fn offsets_grow_and_stay_within_the_batch() {
    let order = ("an offset above those before it", "a lower one");
    assert_eq!(read(2, &[bare(1), bare(0)].concat()), (1, Some((1, order.0, order.1))));
    assert_eq!(read(2, &[bare(1), bare(1)].concat()), (1, Some((1, order.0, order.1))));
    assert_eq!(read(1, &record(&[0, 0, 1, 1, 1, 0])), (0, Some((0, order.0, order.1))));
    let beyond = ("an offset within the last offset delta", "a higher one");
    assert_eq!(read(1, &bare(2)), (0, Some((0, beyond.0, beyond.1))));
    assert_eq!(read(1, &bare(1)), (1, None), "compaction leaves gaps");
}

#[test]
fn a_timestamp_that_overflows_is_refused() {
    let largest = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let body = [&[0][..], &largest, &[0, 1, 1, 0]].concat();
    assert_refused(&body, "a timestamp of 64 bits", "a delta that overflows it");
}

#[test]
fn a_compressed_batch_is_not_decompressed_above_its_limit() {
    for codec in available().filter(|&codec| codec != Compression::None) {
        let bytes = rich_batch(codec);
        let batch = Batch::decode(&bytes).expect("we built it");
        let len = batch.records().expect("it is below the limit").payload().len();
        assert!(batch.records_bounded(len).is_ok());
        let expected = Invalid::TooLargeDecompressed { limit: len - 1 };
        assert_eq!(batch.records_bounded(len - 1).map(drop), Err(expected));
    }
}

#[test]
fn a_control_batch_holds_one_record() {
    let attributes = Attributes::default().with_control(true).with_transactional(true);
    let control = |records_count, payload: &[u8]| {
        let bytes = sealed(BatchHeader { attributes, records_count, ..plain_header() }, payload);
        Batch::decode(&bytes).expect("its checksum is right").control()
    };
    assert_eq!(control(0, &[]), Ok(None), "the cleaner has emptied it");
    assert_eq!(
        control(2, &[bare(0), bare(1)].concat()),
        Err(Invalid::Control { expected: "one record", found: 2 })
    );
    assert_eq!(control(1, &bare(0)), Err(Invalid::Control { expected: "a key of 4 bytes", found: 0 }));
    assert!(matches!(control(1, &[]), Err(Invalid::Records { .. })));
    let marker = record(&[0, 0, 0, 8, 0, 0, 0, 2, 1, 0]);
    assert_eq!(control(1, &marker), Ok(Some(ControlRecord::Other(2))));
    assert!(matches!(control(1, &[marker, bare(1)].concat()), Err(Invalid::Records { index: 1, .. })));
    let plain = rich_batch(Compression::None);
    assert_eq!(Batch::decode(&plain).expect("we built it").control(), Ok(None));
}
