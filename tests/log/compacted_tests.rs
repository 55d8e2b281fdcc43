//! What a log knows of its compaction, and what that leaves of epochs and timestamps.

use crate::compaction_tests::{RETENTION, compact, eager, nobody, put, small};
use crate::world::World;
use brooklet::io::Fs;
use brooklet::log::CompactionConfig;
use brooklet::record::{BatchBuilder, BatchHeader, Compression, RecordParts};
use brooklet::{Error, Timestamp};

/// A log of one key, written to in many lives, of which compaction leaves next to nothing.
fn after_crashes(lives: u64) -> World {
    let mut world = World::new(small());
    for life in 0..lives {
        for value in 0..20 {
            put(&world, "key", Some(&format!("{life} {value}")));
        }
        world.log.flush().expect("memory does not fail");
        world = world.crashed();
    }
    world
}

#[test]
fn epochs_of_which_compaction_leaves_no_batch_take_no_space() {
    let sizes = [20, 60].map(|lives| {
        let world = after_crashes(lives);
        for _ in 0..6 {
            put(&world, "key", Some("again"));
            world.log.begin_segment().expect("memory does not fail");
            let _ = compact(&world.log, &eager(), u64::MAX);
        }
        let world = world.crashed();
        assert!(world.log.damage().is_empty());
        put(&world, "key", Some("last"));
        let world = world.crashed();
        let size = |name| world.fs.metadata(&world.log.path().join(name)).expect("it is there").len;
        (size("segment-manifest"), size("leader-epoch-checkpoint"))
    });
    assert!(sizes[0].0 < 2_000 && sizes[1].0 <= sizes[0].0 && sizes[1].1 <= sizes[0].1 + 10, "{sizes:?}");
}

#[test]
fn up_to_where_it_is_compacted_is_known_after_a_crash() {
    let world = after_crashes(3);
    let _ = compact(&world.log, &eager(), u64::MAX);
    let first_dirty = world.log.first_dirty_offset();
    assert!(first_dirty > 0);
    put(&world, "key", Some("again"));
    let world = world.crashed();
    assert_eq!(world.log.first_dirty_offset(), first_dirty);
    world.log.truncate(first_dirty + 1).expect("it holds that");
    assert_eq!(world.crashed().log.first_dirty_offset(), first_dirty);
}

#[test]
fn damage_in_a_first_batch_sets_a_log_aside_also_where_its_age_is_asked_for() {
    let world = after_crashes(1);
    world.log.begin_segment().expect("memory does not fail");
    let path = world.log.path().join("00000000000000000000.log");
    let file = world.fs.open(&path).expect("it is there");
    file.write_all_at(16, &[9]).expect("memory does not fail");
    let config = CompactionConfig { max_lag: RETENTION, ..eager() };
    let error = world.log.compact(&config, &nobody, u64::MAX).expect_err("it is damaged");
    assert!(matches!(error, Error::Corrupt { position: 0, .. }), "{error:?}");
    assert!(world.log.uncleanable().is_some());
}

#[test]
fn the_largest_timestamp_is_that_of_a_record_though_a_header_that_stays_has_a_larger_one() {
    let world = World::new(small());
    let stamped = |key: &str, millis: i64, sequence: i32| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.producer(1, 0, sequence);
        let timestamp = Some(Timestamp::from_millis(millis));
        let parts = RecordParts { key: Some(key.as_bytes()), timestamp, ..RecordParts::default() };
        builder.push(&parts).expect("an ordinary record");
        world.log.append(&mut builder.build().expect("an ordinary batch")).expect("an ordinary append");
    };
    for (sequence, (key, millis)) in
        [("a", 800), ("a", 1_000), ("a", 900), ("b", 900)].into_iter().enumerate()
    {
        stamped(key, millis, sequence as i32);
    }
    let largest = || world.log.max_timestamp().expect("nothing is damaged");
    assert_eq!(largest(), Some((1, Timestamp::from_millis(1_000))));
    world.log.begin_segment().expect("memory does not fail");
    let everybody = |_: &BatchHeader| true;
    let done = world.log.compact(&eager(), &everybody, u64::MAX).expect("memory does not fail");
    assert_eq!(done.records_dropped, 2);
    assert_eq!(largest(), Some((2, Timestamp::from_millis(900))));
    stamped("c", 900, 4);
    stamped("d", 950, 5);
    assert_eq!(largest(), Some((5, Timestamp::from_millis(950))));
}
