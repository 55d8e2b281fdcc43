//! A table that survives its program: every change is a record of a compacted topic, and on start the table is built anew
//! from what is left of them. Run it twice: it goes on where it stopped.

use brooklet::{Acks, Broker, CleanupPolicy, NewRecord, Result, Start, TopicConfig};
use std::collections::BTreeMap;
use std::time::Duration;

const STOCK: &str = "stock";

fn main() -> Result<()> {
    let broker = Broker::open("./data")?;
    broker.ensure_topic(STOCK, TopicConfig::new().cleanup_policy(CleanupPolicy::Compact))?;

    let mut table = rebuilt(&broker)?;
    println!("on start: {table:?}");
    let producer = broker.producer().acks(Acks::Written).build()?;
    let runs = table.get("runs").map_or(1, |runs| runs + 1);
    for (key, value) in [("runs", Some(runs)), ("apples", Some(5)), ("pears", Some(7)), ("pears", None)] {
        // A record without a value, a tombstone, takes its key out of the table.
        producer.send(NewRecord::to(STOCK).key(key).value(value.map(|count: u64| count.to_string())))?;
        match value {
            Some(count) => table.insert(key.to_owned(), count),
            None => table.remove(key),
        };
    }
    for count in (0..1_000).rev() {
        producer.send(NewRecord::to(STOCK).key("apples").value(count.to_string()))?;
        table.insert("apples".to_owned(), count);
    }
    producer.close()?;

    // The broker compacts when it is worth it; here it is told to, so that there is something to be seen.
    let [compacted] = &broker.admin().compact_now(STOCK)?[..] else { unreachable!("it has one partition") };
    println!("{} records became {}", compacted.records_before, compacted.records_after);
    assert!(compacted.records_before > 1_000 && compacted.records_after < 10);
    assert_eq!(rebuilt(&broker)?, table, "the newest of each key is all that it takes");
    assert_eq!(table.get("runs"), Some(&runs));
    broker.close()
}

/// The table, from the first record that there is to the last.
fn rebuilt(broker: &Broker) -> Result<BTreeMap<String, u64>> {
    let mut consumer = broker.consumer().assign([(STOCK, 0)]).start(Start::Earliest).build()?;
    let mut table = BTreeMap::new();
    loop {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            return Ok(table);
        }
        for record in &records {
            let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            let count = record.value().map(|value| String::from_utf8_lossy(value).parse().unwrap_or(0));
            match count {
                Some(count) => table.insert(key, count),
                None => table.remove(&key),
            };
        }
    }
}
