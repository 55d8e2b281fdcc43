//! Who comes: new members, members that change what they said, and static members that come again.

use super::Group;
use super::event::{Effect, Join, Removal};
use super::member::Member;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::time::Duration;

impl Group {
    /// A join is a poll too: what is free for the member is given to it at once.
    pub(super) fn join(&mut self, join: Join, now: Duration, effects: &mut Vec<Effect>) -> Result<()> {
        let join = Join { topics: self.shared(join.topics), ..join };
        let member_id = join.member_id.clone();
        let holder = join.instance_id.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        let known = self.members.get(&member_id);
        if let Some(known) = known.filter(|known| known.said.instance_id != join.instance_id) {
            let instance = known.said.instance_id.clone().or(join.instance_id).unwrap_or_default();
            return Err(Error::FencedInstance { group: self.group_id.clone(), instance });
        }
        let changes_the_group = match holder {
            _ if known.is_some() => self.say_again(join, now, effects),
            Some(old) => self.take_over(&old, join, now, effects),
            None => {
                if let Some(instance) = &join.instance_id {
                    self.instances.insert(instance.clone(), member_id.clone());
                }
                self.members.insert(member_id.clone(), Member::new(join, now));
                true
            }
        };
        self.watch(&member_id);
        if changes_the_group {
            self.advance(Some(&member_id), now, effects);
        }
        self.reconcile(&member_id, now);
        Ok(())
    }

    /// A member that is one already. What it had to give up and does not speak of any more is given up.
    fn say_again(&mut self, join: Join, now: Duration, effects: &mut Vec<Effect>) -> bool {
        let member_id = join.member_id.clone();
        let member = self.members.get_mut(&member_id).expect("the caller has looked");
        let owned = if join.generation == Some(member.epoch) { join.owned.clone() } else { BTreeSet::new() };
        let changes = matters(&member.said, &join);
        member.said = join;
        member.polled(now);
        self.release(&member_id, &owned, effects);
        changes
    }

    /// A static member's new consumer gets its place: epoch, partitions, target. Nothing moves, and nobody else is asked
    /// anything. The old one is fenced by its id.
    fn take_over(&mut self, old: &str, join: Join, now: Duration, effects: &mut Vec<Effect>) -> bool {
        let new = join.member_id.clone();
        self.release(old, &BTreeSet::new(), effects);
        let before = self.members.remove(old).expect("instances name members");
        let changes = matters(&before.said, &join);
        for partition in &before.assigned {
            self.owners.insert(partition.clone(), new.clone());
        }
        if let Some(target) = self.target.remove(old) {
            self.target.insert(new.clone(), target);
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), new.clone());
        }
        let member = Member { assigned: before.assigned, epoch: before.epoch, ..Member::new(join, now) };
        self.members.insert(new.clone(), member);
        self.note_overdue(&new, now);
        effects.push(Effect::Removed { member_id: old.to_owned(), why: Removal::Fenced });
        changes
    }
}

/// Whether partitions have to be divided anew.
fn matters(before: &Join, after: &Join) -> bool {
    before.topics != after.topics
        || before.assignor.name() != after.assignor.name()
        || before.protocol != after.protocol
}
