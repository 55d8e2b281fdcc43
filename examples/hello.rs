//! A topic on disk: send a record, read what was not read yet. Run it twice: it goes on where it stopped.

use brooklet::{Broker, NewRecord, Result, Start, TopicConfig};
use std::time::Duration;

fn main() -> Result<()> {
    let broker = Broker::open("./data")?;
    let week = Duration::from_secs(7 * 86_400);
    broker.ensure_topic("orders", TopicConfig::new().partitions(3).retention(week))?;

    let producer = broker.producer().build()?;
    let sent = producer.send(NewRecord::to("orders").key("alice").value("created"))?.wait()?; // durable by default
    println!("sent to orders-{} @ {}", sent.partition, sent.offset);

    let mut consumer =
        broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest).build()?;
    for record in &consumer.poll(Duration::from_secs(1))? {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (key, value) = (text(record.key()), text(record.value()));
        println!("orders-{} @ {}: {key} = {value}", record.partition(), record.offset());
    }
    consumer.commit()?;
    broker.close()
}
