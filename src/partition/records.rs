//! What a poll returns: records of several partitions, each in the bytes it was read in.
//!
//! A batch is checked and taken apart when it is added, record by record, into one flat list of entries (`entry.rs`). So
//! to go through the records is to go through a slice, and nothing can fail on the way. Records of batches that are not
//! compressed lie in the chunk that was read; those of a compressed one in one buffer.

use super::entry::{Entry, Part, Place};
use super::record::RecordRef;
use crate::record::{self, Batch, Invalid};
use crate::types::TopicPartition;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

/// Records that were read, those of one partition in the order of their offsets.
///
/// `for record in &records` gives each as a [`RecordRef`], which costs nothing and cannot fail. They are as they were
/// when they were read; whatever happens to the log meanwhile, they stay.
///
/// They come in runs: all that was read of one partition, then all of the next. Order is promised only within a
/// partition.
pub struct Records {
    parts: Vec<Part>,
    entries: Vec<Entry>,
    /// In the order of the partitions.
    next_offsets: Vec<(Arc<TopicPartition>, u64)>,
}

impl Records {
    /// None yet; nothing is allocated.
    pub(crate) const fn new() -> Self {
        Self { parts: Vec::new(), entries: Vec::new(), next_offsets: Vec::new() }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none. There may be a [`Records::next_offset`] all the same: markers were stepped over, or what
    /// was aborted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Goes through them.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter { parts: &self.parts, entries: self.entries.iter() }
    }

    /// One of them, counted from zero.
    #[inline]
    pub fn get(&self, index: usize) -> Option<RecordRef<'_>> {
        self.entries.get(index).map(|entry| RecordRef { part: &self.parts[entry.part as usize], entry })
    }

    /// The partitions in which reading got on, by their names; each has a [`Records::next_offset`].
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = &TopicPartition> {
        self.next_offsets.iter().map(|(partition, _)| partition.as_ref())
    }

    /// The offset behind all that was read of a partition: what to commit once it is dealt with. Not simply that of
    /// the last record and one more, as there may be markers behind it. None if reading did not get on there.
    pub fn next_offset(&self, partition: &TopicPartition) -> Option<u64> {
        self.find(partition).ok().map(|at| self.next_offsets[at].1)
    }

    fn find(&self, partition: &TopicPartition) -> Result<usize, usize> {
        self.next_offsets.binary_search_by(|(other, _)| other.as_ref().cmp(partition))
    }

    /// Takes note of where reading goes on in a partition.
    pub(super) fn set_next_offset(&mut self, partition: &Arc<TopicPartition>, offset: u64) {
        match self.find(partition) {
            Ok(at) => self.next_offsets[at].1 = offset,
            Err(at) => self.next_offsets.insert(at, (partition.clone(), offset)),
        }
    }

    /// Adds the records of a batch of this chunk from the offset `from` on. All of the batch is checked; on an error
    /// nothing was added.
    pub(super) fn add_batch(
        &mut self,
        partition: &Arc<TopicPartition>,
        batch: &Batch<'_>,
        chunk: &Bytes,
        from: u64,
    ) -> Result<(), Invalid> {
        let header = batch.header();
        let in_place = match batch.records()?.into_payload() {
            Cow::Borrowed(payload) => {
                if !self.parts.last().is_some_and(|last| last.can_hold(header, chunk)) {
                    self.parts.push(Part::new(partition, header, chunk.clone()));
                }
                Some(payload)
            }
            Cow::Owned(payload) => {
                self.parts.push(Part::new(partition, header, payload.into()));
                None
            }
        };
        let number = self.parts.len() - 1;
        let part = &self.parts[number];
        let payload = in_place.unwrap_or(&part.bytes);
        let place = Place {
            number: number as u32,
            payload_at: part.place(payload),
            offset_delta: part.offset_delta(header),
        };
        let first_delta = from.saturating_sub(header.base_offset);
        let before = self.entries.len();
        let entries = &mut self.entries;
        let checked = record::Records::new(*header, payload).iter().check_each(|record| {
            if u64::from(record.offset_delta) >= first_delta {
                entries.push(Entry::new(record, place));
            }
        });
        checked.inspect_err(|_| self.entries.truncate(before))
    }

    /// Makes sure of room for `least` more records. If there is none, room for `expected` is made at once.
    pub(super) fn make_room(&mut self, least: usize, expected: usize) {
        if self.entries.capacity() - self.entries.len() < least {
            self.entries.reserve(expected);
        }
    }

    /// Adds records of others, which are of one batch: from the one of this number on, at most so many, and none at or
    /// above `until`. Says how many.
    pub(super) fn add_some(&mut self, others: &Records, first: usize, room: usize, until: u64) -> usize {
        let ([part], Some(left)) = (&others.parts[..], others.entries.get(first..)) else { return 0 };
        let left = &left[..left.len().min(room)];
        let count = left.partition_point(|entry| entry.offset(part) < until);
        if !self.parts.last().is_some_and(|last| last.is_same(part)) {
            self.parts.push(part.clone());
        }
        let number = (self.parts.len() - 1) as u32;
        self.entries.extend(left[..count].iter().map(|entry| entry.in_part(number)));
        count
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = RecordRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through [`Records`].
#[derive(Clone)]
pub struct Iter<'a> {
    parts: &'a [Part],
    entries: std::slice::Iter<'a, Entry>,
}

impl<'a> Iter<'a> {
    #[inline]
    fn record(&self, entry: &'a Entry) -> RecordRef<'a> {
        RecordRef { part: &self.parts[entry.part as usize], entry }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = RecordRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordRef<'a>> {
        self.entries.next().map(|entry| self.record(entry))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.entries.next_back().map(|entry| self.record(entry))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(test)]
mod tests;
