//! Every byte of every file, changed one at a time.

use crate::exam::Allowed;
use crate::sample::{Left, Sample};
use crate::sweep::{Expect, Sweep};
use brooklet::Error;

/// What one changed byte of a file may cost.
fn cost(sample: &Sample, path: &str, position: usize) -> Allowed {
    match sample.batch_at(path, position) {
        // In the space that was set aside nothing is lost, and it is cut whatever is in it.
        None if path.ends_with(".log") => Allowed { cut_from: Some(u64::MAX), ..Allowed::default() },
        None => Allowed::default(),
        Some(place) if place.offsets.end > sample.durable_end => {
            Allowed { cut_from: Some(place.offsets.start), ..Allowed::default() }
        }
        Some(place) => Allowed { lost: vec![place.offsets.clone()], ..Allowed::default() },
    }
}

/// The zeros between the slots of `durable-end` say nothing; a few of them stand for all.
fn worth_it(path: &str, position: usize) -> bool {
    !path.ends_with("durable-end") || position % 4096 < 512 || position.is_multiple_of(97)
}

fn flip_every_byte(left: Left, select: impl Fn(&str) -> bool) {
    let mut sweep = Sweep::over(left);
    for path in sweep.sample.paths().into_iter().filter(|path| select(path)) {
        for position in (0..sweep.sample.files[&path].len()).filter(|at| worth_it(&path, *at)) {
            for mask in [1 << ((position * 5 + path.len()) % 8), 0xff] {
                let mut damaged = sweep.sample.files.clone();
                damaged.get_mut(&path).expect("one of its files")[position] ^= mask;
                let name = format!("{path} byte {position} ^ {mask:#x}");
                if path == "brooklet-format" {
                    sweep.refused(&name, &damaged, |error| {
                        matches!(error, Error::NotOurs { .. } | Error::NewerFormat { .. })
                    });
                    continue;
                }
                let allowed = cost(&sweep.sample, &path, position);
                match left {
                    Left::Closed if mask != 0xff => {
                        sweep.case_and_cure(&name, &damaged, &allowed, Expect::Served);
                    }
                    _ => sweep.case(&name, &damaged, &allowed, Expect::Served),
                }
            }
        }
    }
    assert!(sweep.cases > 100);
    sweep.finish();
}

#[test]
fn a_changed_byte_of_a_closed_log_costs_one_batch() {
    flip_every_byte(Left::Closed, |path| path.ends_with(".log"));
}

#[test]
fn a_changed_byte_of_a_crashed_log_costs_one_batch_or_the_tail() {
    flip_every_byte(Left::Crashed, |path| path.ends_with(".log"));
}

#[test]
fn a_changed_byte_of_any_other_file_costs_no_record() {
    flip_every_byte(Left::Closed, |path| !path.ends_with(".log"));
}

#[test]
fn a_changed_byte_of_any_other_file_costs_no_record_after_a_crash() {
    flip_every_byte(Left::Crashed, |path| !path.ends_with(".log"));
}
