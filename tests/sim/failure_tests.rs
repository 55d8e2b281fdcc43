//! Failures after which a log lives on, or is closed: what it does then must be as true as before.

use crate::disk::{Crash, Errno, Fault, Op, SimDisk};
use crate::ledger::read_all;
use crate::script::{self, Run, Step};
use crate::swap_tests::setup;
use crate::world::World;
use brooklet::Error;

fn with_records() -> Run {
    let mut run = Run::new(SimDisk::new(), setup());
    run.open().unwrap();
    append(&mut run);
    run
}

fn append(run: &mut Run) {
    for key in ["a", "b", "c"] {
        run.take(&Step::Append(script::keyed(key))).0.unwrap();
    }
}

/// Everything that is there, after a kill.
fn after_a_kill(mut run: Run) -> Vec<u64> {
    run.disk.heal();
    run.disk.crash(Crash::Kill);
    run.open().unwrap();
    let log = &run.world.as_ref().unwrap().log;
    assert!(log.damage().is_empty(), "{:?}", log.damage());
    read_all(log).unwrap().into_keys().collect()
}

#[test]
fn whatever_fails_in_a_truncation_what_is_appended_afterwards_stays() {
    let truncation = Step::Truncate { back: 2 };
    let mut run = with_records();
    let first_op = run.disk.ops();
    run.take(&truncation).0.unwrap();
    let mut lives_on = 0;
    for op in first_op..=run.disk.ops() {
        for fault in [Fault::fail(Errno::NoSpace), Fault::fail_after(Errno::Io), Fault::fail(Errno::Io)] {
            let mut run = with_records();
            run.disk.inject(fault.at(op));
            let (truncated, _) = run.take(&truncation);
            run.disk.heal();
            let log = run.world.as_ref().unwrap().log.clone();
            let end = log.watermarks().end;
            let mut expected = Vec::new();
            if log.begin_segment().is_ok() {
                append(&mut run);
                run.take(&Step::Flush).0.unwrap();
                expected.extend(end..end + 3);
                lives_on += u32::from(truncated.is_err());
            }
            drop(log);
            let there = after_a_kill(run);
            let behind: Vec<u64> = there.into_iter().filter(|base| *base >= end).collect();
            assert_eq!(behind, expected, "a fault at {op}, {truncated:?}");
        }
    }
    assert!(lives_on > 5, "{lives_on}");
}

#[test]
fn a_log_whose_closing_failed_calls_nothing_durable() {
    let mut run = with_records();
    let World { dir, log, .. } = run.world.take().unwrap();
    let end = log.watermarks().end;
    run.disk.inject(Fault::fail(Errno::Io).on(Op::Sync).path(".log"));
    assert!(matches!(dir.close(), Err(Error::Indeterminate { .. })));
    for _ in 0..2 {
        let flushed = log.flush();
        assert!(matches!(flushed, Err(Error::Indeterminate { until, .. }) if until == end), "{flushed:?}");
    }
    assert_eq!(log.watermarks().durable_end, 0);
}

#[test]
fn a_log_that_was_closed_touches_its_directory_no_more() {
    let mut run = with_records();
    let World { dir, log, .. } = run.world.take().unwrap();
    run.disk.inject(Fault::fail(Errno::Io).on(Op::Truncate).path(".log"));
    dir.close().unwrap_err();
    let before = run.disk.ops();
    // Somebody else may have opened it by now.
    assert!(matches!(log.flush(), Err(Error::Closed { .. })));
    assert_eq!(run.disk.ops(), before);
}
