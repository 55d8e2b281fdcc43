//! Kafka's examples, round trips, and bytes that nobody wrote.

use super::*;
use crate::types::{Timestamp, TopicPartition};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn partition(topic: &str, number: u32) -> TopicPartition {
    TopicPartition::new(topic, number).unwrap()
}

fn offset_key() -> Key {
    Key::OffsetCommit { group: "group".into(), partition: partition("topic", 3) }
}

fn value() -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 42,
        leader_epoch: None,
        metadata: String::new(),
        commit_timestamp: Timestamp::from_millis(1_700_000_000_000),
        expire_timestamp: None,
    }
}

fn group() -> GroupMetadataValue {
    let subscription = ConsumerSubscription {
        topics: vec!["a".into(), "b".into()],
        user_data: Some(vec![1]),
        owned: BTreeSet::from([partition("a", 0), partition("a", 2), partition("b", 1)]),
        generation: Some(6),
        rack: None,
    };
    let assignment = ConsumerAssignment { partitions: subscription.owned.clone(), user_data: None };
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 7,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        state_timestamp: Some(Timestamp::from_millis(9)),
        members: vec![MemberMetadata {
            member_id: "m-1".into(),
            instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout: 300_000,
            session_timeout: 45_000,
            subscription: subscription.encode(),
            assignment: assignment.encode(),
        }],
    }
}

#[test]
fn kafkas_examples() {
    assert_eq!(hex(&offset_key().encode()), "0001000567726f75700005746f70696300000003");
    assert_eq!(hex(&value().encode()), "0003000000000000002affffffff00000000018bcfe56800");
    assert_eq!(Key::decode(&offset_key().encode()), Ok(offset_key()));
    assert_eq!(OffsetCommitValue::decode(&value().encode()), Ok(value()));
    let group_key = Key::GroupMetadata { group: "coop-g".into() };
    assert_eq!(hex(&group_key.encode()), "00020006636f6f702d67");
    let empty =
        GroupMetadataValue::decode(&bytes("0003000000000000ffffffff000001a1fc0161f800000000")).unwrap();
    assert_eq!((empty.protocol_type.as_str(), empty.members.len()), ("", 0));
    assert_eq!(empty.protocol, None);
}

#[test]
fn every_version_of_an_offset_is_read() {
    let expected = OffsetCommitValue { metadata: "m".into(), ..value() };
    let (offset, at) = ("000000000000002a", "0000018bcfe56800");
    let expiring =
        OffsetCommitValue { expire_timestamp: Some(Timestamp::from_millis(5)), ..expected.clone() };
    let of_epoch = OffsetCommitValue { leader_epoch: Some(9), ..expected.clone() };
    let id = "000102030405060708090a0b0c0d0e0f";
    for (hex, expected) in [
        (format!("0000{offset}00016d{at}"), &expected),
        (format!("0001{offset}00016d{at}ffffffffffffffff"), &expected),
        (format!("0001{offset}00016d{at}0000000000000005"), &expiring),
        (format!("0002{offset}00016d{at}"), &expected),
        (format!("0003{offset}0000000900016d{at}"), &of_epoch),
        (format!("0004{offset}00000009026d{at}00"), &of_epoch),
        (format!("0004{offset}00000009026d{at}010010{id}"), &of_epoch),
        (format!("0004{offset}00000009026d{at}01070100"), &of_epoch),
    ] {
        assert_eq!(OffsetCommitValue::decode(&bytes(&hex)).as_ref(), Ok(expected), "{hex}");
    }
    let unknown = OffsetCommitValue::decode(&bytes("0005"));
    assert_eq!(unknown, Err(Undecodable::UnknownVersion { version: 5 }));
    assert_eq!(Key::decode(&bytes("0003")), Err(Undecodable::UnknownVersion { version: 3 }));
    let short_id = OffsetCommitValue::decode(&bytes(&format!("0004{offset}00000009026d{at}010001ff")));
    assert!(matches!(short_id, Err(Undecodable::Corrupt { .. })), "{short_id:?}");
}

