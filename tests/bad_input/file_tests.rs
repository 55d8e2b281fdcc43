//! Files that are cut short, gone, swapped or replaced. What was durable and is gone makes the log read-only; and once
//! it is restored, everything is there again.

use crate::exam::Allowed;
use crate::sample::{Files, Left, Sample, disk, open_dir, partition};
use crate::sweep::{Expect, Sweep};
use brooklet::Error;
use std::ops::Range;

fn is_root(path: &str) -> bool {
    !path.contains('/')
}

/// The directory's own files: without them, or with others in their place, it does not look like ours.
fn is_told_apart(path: &str) -> bool {
    path == "brooklet-format" || path == ".kafka_cleanshutdown"
}

/// What a log that ends after `len` bytes of this file has lost, and whether that is only a tail.
fn cost_of_cut(sample: &Sample, path: &str, len: usize) -> Option<Allowed> {
    let cut = sample.batches.iter().filter(|place| place.file == *path && place.bytes.end > len);
    let offsets: Vec<Range<u64>> = cut.map(|place| place.offsets.clone()).collect();
    let durable = offsets.first().is_some_and(|first| first.end <= sample.durable_end);
    let tail = offsets.iter().find(|offsets| offsets.end > sample.durable_end);
    let cut_from = tail.map(|offsets| offsets.start);
    durable.then(|| Allowed { lost: offsets.clone(), cut_from, lies: false })
}

fn tail_cost(sample: &Sample, path: &str, len: usize) -> Allowed {
    let mut cut = sample.batches.iter().filter(|place| place.file == *path && place.bytes.end > len);
    Allowed { cut_from: cut.next().map(|place| place.offsets.start), ..Allowed::default() }
}

fn cut_every_file(left: Left) {
    let mut sweep = Sweep::over(left);
    for path in sweep.sample.paths().into_iter().filter(|path| !is_told_apart(path)) {
        let len = sweep.sample.files[&path].len();
        let step = if path.ends_with("durable-end") { 61 } else { 1 };
        for kept in (0..len).step_by(step) {
            let mut damaged = sweep.sample.files.clone();
            damaged.get_mut(&path).expect("one of its files").truncate(kept);
            let name = format!("{path} cut to {kept} of {len}");
            match cost_of_cut(&sweep.sample, &path, kept) {
                Some(lost) if path.ends_with(".log") => {
                    sweep.case_and_cure(&name, &damaged, &lost, Expect::ReadOnly);
                }
                _ => {
                    let tail = tail_cost(&sweep.sample, &path, kept);
                    sweep.case(&name, &damaged, &tail, Expect::Served);
                }
            }
        }
    }
    sweep.finish();
}

#[test]
fn a_file_of_a_closed_log_that_is_cut_short() {
    cut_every_file(Left::Closed);
}

#[test]
fn a_file_of_a_crashed_log_that_is_cut_short() {
    cut_every_file(Left::Crashed);
}

#[test]
fn a_file_that_is_gone() {
    for left in [Left::Closed, Left::Crashed] {
        let mut sweep = Sweep::over(left);
        for path in sweep.sample.paths() {
            let mut damaged = sweep.sample.files.clone();
            damaged.remove(&path);
            let name = format!("{path} removed");
            if path == "brooklet-format" {
                sweep.refused(&name, &damaged, |error| matches!(error, Error::NotOurs { .. }));
                continue;
            }
            match cost_of_cut(&sweep.sample, &path, 0) {
                Some(lost) => {
                    sweep.case(&name, &damaged, &lost, Expect::ReadOnly);
                    sweep.cure(&name, &damaged);
                }
                None => {
                    let tail = tail_cost(&sweep.sample, &path, 0);
                    sweep.case(&name, &damaged, &tail, Expect::Served);
                }
            }
        }
        sweep.finish();
    }
}

/// Empty it is the marker of an older Kafka; otherwise nobody's, and the log counts as not closed in order.
#[test]
fn the_clean_shutdown_marker_cut_short_is_not_taken_for_ours() {
    let mut sweep = Sweep::over(Left::Closed);
    for kept in 0..sweep.sample.files[".kafka_cleanshutdown"].len() {
        let mut damaged = sweep.sample.files.clone();
        damaged.get_mut(".kafka_cleanshutdown").expect("it was closed").truncate(kept);
        let name = format!("marker cut to {kept}");
        match kept {
            0 => sweep.refused(&name, &damaged, |error| matches!(error, Error::NotOurs { .. })),
            _ => sweep.case(&name, &damaged, &Allowed::default(), Expect::Served),
        }
    }
    sweep.finish();
}

/// The part of a name that says what kind of file it is.
fn kind(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('.').map_or(name, |(_, kind)| kind)
}

/// What may be lost where two files are not the ones they should be.
fn cost_of_swap(sample: &Sample, paths: [&str; 2]) -> Allowed {
    let lost = sample.batches.iter().filter(|place| paths.contains(&place.file.as_str()));
    Allowed { lost: lost.map(|place| place.offsets.clone()).collect(), ..Allowed::default() }
}

fn swap(files: &Files, one: &str, other: &str) -> Files {
    let mut swapped = files.clone();
    swapped.insert(one.to_owned(), files[other].clone());
    swapped.insert(other.to_owned(), files[one].clone());
    swapped
}

/// Nothing may be cut off or removed, whatever it is: it may be the only copy of another file.
#[test]
fn two_files_that_are_swapped() {
    let mut sweep = Sweep::over(Left::Closed);
    let paths: Vec<String> = sweep.sample.files.keys().filter(|path| !is_root(path)).cloned().collect();
    for (index, one) in paths.iter().enumerate() {
        for other in paths[index + 1..].iter().filter(|other| kind(other) == kind(one)) {
            let swapped = swap(&sweep.sample.files, one, other);
            let name = format!("{one} and {other} swapped");
            if kind(one) != "log" {
                sweep.case(&name, &swapped, &Allowed::default(), Expect::Served);
            } else if one.starts_with("orders-0") && other.starts_with("orders-0") {
                // A batch names neither its topic nor its partition, in Kafka neither: one of the same offset in another
                // partition cannot be told from the right one. The next test is about those.
                let allowed = cost_of_swap(&sweep.sample, [one, other]);
                sweep.case(&name, &swapped, &allowed, Expect::Any);
                sweep.cure(&name, &swapped);
            }
        }
    }
    assert!(sweep.cases > 50);
    sweep.finish();
}

/// The same through the whole of both partitions: what one makes of a wrong file must not cost the other one anything.
#[test]
fn logs_that_are_swapped_between_partitions_come_back_whole() {
    let sample = Sample::new(Left::Closed);
    let logs: Vec<&String> = sample.files.keys().filter(|path| path.ends_with(".log")).collect();
    for one in logs.iter().filter(|path| path.starts_with("orders-0")) {
        for other in logs.iter().filter(|path| path.starts_with("orders-1")) {
            let swapped = swap(&sample.files, one, other);
            let fs = disk(&swapped);
            let dir = open_dir(&fs).expect("it is ours");
            for number in 0..2 {
                dir.open_log(&partition(number), crate::sample::config())
                    .expect("damage is no failure to open");
            }
            dir.close().expect("damage is no failure to close");
            let after = crate::sample::files(&fs);
            for path in [one, other] {
                assert!(
                    after[*path] == swapped[*path],
                    "{path} was changed where {one} and {other} were swapped"
                );
            }
        }
    }
}
