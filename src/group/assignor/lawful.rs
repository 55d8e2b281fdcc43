//! Asking an assignor that anybody may have written: it may panic, and what it answers may break the rules.

use super::{Assignment, Assignor, Subscriptions};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Asks, and keeps of the answer what is within the rules.
///
/// # Errors
/// [`Error::Panicked`] if it did.
pub(crate) fn ask(assignor: &dyn Assignor, group: &Subscriptions) -> Result<Assignment> {
    match catch_unwind(AssertUnwindSafe(|| assignor.assign(group))) {
        Ok(answer) => Ok(retain_lawful(answer, group)),
        Err(panic) => Err(Error::panicked("an assignor", panic.as_ref())),
    }
}

/// What of an assignment exists, is subscribed to, and belongs to one member only: of several the first keeps it.
pub(crate) fn retain_lawful(mut assignment: Assignment, group: &Subscriptions) -> Assignment {
    assignment.retain(|member_id, _| group.get(member_id).is_some());
    let mut given = BTreeSet::new();
    for (member_id, partitions) in &mut assignment {
        let member = group.get(member_id).expect("all others were left out a moment ago");
        partitions.retain(|partition| group.may_own(member, partition) && given.insert(partition.clone()));
    }
    assignment
}
