//! A group as a state machine: an event and the time in, a new state and effects out. Pure.
//!
//! It works in the manner of KIP-848. Whatever changes the group raises its epoch, and an assignor divides everything
//! anew: the target. Each member then goes from what it has to its target on its own, in its own events:
//!
//! ```text
//! 1. it has what is not in its target      it is told to give that up, and stays at its epoch until it has
//! 2. it has only what is in its target     it moves to the target's epoch and takes of its target what is free
//! 3. something becomes free                it takes it at its next poll
//! ```
//! With an eager member in the group, everything counts as "not in its target" at each new epoch, and step 2 waits until
//! all members have given up everything.
//!
//! Invariants: a partition has one owner or none. Who is no member owns nothing. Epochs only grow. What a member owns
//! changes in its own events only, or when it is removed; so what it learned from its last event is true until then.
//!
//! - `event`: what can happen. `state`: what Kafka calls it. `member`: one member, and its deadlines.
//! - `join`, `remove`: who comes and who goes. `target`: who is to have what. `reconcile`: the three steps above.
//! - `view`: what can be asked.

mod event;
mod join;
mod member;
mod reconcile;
mod remove;
mod state;
mod target;
mod view;

pub use event::{Caller, Effect, Event, Join, Removal};
pub use state::{GroupState, MemberState};
pub use view::MemberView;

use crate::error::{Error, Result};
use crate::group::assignor::Assignment;
use crate::types::TopicPartition;
use member::Member;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A consumer group. Time is any clock that only goes forward.
#[derive(Debug, Clone)]
pub struct Group {
    group_id: String,
    topics: Arc<BTreeMap<String, u32>>,
    members: BTreeMap<String, Member>,
    /// Static members: member ids by instance id.
    instances: BTreeMap<String, String>,
    /// Member ids by what they own.
    owners: BTreeMap<TopicPartition, String>,
    epoch: u32,
    target: Assignment,
    target_epoch: u32,
    /// Whether members give up everything at each new epoch: any of them does. Looked at with each epoch, which every member
    /// that comes, goes or changes its mind begins.
    is_eager: bool,
    is_dead: bool,
    /// No deadline lies before this: deadlines are looked at only once it has come.
    no_deadline_before: Duration,
}

impl Group {
    /// A group without members. `epoch` is the last one that was noted for it, or 0: epochs go on from there.
    pub fn new(group_id: impl Into<String>, epoch: u32, topics: Arc<BTreeMap<String, u32>>) -> Self {
        Group {
            group_id: group_id.into(),
            topics,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            owners: BTreeMap::new(),
            epoch,
            target: Assignment::new(),
            target_epoch: epoch,
            is_eager: false,
            is_dead: false,
            no_deadline_before: Duration::MAX,
        }
    }

    /// Lets something happen. Members whose time is over are removed first.
    ///
    /// What it means for the sender is in [`Group::member`]; the effects say what it means for others. Even an event
    /// that is refused may have effects, because of those whose time was over; so they are handed out by reference.
    ///
    /// # Errors
    /// [`Error::UnknownMember`], [`Error::FencedInstance`] or [`Error::IllegalGeneration`]: whoever gets one owns nothing,
    /// tells its listener that everything is lost, and joins again (if fenced, it stops). [`Error::UnknownGroup`]: the
    /// group was deleted. [`Error::GroupNotEmpty`]: it cannot be deleted.
    pub fn apply(&mut self, event: Event, now: Duration, effects: &mut Vec<Effect>) -> Result<()> {
        if self.is_dead {
            return Err(Error::UnknownGroup { group: self.group_id.clone() });
        }
        self.expire(now, effects);
        match event {
            Event::Join(join) => self.join(join, now, effects),
            Event::Heartbeat(caller) => {
                self.caller(&caller)?.heard(now);
                Ok(())
            }
            Event::Poll(caller) => {
                self.caller(&caller)?.polled(now);
                self.reconcile(&caller.member_id, now);
                Ok(())
            }
            Event::Acknowledge(caller, owned) => {
                self.caller(&caller)?.heard(now);
                self.acknowledge(&caller, &owned, effects)?;
                self.reconcile(&caller.member_id, now);
                Ok(())
            }
            Event::Leave(caller) => {
                self.caller(&caller)?;
                self.remove(&caller.member_id, Removal::Left, now, effects);
                Ok(())
            }
            Event::Evict { member_id } => {
                if !self.members.contains_key(&member_id) {
                    return Err(self.unknown(&member_id));
                }
                self.remove(&member_id, Removal::Evicted, now, effects);
                Ok(())
            }
            Event::TopicsChanged { topics, matched } => {
                self.topics_changed(topics, matched, now, effects);
                Ok(())
            }
            Event::Tick => Ok(()),
            Event::Delete => self.delete(),
        }
    }

    /// Takes note of signs of life that came without an event: when the member was heard of last, and when it polled
    /// last. To be said before any event whose `now` has reached a deadline.
    pub fn alive(&mut self, member_id: &str, heard: Duration, polled: Duration) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.polled(polled);
            member.heard(heard);
        }
    }

    /// The member that speaks, if it is one and speaks of the present.
    fn caller(&mut self, caller: &Caller) -> Result<&mut Member> {
        let group = || self.group_id.clone();
        if let Some(instance) = &caller.instance_id {
            let current = self.instances.get(instance);
            if current.is_some_and(|current| *current != caller.member_id) {
                return Err(Error::FencedInstance { group: group(), instance: instance.clone() });
            }
        }
        match self.members.get_mut(&caller.member_id) {
            None => Err(Error::UnknownMember { group: group(), member: caller.member_id.clone() }),
            Some(member) if member.epoch != caller.epoch => Err(Error::IllegalGeneration {
                group: group(),
                member: caller.member_id.clone(),
                current: member.epoch,
                found: caller.epoch,
            }),
            Some(member) => Ok(member),
        }
    }

    fn unknown(&self, member_id: &str) -> Error {
        Error::UnknownMember { group: self.group_id.clone(), member: member_id.to_owned() }
    }

    fn delete(&mut self) -> Result<()> {
        if !self.members.is_empty() {
            return Err(Error::GroupNotEmpty { group: self.group_id.clone(), members: self.members.len() });
        }
        self.is_dead = true;
        Ok(())
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
