//! What was promised in all lives so far, and whether a directory holds it.
//!
//! - Every record that was acknowledged or seen is at its offset.
//! - What a writer sent to a partition in a life is there from its first record on without a gap, in order and once: what
//!   is lost is lost from the end.
//! - Nothing else is there: each record is one that a writer made, and no further on than that writer can have been.

use crate::parent::Ack;
use crate::payload::{Id, PLACES, Place};
use crate::writers::{self, UNDER_WAY_MAX, WRITERS};
use brooklet::io::OsFs;
use brooklet::{Broker, Isolation, ReadLimit, TopicPartition};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A broken promise, in words.
type Broken = String;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What is where.
    known: BTreeMap<(Place, u64), Id>,
    /// By life and writer: how many of his records were acknowledged.
    acknowledged: BTreeMap<(u64, u8), u32>,
}

impl Ledger {
    /// Notes what a life acknowledged, and holds everything against a directory. What is there now must stay.
    pub(crate) fn look(&mut self, dir: &Path, life: u64, acks: &[Ack], maps: bool) -> Result<(), Broken> {
        for Ack { id, place, offset } in acks {
            self.promise(*place, *offset, *id)?;
            *self.acknowledged.entry((life, id.writer)).or_default() += 1;
        }
        let found = match read_all(dir, maps).map_err(|error| error.to_string())? {
            // It was killed before there were topics, and nothing can have been acknowledged.
            None => BTreeMap::new(),
            Some(values) => self.identified(values)?,
        };
        if let Some((at, id)) = self.known.iter().find(|(at, id)| found.get(at) != Some(id)) {
            return Err(format!("{id:?} was at {at:?}, and there is {:?} now", found.get(at)));
        }
        in_order(&found)?;
        self.known = found;
        Ok(())
    }

    fn promise(&mut self, place: Place, offset: u64, id: Id) -> Result<(), Broken> {
        match self.known.insert((place, offset), id) {
            Some(other) if other != id => Err(format!("{id:?} got the place {offset} of {other:?}")),
            _ => Ok(()),
        }
    }

    /// What all these bytes are.
    fn identified(&self, values: Found) -> Result<BTreeMap<(Place, u64), Id>, Broken> {
        let identify = |(at, value): ((Place, u64), Vec<u8>)| {
            let id = Id::of(&value).filter(|id| id.writer < WRITERS);
            let id = id.ok_or_else(|| format!("at {at:?} is what nobody wrote: {value:?}"))?;
            let sent = self.acknowledged.get(&(id.life, id.writer)).copied().unwrap_or(0) + UNDER_WAY_MAX;
            if writers::place(id) != at.0 || id.number >= sent {
                return Err(format!("{id:?} is at {at:?}, and at most {sent} were sent"));
            }
            Ok((at, id))
        };
        values.into_iter().map(identify).collect()
    }
}

/// Each writer's records of a life in a partition are the first ones that he sent there.
fn in_order(found: &BTreeMap<(Place, u64), Id>) -> Result<(), Broken> {
    let mut next: BTreeMap<(Place, u64, u8), u32> = BTreeMap::new();
    for (at, id) in found {
        let next = next.entry((at.0, id.life, id.writer)).or_default();
        let due = (*next..).map(|number| Id { number, ..*id }).find(|due| writers::place(*due) == at.0);
        if due != Some(*id) {
            return Err(format!("at {at:?} is {id:?}, and {due:?} should come first"));
        }
        *next = id.number + 1;
    }
    Ok(())
}

/// What lies where: partition and offset, and the value.
type Found = BTreeMap<(Place, u64), Vec<u8>>;

/// Every record of every place, by offset; none if there are no topics yet.
fn read_all(dir: &Path, maps: bool) -> brooklet::Result<Option<Found>> {
    let fs = if maps { OsFs::new() } else { OsFs::without_maps() };
    let broker = Broker::builder().fs(Arc::new(fs)).open(dir)?;
    let report = broker.admin().verify()?;
    assert!(report.is_clean(), "{report}");
    let mut values = BTreeMap::new();
    for (place, (topic, number)) in PLACES.into_iter().enumerate() {
        let Ok(topic) = broker.topic(topic) else { return Ok(None) };
        let partition = topic.partition(number)?;
        let (id, end) = (TopicPartition::new(partition.topic(), number)?, partition.watermarks().end);
        let mut offset = partition.watermarks().start;
        while offset < end {
            let records = partition.read(offset, ReadLimit::bytes(1 << 20), Isolation::ReadUncommitted)?;
            let value = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
            values.extend(records.iter().map(|record| ((place, record.offset()), value(record.value()))));
            offset = records.next_offset(&id).expect("reading gets on below the end");
        }
    }
    Ok(Some(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first records of a writer who changes the place with each, at offsets from `base` on.
    fn some(base: u64, numbers: &[u32]) -> BTreeMap<(Place, u64), Id> {
        let ids = numbers.iter().map(|number| Id { life: 0, writer: 0, number: *number });
        (base..).zip(ids).map(|(offset, id)| ((0, offset), id)).collect()
    }

    #[test]
    fn a_gap_a_double_and_a_wrong_order_are_seen() {
        assert_eq!(in_order(&some(5, &[0, 3, 6])), Ok(()));
        for wrong in [[0, 6, 9], [0, 3, 3], [3, 0, 6], [0, 3, 7]] {
            assert!(in_order(&some(5, &wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_nobody_wrote_is_seen() {
        let (ledger, id) = (Ledger::default(), Id { life: 0, writer: 0, number: 0 });
        let at = |place, id: Id| BTreeMap::from([((place, 7), id.value())]);
        assert!(ledger.identified(at(0, id)).is_ok());
        assert!(ledger.identified(at(1, id)).is_err(), "another partition");
        assert!(ledger.identified(at(0, Id { number: 300, ..id })).is_err(), "too far on");
        assert!(ledger.identified(BTreeMap::from([((0, 7), b"zeros".to_vec())])).is_err());
    }
}
