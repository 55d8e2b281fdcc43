//! One topic, three groups: each reads all of it, at its own pace.

use brooklet::{Acks, Broker, NewRecord, Result, Start, TopicConfig};
use std::time::Duration;

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("orders", TopicConfig::new())?;
    let producer = broker.producer().acks(Acks::Written).build()?;
    for order in 0..10 {
        producer.send(NewRecord::to("orders").value(order.to_string()))?;
    }
    for (group, at_once) in [("billing", 10), ("shipping", 10), ("audit", 3)] {
        let builder = broker.consumer().group(group).subscribe(["orders"]).start(Start::Earliest);
        let mut consumer = builder.max_poll_records(at_once).build()?;
        let records = consumer.poll(Duration::from_secs(1))?;
        assert_eq!(records.len(), at_once);
        consumer.commit()?;
        let committed = consumer.committed("orders", 0)?.map(|committed| committed.offset);
        println!("{group} has read {committed:?} of 10");
        assert_eq!(committed, Some(at_once as u64));
        consumer.close()?;
    }
    broker.close()
}
