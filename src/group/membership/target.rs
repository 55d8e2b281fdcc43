//! Who is to have what: the target, made anew with each epoch of the group.

use super::Group;
use super::event::Effect;
use super::member::Member;
use crate::group::assignor::{
    Assignor, MemberSubscription, RebalanceProtocol, Subscriptions, ask, places, retain_lawful,
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
        self.is_eager = self.members.values().any(|member| member.said.protocol == RebalanceProtocol::Eager);
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
        matched: BTreeMap<String, Arc<BTreeSet<String>>>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let mut changes = false;
        for (member_id, found) in matched {
            let known = self.members.get(&member_id).map(|member| &member.said.topics);
            if known.is_some_and(|known| *known != found) {
                let found = self.shared(found);
                changes = true;
                self.members.entry(member_id).and_modify(|member| member.said.topics = found);
            }
        }
        let is_new = |topic: &String| self.topics.get(topic) != topics.get(topic);
        changes |= self.wishes().into_iter().any(|wish| wish.iter().any(is_new));
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

    /// What members subscribe to, each set once.
    pub(super) fn wishes(&self) -> Vec<&Arc<BTreeSet<String>>> {
        let mut wishes: Vec<_> = self.members.values().map(|member| &member.said.topics).collect();
        wishes.sort_unstable_by_key(|wish| Arc::as_ptr(wish));
        wishes.dedup_by(|a, b| Arc::ptr_eq(a, b));
        wishes
    }

    /// The set of a member that subscribes to the same, if there is one: a thousand members that all want a thousand topics
    /// keep a thousand names, and who looks for differences finds at once that there are none.
    pub(super) fn shared(&self, topics: Arc<BTreeSet<String>>) -> Arc<BTreeSet<String>> {
        let same = self.wishes().into_iter().find(|wish| **wish == topics).cloned();
        same.unwrap_or(topics)
    }

    /// The question that the assignor is asked.
    pub(super) fn subscriptions(&self) -> Subscriptions {
        let all: Vec<(&str, u32)> =
            self.topics.iter().map(|(topic, count)| (topic.as_str(), *count)).collect();
        let mut is_wanted = vec![false; all.len()];
        for wish in self.wishes() {
            places(wish, &all).into_iter().for_each(|at| is_wanted[at as usize] = true);
        }
        let known =
            all.into_iter().zip(is_wanted).filter_map(|(topic, is_wanted)| is_wanted.then_some(topic));
        // A name that no topic can have is no topic.
        let valid = known.filter(|(topic, count)| TopicPartition::new(topic, *count).is_ok());
        let group = Subscriptions::new(valid).unwrap_or_default();
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
