//! Claims about the bytes of a catalog.

use super::super::tests::{catalog, id};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn found(bytes: &[u8]) -> String {
    match decode(bytes) {
        Err(CatalogDamage::Damaged(found)) => found,
        other => panic!("{other:?} is not damage"),
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_be_bytes(), text.as_bytes()].concat()
}

/// The catalog as the drawing says it, byte by byte.
fn drawn() -> Vec<u8> {
    let payload = [
        &5u64.to_be_bytes()[..],
        &2u64.to_be_bytes(),
        &text("orders"),
        &[3; 16],
        &3u32.to_be_bytes(),
        &2u32.to_be_bytes(),
        &2u64.to_be_bytes(),
        &text("cleanup.policy"),
        &text("compact"),
        &text("segment.bytes"),
        &text("512"),
        &text("payments.eu"),
        &[2; 16],
        &1u32.to_be_bytes(),
        &0u32.to_be_bytes(),
        &0u64.to_be_bytes(),
        &1u64.to_be_bytes(),
        &text("old"),
        &[4; 16],
        &2u32.to_be_bytes(),
        &3u64.to_be_bytes(),
        &1_000u64.to_be_bytes(),
    ]
    .concat();
    let length = (payload.len() as u32).to_be_bytes();
    let said = [&b"brookcat"[..], &[0, 0, 0, 1], &length, &payload].concat();
    [&said[..], &crc32fast::hash(&said).to_be_bytes()].concat()
}

type Spoil = fn(&mut Payload<'_>);

/// The payload of a good catalog, but for what is spoilt in it.
fn payload_of(spoil: impl FnOnce(&mut Payload<'_>)) -> Vec<u8> {
    let topic =
        |name| Topic { name, id: [name.len() as u8; 16], partitions: 2, created: 1, config: Vec::new() };
    let mut payload = Payload {
        version: 1,
        topics: vec![topic("a"), topic("bb"), topic("ccc")],
        deleted: vec![Deleted { name: "dddd", id: [4; 16], partitions: 1 }],
        next_topic_number: 4,
        next_producer_id: 0,
    };
    spoil(&mut payload);
    encode_to_vec(payload, CONFIG).unwrap()
}

#[test]
fn the_bytes_are_those_that_are_drawn() {
    assert_eq!(encode(&catalog()), drawn());
    assert_eq!(decode(&drawn()), Ok(catalog()));
}

/// Computed once by another program, from the drawing. If this fails, files that are out there cannot be read any more.
#[test]
fn golden_bytes_stay() {
    const EMPTY: &str = "62726f6f6b63617400000001000000280000000000000000000000000000000000000000000000000000000000000000\
         0000000000000000aba7aa31";
    const SMALL: &str = "62726f6f6b63617400000001000000ed0000000000000005000000000000000200000000000000066f72646572730303\
         030303030303030303030303030300000003000000020000000000000002000000000000000e636c65616e75702e706f\
         6c6963790000000000000007636f6d70616374000000000000000d7365676d656e742e62797465730000000000000003\
         353132000000000000000b7061796d656e74732e65750202020202020202020202020202020200000001000000000000\
         000000000000000000000000000100000000000000036f6c640404040404040404040404040404040400000002000000\
         000000000300000000000003e81ab7f728";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&encode(&Catalog::default())), EMPTY);
    assert_eq!(hex(&encode(&catalog())), SMALL);
}

#[test]
fn any_flipped_bit_is_damage() {
    for at in 0..drawn().len() {
        for bit in 0..8 {
            let mut bytes = drawn();
            bytes[at] ^= 1 << bit;
            found(&bytes);
        }
    }
}

#[test]
fn any_other_length_is_damage() {
    for len in 0..drawn().len() {
        found(&drawn()[..len]);
    }
    found(&[drawn(), vec![0]].concat());
}

#[test]
fn a_payload_of_another_length_is_damage_under_a_good_checksum() {
    let payload = payload_of(|_| {});
    assert!(decode(&wrap(VERSION, &payload)).is_ok());
    for len in 0..payload.len() {
        assert!(found(&wrap(VERSION, &payload[..len])).contains("too early"), "{len}");
    }
    let longer = [payload, vec![0; 3]].concat();
    assert_eq!(found(&wrap(VERSION, &longer)), "3 bytes behind its end");
}

#[test]
fn a_length_that_lies_ends_the_decoding() {
    let payload = payload_of(|_| {});
    // The counts of topics and of deleted ones, the length of a name, and the count of its settings.
    for at in [8, 16, 16 + 8 + 1 + 24, payload.len() - 16 - 4 - 16 - 4 - 8 - 8] {
        for lie in [u64::MAX, 1 << 62, 1 << 32, 1 << 20] {
            let mut lying = payload.clone();
            assert!(u64::from_be_bytes(*lying[at..].first_chunk().unwrap()) < 9, "no length at {at}");
            lying[at..at + 8].copy_from_slice(&lie.to_be_bytes());
            found(&wrap(VERSION, &lying));
        }
    }
}

