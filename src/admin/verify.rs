//! Reading everything, to find damage before somebody needs what is damaged.

use super::Admin;
use crate::error::{Error, Result};
use crate::log::{Cursor, ReadLimit};
use crate::partition::Partition;
use crate::types::TopicPartition;
use std::fmt;
use std::path::PathBuf;

const CHUNK_BYTES: usize = 1 << 20;

/// What was read, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// How many partitions were read.
    pub partitions: u64,
    /// How many batches were whole.
    pub batches: u64,
    /// How many records they held.
    pub records: u64,
    /// How many bytes that was.
    pub bytes: u64,
    /// What is wrong, in the order of topics, partitions and offsets. Empty if all is well.
    pub findings: Vec<Finding>,
    /// What lies among the files of the broker and is none of its own: directories named as partitions that no topic has,
    /// and files in partitions that it does not know. Nothing is wrong with that, and it is left alone; but for what lies
    /// in a partition's directory, which goes with it when its topic is deleted.
    pub strays: Vec<PathBuf>,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where.
    pub partition: TopicPartition,
    /// What, with the file and the offsets.
    pub error: Error,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partitions, batches, records, bytes, findings, strays } = self;
        writeln!(
            f,
            "{partitions} partitions, {batches} batches, {records} records, {bytes} bytes: {} findings",
            findings.len()
        )?;
        findings.iter().try_for_each(|finding| writeln!(f, "{}: {}", finding.partition, finding.error))?;
        strays.iter().try_for_each(|stray| writeln!(f, "{}: none of ours, left alone", stray.display()))
    }
}

impl Admin {
    /// Reads everything and checks every checksum, every record, and what the indexes answer. Others go on meanwhile.
    ///
    /// # Errors
    /// Those of the disk. Damage is no error here, but what is looked for.
    pub fn verify(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport { strays: self.engine.strays()?, ..VerifyReport::default() };
        for topic in self.topics()? {
            for partition in topic.partitions().iter() {
                verify_partition(partition, &mut report)?;
            }
        }
        Ok(report)
    }
}

fn verify_partition(partition: &Partition, report: &mut VerifyReport) -> Result<()> {
    report.partitions += 1;
    let marks = partition.watermarks();
    let mut cursor = Cursor::at(marks.start);
    while cursor.offset() < marks.end {
        cursor = match verify_chunk(partition, &cursor, marks.end, report) {
            Ok(next) => next,
            // Its files go while it is read: nobody will ask what was in them.
            Err(_) if partition.is_deleted() => break,
            Err(error) => {
                let next = match &error {
                    Error::Corrupt { offsets, .. } => offsets.end,
                    // Retention was quicker.
                    Error::OffsetOutOfRange { start, .. } if *start > cursor.offset() => *start,
                    _ => return Err(error),
                };
                if matches!(error, Error::Corrupt { .. }) {
                    report.findings.push(Finding { partition: partition.id().as_ref().clone(), error });
                }
                Cursor::at(next)
            }
        };
    }
    Ok(())
}

/// Reads one run of batches and all their records, and asks the index for the first of them.
fn verify_chunk(partition: &Partition, from: &Cursor, end: u64, report: &mut VerifyReport) -> Result<Cursor> {
    let log = partition.log();
    let chunk = log.read(from, ReadLimit::bytes(CHUNK_BYTES).until(end))?;
    let mut at = 0;
    for batch in chunk.batches() {
        let batch = batch?;
        let header = batch.header();
        let counted = batch
            .records()
            .and_then(|records| records.iter().try_fold(0, |count, record| record.map(|_| count + 1)));
        report.records += counted.map_err(|invalid| chunk.unreadable(at, header, invalid))?;
        report.batches += 1;
        report.bytes += u64::from(header.size);
        at += header.size as usize;
    }
    if let Some(first) = chunk.batches().next().transpose()? {
        let asked = first.header().last_offset();
        let found = log.read(&Cursor::at(asked), ReadLimit::bytes(1))?;
        let same = found.batches().next().transpose()?.map(|batch| *batch.header());
        if same != Some(*first.header()) {
            let error = Error::Corrupt {
                path: log.path().to_owned(),
                position: 0,
                expected: format!("an index that leads to offset {asked}"),
                found: "one that leads elsewhere".into(),
                offsets: first.header().base_offset..first.header().next_offset(),
            };
            report.findings.push(Finding { partition: partition.id().as_ref().clone(), error });
        }
    }
    Ok(chunk.next().clone())
}
