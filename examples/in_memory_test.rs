//! A service and its unit test: the test gives it a broker in memory and a clock that it holds in its hand.

use brooklet::clock::ManualClock;
use brooklet::{Acks, Broker, NewRecord, Result, Start, Timestamp, TopicConfig};
use std::sync::Arc;
use std::time::Duration;

/// The service: what is empty goes to the dead letters, everything else is passed on.
fn run_once(broker: &Broker) -> Result<()> {
    let producer = broker.producer().acks(Acks::Written).build()?;
    let mut consumer = broker.consumer().assign([("orders", 0)]).start(Start::Earliest).build()?;
    for record in &consumer.poll(Duration::from_secs(1))? {
        let target = if record.value().is_none_or(<[u8]>::is_empty) { "orders.dlq" } else { "orders.good" };
        producer.send(NewRecord::to(target).key(record.key()).value(record.value()))?;
    }
    producer.close()
}

fn main() -> Result<()> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let broker = Broker::builder().clock(clock.clone()).seed(42).in_memory()?;
    for topic in ["orders", "orders.good", "orders.dlq"] {
        broker.ensure_topic(topic, TopicConfig::new())?;
    }
    let orders = broker.topic("orders")?.partition(0)?;
    orders.append(
        [NewRecord::new().key("alice").value("5 apples"), NewRecord::new().key("bob").value("")],
        Acks::Written,
    )?;

    run_once(&broker)?;
    run_once(&broker)?; // from the beginning again: each order is passed on twice

    for (topic, expected) in [("orders.good", 2), ("orders.dlq", 2)] {
        let end = broker.topic(topic)?.partition(0)?.watermarks().end;
        assert_eq!(end, expected, "{topic}");
        println!("{topic}: {end} records");
    }
    Ok(())
}
