//! Sequence numbers: they count a producer's records in one partition, in 31 bits, and start over at zero.
//!
//! ```text
//!   0, 1, 2, .. 2147483646, 2147483647, 0, 1, ..
//! ```

/// The sequence `by` records after `sequence`.
pub(crate) const fn increment_sequence(sequence: i32, by: i32) -> i32 {
    // The sign bit is all that a 32-bit sum can carry beyond the 31 bits, so masking it is the wrap.
    sequence.wrapping_add(by) & i32::MAX
}

/// The sequence `by` records before `sequence`.
pub(crate) const fn decrement_sequence(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_sub(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_sequence_is_followed_by_zero() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 5, 10), 4);
        assert_eq!(increment_sequence(i32::MAX - 1, 2), 0);
        assert_eq!(increment_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
        assert_eq!(increment_sequence(41, 1), 42);
    }

    #[test]
    fn before_zero_comes_the_largest_sequence() {
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
        assert_eq!(decrement_sequence(4, 10), i32::MAX - 5);
        assert_eq!(decrement_sequence(0, i32::MAX), 1);
        assert_eq!(decrement_sequence(42, 1), 41);
    }

    #[test]
    fn stepping_back_undoes_stepping_forth() {
        let corners = [0, 1, 2, i32::MAX / 2, i32::MAX - 1, i32::MAX];
        for sequence in corners {
            for by in corners {
                let there = increment_sequence(sequence, by);
                assert!(there >= 0, "{sequence} + {by} = {there}");
                assert_eq!(decrement_sequence(there, by), sequence, "{sequence} + {by} - {by}");
            }
        }
    }
}
