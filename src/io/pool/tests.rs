//! The pool over files whose every call is known. What any file system must do is in `tests/fs_conformance.rs`.

use super::super::faulty::{Fate, FaultyFs};
use super::*;
use std::io::ErrorKind;
use std::thread;

/// A pool of this capacity over an empty memory.
fn pool(capacity: usize) -> (Arc<FaultyFs>, FilePool) {
    let inner = FaultyFs::new();
    (inner.clone(), FilePool::new(inner, capacity))
}

/// A file that holds its own name, durable, and so clean.
fn file(pool: &FilePool, name: &str) -> Arc<dyn File> {
    let file = pool.create(Path::new(name)).unwrap();
    file.write_all_at(0, name.as_bytes()).unwrap();
    file.sync().unwrap();
    file
}

fn read(file: &Arc<dyn File>) -> String {
    let len = usize::try_from(file.len().unwrap()).unwrap();
    String::from_utf8(file.read_exact_at(0, len).unwrap().to_vec()).unwrap()
}

/// Opens others until everything else that can be closed is.
fn crowd_out(pool: &FilePool) {
    for name in ["crowd 1", "crowd 2", "crowd 3"] {
        if pool.open(Path::new(name)).is_err() {
            file(pool, name);
        }
    }
}

fn fail_always(call: &'static str, fate: Fate) -> impl FnMut(&str) -> Fate {
    move |made| if made == call { fate } else { Fate::Done }
}

fn fail_once(call: &'static str, fate: Fate) -> impl FnMut(&str) -> Fate {
    let mut left = Some(fate);
    move |made| if made == call { left.take().unwrap_or(Fate::Done) } else { Fate::Done }
}

fn kind<T>(done: io::Result<T>) -> Option<ErrorKind> {
    done.err().map(|error| error.kind())
}

#[test]
fn no_more_than_the_capacity_is_open_at_once() {
    let (inner, pool) = pool(2);
    let names = ["a", "b", "c", "d", "e"];
    let files = names.map(|name| file(&pool, name));
    for _ in 0..3 {
        assert_eq!(files.each_ref().map(read), names);
    }
    assert_eq!(inner.open(), (2, 2));
    assert_eq!(pool.open_files(), 2);
}

#[test]
fn a_capacity_of_zero_is_one() {
    let (inner, pool) = pool(0);
    let files = [file(&pool, "a"), file(&pool, "b")];
    assert_eq!(files.each_ref().map(read), ["a", "b"]);
    assert_eq!(inner.open(), (1, 1));
}

#[test]
fn who_was_used_lately_gets_a_second_chance() {
    let (inner, pool) = pool(3);
    let files = ["a", "b", "c"].map(|name| file(&pool, name));
    let _d = file(&pool, "d");
    inner.calls();
    // All had been used; "a" went, the others were told. Now only "b" is used again.
    read(&files[1]);
    let _e = file(&pool, "e");
    let closed: Vec<_> = inner.calls().into_iter().filter(|call| call.starts_with("close")).collect();
    assert_eq!(closed, ["close c"]);
}

#[test]
fn a_clean_file_is_closed_rather_than_a_dirty_one() {
    let (inner, pool) = pool(2);
    let a = pool.create(Path::new("a")).unwrap();
    let b = pool.create(Path::new("b")).unwrap();
    a.write_at(0, b"unsynced").unwrap();
    inner.calls();
    let _c = pool.create(Path::new("c")).unwrap();
    assert_eq!(inner.calls(), ["close b", "create c"]);
    drop(b);
}

#[test]
fn a_dirty_file_is_synced_before_it_is_closed_and_a_clean_one_is_not() {
    type Change = fn(&dyn File) -> io::Result<()>;
    let changes: [(&str, Change); 3] = [
        ("write", |file| file.write_at(0, b"x").map(drop)),
        ("truncate", |file| file.truncate(9)),
        ("allocate", |file| file.allocate(9)),
    ];
    for (name, change) in changes {
        let (inner, pool) = pool(1);
        let a = file(&pool, "a");
        inner.calls();
        pool.create(Path::new("b")).unwrap();
        assert_eq!(inner.calls()[..2], ["close a", "create b"], "synced already");

        change(&*a).unwrap();
        inner.calls();
        pool.create(Path::new("c")).unwrap();
        assert_eq!(inner.calls()[..3], ["sync a", "close a", "create c"], "after {name}");
    }
}

#[test]
fn a_change_that_failed_makes_dirty_too() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    inner.plan(fail_always("write a", Fate::DoneButFailed(ErrorKind::Other)));
    a.write_at(0, b"x").unwrap_err();
    inner.calls();
    pool.create(Path::new("b")).unwrap();
    assert_eq!(inner.calls()[..2], ["sync a", "close a"]);
}

