//! How far behind a group is, and whether to worry.

use brooklet::{Acks, AutoCommit, Broker, LagVerdict, NewRecord, Result, Start, TopicConfig};
use std::time::Duration;

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("orders", TopicConfig::new())?;
    let producer = broker.producer().acks(Acks::Written).build()?;
    let builder = broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest);
    let mut consumer = builder.auto_commit(AutoCommit::Off).max_poll_records(1).build()?;

    // Ten orders come for each one that is dealt with.
    for round in 0..10_u64 {
        for order in 0..10 {
            producer.send(NewRecord::to("orders").value(format!("{round}/{order}")))?;
        }
        consumer.poll(Duration::from_secs(1))?;
        consumer.commit()?;
    }
    let described = broker.admin().describe_group("billing")?;
    println!("{described}");
    assert_eq!(described.partitions[0].lag, Some(90));
    assert_eq!(described.partitions[0].verdict, LagVerdict::Warn, "it works, and falls behind");
    broker.close()
}
