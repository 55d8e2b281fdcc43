//! What numbered batches promise, read from the bytes of the log files: no two producers share an id, and of each
//! producer the sequences of a partition follow each other from zero, none twice.

use super::partition::{number_of, text_of};
use super::world::ROOT;
use crate::disk::SimDisk;
use crate::ledger::Broken;
use brooklet::record::Batch;
use std::collections::BTreeMap;
use std::path::Path;

/// Which producer has which id, over all lives.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequences {
    owners: BTreeMap<i64, u64>,
    /// The producer of each record.
    producers: BTreeMap<u64, u64>,
}

impl Sequences {
    /// A record is about to be sent by a producer.
    pub(super) fn sent(&mut self, number: u64, producer: u64) {
        self.producers.insert(number, producer);
    }

    /// Reads all batches in the directory of a partition, of which some may have been taken away.
    pub(super) fn check(&mut self, disk: &SimDisk, directory: &str, has_gaps: bool) -> Result<(), Broken> {
        let dir = Path::new(ROOT).join(directory);
        let mut expected: BTreeMap<i64, i32> = BTreeMap::new();
        let names = disk.peek_list(&dir).map_err(|error| format!("listing: {error}"))?;
        for entry in names.iter().filter(|entry| entry.name.ends_with(".log")) {
            let bytes =
                disk.peek(&dir.join(&entry.name)).map_err(|error| format!("{}: {error}", entry.name))?;
            let mut at = 0;
            while at < bytes.len() {
                let batch = Batch::decode(&bytes[at..])
                    .map_err(|invalid| format!("{directory} at {at}: {invalid}"))?;
                self.check_batch(&batch, &mut expected, has_gaps)
                    .map_err(|broken| format!("{directory}: {broken}"))?;
                at += batch.bytes().len();
            }
        }
        Ok(())
    }

    fn check_batch(
        &mut self,
        batch: &Batch<'_>,
        expected: &mut BTreeMap<i64, i32>,
        has_gaps: bool,
    ) -> Result<(), Broken> {
        let header = batch.header();
        if header.producer_id < 0 {
            return Ok(());
        }
        let (id, base) = (header.producer_id, header.base_offset);
        let due = expected.insert(id, header.last_sequence() + 1).unwrap_or(0);
        if header.base_sequence < due || (header.base_sequence > due && !has_gaps) {
            return Err(format!(
                "offset {base} of producer id {id} has sequence {} instead of {due}",
                header.base_sequence
            ));
        }
        let records = batch.records().map_err(|invalid| format!("offset {base}: {invalid}"))?;
        for record in records.iter() {
            let record = record.map_err(|invalid| format!("offset {base}: {invalid}"))?;
            let number = number_of(&text_of(record.key(), record.value(), record.headers()));
            let producer = number.and_then(|number| self.producers.get(&number).copied());
            let producer = producer.ok_or_else(|| format!("offset {base} was not sent by anybody"))?;
            if *self.owners.entry(id).or_insert(producer) != producer {
                return Err(format!("two producers have the id {id}"));
            }
        }
        Ok(())
    }
}
