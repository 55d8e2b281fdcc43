//! The table, row by row.

use super::*;

/// Commits one second apart, as (committed, end).
fn window(size: usize, commits: &[(u64, u64)]) -> LagWindow {
    let mut window = LagWindow::new(size);
    for (second, (committed, end)) in commits.iter().enumerate() {
        window.observe(LagSample {
            at: Duration::from_secs(second as u64),
            committed: *committed,
            end: *end,
        });
    }
    window
}

#[test]
fn each_row_of_the_table_has_its_commits() {
    use LagVerdict::{Ok, Stalled, Stopped, Warn};
    // (why, commits, end now, seconds since the first commit, verdict)
    type Row = (&'static str, &'static [(u64, u64)], u64, u64, LagVerdict);
    let rows: &[Row] = &[
        ("A: nobody ever committed", &[], 50, 9, Ok),
        ("A: all was read, long ago", &[(1, 9), (5, 9), (9, 9)], 9, 999, Ok),
        ("B: no commit for longer than the window", &[(1, 9), (2, 9), (3, 9)], 9, 5, Stopped),
        ("B: also if it once had no lag", &[(1, 9), (9, 9), (9, 10)], 11, 5, Stopped),
        ("not B: exactly as long", &[(1, 9), (2, 9), (3, 9)], 9, 4, Ok),
        ("not B: the window is not full", &[(1, 9), (2, 9)], 9, 99, Ok),
        ("C: no lag in between", &[(5, 9), (9, 9), (9, 30)], 40, 2, Ok),
        ("D: the same offset, more to read", &[(5, 9), (5, 9), (5, 9)], 9, 2, Stalled),
        ("D: and ever more", &[(5, 9), (5, 19), (5, 29)], 29, 2, Stalled),
        ("D: two commits are enough", &[(5, 9), (5, 9)], 9, 1, Stalled),
        ("not D: one is not", &[(5, 9)], 9, 0, Ok),
        ("E: it reads, and falls behind", &[(5, 9), (6, 12), (7, 19)], 19, 2, Warn),
        ("E: as much comes as is read", &[(5, 9), (6, 10), (7, 11)], 11, 2, Warn),
        ("F: it once caught up a little", &[(5, 9), (8, 11), (9, 20)], 20, 2, Ok),
        ("F: it catches up", &[(5, 90), (50, 100), (90, 110)], 110, 2, Ok),
        ("beyond the end is no lag", &[(50, 9), (50, 9), (50, 9)], 9, 99, Ok),
    ];
    for (why, commits, end, seconds, expected) in rows {
        let lag = window(3, commits).judge(*end, Duration::from_secs(*seconds));
        assert_eq!(lag.verdict, *expected, "{why}");
    }
}

#[test]
fn the_window_slides() {
    let mut window = window(3, &[(9, 9), (10, 20), (11, 30)]);
    assert_eq!(window.judge(30, Duration::from_secs(2)).verdict, LagVerdict::Ok);
    window.observe(LagSample { at: Duration::from_secs(3), committed: 12, end: 40 });
    let lag = window.judge(40, Duration::from_secs(3));
    assert_eq!(lag, Lag { committed: Some(12), lag: Some(28), verdict: LagVerdict::Warn });
}
