//! Every row of the table, and that there is one for every commit.

use super::*;

const STATES: [GroupState; 6] = [
    GroupState::Empty,
    GroupState::Assigning,
    GroupState::Reconciling,
    GroupState::PreparingRebalance,
    GroupState::CompletingRebalance,
    GroupState::Stable,
];

fn facts(state: GroupState) -> Facts<'static> {
    let member = MemberFacts { epoch: 5, instance_id: None, is_between_epochs: false };
    Facts { state, instance_holder: None, member: Some(member) }
}

fn of_a_static_member(state: GroupState) -> Facts<'static> {
    let member = MemberFacts { epoch: 5, instance_id: Some("i"), is_between_epochs: false };
    Facts { state, instance_holder: Some("m"), member: Some(member) }
}

const NOBODY: Commit<'static> =
    Commit { member_id: None, instance_id: None, epoch: None, transactional: false };
const MEMBER: Commit<'static> = Commit { member_id: Some("m"), epoch: Some(5), ..NOBODY };
const STATIC: Commit<'static> = Commit { instance_id: Some("i"), ..MEMBER };

fn answer(facts: Facts<'_>, commit: Commit<'_>) -> &'static str {
    name(judge("g", facts, &commit))
}

fn name(answer: Result<Admission>) -> &'static str {
    match answer {
        Ok(Admission::Accepted) => "accepted",
        Ok(Admission::NewSimpleGroup) => "new",
        Err(Error::UnknownGroup { .. }) => "no group",
        Err(Error::UnknownMember { .. }) => "unknown",
        Err(Error::FencedInstance { .. }) => "fenced",
        Err(Error::IllegalGeneration { .. }) => "epoch",
        Err(Error::RebalanceInProgress { .. }) => "rebalance",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_group_that_is_not_there_is_made_only_for_those_who_claim_no_membership() {
    assert_eq!(name(check_commit("g", None, &NOBODY)), "new");
    assert_eq!(name(check_commit("g", None, &MEMBER)), "epoch");
    assert_eq!(name(check_commit("g", None, &Commit { epoch: Some(0), ..NOBODY })), "epoch");
    assert_eq!(name(check_commit("g", None, &Commit { epoch: None, ..MEMBER })), "unknown");
    assert_eq!(name(check_commit("g", None, &Commit { instance_id: Some("i"), ..NOBODY })), "unknown");
}

#[test]
fn a_deleted_group_takes_nothing() {
    for commit in [NOBODY, MEMBER, STATIC, Commit { transactional: true, ..NOBODY }] {
        assert_eq!(answer(facts(GroupState::Dead), commit), "no group", "{commit:?}");
    }
}

#[test]
fn only_an_empty_group_takes_offsets_from_nobody_in_particular() {
    for state in STATES {
        let nobody = Facts { member: None, ..facts(state) };
        let expected = if state == GroupState::Empty { "accepted" } else { "unknown" };
        assert_eq!(answer(nobody, NOBODY), expected, "{state}");
        assert_eq!(answer(nobody, Commit { transactional: true, ..NOBODY }), "accepted", "{state}");
        assert_eq!(answer(nobody, Commit { epoch: Some(5), ..NOBODY }), "unknown", "{state}");
        assert_eq!(answer(nobody, MEMBER), "unknown", "{state}");
    }
}

#[test]
fn a_member_commits_with_its_own_epoch_and_no_other() {
    for state in STATES {
        assert_eq!(answer(facts(state), MEMBER), "accepted", "{state}");
        for epoch in [4, 6] {
            assert_eq!(
                answer(facts(state), Commit { epoch: Some(epoch), ..MEMBER }),
                "epoch",
                "{state} {epoch}"
            );
            let transaction = Commit { epoch: Some(epoch), transactional: true, ..MEMBER };
            assert_eq!(answer(facts(state), transaction), "epoch", "{state} {epoch}");
        }
    }
    assert_eq!(answer(facts(GroupState::Stable), Commit { epoch: None, ..MEMBER }), "epoch");
}

#[test]
fn an_instance_id_that_went_to_another_member_fences_the_old_one() {
    for state in STATES {
        assert_eq!(answer(of_a_static_member(state), STATIC), "accepted", "{state}");
        let taken_over = Facts { instance_holder: Some("m2"), member: None, ..facts(state) };
        assert_eq!(answer(taken_over, STATIC), "fenced", "{state}");
        // A member that never said it was static, and one that says another instance.
        assert_eq!(answer(facts(state), STATIC), "fenced", "{state}");
        let other = Commit { instance_id: Some("j"), ..MEMBER };
        assert_eq!(answer(of_a_static_member(state), other), "fenced", "{state}");
        // The member id alone is enough.
        assert_eq!(answer(of_a_static_member(state), MEMBER), "accepted", "{state}");
    }
}

#[test]
fn between_two_epochs_only_transactions_commit() {
    let member = MemberFacts { epoch: 5, instance_id: None, is_between_epochs: true };
    let between = Facts { member: Some(member), ..facts(GroupState::CompletingRebalance) };
    assert_eq!(answer(between, MEMBER), "rebalance");
    assert_eq!(answer(between, Commit { transactional: true, ..MEMBER }), "accepted");
    assert_eq!(answer(between, Commit { epoch: Some(4), ..MEMBER }), "epoch");
}
