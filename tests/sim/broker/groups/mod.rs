//! Groups on a disk that fails: members come, read, commit, go, are put out and are killed; offsets expire; the topic is
//! deleted and made anew.
//!
//! - `ledger`: where the group may stand, and what the topic holds. `run`: it is done, and what was promised is entered.
//! - `look`: what is there after an end of the world, held against that.
//! - `crashes`: a run is ended at each operation of the disk, and the reopened broker lives on. `faults`: each fails once.

mod crashes;
mod faults;
mod ledger;
mod look;
mod run;

use brooklet::TopicPartition;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const PARTITIONS: u32 = 2;

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new(TOPIC, number).expect("a valid name")
}
