//! What a consumer and its coordinator share: signs of life in one direction, news in the other. No lock: a poll that
//! has nothing to hear pays two stores and a load.

use crate::partition::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Not gone yet.
const HERE: u64 = u64::MAX;

/// One member's end of the line. The consumer keeps it for as long as it is a member.
#[derive(Debug)]
pub(crate) struct MemberLink {
    signal: Arc<Signal>,
    has_news: AtomicBool,
    is_polling: AtomicBool,
    /// When a poll ended, in nanoseconds of the monotonic clock.
    last_poll: AtomicU64,
    /// When the consumer was dropped. As long as it is there it counts as heard of: it is in this process.
    gone_at: AtomicU64,
}

impl MemberLink {
    /// `signal` is what the consumer sleeps on.
    pub(crate) fn new(signal: Arc<Signal>) -> Self {
        Self {
            signal,
            has_news: AtomicBool::new(false),
            is_polling: AtomicBool::new(false),
            last_poll: AtomicU64::new(0),
            gone_at: AtomicU64::new(HERE),
        }
    }

    /// There is something to learn from the coordinator. Wakes the consumer if it sleeps in a poll.
    pub(crate) fn tell(&self) {
        self.has_news.store(true, Ordering::Release);
        self.signal.notify();
    }

    /// Whether there was anything to learn since it was last asked.
    #[inline]
    pub(crate) fn take_news(&self) -> bool {
        self.has_news.load(Ordering::Relaxed) && self.has_news.swap(false, Ordering::AcqRel)
    }

    /// A poll begins: as long as it lasts, the member counts as polling.
    pub(crate) fn begin_poll(&self) {
        self.is_polling.store(true, Ordering::Relaxed);
    }

    /// A poll ends.
    pub(crate) fn end_poll(&self, now: Duration) {
        self.last_poll.store(nanos(now), Ordering::Relaxed);
        self.is_polling.store(false, Ordering::Release);
    }

    /// The consumer is gone, and did not say good-bye to its group.
    pub(crate) fn gone(&self, now: Duration) {
        self.gone_at.store(nanos(now), Ordering::Relaxed);
        self.is_polling.store(false, Ordering::Release);
    }

    /// When it was last heard of, and when it last polled.
    pub(super) fn signs_of_life(&self, now: Duration) -> (Duration, Duration) {
        let gone_at = self.gone_at.load(Ordering::Relaxed);
        let is_polling = self.is_polling.load(Ordering::Acquire);
        let last_poll = Duration::from_nanos(self.last_poll.load(Ordering::Relaxed));
        match gone_at {
            HERE => (now, if is_polling { now } else { last_poll }),
            gone_at => (Duration::from_nanos(gone_at), last_poll),
        }
    }
}

/// Some 584 years; what comes later comes never.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1)
}
