//! Retention in the background: partition after partition.

use super::BrokerEvent;
use crate::engine::Engine;
use crate::error::Result;
use crate::log::{ClockDoubt, Removed, RetentionConfig};
use crate::partition::Partition;

/// So many partitions at most are looked at in one step. To look reads nothing; where something is removed the step ends.
const LOOKS: usize = 100;

impl Engine {
    /// Begins a check if it is time, and goes on with one that has begun.
    pub(super) fn retain_some(&self) {
        let begins = self.cleaning.schedule.lock().begins_check(self.clock.monotonic());
        if begins {
            let partitions = self.partitions().collect();
            self.cleaning.schedule.lock().unchecked = partitions;
        }
        let mut told_of_doubt = !begins;
        for _ in 0..LOOKS {
            let Some(partition) = self.cleaning.schedule.lock().unchecked.pop_front() else { return };
            let Some(removed) = self.retain(&partition) else { continue };
            if let Some(doubt) = removed.doubt.filter(|_| !told_of_doubt) {
                told_of_doubt = true;
                self.tell_doubt(doubt);
            }
            if !removed.segments.is_empty() {
                self.tell(&BrokerEvent::Retained { partition: partition.id().as_ref().clone(), removed });
                return;
            }
        }
    }

    fn retain(&self, partition: &Partition) -> Option<Removed> {
        match enforce_retention(partition) {
            Ok(removed) => Some(removed),
            // Its topic is deleted meanwhile, or everything is closed.
            Err(_) if partition.is_deleted() || self.check_open().is_err() => None,
            Err(error) => {
                let partition = partition.id().as_ref().clone();
                self.tell(&BrokerEvent::RetentionFailed { partition, error });
                None
            }
        }
    }

    fn tell_doubt(&self, doubt: ClockDoubt) {
        self.tell(&BrokerEvent::ClockDoubted { doubt });
    }

    /// Enforces the retention of a topic at once, in every partition. One that fails keeps no other from it; the first
    /// failure is told.
    pub(crate) fn enforce_retention_now(&self, topic: &str) -> Result<Vec<(u32, Removed)>> {
        Self::in_each_partition(&self.topic(topic)?, enforce_retention)
    }
}

fn enforce_retention(partition: &Partition) -> Result<Removed> {
    partition.log().enforce_retention(&RetentionConfig::from(partition.settings().as_ref()))
}
