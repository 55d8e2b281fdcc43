//! Consumer groups, tried as a whole: whatever may happen to them, and what a sick disk does to them.

mod commits;
mod copy;
#[path = "../broker/disk.rs"]
#[expect(dead_code, reason = "the tests of the broker do more with it")]
mod disk;
mod events;
mod fencing;
mod journal;
mod member;
mod model;
#[path = "../common/passing.rs"]
mod passing;
mod steps;
mod trouble;
mod whatever_happens;
#[path = "../broker/world.rs"]
#[expect(dead_code, reason = "the tests of the broker do more with it")]
mod world;
