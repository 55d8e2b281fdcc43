//! What holds for any group: nothing twice, nothing left over, nothing to strangers, and as even as can be.

use super::*;
use proptest::prelude::*;

const TOPICS: [&str; 5] = ["t0", "t1", "t2", "t3", "unknown"];

/// Members with arbitrary subscriptions and claims, true or not.
fn groups(are_equal: bool) -> impl Strategy<Value = Subscriptions> {
    let topics = proptest::collection::vec(0..9_u32, 4);
    let owned = proptest::collection::vec((0..4_usize, 0..10_u32), 0..8);
    let member = (proptest::collection::vec(any::<bool>(), 5), owned, 0..3_u32, any::<bool>());
    (topics, proptest::collection::vec(member, 1..8)).prop_map(move |(counts, members)| {
        let group = Subscriptions::new(TOPICS.into_iter().zip(counts)).unwrap();
        let wanted = |flags: &[bool]| -> Vec<&str> {
            TOPICS.into_iter().zip(flags).filter(|(_, flag)| **flag).map(|(name, _)| name).collect()
        };
        let first = wanted(&members[0].0);
        members.iter().enumerate().fold(group, |group, (number, (flags, owned, generation, is_static))| {
            let topics = if are_equal { first.clone() } else { wanted(flags) };
            let owned =
                owned.iter().map(|(topic, number)| TopicPartition::new(TOPICS[*topic], *number).unwrap());
            let member =
                MemberSubscription::new(format!("m{}", (number * 7) % 8), topics).owns(owned, *generation);
            group.member(if *is_static { member.instance(format!("i{}", 9 - number)) } else { member })
        })
    })
}

fn everybody() -> [&'static dyn Assignor; 4] {
    [&Range, &RoundRobin, &Sticky, &CooperativeSticky]
}

/// What a group is like after this assignment.
fn followed(group: &Subscriptions, assignment: &Assignment) -> Subscriptions {
    let topics = group.topics().map(|(name, count)| (name.to_owned(), count));
    group.members().fold(Subscriptions::new(topics).unwrap(), |next, member| {
        next.member(member.clone().owns(assignment[&member.member_id].clone(), 9))
    })
}

fn subscribers<'a>(group: &'a Subscriptions, topic: &'a str) -> impl Iterator<Item = &'a MemberSubscription> {
    group.members().filter(move |member| member.topics.contains(topic))
}

proptest! {
    #[test]
    fn every_partition_goes_once_to_somebody_who_wants_it(group in groups(false)) {
        for assignor in everybody() {
            let assignment = assignor.assign(&group);
            let given: Vec<_> = assignment.values().flatten().collect();
            let unique: BTreeSet<_> = given.iter().copied().cloned().collect();
            prop_assert_eq!(given.len(), unique.len(), "{} gives twice", assignor.name());
            let wanted: BTreeSet<_> = group
                .topics()
                .filter(|(topic, _)| subscribers(&group, topic).next().is_some())
                .flat_map(|(topic, _)| group.partitions(topic))
                .collect();
            prop_assert_eq!(unique, wanted, "{} leaves over", assignor.name());
            prop_assert_eq!(&retain_lawful(assignment.clone(), &group), &assignment, "{}", assignor.name());
        }
    }

    #[test]
    fn with_equal_subscriptions_nobody_has_two_more_than_another(group in groups(true)) {
        for assignor in &everybody()[1..] {
            let sizes: Vec<usize> = assignor.assign(&group).values().map(BTreeSet::len).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{}: {:?}", assignor.name(), sizes);
        }
    }

    #[test]
    fn no_single_move_makes_a_sticky_answer_more_even(group in groups(false)) {
        let assignment = Sticky.assign(&group);
        for member in group.members() {
            let here = &assignment[&member.member_id];
            for partition in here {
                for other in subscribers(&group, partition.topic()) {
                    let there = assignment[&other.member_id].len();
                    prop_assert!(here.len() <= there + 1, "{partition} from {} to {}", member.member_id, other.member_id);
                }
            }
        }
    }

    #[test]
    fn a_sticky_answer_is_its_own_next_answer(group in groups(false)) {
        let assignment = Sticky.assign(&group);
        let next = followed(&group, &assignment);
        prop_assert_eq!(&Sticky.assign(&next), &assignment);
        prop_assert_eq!(&CooperativeSticky.first_round(&next), &assignment);
    }

    /// With equal subscriptions it is known how much may stay: as much as fits under the quotas.
    #[test]
    fn with_equal_subscriptions_no_more_moves_than_has_to(group in groups(true)) {
        let assignment = Sticky.assign(&group);
        let before = followed(&group, &assignment);
        let gone = before.members().next().unwrap().member_id.clone();
        let topics = before.topics().map(|(name, count)| (name.to_owned(), count));
        let rest = before.members().filter(|member| member.member_id != gone).cloned();
        let after = rest.fold(Subscriptions::new(topics).unwrap(), Subscriptions::member);
        let next = Sticky.assign(&after);
        for member in after.members() {
            prop_assert!(next[&member.member_id].is_superset(&member.owned), "who stays loses nothing: {}", member.member_id);
        }
    }

    #[test]
    fn the_first_round_takes_nothing_from_anybody(group in groups(false)) {
        let (whole, first) = (CooperativeSticky.assign(&group), CooperativeSticky.first_round(&group));
        for member in group.members() {
            prop_assert!(first[&member.member_id].is_subset(&whole[&member.member_id]));
            for partition in &first[&member.member_id] {
                let is_disputed = group.members().any(|other| other.member_id != member.member_id && other.owned.contains(partition));
                prop_assert!(!is_disputed || member.owned.contains(partition), "{partition} of {}", member.member_id);
            }
        }
    }
}

/// A thousand members and ten thousand partitions, half of the members new, with equal and with different
/// subscriptions. How long it takes is measured elsewhere; here it has to end before anybody loses patience.
#[test]
fn a_large_group_is_divided_evenly() {
    let topics: Vec<String> = (0..100).map(|number| format!("topic-{number:03}")).collect();
    for are_equal in [true, false] {
        let group = Subscriptions::new(topics.iter().map(|name| (name.clone(), 100))).unwrap();
        let wants = |number: usize| {
            let wanted = topics
                .iter()
                .enumerate()
                .filter(move |(topic, _)| are_equal || !(topic + number).is_multiple_of(3));
            wanted.map(|(_, name)| name.clone())
        };
        let group = (0..1000).fold(group, |group, number| {
            let member = MemberSubscription::new(format!("member-{number:04}"), wants(number));
            let had = (0..20).filter_map(|share| {
                let topic = &topics[(number * 20 + share) / 100 % 100];
                (number < 500 && member.topics.contains(topic))
                    .then(|| TopicPartition::new(topic, ((number * 20 + share) % 100) as u32).unwrap())
            });
            let had: Vec<_> = had.collect();
            group.member(member.owns(had, 1))
        });
        let assignment = Sticky.assign(&group);
        assert_eq!(assignment.values().map(BTreeSet::len).sum::<usize>(), 10_000);
        let slack = usize::from(!are_equal);
        assert!(assignment.values().all(|given| given.len().abs_diff(10) <= slack), "{are_equal}");
    }
}
