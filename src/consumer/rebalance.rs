//! Following the group: giving up what goes to others, taking what comes, and hearing that all is lost.
//!
//! ```text
//! look at the group ── refused: a member no longer ── `lost`, nothing is owned, join anew ── look again
//!        │
//!        ├── something to give up ── commit ── `revoked` ── stop reading it ── acknowledge ── look again
//!        └── something new ── begin at what is committed ── `assigned`
//! ```
//! Within a poll, and only where nothing is gathered yet that the poll has to return. A poll that is to end with each change
//! (`event`) stops behind `revoked`, `lost` and `assigned`; the next one looks again.

use super::Consumer;
use super::assignment::Assigned;
use super::event::Change;
use super::listener::{RebalanceCx, RebalanceListener};
use super::member::{Member, Subscription};
use crate::error::{Error, Result};
use crate::group::{Caller, Membership};
use crate::types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

impl Consumer {
    /// Whether the group may have something to say. Without a subscription this is a look at one word.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        let Some(group) = &self.group else { return false };
        let member = group.member.as_ref();
        member.is_some_and(|member| member.has_news() || group.coordinator.topics_are_new())
    }

    /// Looks at the group until there is nothing more to do. What a listener panicked with is told last.
    pub(super) fn follow_group(&mut self) -> Result<()> {
        self.member().into_iter().for_each(|member| member.must_look = false);
        let followed = self.rebalance();
        let Some(member) = self.member() else { return followed };
        member.must_look |= followed.is_err() || member.change.is_some();
        followed?;
        if member.change.is_some() {
            return Ok(());
        }
        member.panicked.take().map_or(Ok(()), Err)
    }

    fn rebalance(&mut self) -> Result<()> {
        self.coordinator().iter().for_each(|coordinator| coordinator.refresh());
        self.renew_deleted();
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => self.explain_loss(error)?,
            }
            if self.has_changed() {
                return Ok(());
            }
        }
    }

    /// One look. Says whether another one is needed.
    fn step(&mut self) -> Result<bool> {
        let Some(view) = self.ask()? else { return Ok(false) };
        let Some(member) = self.member() else { return Ok(false) };
        if let Some(caller) = &mut member.caller {
            caller.epoch = view.epoch;
        }
        let gone: Vec<TopicPartition> = member.owned.difference(&view.assigned).cloned().collect();
        if !gone.is_empty() && !self.revoke(&gone) {
            return Ok(false);
        }
        if !gone.is_empty() || view.has_to_give_up {
            self.give_up(&gone)?;
            return Ok(true);
        }
        self.take(view)?;
        Ok(self.member().is_some_and(|member| member.link.take_news()))
    }

    /// Tells the group that it is there, and hears what the group has for it.
    fn ask(&mut self) -> Result<Option<Membership>> {
        let Some(group) = &mut self.group else { return Ok(None) };
        let Some(member) = &mut group.member else { return Ok(None) };
        if let Some(fenced) = &member.fenced {
            return Err(fenced.clone());
        }
        if member.caller.is_some() && !group.unsettled.is_empty() {
            // The next epoch is another name, and would not answer for what was committed under this one.
            group.coordinator.settle(&group.group_id);
        }
        if let (Some(caller), false) = (&member.caller, member.has_changed) {
            return group.coordinator.poll(&group.group_id, caller).map(Some);
        }
        let join = member.join(&group.profile);
        let view = group.coordinator.join(&group.group_id, &join, member.pattern(), &member.link)?;
        let (member_id, instance_id) = (join.member_id, join.instance_id);
        member.caller = Some(Caller { member_id, instance_id, epoch: view.epoch });
        (member.has_changed, member.before) = (false, None);
        Ok(Some(view))
    }

    /// What an error of the group means: that it is no member any more, and joins again; or that it is out.
    fn explain_loss(&mut self, error: Error) -> Result<()> {
        let Some(member) = self.member() else { return Err(error) };
        let was_member = member.caller.is_some();
        match error {
            Error::FencedInstance { .. } => {
                self.lose();
                if let Some(member) = self.member() {
                    member.fenced = Some(error.clone());
                }
                // Whoever hears of the loss as an event is told why by the next poll.
                if self.has_changed() { Ok(()) } else { Err(error) }
            }
            Error::UnknownMember { .. } | Error::IllegalGeneration { .. } | Error::UnknownGroup { .. }
                if was_member =>
            {
                self.lose();
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Before partitions are given up: commits, and lets the listener have its say as their owner. Says whether they may go
    /// at once, or whoever awaits an event has to say so.
    fn revoke(&mut self, gone: &[TopicPartition]) -> bool {
        self.settle();
        self.auto_commit_now();
        self.listen(|listener, consumer| listener.revoked(&mut RebalanceCx::new(consumer), gone));
        self.note_change(|| Change::Revoked(gone.to_vec()));
        !self.has_changed()
    }

    /// Gives partitions up: says so, and stops reading them. Whoever was too late with it has lost them.
    pub(super) fn give_up(&mut self, gone: &[TopicPartition]) -> Result<()> {
        // Whoever gets them has to find what was committed.
        if let Some(group) = &self.group {
            group.coordinator.settle(&group.group_id);
        }
        self.acknowledge(gone)?;
        self.let_go(gone);
        Ok(())
    }

    /// The same where nobody would hear of an error, and nothing is waited for: the next poll does what is left to do, and
    /// tells what went wrong.
    pub(super) fn give_up_unheard(&mut self, gone: &[TopicPartition]) {
        if self.is_unsettled() || self.acknowledge(gone).is_ok() {
            self.let_go(gone);
        }
    }

    /// Says what it owns without these.
    fn acknowledge(&mut self, gone: &[TopicPartition]) -> Result<()> {
        let Some(group) = &mut self.group else { return Ok(()) };
        let Some(member) = &mut group.member else { return Ok(()) };
        if let Some(caller) = &mut member.caller {
            let owned = member.owned.iter().filter(|partition| !gone.contains(partition)).cloned().collect();
            // It may be in the next epoch already: the next look says so under that name.
            caller.epoch = group.coordinator.acknowledge(&group.group_id, caller, owned)?.epoch;
        }
        Ok(())
    }

    fn let_go(&mut self, gone: &[TopicPartition]) {
        self.unassign(gone);
        if let Some(member) = self.member() {
            member.owned.retain(|partition| !gone.contains(partition));
        }
    }

    /// Begins with what it was given.
    fn take(&mut self, view: Membership) -> Result<()> {
        let read: BTreeSet<_> =
            self.assigned.iter().map(|assigned| assigned.partition().id().as_ref()).collect();
        // What comes, and what it has of a topic that was deleted and is there again.
        let unread: Vec<TopicPartition> =
            view.assigned.iter().filter(|id| !read.contains(id)).cloned().collect();
        if unread.is_empty() {
            return Ok(());
        }
        self.begin_with(&unread)?;
        let Some(member) = self.member() else { return Ok(()) };
        let added: Vec<TopicPartition> = view.assigned.difference(&member.owned).cloned().collect();
        if added.is_empty() {
            return Ok(());
        }
        member.owned = view.assigned;
        self.listen(|listener, consumer| listener.assigned(&mut RebalanceCx::new(consumer), &added));
        self.note_change(|| Change::Assigned(added));
        Ok(())
    }

    /// Reads partitions from where the group stands in them, or else from where it was told to start.
    pub(super) fn begin_with(&mut self, added: &[TopicPartition]) -> Result<()> {
        let committed: BTreeMap<_, _> = match &self.group {
            Some(group) => group.coordinator.committed(&group.group_id, added)?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        for id in added {
            // A topic that was deleted meanwhile: the group will say so.
            let Ok(partition) =
                self.engine.topic(id.topic()).and_then(|topic| topic.partition(id.partition()))
            else {
                continue;
            };
            let signal = self.shared.signal.clone();
            let mut assigned = Assigned::new(partition, self.config.isolation, self.config.start, signal);
            if let Some(committed) = committed.get(id) {
                assigned.begin_at_committed(committed.offset);
            }
            self.assigned.push(assigned);
        }
        self.assigned.sort_by(|a, b| a.partition().id().cmp(b.partition().id()));
        self.turn = 0;
        Ok(())
    }

    /// A topic that was deleted and made anew between two looks is another one: it is begun from its start.
    fn renew_deleted(&mut self) {
        let deleted = self.assigned.iter().filter(|assigned| assigned.partition().is_deleted());
        let deleted: Vec<TopicPartition> =
            deleted.map(|assigned| assigned.partition().id().as_ref().clone()).collect();
        if !deleted.is_empty() {
            self.unassign(&deleted);
            // What cannot be asked now is asked by the next look.
            if self.begin_with(&deleted).is_err()
                && let Some(member) = self.member()
            {
                member.must_look = true;
            }
        }
    }

    fn unassign(&mut self, gone: &[TopicPartition]) {
        self.assigned.retain(|assigned| !gone.contains(assigned.partition().id()));
        self.turn = 0;
    }

    /// It is no member any more: others may be reading already what it had.
    fn lose(&mut self) {
        let Some(member) = self.member() else { return };
        let lost = std::mem::take(&mut member.owned);
        member.before = member.caller.take().map(|caller| (lost.clone(), caller.epoch));
        let lost: Vec<TopicPartition> = lost.into_iter().collect();
        self.unassign(&lost);
        if !lost.is_empty() {
            self.listen(|listener, _| listener.lost(&lost));
            self.note_change(|| Change::Lost(lost));
        }
    }

    /// Ends the poll with this, if it is one that does.
    fn note_change(&mut self, change: impl FnOnce() -> Change) {
        if let Some(member) = self.member().filter(|member| member.tells_changes) {
            member.change = Some(change());
        }
    }

    /// Whether there is a change to end the poll with.
    pub(super) fn has_changed(&self) -> bool {
        let member = self.group.as_ref().and_then(|group| group.member.as_ref());
        member.is_some_and(|member| member.change.is_some())
    }

    /// The change that the poll has ended with.
    pub(super) fn take_change(&mut self) -> Option<Change> {
        self.member().and_then(|member| member.change.take())
    }

    /// Calls the listener, if there is one. A panic is kept for the poll to tell.
    fn listen(&mut self, call: impl FnOnce(&mut dyn RebalanceListener, &mut Consumer)) {
        let Some(mut listener) = self.group.as_mut().and_then(|group| group.profile.listener.take()) else {
            return;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| call(listener.get_mut().as_mut(), self)));
        let Some(group) = &mut self.group else { return };
        group.profile.listener = Some(listener);
        if let (Err(panic), Some(member)) = (outcome, &mut group.member) {
            member.panicked = Some(Error::panicked("a rebalance listener", panic.as_ref()));
        }
    }

    /// Subscribes, or changes what it subscribes to.
    pub(super) fn set_subscription(&mut self, subscription: Subscription) -> Result<()> {
        let Some(group) = &mut self.group else {
            let why = "partitions are shared out between the members of a group; name one when the consumer is built";
            return Err(Error::IllegalState { what: "subscribe without a group", why });
        };
        match &mut group.member {
            Some(member) => {
                member.subscription = subscription;
                (member.has_changed, member.must_look) = (true, true);
            }
            None if !self.assigned.is_empty() => {
                let why = "a consumer reads what it is assigned by hand or what its group gives it, not both; \
                           assign nothing first, or build another one";
                return Err(Error::IllegalState { what: "subscribe and assign", why });
            }
            None => {
                let link = crate::group::MemberLink::new(self.shared.signal.clone());
                group.member = Some(Member::new(subscription, link.into(), self.engine.clone()));
            }
        }
        Ok(())
    }

    /// Goes from the group in order: commits, gives everything up, and leaves. A static member does not leave: it is
    /// expected back within its session timeout.
    pub(super) fn leave_group(&mut self) -> Result<()> {
        let committed = self.auto_commit_for_sure();
        let Some(member) = self.member() else { return committed };
        let owned: Vec<TopicPartition> = std::mem::take(&mut member.owned).into_iter().collect();
        if !owned.is_empty() {
            self.listen(|listener, consumer| listener.revoked(&mut RebalanceCx::new(consumer), &owned));
            self.unassign(&owned);
        }
        let Some(group) = &mut self.group else { return committed };
        group.coordinator.settle(&group.group_id);
        let Some(mut member) = group.member.take() else { return committed };
        let told = member.panicked.take().map_or(Ok(()), Err);
        let left = match member.caller.take() {
            Some(caller) if caller.instance_id.is_none() => {
                match group.coordinator.leave(&group.group_id, &caller) {
                    // It was none any more.
                    Err(
                        Error::UnknownMember { .. }
                        | Error::IllegalGeneration { .. }
                        | Error::UnknownGroup { .. },
                    ) => Ok(()),
                    left => left,
                }
            }
            _ => Ok(()),
        };
        committed.and(left).and(told)
    }

    pub(super) fn member(&mut self) -> Option<&mut Member> {
        self.group.as_mut()?.member.as_mut()
    }

    /// What it subscribes to by name.
    pub(super) fn subscribed_topics(&self) -> Arc<BTreeSet<String>> {
        match self.group.as_ref().and_then(|group| group.member.as_ref()).map(|member| &member.subscription) {
            Some(Subscription::Topics(topics)) => topics.clone(),
            _ => Arc::default(),
        }
    }
}
