//! From what a member has to what it is to have: first give up, then take.

use super::Group;
use super::event::{Caller, Effect};
use super::member::Member;
use crate::error::{Error, Result};
use crate::types::TopicPartition;
use std::collections::BTreeSet;
use std::time::Duration;

impl Group {
    /// Takes a member one step on. Only ever in its own events, so that it learns of it at once.
    pub(super) fn reconcile(&mut self, member_id: &str, now: Duration) {
        let Some(member) = self.members.get(member_id).filter(|member| !member.is_settled) else { return };
        if !member.revoking.is_empty() {
            return;
        }
        let excess = self.excess(member);
        let may_take = excess.is_empty() && self.all_have_given_up();
        let free = if may_take { self.free_for(member) } else { BTreeSet::new() };
        let target_len = self.target.get(member_id).map_or(0, BTreeSet::len);
        let member = self.members.get_mut(member_id).expect("it was found a moment ago");
        if may_take {
            for partition in &free {
                let before = self.owners.insert(partition.clone(), member_id.to_owned());
                assert!(before.is_none(), "{partition} is given to {member_id} while {before:?} owns it");
            }
            assert!(member.epoch <= self.target_epoch, "the epoch of {member_id} would go back");
            member.assigned.extend(free);
            member.epoch = self.target_epoch;
            member.is_settled = member.assigned.len() == target_len;
        } else {
            member.assigned.retain(|partition| !excess.contains(partition));
            member.revoking = excess;
        }
        self.note_overdue(member_id, now);
    }

    /// Takes note of what a member says that it owns now.
    ///
    /// What it has to give up and does not name is given up. What it does not name of the rest stays with it: it may not
    /// have begun with it yet.
    pub(super) fn acknowledge(
        &mut self,
        caller: &Caller,
        owned: &BTreeSet<TopicPartition>,
        effects: &mut Vec<Effect>,
    ) -> Result<()> {
        let member = self.members.get(&caller.member_id).ok_or_else(|| self.unknown(&caller.member_id))?;
        if let Some(foreign) = owned.iter().find(|partition| !member.owns(partition)) {
            return Err(Error::NotAssigned { partition: foreign.clone() });
        }
        self.release(&caller.member_id, owned, effects);
        Ok(())
    }

    /// Frees what a member had to give up, but for what it still has, and tells those who wait for it.
    pub(super) fn release(
        &mut self,
        member_id: &str,
        still_owned: &BTreeSet<TopicPartition>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        let released: Vec<TopicPartition> = member.revoking.difference(still_owned).cloned().collect();
        if released.is_empty() {
            return;
        }
        member.revoking.retain(|partition| still_owned.contains(partition));
        released.iter().for_each(|partition| drop(self.owners.remove(partition)));
        if self.is_eager {
            if self.all_have_given_up() {
                self.tell(Some(member_id), effects, |_| true);
            }
        } else {
            let is_waited_for =
                |target: &BTreeSet<_>| released.iter().any(|partition| target.contains(partition));
            self.tell(Some(member_id), effects, is_waited_for);
        }
    }

    /// Tells members for whom there is something to do that they should poll: those with such a target, but for one.
    pub(super) fn tell(
        &self,
        except: Option<&str>,
        effects: &mut Vec<Effect>,
        with_target: impl Fn(&BTreeSet<TopicPartition>) -> bool,
    ) {
        let none = BTreeSet::new();
        let all_have_given_up = self.all_have_given_up();
        for (member_id, member) in self.members.iter().filter(|(_, member)| !member.is_settled) {
            let is_concerned = with_target(self.target.get(member_id).unwrap_or(&none));
            if !is_concerned || Some(member_id.as_str()) == except || !member.revoking.is_empty() {
                continue;
            }
            // Who gets nothing has to learn of an epoch all the same: nobody else could end the rebalance.
            let may_go_on = || member.epoch < self.target_epoch || !self.free_for(member).is_empty();
            if !self.excess(member).is_empty() || (all_have_given_up && may_go_on()) {
                effects.push(Effect::AssignmentChanged { member_id: member_id.clone() });
            }
        }
    }

    /// Begins or ends the time that a member has to give up what it is not to have. A new target does not begin it anew.
    pub(super) fn note_overdue(&mut self, member_id: &str, now: Duration) {
        let Some(member) = self.members.get(member_id) else { return };
        let is_overdue = !member.revoking.is_empty() || !self.excess(member).is_empty();
        let since = is_overdue.then(|| member.overdue_since.unwrap_or(now));
        if let Some(member) = self.members.get_mut(member_id) {
            member.overdue_since = since;
        }
        self.watch(member_id);
    }

    /// What a member may read and is not to have.
    fn excess(&self, member: &Member) -> BTreeSet<TopicPartition> {
        if member.epoch < self.target_epoch && self.is_eager {
            return member.assigned.clone();
        }
        match self.target.get(&member.said.member_id) {
            Some(target) => member.assigned.difference(target).cloned().collect(),
            None => member.assigned.clone(),
        }
    }

    /// What a member is to have, and nobody has.
    fn free_for(&self, member: &Member) -> BTreeSet<TopicPartition> {
        let target = self.target.get(&member.said.member_id).into_iter().flatten();
        target.filter(|partition| !self.owners.contains_key(*partition)).cloned().collect()
    }

    /// The barrier of eager groups: nobody has anything of an older epoch.
    pub(super) fn all_have_given_up(&self) -> bool {
        let is_at_target = |member: &Member| member.epoch == self.target_epoch;
        !self.is_eager || self.members.values().all(|member| is_at_target(member) || member.owns_nothing())
    }
}
