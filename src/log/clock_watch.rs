//! Whether the wall clock can be believed where it decides what is deleted. Pure.
//!
//! Two clocks tell the time: the wall clock, which an operator or a time server may set, and the monotonic one, which
//! only runs. A wall clock that has gone much further than the monotonic one since both were read last was set, and
//! perhaps wrongly: by it every record may be too old at once. Until it has proven itself, time is what the last
//! believed reading and the monotonic clock make together.
//!
//! It has proven itself once the monotonic clock has run as far as the wall clock jumped, a day at most; or when it goes
//! back to where it should be. A wall clock that goes back only deletes less, and is believed.

use crate::types::Timestamp;
use std::time::Duration;

/// A wall clock may run ahead of the monotonic one by so much between two looks: time servers do more than this only
/// where a clock was wrong before. A machine that slept seems to jump too; then deletion waits a day at most.
const AHEAD_MAX: Duration = Duration::from_secs(60 * 60);
/// The longest doubt. An operator has that long to notice that a clock is wrong.
const DOUBT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A wall clock that is not believed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// What it says.
    pub wall: Timestamp,
    /// What it should say by the monotonic clock; deletion by age goes by this.
    pub expected: Timestamp,
    /// How much longer it is doubted if it stays as it is.
    pub remaining: Duration,
}

/// The time by which things grow old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BelievedTime {
    pub(crate) now: Timestamp,
    pub(crate) doubt: Option<ClockDoubt>,
}

/// Both clocks when they were last believed, and the jump that is doubted.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    wall: Timestamp,
    monotonic: Duration,
    jump: Option<Jump>,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    /// How far ahead the wall clock was found.
    ahead: Duration,
    doubted_until: Duration,
}

impl ClockWatch {
    /// Begins with what both clocks say: of the time before nothing is known.
    pub(crate) fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { wall, monotonic, jump: None }
    }

    /// What time it is, by what both clocks say now.
    pub(crate) fn look(&mut self, wall: Timestamp, monotonic: Duration) -> BelievedTime {
        let expected = self.wall + monotonic.saturating_sub(self.monotonic);
        let ahead = wall.since(expected);
        // One that goes on jumping is doubted anew: what it has proven was another time.
        let is_same = |jump: &Jump| ahead <= jump.ahead.saturating_add(AHEAD_MAX);
        let begun = || Jump { ahead, doubted_until: monotonic.saturating_add(ahead.min(DOUBT_MAX)) };
        let Jump { doubted_until: until, .. } =
            *self.jump.insert(self.jump.filter(is_same).unwrap_or_else(begun));
        if ahead <= AHEAD_MAX || monotonic >= until {
            *self = Self::new(wall, monotonic);
            return BelievedTime { now: wall, doubt: None };
        }
        let doubt = ClockDoubt { wall, expected, remaining: until - monotonic };
        BelievedTime { now: expected, doubt: Some(doubt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn clocks_that_run_alike_are_believed_however_long_nobody_looked() {
        let mut watch = ClockWatch::new(at(0), secs(5));
        for (wall, monotonic) in [(10, 15), (3_610, 15), (3_610 + 400 * 86_400, 15 + 400 * 86_400)] {
            assert_eq!(watch.look(at(wall), secs(monotonic)), BelievedTime { now: at(wall), doubt: None });
        }
    }

    #[test]
    fn a_jump_is_doubted_for_as_long_as_it_was_and_time_goes_on_without_it() {
        let mut watch = ClockWatch::new(at(0), secs(0));
        let jump = 3 * HOUR as i64;
        for later in [0, 1, 2 * HOUR] {
            let told = watch.look(at(jump + later as i64), secs(later));
            let expected = at(later as i64);
            let doubt =
                ClockDoubt { wall: at(jump + later as i64), expected, remaining: secs(3 * HOUR - later) };
            assert_eq!(told, BelievedTime { now: expected, doubt: Some(doubt) });
        }
        let believed = watch.look(at(2 * jump), secs(3 * HOUR));
        assert_eq!(believed, BelievedTime { now: at(2 * jump), doubt: None });
    }

    #[test]
    fn the_longest_doubt_is_a_day() {
        let mut watch = ClockWatch::new(at(0), secs(0));
        let century = 100 * 365 * 86_400;
        assert!(watch.look(at(century), secs(0)).doubt.is_some());
        assert!(watch.look(at(century + 86_399), secs(86_399)).doubt.is_some());
        assert_eq!(watch.look(at(century + 86_400), secs(86_400)).doubt, None);
    }

    #[test]
    fn a_jump_that_is_taken_back_is_forgotten_and_the_next_is_doubted_anew() {
        let mut watch = ClockWatch::new(at(0), secs(0));
        assert!(watch.look(at(1_000_000), secs(0)).doubt.is_some());
        assert_eq!(watch.look(at(20 * 3_600), secs(20 * HOUR)).doubt, None);
        let again = watch.look(at(1_000_000_000), secs(20 * HOUR)).doubt.unwrap();
        assert_eq!(again.remaining, DOUBT_MAX);
    }

    /// What was waited for the first says nothing of the second, which nobody has had time to notice.
    #[test]
    fn a_second_jump_within_the_doubt_of_the_first_is_doubted_for_itself() {
        let mut watch = ClockWatch::new(at(0), secs(0));
        let (years, two_hours) = (10 * 365 * 86_400, 2 * HOUR as i64);
        assert!(watch.look(at(two_hours), secs(0)).doubt.is_some());
        let second = 2 * HOUR - 1;
        for later in [0, 1, 2, HOUR, 24 * HOUR - 1] {
            let (wall, monotonic) = (at(years + (second + later) as i64), secs(second + later));
            let told = watch.look(wall, monotonic);
            assert!(told.doubt.is_some(), "believed {later} s after the second jump");
            assert!(told.now <= at(two_hours + (second + later) as i64), "{:?}", told.now);
        }
        let (wall, monotonic) = (at(years + (second + 24 * HOUR) as i64), secs(second + 24 * HOUR));
        assert_eq!(watch.look(wall, monotonic), BelievedTime { now: wall, doubt: None });
    }

    #[test]
    fn a_clock_that_goes_back_is_believed() {
        let mut watch = ClockWatch::new(at(1_000_000), secs(0));
        assert_eq!(watch.look(at(5), secs(9)), BelievedTime { now: at(5), doubt: None });
        assert!(watch.look(at(1_000_000), secs(9)).doubt.is_some(), "coming back looks like a jump");
    }
}
