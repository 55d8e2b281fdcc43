//! Old records go by themselves: by age and by size. A week passes in a moment, for the clock is held in the hand.

use brooklet::clock::ManualClock;
use brooklet::{Acks, Broker, NewRecord, Result, Timestamp, TopicConfig};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn main() -> Result<()> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let builder = Broker::builder().clock(clock.clone()).on_event(|event| println!("  {event}"));
    let broker = builder.in_memory()?;

    // A day at least is kept. Whole segments go, so they are small where little is to be kept.
    let config = TopicConfig::new().retention(24 * HOUR).segment_age(6 * HOUR).retention_bytes(1 << 20);
    let readings = broker.create_topic("readings", config)?.partition(0)?;
    for hour in 0..7 * 24 {
        readings.append([NewRecord::new().value(format!("hour {hour}"))], Acks::Written)?;
        clock.advance(HOUR);
        while broker.maintain()? == Some(Duration::ZERO) {} // with the machine's clock a thread does this
    }
    let marks = readings.watermarks();
    println!("{} readings were written, and those from {} on are left", marks.end, marks.start);
    assert!((7 * 24 - 31..=7 * 24 - 24).contains(&marks.start), "a day, and what shares its oldest segment");

    // An operator may be in a hurry.
    let admin = broker.admin();
    admin.alter_topic("readings", |config| config.retention(HOUR))?;
    clock.advance(HOUR);
    let [retained] = &admin.enforce_retention_now("readings")?[..] else {
        unreachable!("it has one partition")
    };
    println!("{} segments of {} bytes are gone", retained.segments_removed.len(), retained.bytes_freed);
    assert_eq!(retained.start, marks.end);
    broker.close()
}
