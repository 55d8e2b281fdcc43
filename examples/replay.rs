//! Reading again from a moment on: a consumer is sent back to what happened in the last hour.

use brooklet::{Acks, Broker, NewRecord, Result, Start, Timestamp, TopicConfig};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("readings", TopicConfig::new())?;
    let producer = broker.producer().acks(Acks::Written).build()?;
    let noon = Timestamp::from_millis(1_700_000_000_000);
    for hour in 0..24 {
        let timestamp = Timestamp::from_millis(noon.as_millis() + hour * HOUR_MS);
        producer.send(NewRecord::to("readings").value(format!("hour {hour}")).timestamp(timestamp))?;
    }

    let mut consumer = broker.consumer().assign([("readings", 0)]).start(Start::Earliest).build()?;
    println!("all of them: {}", consumer.poll(Duration::ZERO)?.len());

    consumer.seek_to_time("readings", 0, Timestamp::from_millis(noon.as_millis() + 22 * HOUR_MS))?;
    for record in &consumer.poll(Duration::ZERO)? {
        println!("@ {}: {}", record.offset(), String::from_utf8_lossy(record.value().unwrap_or_default()));
    }
    Ok(())
}
