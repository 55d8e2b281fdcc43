//! When the sticky partition is left, for which, and what many threads at once make of that.

use super::super::TopicMemory;
use super::*;

const BATCH_BYTES: usize = 100;

/// A topic with batches of `BATCH_BYTES`.
fn topic(partitions: u32, memory: &TopicMemory) -> TopicView<'_> {
    TopicView::new("t", partitions, memory).with_batch_bytes(BATCH_BYTES)
}

fn stint(memory: &TopicMemory) -> Stint {
    Stint::from_word(memory.sticky.0.load(Relaxed))
}

/// How many bytes count for the sticky partition after these appends to it: 0 if it was just left.
fn bytes_after(batch_bytes: usize, appends: &[(usize, bool)]) -> u32 {
    let memory = TopicMemory::new(5);
    let topic = topic(7, &memory).with_batch_bytes(batch_bytes);
    let sticky = partition(&topic);
    for &(bytes, is_full) in appends {
        assert_eq!(stint(&memory).partition, sticky, "it was left before the last append");
        appended(&topic, sticky, bytes, is_full);
    }
    stint(&memory).bytes
}

#[test]
fn it_is_left_at_the_end_of_a_batch_once_a_batchs_worth_went_in() {
    assert_eq!(bytes_after(100, &[(99, true)]), 99);
    assert_eq!(bytes_after(100, &[(100, true)]), 0);
    assert_eq!(bytes_after(100, &[(60, true), (39, true)]), 99);
    assert_eq!(bytes_after(100, &[(60, true), (40, true)]), 0);
}

#[test]
fn it_is_not_left_in_the_middle_of_a_batch_before_twice_as_much_went_in() {
    assert_eq!(bytes_after(100, &[(150, false)]), 150);
    assert_eq!(bytes_after(100, &[(150, false), (49, false)]), 199);
    assert_eq!(bytes_after(100, &[(150, false), (50, false)]), 0);
    assert_eq!(bytes_after(100, &[(150, false), (1, true)]), 0);
    assert_eq!(bytes_after(100, &[(5000, false)]), 0);
}

#[test]
fn sizes_at_the_ends_of_their_range_are_taken_as_well() {
    assert_eq!(bytes_after(0, &[(0, true)]), 0);
    assert_eq!(bytes_after(0, &[(1, true)]), 0);
    assert_eq!(bytes_after(1, &[(1, false)]), 1);
    assert_eq!(bytes_after(usize::MAX, &[(1 << 30, true)]), 1 << 30);
    assert_eq!(bytes_after(usize::MAX, &[(1 << 31, true)]), 0);
    assert_eq!(bytes_after(usize::MAX, &[(1 << 31, false)]), 1 << 31);
    assert_eq!(bytes_after(usize::MAX, &[(usize::MAX, false)]), 0);
}

#[test]
fn what_goes_elsewhere_does_not_count() {
    let memory = TopicMemory::new(5);
    let topic = topic(7, &memory);
    appended(&topic, 3, 1000, true);
    assert_eq!(stint(&memory), Stint::at(NONE), "before anybody asked");
    let sticky = partition(&topic);
    appended(&topic, (sticky + 1) % 7, 1000, true);
    assert_eq!(stint(&memory), Stint::at(sticky));
}

#[test]
fn a_word_holds_a_partition_and_its_bytes() {
    for stint in [Stint { partition: 1, bytes: 2 }, Stint { partition: NONE - 1, bytes: u32::MAX }] {
        assert_eq!(Stint::from_word(stint.to_word()), stint);
    }
}

#[test]
fn it_goes_round_all_partitions_and_each_about_as_often() {
    let memory = TopicMemory::new(11);
    let topic = topic(5, &memory);
    let mut times = [0_i32; 5];
    for _ in 0..10_000 {
        let sticky = partition(&topic);
        times[sticky as usize] += 1;
        appended(&topic, sticky, BATCH_BYTES, true);
    }
    assert!(times.iter().all(|times| (times - 2000).abs() < 200), "{times:?}");
}

#[test]
fn new_partitions_are_found_at_the_next_switch_and_not_before() {
    let memory = TopicMemory::new(2);
    let sticky = partition(&topic(1, &memory));
    let grown = topic(1000, &memory);
    assert_eq!((sticky, partition(&grown)), (0, 0));
    appended(&grown, sticky, BATCH_BYTES, true);
    assert_ne!(partition(&grown), 0);
}

#[test]
fn a_view_with_fewer_partitions_never_gets_one_that_it_does_not_have() {
    for seed in 0..100 {
        let memory = TopicMemory::new(seed);
        partition(&topic(1000, &memory));
        let narrow = partition(&topic(3, &memory));
        assert!(narrow < 3);
        assert_eq!(partition(&topic(3, &memory)), narrow);
    }
}

