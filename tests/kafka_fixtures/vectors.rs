//! What Kafka's own classes computed: numbers of varying length, and the entries and answers of the three indexes.

use crate::fixtures::{bytes, cases, fixtures, integer, say};
use brooklet::Timestamp;
use brooklet::record::varint;
use brooklet::segment::{AbortedIndex, AbortedTransaction, OffsetEntry, OffsetIndex, TimeEntry, TimeIndex};
use serde_json::Value;

fn hex(case: &Value, name: &str) -> Vec<u8> {
    bytes(case[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {case}")))
}

/// Each entry of a list of lists of numbers.
fn rows(value: &Value) -> impl Iterator<Item = Vec<i64>> {
    let numbers = |row: &Value| {
        let numbers = row.as_array().expect("a row").iter();
        numbers.map(|number| number.as_i64().expect("a number")).collect()
    };
    value.as_array().expect("rows").iter().map(numbers)
}

fn offset(number: i64) -> u64 {
    u64::try_from(number).expect("an offset")
}

fn encoded<T>(value: T, encode: impl Fn(T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0xee];
    encode(value, &mut out);
    assert_eq!(out.remove(0), 0xee, "what stood before is kept");
    out
}

#[test]
fn numbers_take_the_bytes_that_kafka_gives_them() {
    let Some(folder) = fixtures() else { return };
    let (mut short, all) = (0, cases(&folder, "varint.json"));
    for case in &all {
        let value = integer(case, "value");
        let long = hex(case, "varlong");
        assert_eq!(encoded(value, varint::encode_varlong), long, "{case}");
        assert_eq!(varint::decode_varlong(&long), Ok((value, long.len())), "{case}");
        assert_eq!(varint::varlong_len(value), long.len(), "{case}");
        let Ok(value) = i32::try_from(value) else {
            assert!(case.get("varint").is_none(), "{case}");
            continue;
        };
        let signed = hex(case, "varint");
        assert_eq!(encoded(value, varint::encode_varint), signed, "{case}");
        assert_eq!(varint::decode_varint(&signed), Ok((value, signed.len())), "{case}");
        assert_eq!(varint::varint_len(value), signed.len(), "{case}");
        let unsigned = hex(case, "unsigned_varint_of_the_32_bits");
        let value = value.cast_unsigned();
        assert_eq!(encoded(value, varint::encode_unsigned), unsigned, "{case}");
        assert_eq!(varint::decode_unsigned(&unsigned), Ok((value, unsigned.len())), "{case}");
        assert_eq!(varint::unsigned_len(value), unsigned.len(), "{case}");
        short += 1;
    }
    assert!(short > 0 && short < all.len(), "both lengths are met");
    say(&format!("{} numbers of Kafka hold", all.len()));
}

/// The cases of one kind of index.
fn index_cases(kind: &str) -> Option<Vec<Value>> {
    let folder = fixtures()?;
    let of_kind: Vec<Value> =
        cases(&folder, "indexes.json").into_iter().filter(|case| case["kind"] == kind).collect();
    assert!(!of_kind.is_empty(), "no index of kind {kind}");
    say(&format!("{} {kind} indexes of Kafka", of_kind.len()));
    Some(of_kind)
}

#[test]
fn an_offset_index_of_kafka_is_read_written_and_searched_alike() {
    for case in index_cases("offset").into_iter().flatten() {
        let (base, file) = (offset(integer(&case, "base_offset")), hex(&case, "file_hex"));
        let index = OffsetIndex::decode(base, &file);
        assert_eq!(index.entries().len() * 8, file.len(), "{case}");
        assert_eq!(index.encode(), file, "{case}");
        let mut pushed = OffsetIndex::new(base);
        index.entries().iter().for_each(|entry| assert!(pushed.push(*entry)));
        assert_eq!(pushed.encode(), file, "{case}");
        if let Some(last) = index.entries().last() {
            assert_eq!(last.offset, offset(integer(&case, "last_offset")), "{case}");
        }
        for row in rows(&case["lookups"]) {
            let position = u32::try_from(row[2]).expect("a position");
            let expected = OffsetEntry { offset: offset(row[1]), position };
            assert_eq!(index.lookup(offset(row[0])), expected, "{case} at {}", row[0]);
        }
        // While a segment is written to, Kafka's index files end in zeros. Where there is nothing before them, the
        // first are read as an entry for the beginning, here as in Kafka: it changes no answer.
        let preallocated = OffsetIndex::decode(base, &[&file[..], &[0; 80]].concat());
        assert!(file.is_empty() || preallocated.entries() == index.entries(), "{case}");
        for row in rows(&case["lookups"]) {
            assert_eq!(preallocated.lookup(offset(row[0])), index.lookup(offset(row[0])), "{case}");
        }
    }
}

#[test]
fn an_offset_index_is_truncated_as_kafka_does_it() {
    let mut truncated = 0;
    for case in index_cases("offset").into_iter().flatten().filter(|case| case.get("truncate_to").is_some()) {
        let base = offset(integer(&case, "base_offset"));
        let whole = OffsetIndex::decode(base, &hex(&case, "file_hex"));
        let mut index = whole.clone();
        index.truncate_to(offset(integer(&case, "truncate_to")));
        assert_eq!(index.entries().len() as i64, integer(&case, "entries_after_truncate"), "{case}");
        assert_eq!(index.entries(), &whole.entries()[..index.entries().len()], "{case}");
        truncated += usize::from(index.entries().len() < whole.entries().len());
    }
    assert!(truncated > 0 || fixtures().is_none(), "no case truncates anything");
}

#[test]
fn a_time_index_of_kafka_is_read_written_and_searched_alike() {
    for case in index_cases("time").into_iter().flatten() {
        let (base, file) = (offset(integer(&case, "base_offset")), hex(&case, "file_hex"));
        let entry = |timestamp: i64, at: i64| TimeEntry {
            timestamp: Timestamp::from_millis(timestamp),
            offset: offset(at),
        };
        let index = TimeIndex::decode(base, &file);
        assert_eq!(index.entries().len() as i64, integer(&case, "entries"), "{case}");
        assert_eq!(index.encode(), file, "{case}");
        let mut pushed = TimeIndex::new(base);
        let attempts: Vec<_> = rows(&case["appended"]).collect();
        let taken = attempts.iter().filter(|row| pushed.push(entry(row[0], row[1]))).count();
        assert_eq!((pushed.encode(), taken), (file.clone(), index.entries().len()), "{case}");
        for row in rows(&case["lookups"]) {
            // Where nothing is known to be older, Kafka says -1 and the beginning of the segment.
            let expected = (row[1] != -1).then(|| entry(row[1], row[2]));
            assert_eq!(index.lookup(Timestamp::from_millis(row[0])), expected, "{case} at {}", row[0]);
            assert!(expected.is_some() || offset(row[2]) == base, "{case}");
        }
        let preallocated = TimeIndex::decode(base, &[&file[..], &[0; 120]].concat());
        assert!(file.is_empty() || preallocated.entries() == index.entries(), "{case}");
    }
}

#[test]
fn an_index_of_aborted_transactions_is_read_written_and_asked_alike() {
    let Some(folder) = fixtures() else { return };
    let (mut complete, mut asked) = (0, 0);
    for case in cases(&folder, "txn-index.json") {
        let file = hex(&case, "file_hex");
        let mut index = AbortedIndex::new(0);
        for row in rows(&case["entries"]) {
            index.push(AbortedTransaction {
                producer_id: row[0],
                first_offset: offset(row[1]),
                last_offset: offset(row[2]),
                last_stable_offset: offset(row[3]),
            });
        }
        assert_eq!(index.encode(), file, "{case}");
        assert_eq!(AbortedIndex::decode(0, &file).entries(), index.entries(), "{case}");
        for question in case["collect"].as_array().expect("questions") {
            let range = ["fetch_offset", "upper_bound"].map(|name| offset(integer(question, name)));
            let (found, done) = index.collect(range[0], range[1]);
            let found: Vec<_> =
                found.iter().map(|it| vec![it.producer_id, it.first_offset.cast_signed()]).collect();
            assert_eq!(found, rows(&question["aborted"]).collect::<Vec<_>>(), "{question}");
            assert_eq!(question["complete"], done, "{question}");
            complete += usize::from(done);
            asked += 1;
        }
    }
    assert!(complete > 0 && complete < asked, "both answers are met");
    say(&format!("{asked} questions about aborted transactions are answered as by Kafka"));
}
