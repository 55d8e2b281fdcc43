//! Indexes and notes can be made anew from the batches: what becomes of them changes no answer.

use crate::answers::check;
use crate::disk::Disk;
use crate::expected::{State, UNCLEAN, states_of};
use crate::fixtures::fixtures;

const INDEXES: [&str; 3] = [".index", ".timeindex", ".txnindex"];

/// Adopts, looks at everything and closes.
fn check_all(disk: &Disk, state: &State, what: &str) {
    let dir = disk.adopt();
    for kafka in &state.partitions {
        let log = dir
            .open_log(&kafka.id, kafka.config.clone())
            .unwrap_or_else(|error| panic!("{} {} {what}: {error}", state.name, kafka.id));
        check(&log, kafka, disk.is_readable(&kafka.id.to_string()));
        // No reader asks for what lies behind the last stable offset.
        log.aborted_transactions(kafka.start, kafka.end).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    dir.close().unwrap_or_else(|error| panic!("{} {what}: {error}", state.name));
}

/// Lets the same thing happen to every index file of every log.
fn spoil(disk: &Disk, state: &State, how: &str) {
    for kafka in &state.partitions {
        for ending in INDEXES {
            let files = disk.files(&kafka.id.to_string(), ending);
            for (index, (name, bytes)) in files.iter().enumerate() {
                let other = &files[(index + 1) % files.len()].1;
                let path = format!("{}/{name}", kafka.id);
                match spoiled(how, bytes, other) {
                    Some(spoiled) => disk.change(&path, |bytes| *bytes = spoiled),
                    None => disk.remove(&path),
                }
            }
        }
    }
}

/// What becomes of the bytes of an index file, if they do not vanish. Those of another segment are good, only not here.
fn spoiled(how: &str, bytes: &[u8], of_another_segment: &[u8]) -> Option<Vec<u8>> {
    let len = bytes.len();
    match how {
        "removed" => None,
        "emptied" => Some(Vec::new()),
        "cut in an entry" => Some(bytes[..len.saturating_sub(3)].to_vec()),
        "filled with zeros" => Some(vec![0; len]),
        "inverted" => Some(bytes.iter().map(|byte| !byte).collect()),
        "one bit flipped" => {
            Some(bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at + 1 == len)).collect())
        }
        "of another segment" => Some(of_another_segment.to_vec()),
        _ => unreachable!("{how}"),
    }
}

const SPOILED: [&str; 7] = [
    "removed",
    "emptied",
    "cut in an entry",
    "filled with zeros",
    "inverted",
    "one bit flipped",
    "of another segment",
];

fn spoiled_states() -> Vec<State> {
    let Some(folder) = fixtures() else { return Vec::new() };
    let mut states = states_of(&folder, &["plain", "transactions", "compacted", "deleted"]);
    states.extend(states_of(&folder, &UNCLEAN[..1]));
    states.retain(|state| !state.name.contains("dir-"));
    states
}

#[test]
fn the_indexes_of_kafka_are_not_relied_on() {
    for state in spoiled_states() {
        for how in SPOILED {
            let disk = Disk::copy_of(&state.folder);
            spoil(&disk, &state, how);
            check_all(&disk, &state, how);
        }
    }
}

#[test]
fn our_own_indexes_are_made_anew_when_they_are_not_what_they_were() {
    for state in spoiled_states() {
        for how in SPOILED {
            let disk = Disk::copy_of(&state.folder);
            check_all(&disk, &state, "fresh");
            let filed = disk.tree();
            spoil(&disk, &state, how);
            check_all(&disk, &state, how);
            // Once more; and now nothing has to be made anew, for the files are there again. How far apart the entries of
            // the other two indexes were is forgotten, but these have to be the same.
            check_all(&disk, &state, how);
            let healed = disk.tree();
            for (path, bytes) in filed {
                let is_empty = bytes.as_ref().is_some_and(Vec::is_empty);
                let Some(found) = healed.get(&path) else {
                    assert!(is_empty, "{} {how}: no {}", state.name, path.display());
                    continue;
                };
                if path.extension() == Some("txnindex".as_ref()) {
                    assert!(*found == bytes, "{} {how}: {}", state.name, path.display());
                }
            }
        }
    }
}
