//! A directory of Kafka's is not ours to touch until somebody says so.

use crate::disk::Disk;
use crate::expected::{CLEAN, UNCLEAN, states_of};
use crate::fixtures::fixtures;
use brooklet::Error;
use brooklet::io::OsFs;
use std::sync::Arc;

fn refused_untouched(disk: &Disk, name: &str) {
    let before = disk.tree();
    match disk.open() {
        Err(Error::NotOurs { .. }) => {}
        other => panic!("{name}: {other:?}"),
    }
    let after = disk.tree();
    assert!(before.keys().eq(after.keys()), "{name}: {:?}", after.keys());
    assert!(before == after, "{name}: bytes have changed");
}

#[test]
fn without_leave_a_directory_of_kafka_is_refused_and_nothing_in_it_is_touched() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &CLEAN).into_iter().chain(states_of(&folder, &UNCLEAN)) {
        refused_untouched(&Disk::copy_of(&state.folder), &state.name);
    }
}

#[test]
fn nor_is_anything_touched_on_a_real_disk() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &["transactions", "unclean-truncated"]) {
        let scratch = tempfile::tempdir().expect("there is room for a scratch directory");
        let disk = Disk::copy_to(Arc::new(OsFs::new()), scratch.path().join("data"), &state.folder);
        refused_untouched(&disk, &state.name);
        disk.adopt();
    }
}

#[test]
fn what_kafka_has_used_since_has_to_be_adopted_again() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &["plain"]) {
        let disk = Disk::copy_of(&state.folder);
        let marker = disk.read(".kafka_cleanshutdown").expect("Kafka left one");
        disk.adopt().close().expect("nothing stands in the way");
        disk.open().expect("it is ours now").close().expect("nothing stands in the way");
        disk.change(".kafka_cleanshutdown", |bytes| *bytes = marker);
        refused_untouched(&disk, &state.name);
        disk.adopt();
    }
}
