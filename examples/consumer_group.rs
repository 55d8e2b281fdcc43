//! Two members of one group share a topic; when one of them leaves, the other reads on where it stopped.

use brooklet::{Acks, AutoCommit, Broker, Consumer, NewRecord, Result, Start, TopicConfig};
use std::time::Duration;

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.ensure_topic("orders", TopicConfig::new().partitions(4))?;
    let producer = broker.producer().acks(Acks::Written).build()?;
    let send = |from: u32, to: u32| -> Result<()> {
        for order in from..to {
            producer.send(NewRecord::to("orders").value(order.to_string()).partition(order % 4))?;
        }
        Ok(())
    };
    let member = || {
        let builder = broker.consumer().group("billing").subscribe(["orders"]).start(Start::Earliest);
        builder.auto_commit(AutoCommit::Off).build()
    };
    let (mut one, mut two) = (member()?, member()?);
    // A member joins in its first poll, and gives up in its next one what goes to somebody else.
    while one.assignment().len() != 2 || two.assignment().len() != 2 {
        one.poll(Duration::ZERO)?;
        two.poll(Duration::ZERO)?;
    }
    send(0, 8)?;
    assert_eq!((read(&mut one)?, read(&mut two)?), (4, 4));

    one.close()?;
    send(8, 12)?;
    assert_eq!(read(&mut two)?, 4, "all four partitions, and nothing twice");
    println!("{}", broker.admin().describe_group("billing")?);
    broker.close()
}

/// Reads all that is there, and commits it.
fn read(consumer: &mut Consumer) -> Result<usize> {
    let mut count = 0;
    loop {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            consumer.commit()?;
            return Ok(count);
        }
        count += records.len();
    }
}
