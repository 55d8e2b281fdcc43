//! Commits: who makes them, and who was entitled to each that is found in the journal.

use crate::journal::Entry;
use crate::member::Stand;
use crate::model::Model;
use brooklet::{Error, TopicPartition};
use std::collections::BTreeMap;

/// Offsets that somebody wants committed, and of which topics.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) who: usize,
    /// Which membership of his that was.
    pub(crate) life: u32,
    pub(crate) offsets: BTreeMap<TopicPartition, (u32, u64)>,
    /// Whether it was seen in the journal.
    pub(crate) was_seen: bool,
    /// Nobody waits for anything any more since then: it is written, or never will be.
    pub(crate) is_settled: bool,
}

impl Model {
    /// Who does not count must be refused, and everybody else only between two epochs.
    pub(crate) fn judge(&self, who: usize, was: &brooklet::Result<()>) {
        match was {
            Ok(()) => assert!(self.members[who].counts(), "{who} is out, and its commit was taken"),
            Err(Error::RebalanceInProgress { .. }) => {
                assert!(self.kind != 3, "a cooperative group has nothing between epochs");
            }
            Err(error) => assert!(!self.members[who].counts(), "{who} is a member, and was told: {error}"),
        }
    }

    pub(crate) fn commit(&mut self, who: usize) {
        let claim = self.standing(who);
        let consumer = self.members[who].consumer.as_mut().expect("a live one");
        let committed = consumer.commit();
        self.judge(who, &committed);
        self.committed(claim, committed.is_ok());
    }

    /// A commit that was waited for: if it was taken it stands in the journal, and otherwise not.
    pub(crate) fn committed(&mut self, claim: Claim, was_taken: bool) {
        self.read_journal(was_taken.then(|| claim.clone()));
        if was_taken {
            for (partition, (_, offset)) in claim.offsets {
                assert_eq!(self.journal.offsets.get(&partition), Some(&offset), "{partition} was committed");
            }
        }
    }

    pub(crate) fn commit_async(&mut self, who: usize, is_kept: bool) {
        let claim = self.standing(who);
        let consumer = self.members[who].consumer.as_mut().expect("a live one");
        match consumer.commit_async() {
            Ok(pending) => {
                assert!(self.members[who].counts(), "{who} is out, and its commit was taken");
                self.claims.push(claim);
                if is_kept {
                    self.kept.push((self.claims.len() - 1, pending));
                }
            }
            Err(error) => self.judge(who, &Err(error)),
        }
    }

    pub(crate) fn wait_for(&mut self, which: usize) {
        if self.kept.is_empty() {
            return;
        }
        let (claim, pending) = self.kept.remove(which % self.kept.len());
        let waited = pending.wait();
        self.read_journal(None);
        let claim = &self.claims[claim];
        let who = claim.who;
        match &waited {
            Ok(()) => assert!(claim.was_seen || claim.offsets.is_empty(), "{who} was told so: {claim:?}"),
            Err(Error::UnknownTopic { .. } | Error::UnknownPartition { .. } | Error::UnknownGroup { .. }) => {
            }
            Err(error) => {
                let may_be = matches!(error, Error::RebalanceInProgress { .. }) && self.kind != 3;
                assert!(may_be || !self.members[who].answers_for(claim.life), "{who} was told: {error}");
            }
        }
    }

    pub(crate) fn pick(&self, who: usize, what: u8, to: u8) -> Option<(TopicPartition, u32, u64)> {
        let there = |(partition, stand): (&TopicPartition, &Stand)| {
            let is_there = self.incarnation(partition) == Some(stand.incarnation);
            is_there.then(|| (partition.clone(), stand.incarnation))
        };
        let own: Vec<_> = self.members[who].stands.iter().filter_map(there).collect();
        let (partition, incarnation) = own.get(what as usize % own.len().max(1))?.clone();
        let to = u64::from(to) % (self.end(&partition) + 1);
        Some((partition, incarnation, to))
    }

    pub(crate) fn commit_offset(&mut self, who: usize, what: u8, to: u8) {
        let Some((partition, incarnation, to)) = self.pick(who, what, to) else { return };
        let consumer = self.members[who].consumer.as_mut().expect("a live one");
        let committed = consumer.commit_offsets([(partition.clone(), to)]);
        self.judge(who, &committed);
        let offsets = BTreeMap::from([(partition, (incarnation, to))]);
        self.committed(
            Claim { who, life: self.members[who].life, offsets, was_seen: false, is_settled: false },
            committed.is_ok(),
        );
    }

    /// Reads what was written, and asks of each offset who was entitled to it: whoever acts now, or somebody who
    /// committed before, and still counts.
    pub(crate) fn read_journal(&mut self, acting: Option<Claim>) {
        for entry in self.journal.news(&self.world.broker) {
            let Entry::Committed(partition, offset) = entry else { continue };
            let incarnation = self.incarnation(&partition);
            let says = |claim: &Claim| {
                let said = claim.offsets.get(&partition);
                !claim.is_settled && said.is_some_and(|(of, to)| Some(*of) == incarnation && *to == offset)
            };
            let by_others = self.claims.iter_mut().filter(|claim| says(claim));
            let mut entitled = acting.as_ref().is_some_and(says);
            for claim in by_others.filter(|claim| self.members[claim.who].answers_for(claim.life)) {
                (claim.was_seen, entitled) = (true, true);
            }
            assert!(entitled, "nobody was entitled to commit {offset} of {partition}");
        }
    }
}