#[test]
fn a_sync_that_failed_leaves_the_file_dirty() {
    let (inner, pool) = pool(1);
    let a = pool.create(Path::new("a")).unwrap();
    a.write_at(0, b"x").unwrap();
    inner.plan(fail_once("sync a", Fate::Refused(ErrorKind::StorageFull)));
    assert_eq!(kind(a.sync()), Some(ErrorKind::StorageFull));
    inner.calls();
    pool.create(Path::new("b")).unwrap();
    assert_eq!(inner.calls()[..2], ["sync a", "close a"]);
}

#[test]
fn a_sync_reaches_the_disk_even_if_the_file_was_closed_and_is_clean() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    crowd_out(&pool);
    inner.calls();
    a.sync().unwrap();
    assert_eq!(inner.calls(), ["open a", "sync a"]);
}

/// A handle whose write was lost when it was closed, and nobody knows yet.
fn with_a_lost_write(inner: &FaultyFs, pool: &FilePool) -> Arc<dyn File> {
    let a = file(pool, "a");
    a.write_at(0, b"A").unwrap();
    inner.plan(fail_always("sync a", Fate::Refused(ErrorKind::StorageFull)));
    crowd_out(pool);
    inner.heal();
    a
}

#[test]
fn a_write_lost_at_closing_fails_every_later_sync_of_that_handle() {
    let (inner, pool) = pool(1);
    let a = with_a_lost_write(&inner, &pool);
    for _ in 0..2 {
        assert_eq!(kind(a.sync()), Some(ErrorKind::StorageFull));
        crowd_out(&pool);
    }
    assert_eq!(read(&a), "A");
    a.write_at(0, b"a").unwrap();
    assert_eq!(kind(a.sync()), Some(ErrorKind::StorageFull));
    pool.open(Path::new("crowd 1")).unwrap().sync().unwrap();
}

#[test]
fn a_loss_that_nobody_was_told_of_waits_for_the_next_who_opens_the_file() {
    let (inner, pool) = pool(1);
    drop(with_a_lost_write(&inner, &pool));
    pool.rename(Path::new("a"), Path::new("b")).unwrap();
    let b = pool.open(Path::new("b")).unwrap();
    assert_eq!(kind(b.sync()), Some(ErrorKind::StorageFull));
    drop(b);
    // Told once, it is the past: whoever opens the file now starts anew.
    pool.open(Path::new("b")).unwrap().sync().unwrap();
}

#[test]
fn a_loss_ends_with_its_file() {
    for end in [(|pool| pool.remove(Path::new("a"))) as fn(&FilePool) -> io::Result<()>, |pool| {
        pool.rename(Path::new("crowd 1"), Path::new("a"))
    }] {
        let (inner, pool) = pool(1);
        drop(with_a_lost_write(&inner, &pool));
        end(&pool).unwrap();
        let a = pool.create(Path::new("a")).or_else(|_| pool.open(Path::new("a"))).unwrap();
        a.sync().unwrap();
    }
}

#[test]
fn a_closed_file_that_is_renamed_is_found_under_its_new_name() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    crowd_out(&pool);
    inner.calls();
    pool.rename(Path::new("a"), Path::new("b")).unwrap();
    assert_eq!(inner.calls(), ["rename a"]);
    let another = file(&pool, "a");
    another.write_at(0, b"!").unwrap();
    assert_eq!(read(&a), "a");
    assert_eq!(read(&pool.open(Path::new("b")).unwrap()), "a");
    assert_eq!(read(&another), "!");
}

#[test]
fn a_closed_file_that_is_replaced_or_removed_stays_with_those_who_have_it() {
    let (_inner, pool) = pool(1);
    let replaced = file(&pool, "a");
    let removed = file(&pool, "b");
    let new = file(&pool, "new");
    pool.rename(Path::new("new"), Path::new("a")).unwrap();
    pool.remove(Path::new("b")).unwrap();
    let again = file(&pool, "b");
    again.write_at(0, b"!").unwrap();
    crowd_out(&pool);
    assert_eq!([&replaced, &removed, &new, &again].map(read), ["a", "b", "new", "!"]);
    assert_eq!(pool.open_files(), 3, "two that have no name, and one");
    drop((replaced, removed));
    assert_eq!(pool.open_files(), 1);
}

#[test]
fn a_removal_that_cannot_save_the_file_for_its_users_is_not_made() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    crowd_out(&pool);
    inner.plan(fail_always("open a", Fate::Refused(ErrorKind::PermissionDenied)));
    assert_eq!(kind(pool.remove(Path::new("a"))), Some(ErrorKind::PermissionDenied));
    inner.heal();
    assert_eq!(read(&a), "a");
    assert!(pool.metadata(Path::new("a")).is_ok());
}

