//! The log itself: append a batch, make it durable, read it back. Run it twice: it goes on where it stopped.

use brooklet::log::{Cursor, LogDir, ReadLimit};
use brooklet::record::{BatchBuilder, Compression, RecordParts};
use brooklet::{LogConfig, Result, TopicPartition};

fn main() -> Result<()> {
    let dir = LogDir::open("./log-data")?;
    let orders = TopicPartition::new("orders", 0)?;
    let log = match dir.partitions()?.contains(&orders) {
        true => dir.open_log(&orders, LogConfig::default())?,
        false => dir.create_log(&orders, LogConfig::default())?,
    };

    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(&RecordParts { key: Some(b"alice"), value: Some(b"created"), ..Default::default() })?;
    batch.push(&RecordParts { key: Some(b"bob"), value: Some(b"paid"), ..Default::default() })?;
    let appended = log.append(&mut batch.build()?)?;
    log.flush_to(appended.last_offset + 1)?; // from here on it survives a power cut

    let chunk = log.read(&Cursor::at(appended.base_offset), ReadLimit::bytes(1 << 20))?;
    for batch in chunk.batches() {
        for record in batch?.records()?.iter() {
            let record = record?;
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            println!("orders-0 @ {}: {} = {}", record.offset(), text(record.key()), text(record.value()));
        }
    }
    dir.close()
}
