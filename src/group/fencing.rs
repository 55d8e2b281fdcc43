//! May this commit be written? Kafka's rows, in Kafka's order; the first that fits decides.
//!
//! ```text
//!     group            who commits                                 answer
//!  A  dead             anybody                                     UnknownGroup
//!  B  none             nobody in particular                        a group is made that only keeps offsets
//!  C  none             with an epoch                               IllegalGeneration
//!  D  none             a member without an epoch                   UnknownMember
//!  E  empty            without an epoch                            accepted
//!  F  has members      nobody in particular, in a transaction      accepted
//!  G  has members      nobody in particular                        UnknownMember
//!  H  any              an instance id that is another member now   FencedInstance
//!  I  any              a member that it does not have              UnknownMember
//!  J  any              another instance id than it joined with     FencedInstance
//!  K  any              another epoch, or none                      IllegalGeneration
//!  L  any              between two epochs, not in a transaction    RebalanceInProgress
//!  M  any              everybody else                              accepted
//! ```
//! M holds while a rebalance is being prepared: a member that has to give up partitions commits what it has read. Which
//! partitions are committed is not asked, as in Kafka: an epoch stands for all that it brought.

use super::membership::{Group, GroupState};
use crate::error::{Error, Result};

/// Who wants to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Commit<'a> {
    /// The member; none for an operator, or a consumer that was assigned its partitions by hand.
    pub member_id: Option<&'a str>,
    /// Its instance id, if it is a static member.
    pub instance_id: Option<&'a str>,
    /// The epoch that it knows.
    pub epoch: Option<u32>,
    /// Whether the offsets are part of a transaction, which is fenced by itself.
    pub transactional: bool,
}

/// How a commit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Write it.
    Accepted,
    /// Write it: there is a group from now on that only keeps offsets.
    NewSimpleGroup,
}

/// What a group knows of whoever commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts<'a> {
    state: GroupState,
    /// The member that has the instance id now.
    instance_holder: Option<&'a str>,
    member: Option<MemberFacts<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MemberFacts<'a> {
    epoch: u32,
    instance_id: Option<&'a str>,
    is_between_epochs: bool,
}

/// Judges a commit to the group of this id; `group` is none if there is no such group.
///
/// # Errors
/// As in the table above; each says what to do next.
pub fn check_commit(group_id: &str, group: Option<&Group>, commit: &Commit<'_>) -> Result<Admission> {
    let facts = group.map(|group| Facts {
        state: group.state(),
        instance_holder: commit
            .instance_id
            .and_then(|instance| group.instance(instance))
            .map(|member| member.said().member_id.as_str()),
        member: commit.member_id.and_then(|member_id| group.member(member_id)).map(|member| MemberFacts {
            epoch: member.epoch(),
            instance_id: member.said().instance_id.as_deref(),
            is_between_epochs: member.is_between_epochs(group),
        }),
    });
    match facts {
        None => judge_without_group(group_id, commit),
        Some(facts) => judge(group_id, facts, commit),
    }
}

/// Rows B to D.
fn judge_without_group(group_id: &str, commit: &Commit<'_>) -> Result<Admission> {
    let member = commit.member_id.unwrap_or_default().to_owned();
    match commit {
        Commit { epoch: Some(found), .. } => {
            Err(Error::IllegalGeneration { group: group_id.to_owned(), member, current: 0, found: *found })
        }
        Commit { member_id: None, instance_id: None, .. } => Ok(Admission::NewSimpleGroup),
        _ => Err(Error::UnknownMember { group: group_id.to_owned(), member }),
    }
}

/// All other rows.
fn judge(group_id: &str, facts: Facts<'_>, commit: &Commit<'_>) -> Result<Admission> {
    let group = || group_id.to_owned();
    let member_id = commit.member_id.unwrap_or_default();
    let unknown = || Error::UnknownMember { group: group(), member: member_id.to_owned() };
    let fenced = |instance: &str| Error::FencedInstance { group: group(), instance: instance.to_owned() };
    if facts.state == GroupState::Dead {
        return Err(Error::UnknownGroup { group: group() });
    }
    if commit.epoch.is_none() && facts.state == GroupState::Empty {
        return Ok(Admission::Accepted);
    }
    let is_nobody = commit.member_id.is_none() && commit.instance_id.is_none() && commit.epoch.is_none();
    if is_nobody {
        return if commit.transactional { Ok(Admission::Accepted) } else { Err(unknown()) };
    }
    if let (Some(instance), Some(holder)) = (commit.instance_id, facts.instance_holder)
        && holder != member_id
    {
        return Err(fenced(instance));
    }
    let Some(member) = facts.member else { return Err(unknown()) };
    if let Some(instance) = commit.instance_id.filter(|_| member.instance_id != commit.instance_id) {
        return Err(fenced(instance));
    }
    let found = commit.epoch.unwrap_or(0);
    if commit.epoch != Some(member.epoch) {
        let member_id = member_id.to_owned();
        return Err(Error::IllegalGeneration {
            group: group(),
            member: member_id,
            current: member.epoch,
            found,
        });
    }
    if member.is_between_epochs && !commit.transactional {
        return Err(Error::RebalanceInProgress { group: group() });
    }
    Ok(Admission::Accepted)
}

#[cfg(test)]
mod tests;
