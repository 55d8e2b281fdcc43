//! Wall time that does not jump: the wall clock as it was at the beginning, carried on by the monotonic one.
//!
//! Producers are forgotten by how long they were silent. Were that asked of the wall clock, one that jumps ahead would
//! make everybody silent for a year, and one that jumps back whoever writes next.

use crate::clock::Clock;
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// When it began, on both clocks. Times from before the beginning are only as good as the wall clock was at both.
#[derive(Debug)]
pub(super) struct SteadyTime {
    clock: Arc<dyn Clock>,
    wall: Timestamp,
    monotonic: Duration,
}

impl SteadyTime {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        Self { clock, wall, monotonic }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.wall + self.clock.monotonic().saturating_sub(self.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn time_passes_and_does_not_jump() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        clock.advance(Duration::from_secs(9));
        let time = SteadyTime::new(clock.clone());
        clock.set_wall(Timestamp::from_millis(-7));
        clock.advance(Duration::from_millis(5));
        assert_eq!(time.now(), Timestamp::from_millis(10_005));
    }
}
