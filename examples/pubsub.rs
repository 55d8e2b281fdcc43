//! Two threads publish, three subscribers read everything, each at its own pace.

use brooklet::{Acks, Broker, NewRecord, Result, Start, TopicConfig};
use std::thread;
use std::time::Duration;

const PER_PUBLISHER: usize = 1000;

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("events", TopicConfig::new().partitions(2))?;

    thread::scope(|scope| {
        for publisher in 0..2 {
            let producer = broker.producer().acks(Acks::Written).build()?;
            scope.spawn(move || -> Result<()> {
                for number in 0..PER_PUBLISHER {
                    let value = format!("{publisher}: {number}");
                    producer.send(NewRecord::to("events").key(publisher.to_string()).value(value))?;
                }
                producer.close()
            });
        }
        for subscriber in 0..3 {
            let mut consumer = broker.consumer().assign_topics(["events"]).start(Start::Earliest).build()?;
            scope.spawn(move || -> Result<()> {
                let mut seen = 0;
                while seen < 2 * PER_PUBLISHER {
                    seen += consumer.poll(Duration::from_secs(1))?.len();
                }
                println!("subscriber {subscriber} has seen all {seen} records");
                Ok(())
            });
        }
        Ok(())
    })
}
