//! The process that is killed: the test binary once more, with the same test, which finds itself told to live.

use crate::life::{Death, Life, Work};
use crate::mortal::MortalFs;
use crate::payload::TOPICS;
use crate::writers::{self, WRITERS};
use brooklet::io::{Fs, OsFs};
use brooklet::{Broker, Result, TopicConfig};
use std::sync::Arc;
use std::time::Duration;

/// Where the line stands that says what to do.
pub(crate) const LIFE: &str = "BROOKLET_LIFE";

/// Lives and dies, if this is the process that is to.
pub(crate) fn run_if_told() {
    let Ok(line) = std::env::var(LIFE) else { return };
    let life = Life::from_line(&line).expect("the parent writes what can be read");
    live(&life).expect("nothing fails here but life");
    std::process::exit(0);
}

fn live(life: &Life) -> Result<()> {
    let fs = if life.maps { OsFs::new() } else { OsFs::without_maps() };
    let fs: Arc<dyn Fs> = match life.death {
        Death::AfterAcks(_) => Arc::new(fs),
        Death::AtCall(call) => Arc::new(MortalFs::new(Arc::new(fs), call)),
    };
    let broker = Broker::builder().fs(fs).flush_interval(Duration::from_millis(20)).open(&life.dir)?;
    for (name, partitions, segment_bytes) in TOPICS {
        let config = TopicConfig::new().partitions(partitions).segment_bytes(segment_bytes);
        broker.ensure_topic(name, config.index_interval_bytes(512))?;
    }
    if life.work == Work::Opening {
        return Ok(());
    }
    let write = |writer| writers::write(&broker, life.number, writer).expect("nothing fails here but life");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || write(writer));
        }
    });
    Ok(())
}