#[test]
fn every_version_of_a_group_is_read() {
    let member = |instance: Option<&str>, session| MemberMetadata {
        member_id: "m".into(),
        instance_id: instance.map(str::to_owned),
        client_id: "c".into(),
        client_host: "h".into(),
        rebalance_timeout: 5,
        session_timeout: session,
        subscription: vec![1],
        assignment: vec![2],
    };
    let group = |since: Option<i64>, member| GroupMetadataValue {
        protocol_type: "p".into(),
        generation: 1,
        protocol: None,
        leader: Some("m".into()),
        state_timestamp: since.map(Timestamp::from_millis),
        members: vec![member],
    };
    let start = "00017000000001ffff00016d";
    let (names, data) = ("000163000168", "00000001010000000102");
    for (hex, expected) in [
        (format!("0000{start}0000000100016d{names}00000005{data}"), group(None, member(None, 5))),
        (format!("0001{start}0000000100016d{names}0000000500000006{data}"), group(None, member(None, 6))),
        (
            format!("0002{start}00000000000000070000000100016d{names}0000000500000006{data}"),
            group(Some(7), member(None, 6)),
        ),
        (
            format!("0003{start}00000000000000070000000100016d000169{names}0000000500000006{data}"),
            group(Some(7), member(Some("i"), 6)),
        ),
        (
            "000402700000000100026d000000000000000702026d02690263026800000005000000060201020200\
             00"
            .to_owned(),
            group(Some(7), member(Some("i"), 6)),
        ),
    ] {
        assert_eq!(GroupMetadataValue::decode(&bytes(&hex)), Ok(expected), "{hex}");
    }
}

#[test]
fn a_group_comes_back_as_it_was() {
    let group = group();
    assert_eq!(GroupMetadataValue::decode(&group.encode()), Ok(group.clone()));
    let said = ConsumerSubscription::decode(&group.members[0].subscription).unwrap();
    assert_eq!((said.owned.len(), said.generation), (3, Some(6)));
    let given = ConsumerAssignment::decode(&group.members[0].assignment).unwrap();
    assert_eq!(given.partitions, said.owned);
}

/// What clients of later versions append is left alone; a record of our own has no such thing.
#[test]
fn only_what_members_say_may_go_on_behind_its_end() {
    let longer = |mut bytes: Vec<u8>| {
        bytes.push(0);
        bytes
    };
    assert!(ConsumerSubscription::decode(&longer(group().members[0].subscription.clone())).is_ok());
    assert!(matches!(Key::decode(&longer(offset_key().encode())), Err(Undecodable::Corrupt { .. })));
    assert!(OffsetCommitValue::decode(&longer(value().encode())).is_err());
    assert!(GroupMetadataValue::decode(&longer(group().encode())).is_err());
}

fn decode_all(bytes: &[u8]) -> [bool; 5] {
    [
        Key::decode(bytes).is_ok(),
        OffsetCommitValue::decode(bytes).is_ok(),
        GroupMetadataValue::decode(bytes).is_ok(),
        ConsumerSubscription::decode(bytes).is_ok(),
        ConsumerAssignment::decode(bytes).is_ok(),
    ]
}

#[test]
fn nothing_that_is_cut_short_is_taken_for_whole() {
    let examples = [offset_key().encode(), value().encode(), group().encode()];
    for (which, whole) in examples.iter().enumerate() {
        assert!(decode_all(whole)[which]);
        (0..whole.len()).for_each(|len| assert!(!decode_all(&whole[..len])[which], "{which}: {len}"));
    }
}

#[test]
fn no_flipped_byte_is_more_than_an_error() {
    let subscription = group().members[0].subscription.clone();
    for whole in [offset_key().encode(), value().encode(), group().encode(), subscription] {
        for at in 0..whole.len() {
            for flipped in 0..=255 {
                let mut bytes = whole.clone();
                bytes[at] = flipped;
                decode_all(&bytes);
            }
        }
    }
}

/// A count of two thousand millions in a few bytes.
#[test]
fn a_count_that_lies_takes_no_memory() {
    assert!(ConsumerAssignment::decode(&bytes("00007fffffff")).is_err());
    assert!(ConsumerSubscription::decode(&bytes("00007fffffff0001")).is_err());
    let flexible = "000402700000000100026d0000000000000007ffffffff0f";
    assert!(GroupMetadataValue::decode(&bytes(flexible)).is_err());
}

/// A length has sixteen bits; what is longer is cut and the record stays readable.
#[test]
fn a_text_that_is_too_long_is_cut_at_a_whole_character() {
    let long = OffsetCommitValue { metadata: format!("a{}", "\u{e4}".repeat(20_000)), ..value() };
    let back = OffsetCommitValue::decode(&long.encode()).unwrap();
    assert_eq!(back.metadata.len(), i16::MAX as usize);
    assert!(long.metadata.starts_with(&back.metadata));
}

proptest! {
    #[test]
    fn any_offset_comes_back(
        offset in 0..=i64::MAX as u64,
        epoch in proptest::option::of(0..=i32::MAX as u32),
        metadata in ".{0,40}",
        at in any::<i64>(),
    ) {
        let value = OffsetCommitValue {
            offset,
            leader_epoch: epoch,
            metadata,
            commit_timestamp: Timestamp::from_millis(at),
            expire_timestamp: None,
        };
        prop_assert_eq!(OffsetCommitValue::decode(&value.encode()), Ok(value));
    }

    #[test]
    fn bytes_that_nobody_wrote_never_panic(
        version in 0..5_u8,
        rest in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = vec![0, version];
        bytes.extend(rest);
        decode_all(&bytes);
    }
}
