//! Who subscribes to what: each different subscription once, however many members share it.
//!
//! ```text
//! members    0  1  2  3  4       wishes  0: topics 0, 1, 2     topic 0   members 0, 1, 3
//! wish       0  0  1  0  2               1: topics 1, 2        topic 1   members 0, 1, 2, 3   the same list
//!                                        2: nothing            topic 2   members 0, 1, 2, 3
//! ```
//! A group in which all want the same is one wish and one list, and nothing is as long as members times topics.

use super::subscriptions::MemberSubscription;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// What members want.
pub(super) struct Wishes {
    /// The wish of each member.
    by_member: Vec<u32>,
    /// The topics of each wish, in order. Wishes that differ only in what does not exist are two.
    topics: Vec<Vec<u32>>,
}

impl Wishes {
    /// Of these members, and the topics that somebody wants, of all that there are.
    pub(super) fn new<'a>(
        members: &[&MemberSubscription],
        all: Vec<(&'a str, u32)>,
    ) -> (Self, Vec<(&'a str, u32)>) {
        let (by_member, different) = number(members);
        let mut topics: Vec<_> = different.iter().map(|names| places(names, &all)).collect();
        let wanted = keep_wanted(all, &mut topics);
        (Wishes { by_member, topics }, wanted)
    }

    /// How many different ones there are.
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    /// Who wants each of so many topics, in this order of the members. Topics that the same members want share a list.
    pub(super) fn subscribers(&self, topics: usize, order: &[u32]) -> Vec<Rc<[u32]>> {
        let mut wishes_of = vec![Vec::new(); topics];
        for (wish, topics) in self.topics.iter().enumerate() {
            topics.iter().for_each(|topic| wishes_of[*topic as usize].push(wish));
        }
        let mut lists: BTreeMap<&[usize], Rc<[u32]>> = BTreeMap::new();
        let mut list = |wishes| lists.entry(wishes).or_insert_with(|| self.list(wishes, order)).clone();
        wishes_of.iter().map(|wishes| list(wishes)).collect()
    }

    fn list(&self, wishes: &[usize], order: &[u32]) -> Rc<[u32]> {
        let mut is_one_of_them = vec![false; self.topics.len()];
        wishes.iter().for_each(|wish| is_one_of_them[*wish] = true);
        let wants = |member: &u32| is_one_of_them[self.by_member[*member as usize] as usize];
        order.iter().copied().filter(wants).collect()
    }
}

/// Numbers what members subscribe to: by where it lies, which is known at once, and else by what it is.
fn number<'a>(members: &[&'a MemberSubscription]) -> (Vec<u32>, Vec<&'a BTreeSet<String>>) {
    let mut places: BTreeMap<*const BTreeSet<String>, u32> = BTreeMap::new();
    let mut contents: BTreeMap<&BTreeSet<String>, u32> = BTreeMap::new();
    let mut different = Vec::new();
    let wish_of = |member: &&'a MemberSubscription| {
        let names: &'a BTreeSet<String> = &member.topics;
        *places.entry(Arc::as_ptr(&member.topics)).or_insert_with(|| {
            *contents.entry(names).or_insert_with(|| {
                different.push(names);
                different.len() as u32 - 1
            })
        })
    };
    (members.iter().map(wish_of).collect(), different)
}

/// The places of these names among all topics. Both are in order: so one walk finds them, unless they are few among many.
pub(crate) fn places(names: &BTreeSet<String>, all: &[(&str, u32)]) -> Vec<u32> {
    const FEW: usize = 16;
    if names.len().saturating_mul(FEW) < all.len() {
        let find = |name: &String| all.binary_search_by_key(&name.as_str(), |(topic, _)| topic).ok();
        return names.iter().filter_map(find).map(|at| at as u32).collect();
    }
    let mut found = Vec::with_capacity(names.len());
    let mut at = 0;
    for name in names {
        while all.get(at).is_some_and(|(topic, _)| *topic < name.as_str()) {
            at += 1;
        }
        if all.get(at).is_some_and(|(topic, _)| topic == name) {
            found.push(at as u32);
        }
    }
    found
}

/// Leaves out topics that nobody wants, and numbers the others anew.
fn keep_wanted<'a>(all: Vec<(&'a str, u32)>, wishes: &mut [Vec<u32>]) -> Vec<(&'a str, u32)> {
    let mut is_wanted = vec![false; all.len()];
    wishes.iter().flatten().for_each(|topic| is_wanted[*topic as usize] = true);
    let (mut kept, mut numbers) = (Vec::new(), vec![0; all.len()]);
    for (at, topic) in all.into_iter().enumerate().filter(|(at, _)| is_wanted[*at]) {
        numbers[at] = kept.len() as u32;
        kept.push(topic);
    }
    wishes.iter_mut().flatten().for_each(|topic| *topic = numbers[*topic as usize]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture at the top, with one more name for what is the same, and a topic that nobody wants.
    #[test]
    fn members_and_topics_with_the_same_wish_share_one() {
        let wants: [&[&str]; 5] = [&["a", "b", "c"], &["a", "b", "c"], &["b", "c"], &["a", "b", "c"], &["x"]];
        let mut members: Vec<MemberSubscription> =
            wants.iter().map(|topics| MemberSubscription::new("m", topics.iter().copied())).collect();
        members[1].topics = members[0].topics.clone();
        let members: Vec<&MemberSubscription> = members.iter().collect();
        let (wishes, topics) = Wishes::new(&members, vec![("a", 1), ("b", 2), ("bb", 3), ("c", 4)]);
        assert_eq!(topics, [("a", 1), ("b", 2), ("c", 4)]);
        assert_eq!((wishes.by_member.as_slice(), wishes.len()), ([0, 0, 1, 0, 2].as_slice(), 3));
        let lists = wishes.subscribers(3, &[4, 3, 2, 1, 0]);
        assert_eq!((&*lists[0], &*lists[1]), ([3, 1, 0].as_slice(), [3, 2, 1, 0].as_slice()));
        assert!(Rc::ptr_eq(&lists[1], &lists[2]));
    }
}
