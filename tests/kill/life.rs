//! One process, from its start to its death; handed to it as a line of text.
//!
//! ```text
//! number maps writing|opening acks|call count directory
//! ```

use std::path::PathBuf;

/// What a process is to do, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) dir: PathBuf,
    /// Every record says in which life it was made.
    pub(crate) number: u64,
    pub(crate) maps: bool,
    pub(crate) work: Work,
    pub(crate) death: Death,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Open the directory, and write until death.
    Writing,
    /// Open it, and be done.
    Opening,
}

/// When it is killed. Counted, so that a slow machine sees the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// From outside, when so many records were heard of: in the middle of whatever its threads do.
    AfterAcks(u64),
    /// By its own hand, in place of its so-manieth call to the disk.
    AtCall(u64),
}

impl Life {
    pub(crate) fn to_line(&self) -> String {
        let work = if self.work == Work::Writing { "writing" } else { "opening" };
        let (kind, count) = match self.death {
            Death::AfterAcks(count) => ("acks", count),
            Death::AtCall(count) => ("call", count),
        };
        format!("{} {} {work} {kind} {count} {}", self.number, self.maps, self.dir.display())
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let number = words.next()?.parse().ok()?;
        let maps = words.next()?.parse().ok()?;
        let work = if words.next()? == "writing" { Work::Writing } else { Work::Opening };
        let (kind, count) = (words.next()?, words.next()?.parse().ok()?);
        let death = if kind == "acks" { Death::AfterAcks(count) } else { Death::AtCall(count) };
        Some(Self { dir: words.next()?.into(), number, maps, work, death })
    }
}

#[test]
fn a_life_is_read_as_it_was_written() {
    for (work, death) in [(Work::Writing, Death::AfterAcks(7)), (Work::Opening, Death::AtCall(1))] {
        let life = Life { dir: "/a place/with blanks".into(), number: 12, maps: true, work, death };
        assert_eq!(Life::from_line(&life.to_line()), Some(life));
    }
}
