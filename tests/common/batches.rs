//! Batches for tests: plain ones, transactional ones, and the markers that end transactions.

use brooklet::Timestamp;
use brooklet::log::{Appended, Log};
use brooklet::record::{BatchBuilder, Compression, ControlRecord, EncodedBatch, Header, RecordParts};

/// What a batch is made of.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) compression: Compression,
    /// One record for each: its timestamp, if any, and its value.
    pub(crate) records: Vec<(Option<i64>, String)>,
    /// The producer of a transactional batch.
    pub(crate) transaction: Option<i64>,
}

impl Spec {
    /// Records with these values and a timestamp for all of them.
    pub(crate) fn plain(timestamp: i64, values: &[&str]) -> Spec {
        let records = values.iter().map(|value| (Some(timestamp), (*value).to_owned())).collect();
        Spec { compression: Compression::None, records, transaction: None }
    }

    pub(crate) fn by(self, producer_id: i64) -> Spec {
        Spec { transaction: Some(producer_id), ..self }
    }

    /// Its bytes. Each record has its place in the batch as its key, and a header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut builder = BatchBuilder::new(self.compression);
        if let Some(producer_id) = self.transaction {
            builder.producer(producer_id, 0, 0).transactional(true);
        }
        for (index, (millis, value)) in self.records.iter().enumerate() {
            let key = [b'k', index as u8];
            let headers = [Header { key: "h", value: Some(b"v") }, Header { key: "", value: None }];
            let record = RecordParts {
                timestamp: millis.map(Timestamp::from_millis),
                key: Some(&key),
                value: Some(value.as_bytes()),
                headers: &headers[..index % 3],
            };
            builder.push(&record).expect("an ordinary record");
        }
        builder.build().expect("an ordinary batch").bytes().to_vec()
    }

    pub(crate) fn append_to(&self, log: &Log) -> Appended {
        append_bytes(log, self.encode()).expect("an ordinary append")
    }
}

/// The marker that ends a producer's transaction.
pub(crate) fn marker(producer_id: i64, commit: bool, timestamp: i64) -> Vec<u8> {
    let marker = match commit {
        true => ControlRecord::Commit { coordinator_epoch: 3 },
        false => ControlRecord::Abort { coordinator_epoch: 3 },
    };
    marker.encode(producer_id, 0, Timestamp::from_millis(timestamp)).expect("an ordinary marker")
}

pub(crate) fn append_bytes(log: &Log, mut bytes: Vec<u8>) -> brooklet::Result<Appended> {
    log.append(&mut EncodedBatch::from_bytes(&mut bytes)?)
}
