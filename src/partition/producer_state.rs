//! Stand-in.
use crate::clock::Clock;
use crate::error::Result;
use crate::io::Fs;
use crate::log::{Appended, Log};
use crate::record::EncodedBatch;
use crate::types::TopicPartition;
use std::sync::Arc;
pub(crate) struct ProducerState { log: Arc<Log> }
impl ProducerState {
    pub(crate) fn new(_p: Arc<TopicPartition>, log: Arc<Log>, _fs: Arc<dyn Fs>, _c: Arc<dyn Clock>) -> Self { Self { log } }
    pub(crate) fn append(&self, batch: &mut EncodedBatch<'_>) -> Result<Appended> { self.log.append(batch) }
    pub(crate) fn save(&self) -> Result<()> { Ok(()) }
}
