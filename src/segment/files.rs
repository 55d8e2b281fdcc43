//! The names of a segment's files: the only place that makes or reads one.
//!
//! ```text
//! 00000000000000368769.log        batches, from offset 368769 on
//! 00000000000000368769.index      where some offsets are
//! 00000000000000368769.timeindex  where some timestamps are
//! 00000000000000368769.txnindex   transactions that were aborted (only where there are any)
//! ```

use std::fmt;

/// Files of a segment that is about to take the place of others carry a suffix behind their names: one of Kafka's, or ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suffix {
    /// It is being written.
    Cleaned,
    /// It is written, and takes their place if the manifest says so.
    Swap,
    /// The beginning of a log that was truncated, until it takes the place of all of it. Not Kafka's, because compaction may
    /// be writing under those names meanwhile.
    Cut,
}

impl Suffix {
    const ALL: [Suffix; 3] = [Suffix::Cleaned, Suffix::Swap, Suffix::Cut];

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Suffix::Cleaned => ".cleaned",
            Suffix::Swap => ".swap",
            Suffix::Cut => ".cut",
        }
    }

    /// Reads a name with a suffix; `None` if it is not exactly what we would have written.
    pub(crate) fn parse(name: &str) -> Option<(FileName, Suffix)> {
        Suffix::ALL.into_iter().find_map(|suffix| {
            let plain = name.strip_suffix(suffix.text())?;
            Some((FileName::parse(plain)?, suffix))
        })
    }
}

const DIGITS: usize = 20;

/// What a file of a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// The batches.
    Log,
    /// Offsets to positions.
    OffsetIndex,
    /// Timestamps to offsets.
    TimeIndex,
    /// Aborted transactions.
    AbortedIndex,
}

impl FileKind {
    /// The three that can be made anew from the log.
    pub const INDEXES: [FileKind; 3] = [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::AbortedIndex];

    /// All four.
    pub const ALL: [FileKind; 4] =
        [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::AbortedIndex];

    const fn suffix(self) -> &'static str {
        match self {
            FileKind::Log => ".log",
            FileKind::OffsetIndex => ".index",
            FileKind::TimeIndex => ".timeindex",
            FileKind::AbortedIndex => ".txnindex",
        }
    }
}

/// The name of one file of the segment that begins at `base_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileName {
    /// The segment's first offset.
    pub base_offset: u64,
    /// Which of its files.
    pub kind: FileKind,
}

impl FileName {
    /// No name is longer.
    pub(super) const LEN_MAX: usize = DIGITS + FileKind::TimeIndex.suffix().len();

    /// The name, written into `room`. A log of ten thousand segments makes as many when it is opened, and padding is slow.
    pub(super) fn spell(self, room: &mut [u8; FileName::LEN_MAX]) -> &str {
        let (mut left, mut at) = (self.base_offset, DIGITS);
        room[..DIGITS].fill(b'0');
        while left > 0 {
            at -= 1;
            room[at] += (left % 10) as u8;
            left /= 10;
        }
        let suffix = self.kind.suffix();
        let len = DIGITS + suffix.len();
        room[DIGITS..len].copy_from_slice(suffix.as_bytes());
        std::str::from_utf8(&room[..len]).expect("digits and a suffix are text")
    }

    /// Reads a name; `None` if it is not exactly what Kafka would have written.
    pub fn parse(name: &str) -> Option<FileName> {
        let digits = name.get(..DIGITS)?;
        let kind = FileKind::ALL.into_iter().find(|kind| kind.suffix() == &name[DIGITS..])?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let base_offset = digits.parse().ok().filter(|&offset: &u64| i64::try_from(offset).is_ok())?;
        Some(FileName { base_offset, kind })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spell(&mut [0; FileName::LEN_MAX]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_come_back() {
        for kind in FileKind::ALL {
            let name = FileName { base_offset: 368_769, kind };
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(FileName { base_offset: 7, kind: FileKind::Log }.to_string(), "00000000000000000007.log");
    }

    #[test]
    fn a_suffix_stands_behind_a_whole_name() {
        let name = FileName { base_offset: 7, kind: FileKind::TimeIndex };
        for suffix in Suffix::ALL {
            assert_eq!(Suffix::parse(&format!("{name}{}", suffix.text())), Some((name, suffix)));
            assert_eq!(Suffix::parse(suffix.text()), None);
            assert_eq!(Suffix::parse(&format!("{name}{}{}", suffix.text(), suffix.text())), None);
        }
        assert_eq!(Suffix::parse(&name.to_string()), None);
        assert_eq!(Suffix::parse("00000000000000000007.log.deleted"), None);
    }

    #[test]
    fn anything_else_is_not_a_name() {
        for name in [
            "7.log",
            "00000000000000000007",
            "00000000000000000007.log.deleted",
            "0000000000000000000x.log",
            "+0000000000000000007.log",
            "99999999999999999999.log",
            "09223372036854775808.log",
            "0000000000000000000é.log",
            "é",
            "",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
