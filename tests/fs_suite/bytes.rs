//! Claims about bytes: what is written, what is read, and how long a file is.

use super::{all_of, fails, file_with};
use brooklet::io::{File, Fs};
use std::io::ErrorKind;
use std::path::Path;

/// Bytes that tell where they are.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn zeros_from(file: &dyn File, from: usize) -> bool {
    all_of(file)[from..].iter().all(|byte| *byte == 0)
}

pub(crate) fn a_new_file_is_empty(fs: &dyn Fs, dir: &Path) {
    let file = fs.create(&dir.join("file")).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    assert!(file.is_empty().unwrap());
    assert_eq!(all_of(&*file), b"");
}

pub(crate) fn what_was_written_is_read_back(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123456789");
    assert_eq!(&file.read_exact_at(0, 10).unwrap()[..], b"0123456789");
    assert_eq!(&file.read_exact_at(3, 4).unwrap()[..], b"3456");
    assert_eq!(&file.read_up_to(8, 100).unwrap()[..], b"89");
    fails(file.read_exact_at(8, 3), ErrorKind::UnexpectedEof);
    assert!(!file.is_empty().unwrap());
    let written = file.write_at(0, b"abc").unwrap();
    assert!((1..=3).contains(&written));
}

pub(crate) fn nothing_is_read_at_or_behind_the_end(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123456789");
    for (offset, len) in [(10, 1), (11, 1), (1 << 40, 1), (u64::MAX, 1), (10, 1 << 20), (0, 0), (10, 0)] {
        assert_eq!(file.read_at(offset, len).unwrap().len(), 0, "{len} bytes at {offset}");
    }
    assert_ne!(file.read_at(9, 1 << 20).unwrap().len(), 0);
}

pub(crate) fn writing_over_the_end_overwrites_and_lengthens(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123456789");
    file.write_all_at(4, b"xx").unwrap();
    file.write_all_at(8, b"yyyy").unwrap();
    assert_eq!(all_of(&*file), b"0123xx67yyyy");
}

pub(crate) fn a_gap_reads_as_zeros(fs: &dyn Fs, dir: &Path) {
    for gap in [1, 4095, 65_536, 200_001] {
        let file = file_with(fs, &dir.join(gap.to_string()), b"start");
        file.write_all_at(5 + gap as u64, b"end").unwrap();
        let mut expected = b"start".to_vec();
        expected.resize(5 + gap, 0);
        expected.extend_from_slice(b"end");
        assert!(all_of(&*file) == expected, "a gap of {gap}");
    }
}

pub(crate) fn many_blocks_are_read_back_whole(fs: &dyn Fs, dir: &Path) {
    let expected = pattern(1_000_003);
    let file = file_with(fs, &dir.join("file"), &expected);
    assert!(all_of(&*file) == expected);
    for (offset, len) in [(65_535, 2), (65_536, 65_536), (131_071, 131_074), (999_999, 4)] {
        let read = file.read_exact_at(offset as u64, len).unwrap();
        assert!(read[..] == expected[offset..offset + len], "{len} bytes at {offset}");
    }
    file.write_all_at(65_000, &expected[..70_000]).unwrap();
    assert!(all_of(&*file)[65_000..135_000] == expected[..70_000]);
    assert!(all_of(&*file)[135_000..] == expected[135_000..]);
}

pub(crate) fn writing_nothing_changes_nothing(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123");
    file.write_all_at(100, b"").unwrap();
    assert_eq!(all_of(&*file), b"0123");
}

pub(crate) fn allocating_lengthens_with_zeros_and_never_shortens(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123");
    file.allocate(0).unwrap();
    file.allocate(3).unwrap();
    assert_eq!(all_of(&*file), b"0123");
    file.allocate(300_000).unwrap();
    assert_eq!(file.len().unwrap(), 300_000);
    assert!(zeros_from(&*file, 4));
    file.write_all_at(299_990, b"0123456789").unwrap();
    assert_eq!(file.len().unwrap(), 300_000);
    assert_eq!(&file.read_exact_at(0, 4).unwrap()[..], b"0123");
}

