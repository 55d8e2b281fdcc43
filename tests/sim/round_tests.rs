//! What a round of compaction leans on: that what supersedes is durable before it takes anything, and that of two swaps of
//! one name the first is told to be over.
//!
//! Each of these runs was made so that one step less of compaction would break it; chance does not meet them.

use crate::disk::{Crash, SimDisk};
use crate::ledger::{End, Ledger, Pending};
use crate::script::{self, Run, Step};
use crate::swap_tests::{end_at_each, setup};
use brooklet::Error;
use brooklet::log::Log;
use std::sync::Arc;

/// A log in which each key was appended, in batches of their own.
fn holding(keys: &str) -> Run {
    let mut run = Run::new(SimDisk::new(), setup());
    run.open().unwrap();
    append_all(&mut run, keys);
    run
}

fn append_all(run: &mut Run, keys: &str) {
    for key in keys.chars() {
        append(run, script::keyed(&key.to_string()));
    }
}

fn append(run: &mut Run, batch: Vec<u8>) {
    run.take(&Step::Append(batch)).0.unwrap();
}

fn log(run: &Run) -> Arc<Log> {
    run.world.as_ref().unwrap().log.clone()
}

/// Compacts, and ends that at each of its operations.
fn no_crash_of_a_round_breaks_a_promise(mut run: Run) {
    let first = run.disk.ops();
    run.disk.remember_states();
    let compact = Step::Compact { budget: u64::MAX };
    let ledger = Ledger { pending: run.pending(&compact), ..run.ledger.clone() };
    assert!(matches!(ledger.pending[..], [Pending::Compact]));
    let before = log(&run).size_bytes();
    for _ in 0..2 {
        // The first call may only see that the last round cannot go on.
        run.take(&compact).0.unwrap();
    }
    assert!(log(&run).size_bytes() < before, "there was nothing to be taken");
    end_at_each(&run, &ledger, first).unwrap_or_else(|broken| panic!("{broken}"));
}

/// Compacts step by step up to the first swap.
fn swap_once(run: &mut Run) {
    let log = log(run);
    let before = log.size_bytes();
    while log.size_bytes() == before {
        run.take(&Step::Compact { budget: 1 }).0.unwrap();
    }
}

/// What ends a round behind its first swap.
fn fail_for_want_of_space(run: &mut Run) {
    run.disk.set_capacity(Some(run.disk.used()));
    let error = run.take(&Step::Compact { budget: u64::MAX }).0.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    run.disk.set_capacity(None);
}

#[test]
fn the_second_swap_of_a_name_in_one_life_begins_when_the_first_is_over() {
    for more in ["", "abcabcabcabc"] {
        let mut run = holding("abcabacabbcaabcdab");
        run.take(&Step::Flush).0.unwrap();
        swap_once(&mut run);
        let first_base = log(&run).segment_base_offsets()[0];
        fail_for_want_of_space(&mut run);
        append_all(&mut run, more);
        assert_eq!(log(&run).segment_base_offsets()[0], first_base);
        no_crash_of_a_round_breaks_a_promise(run);
    }
}

#[test]
fn whatever_ends_a_round_behind_its_first_swap_the_next_one_breaks_no_promise() {
    let enders: [fn(&mut Run); 3] = [
        |run| run.take(&Step::Truncate { back: 1 }).0.unwrap(),
        |run| run.take(&Step::AdvanceStart { back: 14 }).0.unwrap(),
        // It ends by itself, and there is more.
        |run| run.take(&Step::Compact { budget: u64::MAX }).0.unwrap(),
    ];
    for end_round in enders {
        let mut run = holding("abcabacabbcaabcdab");
        run.take(&Step::Flush).0.unwrap();
        swap_once(&mut run);
        end_round(&mut run);
        append_all(&mut run, "abcabcabcabc");
        run.take(&Step::Flush).0.unwrap();
        no_crash_of_a_round_breaks_a_promise(run);
    }
}

#[test]
fn what_is_not_durable_yet_supersedes_nothing_that_is() {
    // Of each key one value is durable, in the first segment; the first swap takes it for one in a later group.
    for unsynced in ["abcdefmnopqrs", "mnopqrsabcdeftuvwxyz"] {
        let mut run = holding("abcdefghijkl");
        run.take(&Step::Reopen).0.unwrap();
        append_all(&mut run, unsynced);
        no_crash_of_a_round_breaks_a_promise(run);
    }
}

/// The older values of a key are durable, and a newer one in a transaction, and other things behind that; but not that
/// it was committed.
fn with_an_unsynced_commit(begins_another: bool) -> Run {
    let mut run = holding("aaaaaabcdefg");
    append(&mut run, script::in_transaction(1, "a"));
    append_all(&mut run, "hijklmno");
    if begins_another {
        append(&mut run, script::in_transaction(2, "z"));
    }
    run.take(&Step::Flush).0.unwrap();
    append(&mut run, script::commit(1));
    run
}

#[test]
fn what_is_committed_supersedes_nothing_before_the_commit_is_durable() {
    no_crash_of_a_round_breaks_a_promise(with_an_unsynced_commit(false));
}

/// Of these two transactions the second holds up the last stable offset, which is durable; the marker of the first lies
/// behind that.
#[test]
fn a_commit_behind_the_last_stable_offset_supersedes_nothing_before_it_is_durable() {
    no_crash_of_a_round_breaks_a_promise(with_an_unsynced_commit(true));
}

/// Compacted, then cut behind a value of "a", which is deleted then. What is appended has to lie behind where the log was
/// compacted to, though that is cut off.
fn deleted_behind_a_cut(is_closed_before_the_cut: bool) -> Run {
    let mut run = holding("abcdefghijklmnopqrst");
    run.take(&Step::Compact { budget: u64::MAX }).0.unwrap();
    if is_closed_before_the_cut {
        run.take(&Step::Reopen).0.unwrap();
    }
    run.take(&Step::Truncate { back: 15 }).0.unwrap();
    append(&mut run, script::tombstone("a"));
    append_all(&mut run, "uvwxyzABCDEFGHIJKLMNOPQRST");
    run
}

#[test]
fn what_deletes_behind_a_cut_is_dirty() {
    for is_killed in [false, true] {
        let mut run = deleted_behind_a_cut(is_killed);
        if is_killed {
            run.disk.crash(Crash::Kill);
            run.open().unwrap();
        }
        for more in ["1234567", "8901234", "5678901"] {
            run.take(&Step::Compact { budget: u64::MAX }).0.unwrap();
            append_all(&mut run, more);
        }
        assert_eq!(run.tombstones_taken, 1, "killed: {is_killed}");
        run.take(&Step::Reopen).0.unwrap();
        run.ledger.check(&log(&run), End::Kill).unwrap_or_else(|broken| panic!("{broken}"));
    }
}
