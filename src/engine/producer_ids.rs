//! Producer ids: none is ever given to two producers, or the second would be taken for the first, gone mad.
//!
//! They are reserved in the catalog by the thousand, as Kafka's controller does it, and what a crash leaves of a block is
//! not used. They begin high: whatever Kafka has given out in a directory that is taken over lies far below, and so does
//! what it will give out if it gets the directory back.

use super::Engine;
use crate::error::Result;
use crate::topic::Catalog;
use parking_lot::Mutex;
use std::ops::Range;

/// The first id.
pub(crate) const FIRST_PRODUCER_ID: u64 = 1 << 40;
const BLOCK: u64 = 1000;

#[derive(Debug)]
pub(super) struct ProducerIds(Mutex<Range<u64>>);

impl Default for ProducerIds {
    fn default() -> Self {
        Self(Mutex::new(0..0))
    }
}

impl Engine {
    /// A producer id that nobody had before.
    pub(crate) fn new_producer_id(&self) -> Result<i64> {
        let mut block = self.producer_ids.0.lock();
        if block.is_empty() {
            let mut catalog = self.catalog.lock();
            let start = catalog.next_producer_id.max(FIRST_PRODUCER_ID);
            let changed = Catalog { next_producer_id: start + BLOCK, ..catalog.clone() };
            self.store(&mut catalog, changed)?;
            *block = start..start + BLOCK;
        }
        self.arm_upkeep();
        let id = block.start;
        block.start += 1;
        Ok(id as i64)
    }
}
