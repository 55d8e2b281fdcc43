//! Who goes: by itself, because somebody said so, or because its time is over.

use super::Group;
use super::event::{Effect, Removal};
use std::time::Duration;

impl Group {
    /// Removes those whose deadline has come, and divides anew once for all of them.
    pub(super) fn expire(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if now < self.no_deadline_before {
            return;
        }
        let mut late = Vec::new();
        let mut next = Duration::MAX;
        for (member_id, member) in &self.members {
            match member.deadline() {
                (at, why) if at <= now => late.push((member_id.clone(), why)),
                (at, _) => next = next.min(at),
            }
        }
        self.no_deadline_before = next;
        if late.is_empty() {
            return;
        }
        late.into_iter().for_each(|(member_id, why)| self.take_out(&member_id, why, effects));
        self.advance(None, now, effects);
    }

    /// Removes one member.
    pub(super) fn remove(&mut self, member_id: &str, why: Removal, now: Duration, effects: &mut Vec<Effect>) {
        self.take_out(member_id, why, effects);
        self.advance(None, now, effects);
    }

    fn take_out(&mut self, member_id: &str, why: Removal, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.remove(member_id) else { return };
        member.owned().for_each(|partition| drop(self.owners.remove(partition)));
        if let Some(instance) = &member.said.instance_id {
            self.instances.remove(instance);
        }
        self.target.remove(member_id);
        effects.push(Effect::Removed { member_id: member_id.to_owned(), why });
        if self.members.is_empty() {
            effects.push(Effect::BecameEmpty);
        }
    }

    /// Sees to it that this member's deadline is not missed.
    pub(super) fn watch(&mut self, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            self.no_deadline_before = self.no_deadline_before.min(member.deadline().0);
        }
    }
}