pub(crate) fn bytes_that_were_read_do_not_change_any_more(fs: &dyn Fs, dir: &Path) {
    let changes: [fn(&dyn File); 4] = [
        |file| file.write_all_at(100, &[9; 200]).unwrap(),
        |file| file.truncate(150).unwrap(),
        |file| file.allocate(400_000).unwrap(),
        |file| file.write_all_at(130_000, b"more").unwrap(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        for ahead in [0, 200_000] {
            let path = dir.join(format!("file-{index}-{ahead}"));
            let file = fs.create(&path).unwrap();
            file.allocate(ahead).unwrap();
            file.write_all_at(0, &pattern(130_000)).unwrap();
            let held: Vec<_> =
                [0, 65_536, 125_000].map(|at| (at, file.read_at(at as u64, 5_000).unwrap())).into();
            change(&*file);
            let expected = if index == 0 { vec![9; 3] } else { pattern(103).split_off(100) };
            assert_eq!(file.read_exact_at(100, 3).unwrap(), expected, "read after change {index}");
            fs.remove(&path).unwrap();
            drop(file);
            for (at, bytes) in held {
                let expected = &pattern(130_000)[at..at + bytes.len()];
                assert!(!bytes.is_empty() && bytes[..] == *expected, "held from {at} over change {index}");
            }
        }
    }
}

pub(crate) fn truncating_forgets_and_lengthening_gives_zeros(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), &pattern(150_000));
    file.truncate(70_001).unwrap();
    assert!(all_of(&*file) == pattern(70_001));
    file.truncate(200_000).unwrap();
    assert_eq!(file.len().unwrap(), 200_000);
    assert!(zeros_from(&*file, 70_001));
    assert!(all_of(&*file)[..70_001] == pattern(70_001));
    file.truncate(0).unwrap();
    assert!(file.is_empty().unwrap());
    file.write_all_at(2, b"x").unwrap();
    assert_eq!(all_of(&*file), b"\0\0x");
}

pub(crate) fn a_sync_succeeds_and_changes_nothing(fs: &dyn Fs, dir: &Path) {
    let file = fs.create(&dir.join("file")).unwrap();
    file.sync().unwrap();
    file.write_all_at(0, b"0123").unwrap();
    file.sync().unwrap();
    file.sync().unwrap();
    assert_eq!(all_of(&*file), b"0123");
}

pub(crate) fn absurd_offsets_are_errors(fs: &dyn Fs, dir: &Path) {
    let file = file_with(fs, &dir.join("file"), b"0123");
    for offset in [i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX] {
        assert!(file.write_at(offset, b"xx").is_err(), "writing at {offset}");
        assert!(file.write_all_at(offset, b"xx").is_err(), "writing at {offset}");
        assert!(file.read_at(offset, 2).map_or(true, |bytes| bytes.is_empty()), "reading at {offset}");
        assert!(file.read_exact_at(offset, 2).is_err(), "reading at {offset}");
    }
    for len in [i64::MAX as u64 + 1, u64::MAX] {
        assert!(file.truncate(len).is_err(), "truncating to {len}");
        assert!(file.allocate(len).is_err(), "allocating {len}");
    }
    assert_eq!(all_of(&*file), b"0123");
}

pub(crate) fn an_absurd_length_is_not_set_aside(fs: &dyn Fs, dir: &Path) {
    let expected = pattern(100_000);
    let file = file_with(fs, &dir.join("file"), &expected);
    assert!(file.read_up_to(0, usize::MAX).unwrap() == expected);
    assert!(file.read_up_to(99_990, isize::MAX as usize).unwrap() == expected[99_990..]);
    fails(file.read_exact_at(1, usize::MAX), ErrorKind::UnexpectedEof);
}
