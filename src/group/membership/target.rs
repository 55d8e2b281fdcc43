//! Who is to have what: the target, made anew with each epoch of the group.

use super::Group;
use super::event::Effect;
use super::member::Member;
use crate::group::assignor::{
    Assignor, MemberSubscription, RebalanceProtocol, Subscriptions, ask, retain_lawful,
};
use crate::types::TopicPartition;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

impl Group {
    /// Raises the epoch and divides everything anew. Tells all for whom there is something to do but `except`, who is
    /// about to learn it anyway.
    pub(super) fn advance(&mut self, except: Option<&str>, now: Duration, effects: &mut Vec<Effect>) {
        self.epoch = self.epoch.saturating_add(1);
        effects.push(Effect::NewEpoch(self.epoch));
        let group = self.subscriptions();
        match self.assignor().map(|assignor| (ask(assignor.as_ref(), &group), assignor)) {
            None => self.target.clear(),
            Some((Ok(target), _)) => self.target = target,
            Some((Err(error), assignor)) => {
                self.target = retain_lawful(std::mem::take(&mut self.target), &group);
                let (assignor, message) = (assignor.name().to_owned(), error.to_string());
                effects.push(Effect::AssignorFailed { assignor, message });
                self.settle_none(except, now, effects);
                return;
            }
        }
        self.target_epoch = self.epoch;
        self.settle_none(except, now, effects);
    }

    /// Nobody knows any more whether it has what it is to have.
    fn settle_none(&mut self, except: Option<&str>, now: Duration, effects: &mut Vec<Effect>) {
        self.members.values_mut().for_each(|member| member.is_settled = false);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        ids.iter().for_each(|member_id| self.note_overdue(member_id, now));
        self.tell(except, effects, |_| true);
    }

    /// New topics, more partitions, deleted topics, and what patterns find now.
    pub(super) fn topics_changed(
        &mut self,
        topics: Arc<BTreeMap<String, u32>>,
        matched: BTreeMap<String, BTreeSet<String>>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let mut changes = false;
        for (member_id, found) in matched {
            if let Some(member) = self.members.get_mut(&member_id) {
                changes |= member.said.topics != found;
                member.said.topics = found;
            }
        }
        let mut subscribed = self.members.values().flat_map(|member| &member.said.topics);
        changes |= subscribed.any(|topic| self.topics.get(topic) != topics.get(topic));
        self.topics = topics;
        if changes {
            self.advance(None, now, effects);
        }
    }

    /// The assignor with the most votes; of several the one whose name comes first.
    pub(super) fn assignor(&self) -> Option<Arc<dyn Assignor>> {
        let mut votes: BTreeMap<&str, (usize, &Arc<dyn Assignor>)> = BTreeMap::new();
        for member in self.members.values() {
            let assignor = &member.said.assignor;
            votes.entry(assignor.name()).or_insert((0, assignor)).0 += 1;
        }
        let most = votes.into_iter().min_by_key(|(name, (votes, _))| (Reverse(*votes), *name));
        most.map(|(_, (_, assignor))| assignor.clone())
    }

    /// Whether members give up everything at each new epoch.
    pub(super) fn is_eager(&self) -> bool {
        self.members.values().any(|member| member.said.protocol == RebalanceProtocol::Eager)
    }

    /// The question that the assignor is asked.
    pub(super) fn subscriptions(&self) -> Subscriptions {
        let wanted: BTreeSet<&String> =
            self.members.values().flat_map(|member| &member.said.topics).collect();
        let known = wanted.into_iter().filter_map(|topic| Some((topic, *self.topics.get(topic)?)));
        // A name that no topic can have is no topic.
        let valid = known.filter(|(topic, count)| TopicPartition::new(topic, *count).is_ok());
        let group =
            Subscriptions::new(valid.map(|(topic, count)| (topic.clone(), count))).unwrap_or_default();
        self.members.values().map(|member| self.subscription(member)).fold(group, Subscriptions::member)
    }

    /// What a member is to have counts as what it has, although it may not have all of it yet: otherwise what is on its
    /// way would be turned back by whatever happens next. Who is new may have had something before it was removed; that
    /// is a wish, weaker than anybody's target.
    fn subscription(&self, member: &Member) -> MemberSubscription {
        let said = &member.said;
        let (owned, generation) = match self.target.get(&said.member_id) {
            Some(target) => (target.clone(), Some(self.target_epoch)),
            None => {
                let weaker = said.generation.map(|claimed| claimed.min(self.target_epoch.saturating_sub(1)));
                (said.owned.clone(), weaker.filter(|_| self.target_epoch > 0))
            }
        };
        MemberSubscription {
            member_id: said.member_id.clone(),
            instance_id: said.instance_id.clone(),
            topics: said.topics.clone(),
            owned,
            generation,
        }
    }
}
