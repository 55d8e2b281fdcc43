//! A batch of a hundred records of JSON, encoded, compressed and summed, against the codec alone, which is given the same
//! bytes, records in Kafka's form, in one piece: what is left is what a batch costs beside its compression. The codec is
//! measured on the bare JSON as well, without the few bytes that stand before and behind each record: these break what
//! repeats itself, and that price is the format's.
//!
//! Nothing is written anywhere. The codecs are called as brooklet calls them: zstd at level 3, lz4 in blocks of 64 KiB, and
//! what they work with is made once.

use super::compare;
use crate::contestant::{Contestant, Result};
use crate::rounds::Effort;
use crate::scratch::Scratch;
use crate::source::BATCH;
use crate::table::Table;
use brooklet::record::{Batch, BatchBuilder, RecordParts};
use brooklet::{Acks, Broker, Compression, NewRecord, Timestamp, TopicConfig};
use std::fmt::Write;
use std::time::Instant;

pub(crate) const LZ4: &str = "a batch of JSON, lz4";
pub(crate) const ZSTD: &str = "a batch of JSON, zstd";
pub(crate) const BUILDER: &str = "brooklet, BatchBuilder";
pub(crate) const CODEC: &str = "limit: the codec alone, same bytes";
const BARE: &str = "limit: the codec alone, bare JSON";
const APPEND: &str = "brooklet, Partition::append";
/// Batches that differ, and are taken one after the other.
const BATCHES: usize = 16;

pub(super) fn run(_scratch: &Scratch, effort: Effort, table: &mut Table<'_>) {
    let none: fn(&std::path::Path, &crate::contestant::Shape) -> _ =
        |_, _| Err("it opens no directory".into());
    let contestant = |name, acked, checksum| Contestant { name, acked, checksum, open: none };
    let contestants = [
        contestant(BUILDER, "it is encoded", "CRC-32C a batch"),
        contestant(APPEND, "in the log, in memory", "CRC-32C a batch"),
        contestant(CODEC, "it is compressed", "none"),
        contestant(BARE, "it is compressed", "none"),
    ];
    let batches: Vec<Vec<String>> = (0..BATCHES).map(orders).collect();
    let records = effort.of(200_000);
    for (work, codec) in [(LZ4, Compression::Lz4), (ZSTD, Compression::Zstd)] {
        compare(table, effort, work, &contestants, |contestant, is_first| {
            let rounds = records / BATCH;
            let seconds = match contestant.name {
                BUILDER => build(codec, &batches, rounds, is_first)?,
                APPEND => append(codec, &batches, rounds)?,
                CODEC => compress(codec, &as_records(&batches)?, rounds)?,
                _ => compress(codec, &bare(&batches), rounds)?,
            };
            Ok((rounds * BATCH) as f64 / seconds)
        });
    }
}

