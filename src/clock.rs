//! The clock: one of the two doors through which the world enters.
//!
//! Two times that must not be confused: *wall* time (what a record is stamped with; it may jump) and *monotonic* time
//! (what timeouts run on; it may not). Nothing else in the crate asks the machine what time it is.

use crate::types::Timestamp;
use parking_lot::Mutex;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Where the time comes from.
///
/// Contract: `monotonic` never goes back, and starts anywhere. `now` may jump in either direction.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Whether time passes without anybody doing anything. Where it does not, nothing happens in the background: a test
    /// says when.
    fn runs_by_itself(&self) -> bool {
        true
    }

    /// Asked by a caller that has nothing to do before `monotonic` reaches `until`: how long it is to wait for something
    /// else to happen. `None` if that moment has come.
    ///
    /// A clock that does not run by itself may let the time pass at once: then no call hangs in a test of one thread.
    fn wait_until(&self, until: Duration) -> Option<Duration> {
        until.checked_sub(self.monotonic()).filter(|rest| !rest.is_zero())
    }
}

/// The machine's own clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the door: the only place that asks the machine")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door: the only place that asks the machine")]
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Timestamp::from_millis(millis)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that a test holds in its hand: it moves only when told.
///
/// A call that waits tells it too: `consumer.poll(Duration::from_secs(1))` with nothing to be read lets one second pass,
/// and returns at once. A call that would wait without end waits for another thread.
///
/// ```
/// use brooklet::clock::{Clock, ManualClock};
/// use brooklet::Timestamp;
/// use std::time::Duration;
///
/// let clock = ManualClock::new(Timestamp::from_millis(0));
/// clock.advance(Duration::from_secs(1));                  // both clocks move
/// clock.set_wall(Timestamp::from_millis(-5));             // the wall clock jumps, the monotonic one does not
/// assert_eq!(clock.now().as_millis(), -5);
/// assert_eq!(clock.monotonic(), Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that stands at `wall`, with a monotonic time of zero.
    pub fn new(wall: Timestamp) -> Self {
        Self { times: Mutex::new((wall, Duration::ZERO)) }
    }

    /// Lets time pass: both clocks move forward.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock();
        *times = (times.0 + by, times.1.saturating_add(by));
    }

    /// Sets the wall clock, as an operator or NTP would; timeouts do not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.times.lock().0 = wall;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.times.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.times.lock().1
    }

    fn runs_by_itself(&self) -> bool {
        false
    }

    fn wait_until(&self, until: Duration) -> Option<Duration> {
        if until == Duration::MAX {
            return Some(until);
        }
        let mut times = self.times.lock();
        let by = until.saturating_sub(times.1);
        *times = (times.0 + by, times.1.saturating_add(by));
        None
    }
}

/// Lets other threads have this processor, if any wants it. No time is waited for.
pub(crate) fn give_way() {
    std::thread::yield_now();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_goes_back_and_knows_the_century() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.now() > Timestamp::from_millis(1_700_000_000_000));
    }

    #[test]
    fn whoever_waits_lets_a_manual_clock_go_on() {
        let clock = ManualClock::new(Timestamp::from_millis(5));
        assert_eq!(clock.wait_until(Duration::from_secs(2)), None);
        assert_eq!(clock.wait_until(Duration::from_secs(1)), None);
        assert_eq!((clock.now().as_millis(), clock.monotonic()), (2005, Duration::from_secs(2)));
        assert_eq!(clock.wait_until(Duration::MAX), Some(Duration::MAX));
    }

    #[test]
    fn a_manual_clock_saturates() {
        let clock = ManualClock::new(Timestamp::from_millis(1));
        clock.advance(Duration::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.monotonic(), Duration::MAX);
        assert_eq!(clock.now().as_millis(), i64::MAX);
    }
}
