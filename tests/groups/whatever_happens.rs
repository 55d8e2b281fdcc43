//! Groups under whatever may happen to them: members come, poll, commit, dawdle, go and are killed in any order, topics
//! grow, go and come again; and after every step the world is held against a model of it.
//!
//! - One owner: a partition is given to a member only once its last owner has given it up, or is known to be out.
//! - Nothing is skipped, and nothing read twice but what was not committed: a new owner begins where its group stands, and
//!   every record that a poll returns is the next one.
//! - Each record in `__consumer_offsets` is one that somebody was entitled to write at that moment.
//! - What is in memory is what that topic says, and what another broker finds that opens a copy of the disk.
//!
//! `steps`: what may happen. `model`: the world, and what must hold in it. `member`: a consumer and what it is believed to
//! be. `commits`: who may commit what. `journal`: the topic, read by the test itself.

use crate::model::Model;
use crate::steps::{self, Step};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn groups_keep_their_promises_whatever_happens(kind in 0..4_u8, steps in steps::scripts()) {
        run(kind, &steps);
    }
}

/// More of them are a matter of time: `BROOKLET_GROUP_CASES`.
fn cases() -> u32 {
    std::env::var("BROOKLET_GROUP_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

fn run(kind: u8, steps: &[Step]) {
    let mut model = Model::new(kind);
    for step in steps {
        model.take(*step);
    }
    model.finish();
}
