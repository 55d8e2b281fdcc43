//! Kafka's own cases, and assignors that somebody else wrote.

use super::*;
use crate::error::Error;

fn partitions(names: &[(&str, u32)]) -> BTreeSet<TopicPartition> {
    names.iter().map(|(topic, number)| TopicPartition::new(topic, *number).unwrap()).collect()
}

fn group(topics: &[(&str, u32)]) -> Subscriptions {
    Subscriptions::new(topics.iter().map(|(name, partitions)| (*name, *partitions))).unwrap()
}

fn member(id: &str, topics: &[&str]) -> MemberSubscription {
    MemberSubscription::new(id, topics.iter().copied())
}

fn check(assignment: &Assignment, expected: &[(&str, &[(&str, u32)])]) {
    let expected: Assignment =
        expected.iter().map(|(id, given)| ((*id).to_owned(), partitions(given))).collect();
    assert_eq!(*assignment, expected);
}

#[test]
fn range_cuts_each_topic_alike() {
    let group = group(&[("t1", 3), ("t2", 3)])
        .member(member("c1", &["t1", "t2"]))
        .member(member("c2", &["t1", "t2"]));
    check(
        &Range.assign(&group),
        &[("c1", &[("t1", 0), ("t1", 1), ("t2", 0), ("t2", 1)]), ("c2", &[("t1", 2), ("t2", 2)])],
    );
}

#[test]
fn range_asks_each_topic_for_its_own_subscribers() {
    let group = group(&[("t1", 3), ("t2", 2)])
        .member(member("c1", &["t1"]))
        .member(member("c2", &["t1", "t2"]))
        .member(member("c3", &["t1"]));
    check(
        &Range.assign(&group),
        &[("c1", &[("t1", 0)]), ("c2", &[("t1", 1), ("t2", 0), ("t2", 1)]), ("c3", &[("t1", 2)])],
    );
}

#[test]
fn range_gives_topics_of_one_partition_to_the_first() {
    let names: Vec<String> = (0..5).map(|number| format!("t{number}")).collect();
    let group = Subscriptions::new(names.iter().map(|name| (name.as_str(), 1))).unwrap();
    let members = ["a", "b"].map(|id| MemberSubscription::new(id, names.clone()));
    let sizes = Range.assign(&members.into_iter().fold(group, Subscriptions::member));
    assert_eq!((sizes["a"].len(), sizes["b"].len()), (5, 0));
}

#[test]
fn static_members_come_first_in_a_round() {
    let group = group(&[("t1", 3), ("t2", 3)])
        .member(member("consumer-a", &["t1", "t2"]))
        .member(member("consumer-b", &["t1", "t2"]).instance("instance1"));
    check(
        &RoundRobin.assign(&group),
        &[
            ("consumer-a", &[("t1", 1), ("t2", 0), ("t2", 2)]),
            ("consumer-b", &[("t1", 0), ("t1", 2), ("t2", 1)]),
        ],
    );
}

#[test]
fn static_members_are_in_the_order_of_their_instances() {
    let group = group(&[("t", 4)])
        .member(member("z", &["t"]).instance("i1"))
        .member(member("a", &["t"]).instance("i2"));
    check(&Range.assign(&group), &[("a", &[("t", 2), ("t", 3)]), ("z", &[("t", 0), ("t", 1)])]);
    check(&RoundRobin.assign(&group), &[("a", &[("t", 1), ("t", 3)]), ("z", &[("t", 0), ("t", 2)])]);
}