#[test]
fn what_breaks_a_rule_is_damage_under_a_good_checksum() {
    let cases: [(Spoil, &str); 17] = [
        (|payload| payload.topics.swap(0, 1), "topic \"a\" behind \"bb\""),
        (|payload| payload.topics[1].name = "a", "topic \"a\" behind \"a\""),
        (|payload| payload.topics[0].name = "", "not a valid name"),
        (|payload| payload.topics[0].name = "a b", "not a valid name"),
        (|payload| payload.topics[0].name = "..", "not a valid name"),
        (|payload| payload.topics[0].partitions = 0, "topic \"a\" with 0 partitions"),
        (|payload| payload.topics[0].partitions = 1 << 31, "topic \"a\" with 2147483648 partitions"),
        (|payload| payload.topics[0].created = 3, "3 directories for 2 partitions"),
        (|payload| payload.topics[0].id = [0; 16], "reserved id"),
        (|payload| payload.topics[0].id = [2; 16], "two topics with the id"),
        (|payload| payload.topics[0].id = [4; 16], "two topics with the id"),
        (|payload| payload.topics[0].config = vec![("retenton.ms", "1")], "retenton.ms"),
        (|payload| payload.topics[0].config = vec![("retention.ms", "soon")], "soon"),
        (|payload| payload.deleted[0].name = "d/d", "not a valid name"),
        (|payload| payload.deleted[0].partitions = 0, "with 0 partitions"),
        (|payload| payload.deleted[0].id = [0; 16], "reserved id"),
        (|payload| payload.next_producer_id = 1 << 63, "producer id 9223372036854775808"),
    ];
    for (spoil, why) in cases {
        let found = found(&wrap(VERSION, &payload_of(spoil)));
        assert!(found.contains(why), "{found:?} does not say {why:?}");
    }
}

#[test]
fn texts_are_utf_8() {
    let mut payload = payload_of(|_| {});
    payload[24] = 0xff;
    assert!(found(&wrap(VERSION, &payload)).contains("UTF-8"));
}

#[test]
fn settings_that_this_build_cannot_use_are_no_damage() {
    let bytes = payload_of(|payload| payload.topics[0].config = vec![("compression.type", "zstd")]);
    assert!(decode(&wrap(VERSION, &bytes)).is_ok());
}

#[test]
fn a_version_is_believed_only_under_a_good_checksum() {
    assert_eq!(decode(&of_version(2)), Err(CatalogDamage::Newer { found: 2 }));
    assert_eq!(decode(&wrap(u32::MAX, b"?")), Err(CatalogDamage::Newer { found: u32::MAX }));
    assert_eq!(found(&wrap(0, &payload_of(|_| {}))), "format version 0");
}

#[test]
fn another_file_is_told_from_a_damaged_one() {
    assert_eq!(found(b"brooklet and sixteen more bytes"), "another kind of file");
}

fn entries() -> impl Strategy<Value = TopicEntry> {
    let config = prop::sample::subsequence(
        vec![
            ("cleanup.policy", "compact"),
            ("min.acks", "written"),
            ("retention.ms", "-1"),
            ("segment.bytes", "512"),
        ],
        0..=4,
    );
    (1..=i32::MAX as u32, any::<prop::sample::Index>(), config).prop_map(|(partitions, created, config)| {
        let config = config.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        TopicEntry { id: id(0), partitions, created: created.index(partitions as usize + 1) as u32, config }
    })
}

/// Any catalog; its ids are counted, so that none comes twice.
fn catalogs() -> impl Strategy<Value = Catalog> {
    let topics = vec(("[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,40}", entries()), 0..8);
    let deleted = vec(("[a-z]{1,9}", 1..=i32::MAX as u32), 0..4);
    (any::<u64>(), topics, deleted, any::<u64>(), 0..=i64::MAX as u64).prop_map(
        |(version, topics, deleted, next_topic_number, next_producer_id)| {
            let mut number = 1u128;
            let mut next_id = || {
                number += 1;
                TopicId::from_bytes(number.to_be_bytes())
            };
            let topics: BTreeMap<_, _> = topics
                .into_iter()
                .map(|(name, entry)| (name, TopicEntry { id: next_id(), ..entry }))
                .collect();
            let deleted = deleted.into_iter();
            let deleted =
                deleted.map(|(name, partitions)| DeletedTopic { name, id: next_id(), partitions }).collect();
            Catalog { version, topics, deleted, next_topic_number, next_producer_id }
        },
    )
}

proptest! {
    #[test]
    fn every_catalog_comes_back(catalog in catalogs()) {
        prop_assert_eq!(decode(&encode(&catalog)), Ok(catalog));
    }

    #[test]
    fn no_payload_panics(payload in vec(any::<u8>(), 0..200)) {
        let _ = decode(&payload);
        let _ = decode(&wrap(VERSION, &payload));
    }

    #[test]
    fn no_payload_that_is_nearly_good_panics(at in any::<prop::sample::Index>(), byte: u8) {
        let mut payload = payload_of(|_| {});
        let at = at.index(payload.len());
        payload[at] = byte;
        let _ = decode(&wrap(VERSION, &payload));
    }
}
