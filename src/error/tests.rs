//! What an error says, and which way out it shows.

use super::*;

#[test]
fn a_full_disk_is_told_apart_and_can_be_retried() {
    let full = Error::io("write to", "x.log", io::Error::from(io::ErrorKind::StorageFull));
    assert!(matches!(full, Error::DiskFull { .. }));
    assert!(full.is_retriable() && !full.is_fatal());
    assert!(full.to_string().contains("x.log"));
}

#[test]
fn damage_says_where_reading_can_go_on() {
    let corrupt = Error::Corrupt {
        path: "a/00000000000000000000.log".into(),
        position: 128,
        expected: "checksum 0x1".into(),
        found: "0x2".into(),
        offsets: 7..9,
    };
    let text = corrupt.to_string();
    assert!(
        text.contains("byte 128") && text.contains("offsets 7 to 8") && text.contains("seek to 9"),
        "{text}"
    );
}

#[test]
fn the_error_travels_between_threads() {
    fn travels<T: Send + Sync + 'static>() {}
    travels::<Error>();
}
