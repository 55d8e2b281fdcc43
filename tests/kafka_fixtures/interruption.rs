//! A process that is killed while it takes a directory over, after every single change that it makes: the next one
//! finds what Kafka left, or what we made of it, and never something in between.

use crate::answers::check_once;
use crate::disk::Disk;
use crate::expected::{State, states_of};
use crate::fixtures::{fixtures, say};
use brooklet::Error;
use brooklet::log::LogDir;

fn open_all_and_close(state: &State, dir: LogDir) -> Result<(), Error> {
    for kafka in &state.partitions {
        dir.open_log(&kafka.id, kafka.config.clone())?;
    }
    dir.close()
}

#[test]
fn killed_at_any_moment_of_an_adoption_nothing_is_lost() {
    let Some(folder) = fixtures() else { return };
    let states = states_of(&folder, &["transactions", "compacted", "deleted", "unclean-flipped-middle"]);
    for state in states.iter().filter(|state| !state.name.contains("dir-")) {
        for changes in 0.. {
            let disk = Disk::copy_of(&state.folder);
            let killed = disk.adopt_and_be_killed(changes).and_then(|dir| open_all_and_close(state, dir));
            let dir = disk.adopt();
            for kafka in &state.partitions {
                let log = dir.open_log(&kafka.id, kafka.config.clone()).unwrap_or_else(|error| {
                    panic!("{} {} after {changes} changes: {error}", state.name, kafka.id)
                });
                let claim = std::panic::AssertUnwindSafe(|| {
                    check_once(&log, kafka, disk.is_readable(&kafka.id.to_string()));
                });
                if std::panic::catch_unwind(claim).is_err() {
                    panic!("{} {} after {changes} changes: see above", state.name, kafka.id);
                }
            }
            if killed.is_ok() {
                say(&format!("{}: killed {changes} times on the way", state.name));
                break;
            }
        }
    }
}
