//! What is there, held against what was promised.

use super::ledger::{Ledger, Promise};
use super::{GROUP, PARTITIONS, TOPIC};
use crate::ledger::Broken;
use brooklet::{Broker, Error, Isolation, Partition, ReadLimit};
use std::collections::BTreeMap;

/// Holds a broker against a ledger; what is there becomes the next ledger. `with_old` says whether what was taken away may
/// be there again.
pub(super) fn look(broker: &Broker, ledger: &Ledger, with_old: bool) -> Result<Ledger, Broken> {
    let told = |error: Error| error.to_string();
    let committed = committed(broker).map_err(told)?;
    let Ok(topic) = broker.topic(TOPIC) else {
        return match committed.is_empty() {
            true => Ok(Ledger::default()),
            false => Err(format!("there is no topic, and {committed:?} is committed")),
        };
    };
    // While a topic is made nobody knows its id; of that one nothing can be committed.
    let fresh = Ledger::default();
    let ledger = if ledger.id == Some(topic.id()) { ledger } else { &fresh };
    let mut next = Ledger { id: Some(topic.id()), ..Ledger::default() };
    for number in 0..PARTITIONS {
        let (promise, found) = (&ledger.partitions[number as usize], committed.get(&number).copied());
        let records = contents(&topic.partition(number).map_err(told)?).map_err(told)?;
        check(promise, found, with_old, &records).map_err(|broken| format!("{TOPIC}-{number}: {broken}"))?;
        next.partitions[number as usize] = Promise::at(found, records);
    }
    Ok(next)
}

fn check(
    promise: &Promise,
    found: Option<u64>,
    with_old: bool,
    records: &BTreeMap<u64, String>,
) -> Result<(), Broken> {
    promise.allows(found, with_old)?;
    for (offset, value) in promise.records.range(..found.unwrap_or(0)) {
        if records.get(offset) != Some(value) {
            return Err(format!("it is committed up to {found:?}, and {offset} is lost"));
        }
    }
    promise.covers(0, &records.range(..found.unwrap_or(0)).map(|(at, value)| (*at, value.clone())).collect())
}

/// What the group has committed of the topic.
pub(super) fn committed(broker: &Broker) -> Result<BTreeMap<u32, u64>, Error> {
    match broker.admin().describe_group(GROUP) {
        Err(Error::UnknownGroup { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
        Ok(group) => {
            let committed = group.partitions.into_iter();
            Ok(committed.filter_map(|one| Some((one.partition.partition(), one.committed?.offset))).collect())
        }
    }
}

fn contents(partition: &Partition) -> Result<BTreeMap<u64, String>, Error> {
    let (mut offset, end) = (partition.watermarks().start, partition.watermarks().end);
    let mut all = BTreeMap::new();
    while offset < end {
        let read = partition.read(offset, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted)?;
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        all.extend(read.iter().map(|record| (record.offset(), text(record.value()))));
        match read.next_offset(&super::partition(partition.number())) {
            Some(next) if next > offset => offset = next,
            _ => break,
        }
    }
    Ok(all)
}