#[test]
fn what_is_discarded_is_closed_for_all_who_have_it_and_needs_no_descriptor() {
    for fate in [Fate::Done, Fate::DoneButFailed(ErrorKind::Other), Fate::Refused(ErrorKind::Other)] {
        let (inner, pool) = pool(2);
        let (closed, open) = (file(&pool, "closed"), file(&pool, "open"));
        crowd_out(&pool);
        assert_eq!(read(&open), "open");
        let opened_before = inner.open().0;
        inner.plan(move |call| match call {
            "open closed" => Fate::Refused(ErrorKind::PermissionDenied),
            "remove closed" | "remove open" => fate,
            _ => Fate::Done,
        });
        for name in ["closed", "open"] {
            assert_eq!(pool.discard(Path::new(name)).is_ok(), matches!(fate, Fate::Done));
        }
        inner.heal();
        assert_eq!(inner.open().0, opened_before - 1);
        if !matches!(fate, Fate::Refused(_)) {
            file(&pool, "open").write_at(0, b"!").unwrap();
        }
        assert_eq!([&closed, &open].map(|file| kind(file.len())), [Some(ErrorKind::NotFound); 2]);
        assert_eq!(kind(open.write_at(0, b"?")), Some(ErrorKind::NotFound), "and never mistaken for another");
        drop((closed, open));
        assert_eq!(pool.open_files(), inner.open().0);
    }
}

#[test]
fn a_removal_that_failed_after_all_never_leads_to_another_file() {
    for fate in [Fate::DoneButFailed(ErrorKind::Other), Fate::Refused(ErrorKind::Other)] {
        let (inner, pool) = pool(1);
        let a = file(&pool, "a");
        crowd_out(&pool);
        inner.plan(fail_always("remove a", fate));
        assert_eq!(kind(pool.remove(Path::new("a"))), Some(ErrorKind::Other));
        inner.heal();
        let _ = pool.remove(Path::new("a"));
        file(&pool, "a").write_at(0, b"!").unwrap();
        crowd_out(&pool);
        assert_eq!(read(&a), "a");
    }
}

#[test]
fn a_rename_that_failed_after_all_never_leads_to_another_file() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    let b = file(&pool, "b");
    crowd_out(&pool);
    inner.plan(fail_always("rename a", Fate::DoneButFailed(ErrorKind::Other)));
    assert_eq!(kind(pool.rename(Path::new("a"), Path::new("b"))), Some(ErrorKind::Other));
    inner.heal();
    assert_eq!(read(&b), "b", "what was to be replaced stays with its users");
    file(&pool, "a").write_at(0, b"!").unwrap();
    crowd_out(&pool);
    assert_eq!(kind(a.len()), Some(ErrorKind::NotFound), "lost, but not mistaken");
    assert_eq!(read(&pool.open(Path::new("b")).unwrap()), "a");
}

#[test]
fn a_file_that_vanished_behind_our_back_is_missed_and_not_mistaken() {
    let (inner, pool) = pool(1);
    let a = file(&pool, "a");
    crowd_out(&pool);
    inner.remove(Path::new("a")).unwrap();
    assert_eq!(kind(pool.remove(Path::new("a"))), Some(ErrorKind::NotFound));
    let another = file(&pool, "a");
    assert_eq!(kind(a.len()), Some(ErrorKind::NotFound));
    assert_eq!(read(&another), "a");
}

#[test]
fn without_descriptors_one_is_given_up_and_the_call_made_again() {
    const EMFILE: i32 = 24;
    let (inner, pool) = pool(10);
    let files = [file(&pool, "a"), file(&pool, "b")];
    inner.plan(fail_once("open crowd 1", Fate::System(EMFILE)));
    let _c = file(&pool, "c");
    inner.plan(fail_once("create d", Fate::System(EMFILE)));
    let _d = file(&pool, "d");
    assert_eq!(pool.open_files(), 3);
    inner.plan(fail_once("lock e", Fate::System(EMFILE)));
    drop(pool.lock(Path::new("e")).unwrap());
    inner.plan(fail_once("list /", Fate::System(EMFILE)));
    pool.list(Path::new("/")).unwrap();
    assert_eq!(pool.open_files(), 1);

    inner.plan(fail_always("open a", Fate::System(EMFILE)));
    assert_eq!(files[0].len().unwrap_err().raw_os_error(), Some(EMFILE));
    inner.heal();
    assert_eq!(files.each_ref().map(read), ["a", "b"]);
}

#[test]
fn an_open_that_fails_takes_no_place() {
    let (_inner, pool) = pool(1);
    let a = file(&pool, "a");
    for _ in 0..3 {
        assert_eq!(kind(pool.open(Path::new("none"))), Some(ErrorKind::NotFound));
        assert_eq!(kind(pool.create(Path::new("a"))), Some(ErrorKind::AlreadyExists));
    }
    assert_eq!(pool.open_files(), 0);
    assert_eq!(read(&a), "a");
    assert_eq!(pool.pool.names.count(), 1);
}

