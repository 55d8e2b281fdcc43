//! The same from tasks: sending and receiving without blocking a runtime's threads. Any runtime will do.

use brooklet::{Broker, NewRecord, Result, Start, TopicConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("ticks", TopicConfig::new())?;
    let producer = broker.producer().build()?;
    let mut consumer = broker.consumer().assign([("ticks", 0)]).start(Start::Earliest).build()?;

    let publish = async {
        for number in 0..5 {
            let receipt = producer.send_async(NewRecord::to("ticks").value(format!("tick {number}"))).await?;
            let sent = receipt.await?; // durable
            println!("sent @ {}", sent.offset);
        }
        Ok(())
    };
    let subscribe = async {
        let mut stream = consumer.stream();
        for _ in 0..5 {
            let record = stream.next().await.expect("the log has no end")?;
            println!("received {}", String::from_utf8_lossy(record.value().unwrap_or_default()));
        }
        Ok(())
    };
    let (published, subscribed): (Result<()>, Result<()>) = tokio::join!(publish, subscribe);
    published.and(subscribed)
}
