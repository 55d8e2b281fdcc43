//! The hashes of Kafka's and librdkafka's own tests, and what holds for every partitioner.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const NONE: Option<&[u8]> = None;

/// murmur2, FNV-1a and CRC-32, as librdkafka's tests have them.
const LIBRDKAFKA: [(&[u8], u32, u32, u32); 8] = [
    (b"kafka", 0xd067_cf64, 0x0d33_c4e1, 0x5bbc_7517),
    (b"giberish123456789", 0x8f55_2b0c, 0x77a5_8295, 0x7b3a_8e3f),
    (b"1234", 0x9fc9_7b14, 0x023b_dd03, 0x9be3_e0a3),
    (b"234", 0xe7c0_09ca, 0x2dea_3cd2, 0x0d71_7969),
    (b"34", 0x8739_30da, 0x740f_a83e, 0x9406_837a),
    (b"4", 0x5a4b_5ca1, 0x310c_a263, 0xf3b6_1b38),
    (b"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c, 0x65cb_d69c, 0xddcb_a83a),
    (b"", 0x106e_08d9, 0x7ee3_623b, 0),
];

/// CRC-32, murmur2 without its sign and FNV-1a of the keys that librdkafka sends in its test 0048.
const SENT_BY_LIBRDKAFKA: [(&str, u32, u32, u32); 3] = [
    ("23456", 0xb1b4_51d7, 0x058d_780f, 0x27e6_f469),
    ("this is another string with more length to it perhaps", 0xb015_0df7, 0x4f77_03da, 0x155e_3e5f),
    ("hejsan", 0xd077_037e, 0x5ec1_9395, 0x17b1_e27a),
];

/// Those whose answer follows from the key alone, be there one or none.
const CONSISTENT: [&dyn Partitioner; 3] = [&Crc32Consistent, &Murmur2Consistent, &Fnv1aConsistent];

/// Those that hash every key that is not empty.
const BY_KEY: [&dyn Partitioner; 7] =
    [&Murmur2, &Crc32, &Crc32Consistent, &Murmur2Random, &Murmur2Consistent, &Fnv1a, &Fnv1aConsistent];

const ALL: [&dyn Partitioner; 10] = [
    &Murmur2,
    &Sticky,
    &RoundRobin,
    &Crc32,
    &Crc32Consistent,
    &Murmur2Random,
    &Murmur2Consistent,
    &Fnv1a,
    &Fnv1aConsistent,
    &Random,
];

fn ask(partitioner: &dyn Partitioner, key: Option<&[u8]>, partitions: u32, memory: &TopicMemory) -> u32 {
    partitioner.partition(&NewRecord::to("t").key(key), &TopicView::new("t", partitions, memory))
}

/// The answer of a partitioner that has not seen the topic before.
fn ask_anew(partitioner: &dyn Partitioner, key: Option<&[u8]>, partitions: u32) -> u32 {
    ask(partitioner, key, partitions, &TopicMemory::new(1))
}

/// How often each of `partitions` is the answer, of 6,000 times.
fn spread(partitioner: &dyn Partitioner, key: Option<&[u8]>, partitions: u32) -> Vec<i32> {
    let memory = TopicMemory::new(42);
    let mut times = vec![0; partitions as usize];
    (0..6000).for_each(|_| times[ask(partitioner, key, partitions, &memory) as usize] += 1);
    times
}

#[test]
fn murmur2_is_that_of_kafkas_tests() {
    let hashes = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (key, hash) in hashes {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
}

#[test]
fn the_hashes_are_those_of_librdkafkas_tests() {
    for (key, murmur, fnv, crc) in LIBRDKAFKA {
        let hashes = (murmur2(key), fnv1a(key), crc32fast::hash(key));
        assert_eq!(hashes, (murmur, fnv, crc), "{}", key.escape_ascii());
    }
}

#[test]
fn the_hashes_do_not_ask_where_in_memory_a_key_begins() {
    let key = b"PreAmbleWillBeRemoved,ThePrePartThatIs";
    let murmurs = [0x7842_4f1c, 0x4a62_b377, 0xe0e4_e09e, 0x62b8_b43f];
    let fnvs = [0x65cb_d69c, 0x6e49_c79a, 0x69ee_d356, 0x6abc_c023];
    for from in 0..4 {
        assert_eq!((murmur2(&key[from..]), fnv1a(&key[from..])), (murmurs[from], fnvs[from]), "from {from}");
    }
}

#[test]
fn librdkafkas_keys_go_where_librdkafka_sends_them() {
    for (key, crc, murmur, fnv) in SENT_BY_LIBRDKAFKA {
        for partitions in [7, 17] {
            let answer = |partitioner| ask_anew(partitioner, Some(key.as_bytes()), partitions);
            assert_eq!([answer(&Crc32), answer(&Crc32Consistent)], [crc % partitions; 2], "{key}");
            let murmurs = [answer(&Murmur2), answer(&Murmur2Random), answer(&Murmur2Consistent)];
            assert_eq!(murmurs, [murmur % partitions; 3], "{key}");
            assert_eq!([answer(&Fnv1a), answer(&Fnv1aConsistent)], [fnv % partitions; 2], "{key}");
        }
    }
}

#[test]
fn a_negative_murmur2_loses_its_sign_bit_and_is_not_negated() {
    let hash = murmur2(b"foobar");
    assert!(hash.cast_signed() < 0);
    assert_eq!(ask_anew(&Murmur2, Some(b"foobar"), 1000), (hash & 0x7fff_ffff) % 1000);
    assert_ne!(ask_anew(&Murmur2, Some(b"foobar"), 1000), hash.cast_signed().unsigned_abs() % 1000);
}

#[test]
fn a_negative_fnv1a_is_negated_and_the_smallest_stays_itself() {
    // FNV-1a of the empty key has the highest bit set.
    assert_eq!(fnv1a(b""), 0x811c_9dc5_u32.wrapping_neg());
    for key in ["afjtjzd", "nyikjtf", "rdklaij"] {
        assert_eq!(fnv1a(key.as_bytes()), 1 << 31, "{key}");
        assert_eq!(ask_anew(&Fnv1a, Some(key.as_bytes()), 7), (1 << 31) % 7, "{key}");
    }
}

#[test]
fn the_consistent_ones_take_no_key_for_an_empty_one() {
    for (partitioner, expected) in CONSISTENT.into_iter().zip([0, 0x106e_08d9, 0x7ee3_623b]) {
        for partitions in [1, 2, 7, 1000, u32::MAX] {
            let answers = [NONE, Some(b"")].map(|key| ask_anew(partitioner, key, partitions));
            assert_eq!(answers, [expected % partitions; 2], "{partitioner:?}");
        }
    }
}

#[test]
fn an_empty_key_is_a_key_but_for_crc32() {
    assert_eq!(spread(&Murmur2, Some(b""), 6)[0x106e_08d9 % 6], 6000);
    assert_eq!(spread(&Murmur2Random, Some(b""), 6)[0x106e_08d9 % 6], 6000);
    assert_eq!(spread(&Fnv1a, Some(b""), 6)[0x7ee3_623b % 6], 6000);
}

#[test]
fn what_is_random_is_spread_evenly() {
    let random: [(&dyn Partitioner, Option<&[u8]>); 6] = [
        (&Crc32, NONE),
        (&Crc32, Some(b"")),
        (&Murmur2Random, NONE),
        (&Fnv1a, NONE),
        (&Random, NONE),
        (&Random, Some(b"key")),
    ];
    for (partitioner, key) in random {
        let times = spread(partitioner, key, 6);
        assert!(times.iter().all(|times| (times - 1000).abs() < 120), "{partitioner:?}: {times:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let choices = |seed| {
        let memory = TopicMemory::new(seed);
        [(); 20].map(|()| ask(&Random, NONE, 1000, &memory))
    };
    assert_eq!(choices(1), choices(1));
    assert_ne!(choices(1), choices(2));
}

#[test]
fn round_robin_leaves_nobody_out() {
    assert_eq!(spread(&RoundRobin, Some(b"key"), 6), [1000; 6]);
    let memory = TopicMemory::new(0);
    let answers = [3, 3, 3, 3, 5, 5].map(|partitions| ask(&RoundRobin, NONE, partitions, &memory));
    assert_eq!(answers, [0, 1, 2, 0, 4, 0], "the count goes on where partitions are added");
}

#[test]
fn without_a_key_murmur2_is_as_sticky_as_sticky() {
    let (ours, reference) = (TopicMemory::new(3), TopicMemory::new(3));
    let mut seen = Vec::new();
    for round in 0..200 {
        let topic = TopicView::new("t", 50, &ours).with_batch_bytes(100);
        let sticky = Murmur2.partition(&NewRecord::new(), &topic);
        assert_eq!(sticky, ask(&Sticky, Some(b"key"), 50, &reference), "in round {round}");
        seen.push(sticky);
        Murmur2.appended(&topic, sticky, 30, false);
        Sticky.appended(&TopicView::new("t", 50, &reference).with_batch_bytes(100), sticky, 30, false);
    }
    // Twice the batch of 100 is reached with the seventh 30.
    assert!(seen.chunks(7).all(|stint| stint.iter().all(|&partition| partition == stint[0])), "{seen:?}");
    seen.dedup();
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn keys_do_not_move_the_sticky_partition_that_murmur2_keeps_for_the_others() {
    let memory = TopicMemory::new(3);
    let sticky = ask(&Murmur2, NONE, 50, &memory);
    for key in 0..100_u32 {
        ask(&Murmur2, Some(&key.to_le_bytes()), 50, &memory);
    }
    assert_eq!(ask(&Murmur2, NONE, 50, &memory), sticky);
}

#[test]
fn one_partitioner_keeps_its_topics_apart() {
    let shared: Arc<dyn Partitioner> = Arc::new(RoundRobin);
    let (orders, trades) = (TopicMemory::new(0), TopicMemory::new(0));
    let answers = [&orders, &orders, &trades, &orders].map(|memory| ask(&shared, NONE, 10, memory));
    assert_eq!(answers, [0, 1, 0, 2]);
}

#[test]
fn a_shared_partitioner_hears_what_was_appended() {
    let shared: Arc<dyn Partitioner> = Arc::new(Sticky);
    let memory = TopicMemory::new(0);
    let topic = TopicView::new("t", 1000, &memory).with_batch_bytes(10);
    let sticky = shared.partition(&NewRecord::new(), &topic);
    Partitioner::appended(&shared, &topic, sticky, 10, true);
    assert_ne!(shared.partition(&NewRecord::new(), &topic), sticky);
}

#[test]
fn one_partition_takes_all_and_no_partition_counts_as_one() {
    for partitioner in ALL {
        for key in [NONE, Some(b""), Some(b"foobar")] {
            assert_eq!(
                [1, 0].map(|partitions| ask_anew(partitioner, key, partitions)),
                [0, 0],
                "{partitioner:?}"
            );
        }
    }
}

#[test]
fn keys_of_every_length_have_a_partition() {
    let key = [0xff; 70];
    for len in 0..=key.len() {
        for partitioner in ALL {
            let most = ask_anew(partitioner, Some(&key[..len]), u32::MAX);
            assert!(most < u32::MAX, "{partitioner:?} with {len} bytes");
        }
    }
}

proptest! {
    #[test]
    fn every_answer_is_a_partition(
        key in option::of(vec(any::<u8>(), 0..70)), partitions in 1..=u32::MAX, few in 1..100_u32, seed: u64,
    ) {
        let memory = TopicMemory::new(seed);
        for partitioner in ALL {
            prop_assert!(ask(partitioner, key.as_deref(), partitions, &memory) < partitions);
            prop_assert!(ask(partitioner, key.as_deref(), few, &memory) < few);
        }
    }

    #[test]
    fn a_key_always_goes_to_one_partition(
        key in vec(any::<u8>(), 1..70), partitions in 1..=u32::MAX, seeds: [u64; 2],
    ) {
        for partitioner in BY_KEY {
            let answer = |seed| ask(partitioner, Some(&key), partitions, &TopicMemory::new(seed));
            prop_assert_eq!(answer(seeds[0]), answer(seeds[1]));
        }
    }
}
