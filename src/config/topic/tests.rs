//! Claims about the settings of a topic.

use super::*;
use proptest::prelude::*;

fn why(result: Result<impl Sized>) -> (&'static str, String, &'static str) {
    match result.map(drop) {
        Err(Error::InvalidConfig { setting, value, why }) => (setting, value, why),
        other => panic!("{other:?} passed"),
    }
}

/// A value of each setting that is not the default, in the words of Kafka.
const OTHERS: [(&str, &str); 18] = [
    ("cleanup.policy", "compact,delete"),
    ("compression.type", "lz4"),
    ("delete.retention.ms", "0"),
    ("index.interval.bytes", "0"),
    ("max.compaction.lag.ms", "60000"),
    ("max.message.bytes", "1"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
    ("message.timestamp.before.max.ms", "0"),
    ("message.timestamp.type", "LogAppendTime"),
    ("min.acks", "durable"),
    ("min.cleanable.dirty.ratio", "0.25"),
    ("min.compaction.lag.ms", "1"),
    ("retention.bytes", "0"),
    ("retention.ms", "-1"),
    ("segment.bytes", "128"),
    ("segment.index.bytes", "24"),
    ("segment.ms", "9223372036854775807"),
    ("visibility", "durable"),
];

#[test]
fn the_defaults_are_kafkas() {
    let default = TopicConfig::new();
    default.validate().unwrap();
    assert_eq!(default.partitions, 1);
    assert_eq!(default.entries(), []);
    assert_eq!(default.to_log_config(), LogConfig::default());
    let kafkas = [
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
        ("delete.retention.ms", "86400000"),
        ("index.interval.bytes", "4096"),
        ("max.compaction.lag.ms", "9223372036854775807"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
        ("message.timestamp.type", "CreateTime"),
        ("min.acks", "none"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("min.compaction.lag.ms", "0"),
        ("retention.bytes", "-1"),
        ("retention.ms", "604800000"),
        ("segment.bytes", "1073741824"),
        ("segment.index.bytes", "10485760"),
        ("segment.ms", "604800000"),
        ("visibility", "written"),
    ];
    let ours: Vec<_> = SETTINGS.iter().map(|setting| (setting.name, (setting.print)(&default))).collect();
    assert_eq!(ours, kafkas.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn each_name_sets_its_own_setting_and_no_other() {
    assert!(OTHERS.is_sorted() && OTHERS.map(|(name, _)| name) == SETTINGS.each_ref().map(|row| row.name));
    for (name, value) in OTHERS {
        let config = TopicConfig::new().set(name, value).unwrap();
        assert_eq!(config.entries(), [(name, value.to_owned())]);
        config.validate().unwrap();
    }
    let all = TopicConfig::from_entries(OTHERS).unwrap();
    assert_eq!(all.entries(), OTHERS.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn each_link_of_the_chain_sets_what_its_name_sets() {
    let chain = TopicConfig::new()
        .cleanup_policy(CleanupPolicy::CompactDelete)
        .compression(Some(Compression::Lz4))
        .delete_retention(Duration::ZERO)
        .index_interval_bytes(0)
        .max_compaction_lag(Duration::from_secs(60))
        .max_message_bytes(1)
        .timestamp_after_max(Duration::MAX)
        .timestamp_before_max(Duration::ZERO)
        .timestamp_type(TimestampType::LogAppend)
        .min_acks(Acks::Durable)
        .min_cleanable_dirty_ratio(0.25)
        .min_compaction_lag(Duration::from_millis(1))
        .retention_bytes(0)
        .retention(Duration::MAX)
        .segment_bytes(128)
        .segment_index_bytes(24)
        .segment_age(Duration::MAX)
        .visibility(Visibility::Durable);
    assert_eq!(chain, TopicConfig::from_entries(OTHERS).unwrap());
    assert_eq!(chain.clone().partitions(7), TopicConfig { partitions: 7, ..chain });
}

#[test]
fn every_word_is_read_and_printed() {
    let words = [
        ("cleanup.policy", &["delete", "compact", "compact,delete"][..]),
        ("compression.type", &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        ("message.timestamp.type", &["CreateTime", "LogAppendTime"]),
        ("min.acks", &["none", "written", "durable"]),
        ("visibility", &["written", "durable"]),
    ];
    for (name, word) in words.iter().flat_map(|(name, words)| words.iter().map(move |word| (name, word))) {
        assert_eq!(TopicConfig::new().set(name, word).unwrap().get(name).as_deref(), Some(*word));
        assert!(SETTINGS.iter().any(|row| row.name == *name && why(row_refusal(name)).2.contains(word)));
    }
    for codec in Compression::ALL {
        let config = TopicConfig::new().compression(Some(codec));
        assert_eq!(TopicConfig::from_entries(config.entries()).unwrap().compression, Some(codec));
    }
}

fn row_refusal(name: &str) -> Result<TopicConfig> {
    TopicConfig::new().set(name, "of no kind")
}

#[test]
fn kafkas_liberties_are_taken() {
    for text in ["delete,compact", " compact , delete ", "compact,delete,compact"] {
        let config = TopicConfig::new().set("cleanup.policy", text).unwrap();
        assert_eq!(config.cleanup_policy, CleanupPolicy::CompactDelete, "{text:?}");
    }
    let config = TopicConfig::new().set(" retention.ms", " 1000 ").unwrap();
    assert_eq!(config.retention, Duration::from_secs(1));
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    for (name, value) in [
        ("cleanup.policy", ""),
        ("cleanup.policy", "compact,"),
        ("cleanup.policy", "Compact"),
        ("compression.type", "none"),
        ("index.interval.bytes", "2147483648"),
        ("max.compaction.lag.ms", "0"),
        ("max.message.bytes", "0"),
        ("max.message.bytes", "-1"),
        ("message.timestamp.after.max.ms", "-1"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("min.cleanable.dirty.ratio", "-0.1"),
        ("retention.bytes", "-2"),
        ("retention.ms", "9223372036854775808"),
        ("retention.ms", "1 s"),
        ("retention.ms", ""),
        ("segment.bytes", "127"),
        ("segment.bytes", "2147483648"),
        ("segment.index.bytes", "23"),
        ("segment.ms", "0"),
        ("visibility", "none"),
    ] {
        let (setting, found, why) = why(TopicConfig::new().set(name, value));
        assert_eq!((setting, found.as_str()), (name, value));
        assert!(why.starts_with("it is "), "{why}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_those_that_there_are() {
    for name in ["retenton.ms", "", "partitions", "Retention.ms"] {
        let error = TopicConfig::new().set(name, "1").unwrap_err().to_string();
        assert!(SETTINGS.iter().all(|setting| error.contains(setting.name)), "{error}");
        assert_eq!(TopicConfig::new().get(name), None);
    }
    let (_, quoted, _) = why(TopicConfig::new().set(&"é".repeat(1 << 20), "1"));
    assert_eq!(quoted, "é".repeat(100));
}

#[test]
fn fields_that_were_set_by_hand_are_checked_too() {
    let default = TopicConfig::default;
    for (config, name) in [
        (TopicConfig { partitions: 0, ..default() }, "partitions"),
        (TopicConfig { partitions: 1 << 31, ..default() }, "partitions"),
        (TopicConfig { segment_bytes: 127, ..default() }, "segment.bytes"),
        (TopicConfig { segment_bytes: u32::MAX, ..default() }, "segment.bytes"),
        (TopicConfig { segment_index_bytes: 0, ..default() }, "segment.index.bytes"),
        (TopicConfig { index_interval_bytes: u32::MAX, ..default() }, "index.interval.bytes"),
        (TopicConfig { max_message_bytes: 0, ..default() }, "max.message.bytes"),
        (TopicConfig { segment_age: Duration::ZERO, ..default() }, "segment.ms"),
        (TopicConfig { max_compaction_lag: Duration::ZERO, ..default() }, "max.compaction.lag.ms"),
        (TopicConfig { min_cleanable_dirty_ratio: f64::NAN, ..default() }, "min.cleanable.dirty.ratio"),
        (default().min_cleanable_dirty_ratio(f64::INFINITY), "min.cleanable.dirty.ratio"),
    ] {
        assert_eq!(why(config.validate()).0, name);
    }
}

#[test]
fn a_lag_of_compaction_does_not_begin_after_its_end() {
    let lags = |min, max| {
        let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
        TopicConfig::new().min_compaction_lag(min).max_compaction_lag(max).validate()
    };
    lags(5, 5).unwrap();
    assert_eq!(why(lags(6, 5)).1, "6");
}

#[test]
fn a_codec_is_asked_for_only_where_it_is_compiled_in() {
    for codec in Compression::ALL {
        let valid = TopicConfig::new().compression(Some(codec)).validate();
        assert_eq!(valid.is_ok(), codec.is_compiled_in(), "{valid:?}");
    }
}

#[test]
fn times_are_whole_milliseconds_and_never_less_than_asked_for() {
    let config =
        TopicConfig::new().segment_age(Duration::from_nanos(1)).retention(Duration::from_micros(1_001));
    assert_eq!((config.segment_age.as_millis(), config.retention), (1, Duration::from_millis(2)));
    for endless in [Duration::from_millis(i64::MAX as u64), Duration::from_secs(u64::MAX), Duration::MAX] {
        assert_eq!(TopicConfig::new().retention(endless).retention, Duration::MAX);
    }
    assert_eq!(TopicConfig::new().retention_bytes(1 << 63).retention_bytes, u64::MAX);
    let almost = TopicConfig::new().retention_bytes(i64::MAX as u64 - 1);
    assert_eq!(almost.get("retention.bytes").unwrap(), "9223372036854775806");
}

#[test]
fn what_a_topic_takes_its_logs_take() {
    for (name, value) in OTHERS {
        TopicConfig::new().set(name, value).unwrap().to_log_config().validate().unwrap();
    }
}

#[test]
fn a_segment_to_be_compacted_is_closed_in_time() {
    let age = |policy| {
        let lag = Duration::from_secs(9);
        TopicConfig::new().max_compaction_lag(lag).cleanup_policy(policy).to_log_config().segment_age
    };
    assert_eq!(age(CleanupPolicy::Compact), Duration::from_secs(9));
    assert_eq!(age(CleanupPolicy::CompactDelete), Duration::from_secs(9));
    assert_eq!(age(CleanupPolicy::Delete), TopicConfig::new().segment_age);
}

proptest! {
    #[test]
    fn settings_come_back_from_their_entries(
        millis: [u64; 3], nanos: u32, bytes: u64, ratio in 0.0..=1.0f64, segment_bytes in 128..=i32::MAX as u32,
    ) {
        let config = TopicConfig::new()
            .retention(Duration::from_millis(millis[0]) + Duration::from_nanos(nanos.into()))
            .delete_retention(Duration::from_millis(millis[1]))
            .segment_age(Duration::from_millis(millis[2].max(1)))
            .retention_bytes(bytes)
            .min_cleanable_dirty_ratio(ratio)
            .segment_bytes(segment_bytes);
        config.validate().unwrap();
        prop_assert_eq!(TopicConfig::from_entries(config.entries()).unwrap(), config);
    }

    #[test]
    fn no_text_panics(row in 0..SETTINGS.len(), text: String) {
        let _ = TopicConfig::new().set(SETTINGS[row].name, &text);
        let _ = TopicConfig::new().set(&text, &text);
    }
}
