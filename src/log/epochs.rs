//! Leader epochs: which stretch of offsets was written under which epoch.
//!
//! Here an epoch is not a leader but a *life*: it changes when a log goes on after a crash or a truncation. Every batch
//! carries its epoch, outside its checksum, so a batch whose epoch is not the one of its offset is damage.

use std::collections::BTreeSet;
use std::ops::Range;

/// The epochs of a log, each with its first offset; both ascend. Pure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    entries: Vec<(i32, u64)>,
}

impl LeaderEpochs {
    /// Takes entries as they come; `None` if they do not ascend.
    pub(crate) fn from_entries(entries: Vec<(i32, u64)>) -> Option<Self> {
        let ascends = entries.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
        (ascends && entries.iter().all(|entry| entry.0 >= 0)).then_some(Self { entries })
    }

    /// The epochs and their first offsets.
    pub(crate) fn entries(&self) -> &[(i32, u64)] {
        &self.entries
    }

    /// The epoch that the next batch carries.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.0)
    }

    /// The epoch under which `offset` was or will be written; `None` below the first that is known.
    pub(crate) fn epoch_at(&self, offset: u64) -> Option<i32> {
        let behind = self.entries.partition_point(|entry| entry.1 <= offset);
        behind.checked_sub(1).map(|index| self.entries[index].0)
    }

    /// Begins an epoch. What was said of it or of later offsets before is forgotten.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: u64) {
        if self.entries.last().is_some_and(|last| last.0 == epoch && last.1 <= start_offset) {
            return;
        }
        self.entries.retain(|entry| entry.0 < epoch && entry.1 < start_offset);
        self.entries.push((epoch, start_offset));
    }

    /// Forgets the epochs of which no batch is left: those that ended at or below `start`, and of those that lie within
    /// `searched` all that were not `found` there. The last one stays.
    pub(crate) fn forget(&mut self, start: u64, searched: Range<u64>, found: &BTreeSet<i32>) {
        let ends: Vec<u64> = self.entries.iter().skip(1).map(|next| next.1).collect();
        let mut ends = ends.into_iter();
        self.entries.retain(|(epoch, first)| {
            let Some(end) = ends.next() else { return true };
            let is_searched = searched.start <= *first && end <= searched.end;
            end > start && (!is_searched || found.contains(epoch))
        });
    }

    /// Where the given epoch ended: the epoch that answers, and the offset behind it. `None` if that is not known.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end: u64) -> Option<(i32, u64)> {
        if epoch == self.latest()? {
            return Some((epoch, log_end));
        }
        let above = self.entries.iter().position(|entry| entry.0 > epoch)?;
        let floor = above.checked_sub(1).map_or(epoch, |index| self.entries[index].0);
        Some((floor, self.entries[above].1))
    }
}

/// Epochs of a log that somebody else wrote: as a checkpoint knows them, and as the batches go on where it lags behind.
///
/// One batch alone is not believed for good: its epoch is outside its checksum. Epochs ascend, so the next batch tells.
#[derive(Debug, Clone)]
pub(crate) struct LearnedEpochs {
    pub(crate) epochs: LeaderEpochs,
    /// What was known before the newest epoch, as long as only one batch has it.
    before: Option<LeaderEpochs>,
}

impl LearnedEpochs {
    pub(crate) fn new(epochs: LeaderEpochs) -> Self {
        Self { epochs, before: None }
    }

    /// Takes note of the next batch.
    pub(crate) fn learn(&mut self, epoch: i32, base_offset: u64) {
        if let Some(before) = self.before.take() {
            let between = before.latest().unwrap_or(0)..self.epochs.latest().unwrap_or(0);
            if between.contains(&epoch) {
                self.epochs = before;
            }
        }
        if epoch > self.epochs.latest().unwrap_or(-1) {
            self.before = Some(self.epochs.clone());
            self.epochs.assign(epoch, base_offset);
        }
    }

