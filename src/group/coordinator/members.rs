//! What a member asks of its group, and what it is told.

use super::pattern::Pattern;
use super::{Coordinator, MemberLink};
use crate::error::{Error, Result};
use crate::group::offsets::OffsetAndMetadata;
use crate::group::{Caller, Event, Join};
use crate::types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a member learns from each of its calls.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The epoch that it has to name from now on.
    pub(crate) epoch: u32,
    /// What it reads.
    pub(crate) assigned: BTreeSet<TopicPartition>,
    /// Whether it has to acknowledge that it has given something up.
    pub(crate) has_to_give_up: bool,
}

impl Coordinator {
    /// A consumer joins, or says something else than before.
    pub(crate) fn join(
        &self,
        group_id: &str,
        join: &Join,
        pattern: Option<&Pattern>,
        link: &Arc<MemberLink>,
    ) -> Result<Membership> {
        self.check()?;
        self.refresh();
        loop {
            let group = self.find_or_make(group_id)?;
            let topics = self.topics.counts();
            let mut state = group.lock();
            match state.join(join.clone(), pattern.cloned(), link, &topics, self.means()) {
                // It was deleted a moment ago: there will be another one of this name.
                Err(Error::UnknownGroup { .. }) => {
                    drop(state);
                    self.forget(&group);
                }
                joined => {
                    joined?;
                    let view = view(&state.group, &join.member_id)?;
                    let deadline = state.group.no_deadline_before();
                    drop(state);
                    self.schedule(deadline);
                    self.schedule_upkeep();
                    // What was changed between the look at the topics and the join.
                    self.refresh();
                    return Ok(view);
                }
            }
        }
    }

    /// A member has polled: it is given what is free for it, and told what to give up.
    pub(crate) fn poll(&self, group_id: &str, caller: &Caller) -> Result<Membership> {
        self.tell(group_id, caller, Event::Poll(caller.clone()))
    }

    /// A member has given up what it had to, and says what it owns now.
    pub(crate) fn acknowledge(
        &self,
        group_id: &str,
        caller: &Caller,
        owned: BTreeSet<TopicPartition>,
    ) -> Result<Membership> {
        self.tell(group_id, caller, Event::Acknowledge(caller.clone(), owned))
    }

    /// A member goes.
    pub(crate) fn leave(&self, group_id: &str, caller: &Caller) -> Result<()> {
        let group = self.expect(group_id)?;
        let left = group.lock().apply(Event::Leave(caller.clone()), self.means());
        self.schedule_upkeep();
        left
    }

    fn tell(&self, group_id: &str, caller: &Caller, event: Event) -> Result<Membership> {
        let unknown =
            || Error::UnknownMember { group: group_id.to_owned(), member: caller.member_id.clone() };
        let group = self.find(group_id)?.ok_or_else(unknown)?;
        let mut state = group.lock();
        state.apply(event, self.means())?;
        let deadline = state.group.no_deadline_before();
        let view = view(&state.group, &caller.member_id);
        drop(state);
        self.schedule(deadline);
        view
    }

    /// Lets commits that wait for a sync come to pass: what comes after them must find them.
    pub(crate) fn settle(&self, group_id: &str) {
        if let Ok(Some(group)) = self.find(group_id) {
            self.drain(&group);
        }
    }

    /// What a group has committed of these partitions; those of which it has committed nothing are not named.
    pub(crate) fn committed<'a>(
        &self,
        group_id: &str,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
        let Some(group) = self.find(group_id)? else { return Ok(Vec::new()) };
        self.drain(&group);
        let state = group.lock();
        let known = |partition: &TopicPartition| {
            state.offsets.get(partition).map(|committed| (partition.clone(), committed.offset.clone()))
        };
        Ok(partitions.into_iter().filter_map(known).collect())
    }
}

fn view(group: &crate::group::Group, member_id: &str) -> Result<Membership> {
    let unknown =
        || Error::UnknownMember { group: group.group_id().to_owned(), member: member_id.to_owned() };
    let member = group.member(member_id).ok_or_else(unknown)?;
    Ok(Membership {
        epoch: member.epoch(),
        assigned: member.assigned().clone(),
        has_to_give_up: !member.revoking().is_empty(),
    })
}