#[test]
fn two_who_open_a_path_share_one_inner_file() {
    let (_inner, pool) = pool(5);
    let first = file(&pool, "a");
    let second = pool.open(Path::new("a")).unwrap();
    assert_eq!(pool.open_files(), 1);
    drop(first);
    assert_eq!(read(&second), "a");
}

#[test]
fn dropped_handles_close_and_are_forgotten() {
    let (inner, pool) = pool(2);
    for _ in 0..3 {
        let files = ["a", "b", "c"].map(|name| {
            let _ = pool.remove(Path::new(name));
            file(&pool, name)
        });
        pool.rename(Path::new("a"), Path::new("z")).unwrap();
        pool.remove(Path::new("b")).unwrap();
        assert_eq!(files.each_ref().map(read), ["a", "b", "c"]);
        drop(files);
        assert_eq!((inner.open().0, pool.open_files(), pool.pool.names.count()), (0, 0, 0));
    }
}

#[test]
fn many_threads_share_a_pool_of_two() {
    const THREADS: u8 = 8;
    let (inner, pool) = pool(2);
    thread::scope(|scope| {
        for id in 0..THREADS {
            let pool = &pool;
            scope.spawn(move || {
                let name = format!("file {id}");
                let file = pool.create(Path::new(&name)).unwrap();
                for round in 0..200_u64 {
                    file.write_all_at(round * 8, &[id + 1; 8]).unwrap();
                    if round % 16 == u64::from(id) {
                        file.sync().unwrap();
                    }
                    let read = file.read_exact_at(round * 4, 8).unwrap();
                    assert!(read.iter().all(|byte| *byte == id + 1), "somebody else's bytes");
                }
                assert_eq!(file.len().unwrap(), 1600);
            });
        }
    });
    assert!(inner.open().1 <= 2, "{:?} were open", inner.open());
    assert_eq!((pool.open_files(), pool.pool.names.count()), (0, 0));
}

#[test]
fn handles_never_mistake_their_file_while_names_go_round() {
    let (inner, pool) = pool(1);
    let names = ["a", "b", "c"];
    let files = names.map(|name| file(&pool, name));
    thread::scope(|scope| {
        for seat in 0..2 {
            let pool = &pool;
            scope.spawn(move || {
                // Moves whatever has one of the names away and back again: another file may come between.
                let (name, away) = (Path::new(names[seat]), Path::new(["x", "y"][seat]));
                for _ in 0..150 {
                    pool.rename(name, away).unwrap();
                    pool.rename(away, name).unwrap();
                }
            });
        }
        for (name, file) in names.iter().zip(&files) {
            let pool = &pool;
            scope.spawn(move || {
                for _ in 0..300 {
                    assert_eq!(read(file), *name);
                    if let Ok(opened) = pool.open(Path::new(name)) {
                        assert_eq!(read(&opened), *name);
                    }
                }
            });
        }
    });
    assert_eq!(inner.open().1, 1);
}

#[test]
fn removed_files_stay_open_however_much_others_crowd() {
    let (_inner, pool) = pool(1);
    let others = ["x", "y"].map(|name| file(&pool, name));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..400 {
                    assert_eq!(others.each_ref().map(read), ["x", "y"]);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..400 {
                let a = file(&pool, "a");
                pool.remove(Path::new("a")).unwrap();
                assert_eq!(read(&a), "a");
            }
        });
    });
}

#[test]
fn who_was_chosen_to_be_closed_and_lost_its_name_meanwhile_stays_open() {
    let (_inner, pool) = pool(1);
    let a = file(&pool, "a");
    let chosen = pool.pool.names.with(Path::new("a"), |name| name.upgrade().unwrap().slot.clone());
    pool.remove(Path::new("a")).unwrap();
    assert!(!chosen.close(&mut chosen.opened.write()));
    assert_eq!(read(&a), "a");
}

#[test]
fn names_are_locked_in_order_so_that_crosswise_renames_do_not_wait_for_each_other() {
    let (_inner, pool) = pool(1);
    drop(file(&pool, "b"));
    let (a, b) = (Path::new("a"), Path::new("b"));
    thread::scope(|scope| {
        pool.pool.names.with(a, |_| {
            scope.spawn(|| pool.rename(b, a).unwrap());
            while pool.pool.names.count() < 2 {
                thread::yield_now();
            }
            // It waits for "a", or will in a moment; it must not have taken "b" before.
            for _ in 0..1000 {
                assert!(!pool.pool.names.is_busy(b));
                thread::yield_now();
            }
        });
    });
}
