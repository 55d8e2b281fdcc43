//! The contracts of `brooklet::io`, as claims that hold for every implementation of `Fs`.
//!
//! A test binary says `mod fs_suite;` and, for each implementation, names a function that makes a fresh one:
//!
//! ```ignore
//! mod on_memory {
//!     crate::fs_suite::conformance!(|| (Arc::new(MemFs::new()), PathBuf::from("/"), ()));
//! }
//! ```
//!
//! It gives the file system, an empty directory in it, and anything that must be kept until the test is over. The
//! claims are in three files: about names, about bytes, about threads and locks.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod bytes;
pub(crate) mod names;
pub(crate) mod sharing;

use brooklet::io::{File, Fs};
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// One test for each claim, on what `$make` gives.
macro_rules! conformance {
    ($make:expr) => {
        $crate::fs_suite::conformance! { @tests $make;
            names {
                a_new_directory_is_there_and_empty
                only_an_empty_directory_can_be_removed
                parents_are_never_created
                a_list_is_short_sorted_and_says_what_is_what
                metadata_tells_what_it_is_and_how_long
                metadata_of_many_names_is_that_of_each
                a_taken_name_cannot_be_created_again
                what_is_opened_is_what_is_there
                a_directory_is_not_opened_as_a_file
                a_rename_moves_the_file_and_frees_the_old_name
                a_rename_replaces_what_has_the_new_name
                a_rename_onto_itself_changes_nothing
                a_rename_that_cannot_be_leaves_both_names
                those_who_have_a_renamed_file_open_go_on_with_it
                those_who_have_a_replaced_file_open_go_on_with_it
                those_who_have_a_removed_file_open_go_on_with_it
                a_removed_name_is_free_for_another_file
                a_directory_can_be_made_durable_if_it_is_there
                odd_names_are_names
            }
            bytes {
                a_new_file_is_empty
                what_was_written_is_read_back
                nothing_is_read_at_or_behind_the_end
                writing_over_the_end_overwrites_and_lengthens
                a_gap_reads_as_zeros
                many_blocks_are_read_back_whole
                writing_nothing_changes_nothing
                allocating_lengthens_with_zeros_and_never_shortens
                truncating_forgets_and_lengthening_gives_zeros
                a_sync_succeeds_and_changes_nothing
                absurd_offsets_are_errors
                an_absurd_length_is_not_set_aside
                bytes_that_were_read_do_not_change_any_more
            }
            sharing {
                two_who_open_a_file_see_the_same_bytes
                a_lock_is_exclusive_until_it_is_dropped
                locks_on_two_files_do_not_meet
                a_lock_leaves_the_bytes_of_its_file_alone
                a_directory_cannot_be_locked_as_a_file
                threads_write_to_one_file_at_the_same_time
                of_many_who_create_one_name_one_succeeds
            }
        }
    };
    (@tests $make:expr; $($room:ident { $($claim:ident)* })*) => {
        $($(
            #[test]
            fn $claim() {
                let (fs, dir, _kept) = $make();
                let fs: std::sync::Arc<dyn brooklet::io::Fs> = fs;
                $crate::fs_suite::$room::$claim(&*fs, &dir);
            }
        )*)*
    };
}
pub(crate) use conformance;

/// A file with these bytes.
pub(crate) fn file_with(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.create(path).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file
}

/// All that is in an open file.
pub(crate) fn all_of(file: &dyn File) -> Vec<u8> {
    file.read_exact_at(0, usize::try_from(file.len().unwrap()).unwrap()).unwrap().to_vec()
}

/// All that is in the file of this name.
pub(crate) fn content(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    all_of(&*fs.open(path).unwrap())
}

/// That it failed, and as what.
#[track_caller]
pub(crate) fn fails<T: Debug>(done: io::Result<T>, kind: io::ErrorKind) {
    match done {
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        Ok(done) => panic!("{kind:?} expected, got {done:?}"),
    }
}