    /// No epoch begins behind the end, lest the next batch carry one that is not its own.
    pub(crate) fn end_at(&mut self, end: u64) {
        if let Some(&(epoch, _)) = self.epochs.entries.last().filter(|(_, start)| *start > end) {
            self.epochs.assign(epoch, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> LeaderEpochs {
        LeaderEpochs::from_entries(vec![(2, 10), (4, 20), (7, 30)]).unwrap()
    }

    #[test]
    fn every_offset_has_the_epoch_that_began_last_before_it() {
        for (offset, epoch) in [(9, None), (10, Some(2)), (19, Some(2)), (20, Some(4)), (99, Some(7))] {
            assert_eq!(epochs().epoch_at(offset), epoch, "{offset}");
        }
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        for (epoch, end) in
            [(7, Some((7, 99))), (8, None), (1, Some((1, 10))), (2, Some((2, 20))), (5, Some((4, 30)))]
        {
            assert_eq!(epochs().end_offset_for(epoch, 99), end, "{epoch}");
        }
        assert_eq!(LeaderEpochs::default().end_offset_for(0, 99), None);
    }

    #[test]
    fn epochs_of_which_no_batch_is_left_are_forgotten_and_the_last_one_stays() {
        let left = |start, searched, found: &[i32]| {
            let mut epochs = epochs();
            epochs.forget(start, searched, &found.iter().copied().collect());
            epochs.entries().iter().map(|entry| entry.0).collect::<Vec<_>>()
        };
        assert_eq!(left(10, 0..0, &[]), [2, 4, 7]);
        assert_eq!(left(19, 0..0, &[]), [2, 4, 7]);
        assert_eq!(left(20, 0..0, &[]), [4, 7]);
        assert_eq!(left(99, 0..99, &[]), [7]);
        assert_eq!(left(0, 0..30, &[4]), [4, 7]);
        assert_eq!(left(0, 10..29, &[]), [4, 7], "there may be a batch at 29");
        assert_eq!(left(0, 11..30, &[]), [2, 7], "and one at 10");
    }

    #[test]
    fn a_new_epoch_forgets_what_contradicts_it() {
        let mut epochs = epochs();
        epochs.assign(7, 35);
        assert_eq!(epochs.entries(), [(2, 10), (4, 20), (7, 30)]);
        epochs.assign(8, 25);
        assert_eq!(epochs.entries(), [(2, 10), (4, 20), (8, 25)]);
        epochs.assign(4, 22);
        assert_eq!(epochs.entries(), [(2, 10), (4, 22)]);
    }

    fn learned(known: &[(i32, u64)], batches: &[(i32, u64)]) -> Vec<(i32, u64)> {
        let mut learned = LearnedEpochs::new(LeaderEpochs::from_entries(known.to_vec()).unwrap());
        batches.iter().for_each(|(epoch, base_offset)| learned.learn(*epoch, *base_offset));
        learned.epochs.entries().to_vec()
    }

    #[test]
    fn newer_epochs_are_learned_and_older_ones_say_nothing() {
        let batches = [(0, 0), (0, 3), (2, 5), (2, 6), (7, 9), (-1, 10)];
        assert_eq!(learned(&[], &batches), [(0, 0), (2, 5), (7, 9)]);
        assert_eq!(learned(&[(0, 0), (2, 4)], &batches), [(0, 0), (2, 4), (7, 9)]);
        assert_eq!(learned(&[(9, 0)], &batches), [(9, 0)]);
    }

    #[test]
    fn an_epoch_that_the_next_batch_does_not_go_on_with_is_forgotten() {
        assert_eq!(learned(&[], &[(0, 0), (99, 3), (0, 5), (0, 6)]), [(0, 0)]);
        assert_eq!(learned(&[], &[(99, 0), (0, 3), (1, 5)]), [(0, 3), (1, 5)]);
        assert_eq!(learned(&[(1, 0)], &[(1, 0), (99, 3), (4, 5), (4, 6)]), [(1, 0), (4, 5)]);
        assert_eq!(learned(&[(1, 0)], &[(4, 5), (4, 6), (1, 7)]), [(1, 0), (4, 5)]);
    }

    #[test]
    fn no_epoch_begins_behind_the_end() {
        let mut learned = LearnedEpochs::new(epochs());
        learned.end_at(30);
        assert_eq!(learned.epochs, epochs());
        learned.end_at(15);
        assert_eq!(learned.epochs.entries(), [(2, 10), (7, 15)]);
    }

    #[test]
    fn entries_that_do_not_ascend_are_refused() {
        assert_eq!(LeaderEpochs::from_entries(vec![(2, 10), (2, 20)]), None);
        assert_eq!(LeaderEpochs::from_entries(vec![(2, 10), (3, 10)]), None);
        assert_eq!(LeaderEpochs::from_entries(vec![(-1, 10)]), None);
    }
}
