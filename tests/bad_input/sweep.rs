//! Running many cases: each is damage done to a sample, and what may come of it.

use crate::exam::{Allowed, Answers, Refused, ask, compare};
use crate::sample::{Files, Left, Sample};
use brooklet::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One case of so many is cured afterwards: all of them would take too long.
const CURED_OF: usize = 5;

/// A sample, and its answers before any damage.
pub(crate) struct Sweep {
    pub(crate) sample: Sample,
    pub(crate) truth: Answers,
    pub(crate) seeks: Vec<u64>,
    failures: Vec<String>,
    pub(crate) cases: usize,
}

/// What a case expects beside the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// All is served and can be written to.
    Served,
    /// It is kept for reading, and the damage is named.
    ReadOnly,
    /// Either.
    Any,
}

impl Sweep {
    pub(crate) fn over(left: Left) -> Sweep {
        let sample = Sample::new(left);
        let seeks = sample.batches.iter().map(|place| place.offsets.end - 1);
        let seeks: Vec<u64> = seeks.collect();
        let truth = ask(&sample.files, &seeks, 300).expect("nothing is damaged yet");
        assert_eq!((truth.reading.lost.as_slice(), truth.damage.as_slice()), (&[][..], &[][..]));
        assert_eq!(truth.reading.seen.len(), truth.reading.offsets().len());
        Sweep { sample, truth, seeks, failures: Vec::new(), cases: 0 }
    }

    /// Opens the directory with these files, and checks all that must hold; twice, for what is found must stay so.
    pub(crate) fn case(&mut self, name: &str, damaged: &Files, allowed: &Allowed, expect: Expect) {
        self.cases += 1;
        let checked = catch_unwind(AssertUnwindSafe(|| self.check(damaged, allowed, expect)));
        let failure = match checked {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(panic) => format!("panicked: {:?}", panic.downcast_ref::<String>()),
        };
        self.failures.push(format!("{:?}, {name}: {failure}", self.sample.left));
    }

    fn check(&self, damaged: &Files, allowed: &Allowed, expect: Expect) -> Result<(), String> {
        let first = ask(damaged, &self.seeks, 300).map_err(|why| format!("{why:?}"))?;
        compare(&self.truth, &first, allowed)?;
        match expect {
            Expect::Served if !first.damage.is_empty() => return Err(format!("{:?}", first.damage)),
            Expect::ReadOnly if first.damage.is_empty() => return Err("it is not read-only".into()),
            _ => {}
        }
        self.check_files(damaged, &first, allowed)?;
        let again = ask(&first.files, &[], 1 << 20).map_err(|why| format!("opened again: {why:?}"))?;
        compare(&self.truth, &again, allowed)
            .map_err(|why| format!("once closed and opened again: {why}"))?;
        if first.reading.seen != again.reading.seen {
            let (before, now) = (first.reading.offsets(), again.reading.offsets());
            return Err(format!("once closed and opened again it reads {now:?} and not {before:?}"));
        }
        Ok(())
    }

    /// Nothing was deleted, and no batch was changed, but for a tail.
    fn check_files(&self, damaged: &Files, after: &Answers, allowed: &Allowed) -> Result<(), String> {
        for (path, before) in damaged {
            let now = after.files.get(path);
            if path.starts_with("orders") && now.is_none() && !allowed.file_may_go(path) {
                return Err(format!("{path} was deleted"));
            }
            let same = now.is_some_and(|now| is_the_same_but_for_space_ahead(before, now));
            if path.ends_with(".log") && !same && allowed.cut_from.is_none() {
                return Err(format!("{path} was changed"));
            }
        }
        Ok(())
    }

    /// As [`Sweep::case`]; and then, in some cases, what was damaged is restored, and all must be whole again.
    pub(crate) fn case_and_cure(&mut self, name: &str, damaged: &Files, allowed: &Allowed, expect: Expect) {
        self.case(name, damaged, allowed, expect);
        if self.cases.is_multiple_of(CURED_OF) {
            self.cure(name, damaged);
        }
    }

    /// Restores what was damaged, after the damaged directory was opened and closed once: all must be whole again.
    pub(crate) fn cure(&mut self, name: &str, damaged: &Files) {
        let Ok(first) = ask(damaged, &self.seeks, 300) else { return };
        let mut cured = first.files;
        for (path, bytes) in &self.sample.files {
            if damaged.get(path) != Some(bytes) {
                cured.insert(path.clone(), bytes.clone());
            }
        }
        self.case(&format!("{name}, and restored"), &cured, &Allowed::default(), Expect::Served);
        self.cases -= 1;
    }

    /// A case in which opening is refused with an error that the caller knows what to do about.
    pub(crate) fn refused(&mut self, name: &str, damaged: &Files, expected: impl Fn(&Error) -> bool) {
        self.cases += 1;
        match catch_unwind(AssertUnwindSafe(|| ask(damaged, &self.seeks, 300))) {
            Ok(Err(Refused::Open(error))) if expected(&error) => {}
            Ok(other) => {
                let other = other.map(|answers| answers.damage);
                self.failures.push(format!("{:?}, {name}: {other:?}", self.sample.left));
            }
            Err(_) => self.failures.push(format!("{:?}, {name}: panicked", self.sample.left)),
        }
    }

    pub(crate) fn finish(self) {
        let each = 1 + self.failures.len() / 25;
        let shown: Vec<&str> = self.failures.iter().step_by(each).map(String::as_str).collect();
        assert!(
            self.failures.is_empty(),
            "{} of {} cases fail:\n{}",
            self.failures.len(),
            self.cases,
            shown.join("\n")
        );
    }
}

/// Whether at most zeros are gone from the end: space that was set aside for batches to come.
fn is_the_same_but_for_space_ahead(before: &[u8], now: &[u8]) -> bool {
    before.strip_prefix(now).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}