#[test]
fn whoever_loses_the_race_for_the_first_choice_takes_the_winners() {
    let memory = TopicMemory::new(4);
    let stale = Stint::at(NONE).to_word();
    let winner = partition(&topic(1000, &memory));
    assert_eq!(first_partition(&topic(1000, &memory), stale), winner);
    assert!(first_partition(&topic(2, &memory), stale) < 2, "but not where it does not have that partition");
    assert_eq!(stint(&memory), Stint::at(winner));
}

#[test]
fn the_weights_are_those_of_the_kip() {
    assert_eq!(cumulative_weights(vec![0, 3, 1]), Some(vec![4, 5, 8]));
    let chosen: Vec<_> = (0..8).map(|number| choose(&[4, 5, 8], number)).collect();
    assert_eq!(chosen, [0, 0, 0, 0, 1, 2, 2, 2]);
}

#[test]
fn queues_of_one_length_have_no_weights() {
    for queues in [vec![], vec![3], vec![0, 0], vec![7, 7, 7], vec![u64::MAX, u64::MAX - 1]] {
        assert_eq!(cumulative_weights(queues.clone()), None, "{queues:?}");
    }
}

#[test]
fn queues_of_any_length_have_a_sum() {
    let longest = u64::from(u32::MAX);
    assert_eq!(cumulative_weights(vec![u64::MAX, 0]), Some(vec![1, longest + 2]));
    assert_eq!(
        cumulative_weights(vec![0, 1, u64::MAX]),
        Some(vec![longest + 1, 2 * longest + 1, 2 * longest + 2])
    );
}

#[test]
fn the_less_waits_for_a_partition_the_likelier_it_is_next() {
    let memory = TopicMemory::new(8);
    let queued = |partition: u32| [0, 3, 1][partition as usize];
    let topic = topic(3, &memory).with_queued(&queued);
    let mut times = [0_i32; 3];
    (0..8000).for_each(|_| times[next_partition(&topic) as usize] += 1);
    let off = times.iter().zip([4000, 1000, 3000]).map(|(times, expected)| (times - expected).abs());
    assert!(off.max() < Some(150), "{times:?}");
}

#[test]
fn without_anything_waiting_each_is_as_likely() {
    let memory = TopicMemory::new(8);
    let topic = topic(3, &memory).with_queued(&|_| 2);
    let mut times = [0_i32; 3];
    (0..9000).for_each(|_| times[next_partition(&topic) as usize] += 1);
    assert!(times.iter().all(|times| (times - 3000).abs() < 200), "{times:?}");
}

/// What `racer` does happens after the other thread has seen that it is time to go, and before it goes: that is when it
/// asks for the queues.
fn race(memory: &TopicMemory, sticky: u32, racer: impl Fn(&TopicView<'_>)) {
    let raced = std::cell::Cell::new(false);
    let queued = |_| {
        if !raced.replace(true) {
            racer(&topic(1000, memory));
        }
        0
    };
    appended(&topic(1000, memory).with_queued(&queued), sticky, BATCH_BYTES, true);
    assert!(raced.get(), "nobody asked for the queues");
}

#[test]
fn of_two_threads_that_would_switch_only_one_does() {
    let memory = TopicMemory::new(6);
    let sticky = partition(&topic(1000, &memory));
    let winner = std::cell::Cell::new(sticky);
    race(&memory, sticky, |topic| {
        appended(topic, sticky, BATCH_BYTES, true);
        winner.set(partition(topic));
    });
    assert_ne!(winner.get(), sticky);
    assert_eq!(stint(&memory), Stint::at(winner.get()));
}

#[test]
fn a_switch_is_not_stopped_by_bytes_that_come_in_between() {
    let memory = TopicMemory::new(6);
    let sticky = partition(&topic(1000, &memory));
    race(&memory, sticky, |topic| appended(topic, sticky, 1, false));
    assert_ne!(stint(&memory).partition, sticky);
    assert_eq!(stint(&memory).bytes, 0);
}

#[test]
fn no_byte_is_lost_or_counted_twice_between_threads() {
    // Enough for threads to meet, though not in every run on a busy machine; the races above always happen.
    const APPENDS: usize = 499_999;
    let memory = TopicMemory::new(1);
    let together = std::sync::Barrier::new(4);
    // With one partition every switch leads back to it, and so every byte counts.
    partition(&topic(1, &memory));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                (0..APPENDS).for_each(|_| appended(&topic(1, &memory), 0, 1, true));
            });
        }
    });
    assert_eq!(stint(&memory), Stint { partition: 0, bytes: (4 * APPENDS % BATCH_BYTES) as u32 });
}

#[test]
fn threads_that_see_the_topic_grow_at_different_times_stay_within_what_they_see() {
    let memory = TopicMemory::new(1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for round in 0..5_000 {
                    let topic = topic(1 + thread + round / 100, memory);
                    let sticky = partition(&topic);
                    assert!(sticky < topic.partitions());
                    appended(&topic, sticky, 60, round % 3 == 0);
                }
            });
        }
    });
    assert!(stint(&memory).bytes < 2 * BATCH_BYTES as u32);
}