/// A hundred orders as a shop might note them: the same names every time, and some values that many share.
fn orders(batch: usize) -> Vec<String> {
    const CITIES: [&str; 6] = ["Lisboa", "Warszawa", "Nairobi", "Kyoto", "Bogotá", "Aarhus"];
    const STATES: [&str; 4] = ["created", "paid", "packed", "sent"];
    const GOODS: [&str; 5] = ["lamp", "kettle", "notebook, ruled", "bicycle tyre", "tea, green"];
    let mut state = batch as u64 + 1;
    let mut draw = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let order = |number: usize| {
        let mut json = String::new();
        let (day, second, customer) = (1 + draw(28), draw(86_400), draw(50_000));
        write!(
            json,
            r#"{{"order":{},"customer":"c-{customer:05}","at":"2026-03-{day:02}T{:02}:{:02}:{:02}Z","state":"{}","items":["#,
            7_000_000 + batch * BATCH + number,
            second / 3600,
            second / 60 % 60,
            second % 60,
            STATES[draw(4)],
        )
        .expect("a string takes everything");
        for item in 0..1 + draw(3) {
            let comma = if item == 0 { "" } else { "," };
            let (goods, count, cents) = (GOODS[draw(5)], 1 + draw(4), 199 + 50 * draw(300));
            write!(json, r#"{comma}{{"name":"{goods}","count":{count},"cents":{cents}}}"#)
                .expect("a string takes everything");
        }
        let (city, express) = (CITIES[draw(6)], draw(4) == 0);
        write!(json, r#"],"ship_to":{{"city":"{city}","express":{express}}}}}"#)
            .expect("a string takes everything");
        json
    };
    (0..BATCH).map(order).collect()
}

fn build(codec: Compression, batches: &[Vec<String>], rounds: usize, is_first: bool) -> Result<f64> {
    let mut builder = BatchBuilder::new(codec);
    let begun = Instant::now();
    for orders in batches.iter().cycle().take(rounds) {
        builder.clear();
        orders.iter().try_for_each(|order| builder.push(&record(order)))?;
        let batch = builder.build()?;
        std::hint::black_box(batch.bytes());
        if is_first {
            check(batch.bytes(), orders)?;
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn record(order: &str) -> RecordParts<'_> {
    let timestamp = Some(Timestamp::from_millis(1_700_000_000_000));
    RecordParts { timestamp, value: Some(order.as_bytes()), ..RecordParts::default() }
}

/// What was built holds what was put in.
fn check(bytes: &[u8], orders: &[String]) -> Result {
    let records = Batch::decode(bytes)?.records()?;
    let mut read = records.iter();
    for order in orders {
        if read.next().transpose()?.and_then(|record| record.value()) != Some(order.as_bytes()) {
            return Err("a record is lost or damaged".into());
        }
    }
    Ok(())
}

fn append(codec: Compression, batches: &[Vec<String>], rounds: usize) -> Result<f64> {
    let broker = Broker::in_memory()?;
    let topic = broker.create_topic("orders", TopicConfig::new().compression(Some(codec)))?;
    let partition = topic.partition(0)?;
    let begun = Instant::now();
    for orders in batches.iter().cycle().take(rounds) {
        partition.append(orders.iter().map(|order| NewRecord::new().value(order)), Acks::Written)?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// What a codec is given of a batch.
fn as_records(batches: &[Vec<String>]) -> Result<Vec<Vec<u8>>> {
    const HEADER_BYTES: usize = 61;
    let mut builder = BatchBuilder::new(Compression::None);
    let mut records = Vec::new();
    for orders in batches {
        builder.clear();
        orders.iter().try_for_each(|order| builder.push(&record(order)))?;
        records.push(builder.build()?.bytes()[HEADER_BYTES..].to_vec());
    }
    Ok(records)
}

fn bare(batches: &[Vec<String>]) -> Vec<Vec<u8>> {
    batches.iter().map(|orders| orders.concat().into_bytes()).collect()
}

fn compress(codec: Compression, batches: &[Vec<u8>], rounds: usize) -> Result<f64> {
    const BLOCK_BYTES: usize = 64 << 10;
    let mut out = Vec::new();
    let (mut context, mut lz4) = (zstd::bulk::Compressor::new(3)?, lz4_flex::block::CompressTable::small());
    let begun = Instant::now();
    for bytes in batches.iter().cycle().take(rounds) {
        match codec {
            Compression::Zstd => {
                out.resize(zstd::zstd_safe::compress_bound(bytes.len()), 0);
                context.compress_to_buffer(bytes, &mut out)?;
            }
            _ => {
                out.resize(lz4_flex::block::get_maximum_output_size(BLOCK_BYTES), 0);
                for block in bytes.chunks(BLOCK_BYTES) {
                    lz4_flex::block::compress_into_with_table(block, &mut out, &mut lz4)?;
                }
            }
        }
        std::hint::black_box(&out);
    }
    Ok(begun.elapsed().as_secs_f64())
}
