//! Directories that `kill -9` left, some of them damaged above the recovery point: recovered to what Kafka recovered.

use crate::answers::check;
use crate::disk::Disk;
use crate::expected::{CLEAN, State, UNCLEAN, states_of};
use crate::fixtures::fixtures;
use brooklet::log::LogDir;

/// Opens every log of which something is known.
fn adopt(state: &State, disk: &Disk) -> LogDir {
    let dir = disk.adopt();
    for kafka in &state.partitions {
        dir.open_log(&kafka.id, kafka.config.clone()).unwrap_or_else(|error| panic!("{}: {error}", kafka.id));
    }
    dir
}

#[test]
fn what_kafka_kept_is_kept_and_nothing_else() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &UNCLEAN) {
        let disk = Disk::copy_of(&state.folder);
        let dir = adopt(&state, &disk);
        for kafka in &state.partitions {
            let log = dir.open_log(&kafka.id, kafka.config.clone()).expect("it is open");
            check(&log, kafka, disk.is_readable(&kafka.id.to_string()));
        }
    }
}

#[test]
fn log_files_are_cut_and_removed_as_kafka_does_it() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &UNCLEAN) {
        let disk = Disk::copy_of(&state.folder);
        let _dir = adopt(&state, &disk);
        for kafka in &state.partitions {
            let files = disk.files(&kafka.id.to_string(), ".log");
            let sizes: Vec<_> = files.into_iter().map(|(name, bytes)| (name, bytes.len())).collect();
            let expected = kafka.recovered_files.as_ref().expect("Kafka recovered it");
            assert_eq!(&sizes, expected, "{} {}", state.name, kafka.id);
        }
    }
}

/// Adopts, closes, and compares every file of the segments with those that Kafka has.
///
/// They can be the same to the byte because Kafka's producers send one batch per append, and so its entries are per batch
/// here, like ours. Its cleaner appends many at once, and then makes one entry of them: what it wrote is left out.
fn check_files(state: &State, kafka_has: &Disk) {
    let disk = Disk::copy_of(&state.folder);
    adopt(state, &disk).close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
    for kafka in &state.partitions {
        let log = kafka.id.to_string();
        for ending in [".log", ".index", ".timeindex", ".txnindex"] {
            let (ours, kafkas) = (disk.files(&log, ending), kafka_has.files(&log, ending));
            let names =
                |files: &[(String, _)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&ours), names(&kafkas), "{} {log}", state.name);
            for ((name, ours), (_, kafkas)) in ours.iter().zip(&kafkas) {
                assert_eq!(ours, kafkas, "{} {log}/{name}", state.name);
            }
        }
    }
}

#[test]
fn indexes_are_made_anew_as_kafka_makes_them() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &["unclean-killed", "unclean-no-index"]) {
        check_files(&state, &Disk::copy_of(&folder.join("unclean-killed/recovered")));
    }
}

#[test]
fn indexes_of_an_adopted_log_are_those_that_kafka_left() {
    let Some(folder) = fixtures() else { return };
    let cleaned = ["compacted/dir-pass1", "compacted/dir-before-pass2", "compacted/dir"];
    for state in states_of(&folder, &CLEAN).iter().filter(|state| !cleaned.contains(&&*state.name)) {
        check_files(state, &Disk::copy_of(&state.folder));
    }
}

/// A marker of ours says that nothing has to be recovered; so it must not be left while something has to be.
#[test]
fn closing_some_logs_of_a_crashed_directory_does_not_recover_the_others() {
    let Some(folder) = fixtures() else { return };
    for state in states_of(&folder, &UNCLEAN) {
        let disk = Disk::copy_of(&state.folder);
        for kafka in &state.partitions {
            let dir = disk.adopt();
            let log = dir.open_log(&kafka.id, kafka.config.clone()).unwrap_or_else(|error| panic!("{error}"));
            check(&log, kafka, disk.is_readable(&kafka.id.to_string()));
            dir.close().unwrap_or_else(|error| panic!("{}: {error}", state.name));
        }
    }
}
