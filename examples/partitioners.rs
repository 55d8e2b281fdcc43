//! Where records go: by the hash of their key as in Java's client, as in librdkafka, in turn, or as one likes.

use brooklet::partitioners::{Crc32, Murmur2, Partitioner, RoundRobin, TopicView};
use brooklet::{Acks, Broker, NewRecord, Result, TopicConfig};
use std::sync::Arc;

/// Sends what is urgent to the first partition, and the rest to the others in turn.
#[derive(Debug)]
struct UrgentFirst;

impl Partitioner for UrgentFirst {
    fn partition(&self, record: &NewRecord<'_>, topic: &TopicView<'_>) -> u32 {
        match record.key_bytes() {
            Some(b"urgent") => 0,
            _ => 1 + (topic.next_count() % u64::from(topic.partitions() - 1)) as u32,
        }
    }
}

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("orders", TopicConfig::new().partitions(4))?;
    let partitioners: [(&str, Arc<dyn Partitioner>); 4] = [
        ("murmur2, as Java", Arc::new(Murmur2)),
        ("crc32, as librdkafka", Arc::new(Crc32)),
        ("round robin", Arc::new(RoundRobin)),
        ("urgent first", Arc::new(UrgentFirst)),
    ];
    for (name, partitioner) in partitioners {
        let producer = broker.producer().acks(Acks::Written).partitioner(partitioner).build()?;
        let mut chosen = Vec::new();
        for key in ["alice", "bob", "urgent", "alice"] {
            chosen.push(producer.send(NewRecord::to("orders").key(key))?.wait()?.partition);
        }
        println!("{name:<22} alice, bob, urgent, alice -> {chosen:?}");
    }
    Ok(())
}