#[test]
fn sticky_takes_from_the_end_and_gives_back_all() {
    let c1 = member("c1", &["t"]).owns(partitions(&[("t", 0), ("t", 1), ("t", 2)]), 1);
    let joined = group(&[("t", 3)]).member(c1).member(member("c2", &["t"]));
    check(&Sticky.assign(&joined), &[("c1", &[("t", 0), ("t", 1)]), ("c2", &[("t", 2)])]);
    check(&CooperativeSticky.assign(&joined), &[("c1", &[("t", 0), ("t", 1)]), ("c2", &[("t", 2)])]);
    check(&CooperativeSticky.first_round(&joined), &[("c1", &[("t", 0), ("t", 1)]), ("c2", &[])]);

    let left = group(&[("t", 3)]).member(member("c2", &["t"]).owns(partitions(&[("t", 2)]), 2));
    check(&Sticky.assign(&left), &[("c2", &[("t", 0), ("t", 1), ("t", 2)])]);
}

#[test]
fn of_two_claims_the_higher_generation_counts_and_of_equal_ones_neither() {
    let old = member("a", &["t"]).owns(partitions(&[("t", 0), ("t", 1)]), 3);
    let new = member("b", &["t"]).owns(partitions(&[("t", 0), ("t", 3)]), 4);
    let fought = group(&[("t", 4)]).member(old).member(new);
    check(&Sticky.assign(&fought), &[("a", &[("t", 1), ("t", 2)]), ("b", &[("t", 0), ("t", 3)])]);

    let both = ["a", "b"].map(|id| member(id, &["t"]).owns(partitions(&[("t", 0)]), 4));
    let fought = both.into_iter().fold(group(&[("t", 2)]), Subscriptions::member);
    check(&CooperativeSticky.first_round(&fought), &[("a", &[]), ("b", &[("t", 1)])]);
}

#[test]
fn claims_to_what_does_not_exist_are_passed_over() {
    let dreamer = member("a", &["t", "gone"]).owns(partitions(&[("t", 9), ("gone", 0)]), 1);
    for assignor in [&Sticky as &dyn Assignor, &CooperativeSticky] {
        let group = group(&[("t", 2)]).member(dreamer.clone()).member(member("b", &["t", "gone"]));
        check(&assignor.assign(&group), &[("a", &[("t", 0)]), ("b", &[("t", 1)])]);
    }
}

#[test]
fn nobody_and_nothing_are_no_trouble() {
    let all: [&dyn Assignor; 4] = [&Range, &RoundRobin, &Sticky, &CooperativeSticky];
    for assignor in all {
        assert!(assignor.assign(&group(&[("t", 3)])).is_empty());
        let idle = group(&[("t", 3)]).member(member("a", &[])).member(member("b", &["unknown"]));
        assert!(assignor.assign(&idle).values().all(BTreeSet::is_empty), "{}", assignor.name());
        let empty = group(&[("t", 0)]).member(member("a", &["t"]));
        assert!(assignor.assign(&empty).values().all(BTreeSet::is_empty), "{}", assignor.name());
    }
    assert!(Subscriptions::new([("a b", 1)]).is_err());
    assert!(Subscriptions::new([("a", u32::MAX)]).is_err());
}

/// Breaks every rule that there is.
#[derive(Debug)]
struct Lawless;

impl Assignor for Lawless {
    fn name(&self) -> &str {
        "lawless"
    }

    fn assign(&self, group: &Subscriptions) -> Assignment {
        assert!(group.get("panic").is_none(), "I do not like {}", "panic");
        let everything = partitions(&[("t", 0), ("t", 1), ("t", 7), ("secret", 0), ("gone", 0)]);
        ["a", "b", "nobody"].map(|id| (id.to_owned(), everything.clone())).into_iter().collect()
    }
}

#[test]
fn what_breaks_the_rules_is_left_out() {
    let group =
        group(&[("t", 2), ("secret", 1)]).member(member("a", &["t"])).member(member("b", &["t", "secret"]));
    check(&ask(&Lawless, &group).unwrap(), &[("a", &[("t", 0), ("t", 1)]), ("b", &[("secret", 0)])]);
    let panicked = ask(&Lawless, &group.member(member("panic", &["t"]))).unwrap_err();
    assert!(
        matches!(&panicked, Error::Panicked { message, .. } if message == "I do not like panic"),
        "{panicked}"
    );
}
