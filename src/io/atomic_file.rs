//! Small files that are replaced as a whole: whoever reads one finds the old bytes or the new, never a mixture.
//!
//! ```text
//! remove name.tmp -> create name.tmp -> write -> sync -> rename to name -> sync_dir
//!                                                 ^ before the rename: else the name may outlive the bytes
//! ```

use super::Fs;
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};

/// Replaces what is in a file, or creates it: in one step, durably.
///
/// # Errors
/// What the file system says. The file then holds the old bytes or the new ones; if the failure was in making the
/// name durable, which of the two a power cut leaves is not known either.
///
/// ```
/// use brooklet::io::{read_file, replace_file, Fs, MemFs};
/// use std::path::Path;
///
/// let fs = MemFs::new();
/// let path = Path::new("recovery-point-offset-checkpoint");
/// replace_file(&fs, path, b"0\n0\n")?;
/// assert_eq!(read_file(&fs, path, 1024)?.as_deref(), Some(&b"0\n0\n"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn replace_file(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (dir, tmp) = neighbours(path)?;
    // A crash may have left one behind. Its bytes are nobody's.
    absent_is_fine(fs.remove(&tmp))?;
    let replaced = write_durably(fs, &tmp, bytes).and_then(|()| fs.rename(&tmp, path));
    if replaced.is_err() {
        // The caller needs the first error more than this one, and the next call removes what stays.
        let _ = fs.remove(&tmp);
    }
    replaced.and_then(|()| fs.sync_dir(&dir))
}

/// Reads a whole small file; `None` if there is none.
///
/// # Errors
/// `InvalidData` if the file is longer than `limit`, for a damaged length must not become an allocation; else what the
/// file system says.
pub fn read_file(fs: &dyn Fs, path: &Path, limit: usize) -> io::Result<Option<Bytes>> {
    let file = match fs.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    match usize::try_from(len) {
        Ok(len) if len <= limit => file.read_exact_at(0, len).map(Some),
        _ => {
            let sentence = format!("{} has {len} bytes, and at most {limit} were expected", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, sentence))
        }
    }
}

/// The directory of a file, and the name beside it under which its successor is written.
fn neighbours(path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let Some(name) = path.file_name() else {
        let sentence = format!("{} does not name a file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
    };
    let mut tmp = name.to_owned();
    tmp.push(".tmp");
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    Ok((dir.to_owned(), path.with_file_name(tmp)))
}

fn write_durably(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs.create(path)?;
    file.write_all_at(0, bytes)?;
    file.sync()
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty::{Fate, FaultyFs};
    use super::*;
    use std::io::ErrorKind;
    use std::sync::Arc;

    const OLD: &[u8] = b"old bytes";
    const NEW: &[u8] = b"the new bytes, which are more";

    /// A directory `d` with a file `d/f` that holds the old bytes.
    fn prepared() -> (Arc<FaultyFs>, &'static Path) {
        let fs = FaultyFs::new();
        fs.create_dir(Path::new("d")).unwrap();
        let path = Path::new("d/f");
        replace_file(&*fs, path, OLD).unwrap();
        fs.calls();
        (fs, path)
    }

    fn names(fs: &FaultyFs) -> Vec<String> {
        fs.list(Path::new("d")).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn the_bytes_are_durable_before_the_name_and_the_name_before_the_return() {
        let (fs, path) = prepared();
        replace_file(&*fs, path, NEW).unwrap();
        let calls = fs.calls();
        let calls: Vec<_> =
            calls.iter().map(String::as_str).filter(|call| !call.starts_with("close")).collect();
        assert_eq!(
            calls,
            ["remove f.tmp", "create f.tmp", "write f.tmp", "sync f.tmp", "rename f.tmp", "sync_dir d"]
        );
        assert_eq!(read_file(&*fs, path, 100).unwrap().unwrap(), NEW);
        assert_eq!(names(&fs), ["f"]);
    }

    #[test]
    fn whichever_call_fails_the_old_bytes_are_there_or_the_new() {
        const RENAME: usize = 4;
        const CALLS: usize = 6;
        let failures: [fn(ErrorKind) -> Fate; 2] = [Fate::Refused, Fate::DoneButFailed];
        for failure in failures {
            for failing in 0..CALLS {
                let (fs, path) = prepared();
                let mut made = 0;
                fs.plan(move |_| {
                    made += 1;
                    if made - 1 == failing { failure(ErrorKind::StorageFull) } else { Fate::Done }
                });
                let done = replace_file(&*fs, path, NEW);
                fs.heal();

                // A stale file that is not there is no failure, however it is told.
                let forgiven = failing == 0 && matches!(failure(ErrorKind::Other), Fate::DoneButFailed(_));
                assert_eq!(done.is_ok(), forgiven, "call {failing}");
                let found = read_file(&*fs, path, 100).unwrap().unwrap();
                let replaced = forgiven || failing > RENAME;
                assert!(found == NEW || !replaced, "call {failing} lost the new bytes");
                assert!(found == OLD || failing >= RENAME || forgiven, "call {failing} left {found:?}");
                assert_eq!(names(&fs), ["f"], "call {failing} left something behind");

                replace_file(&*fs, path, NEW).unwrap();
                assert_eq!(read_file(&*fs, path, 100).unwrap().unwrap(), NEW);
            }
        }
    }

    #[test]
    fn what_a_crash_left_behind_is_removed() {
        let (fs, path) = prepared();
        fs.create(Path::new("d/f.tmp")).unwrap().write_all_at(0, &[7; 100]).unwrap();
        replace_file(&*fs, path, NEW).unwrap();
        assert_eq!(read_file(&*fs, path, 100).unwrap().unwrap(), NEW);
        assert_eq!(names(&fs), ["f"]);
    }

    #[test]
    fn a_file_without_a_directory_is_in_this_one() {
        let fs = FaultyFs::new();
        replace_file(&*fs, Path::new("f"), b"").unwrap();
        assert!(fs.calls().contains(&"sync_dir .".to_owned()));
        assert_eq!(read_file(&*fs, Path::new("f"), 0).unwrap().unwrap(), b""[..]);
    }

    #[test]
    fn a_path_that_names_no_file_is_refused() {
        let fs = FaultyFs::new();
        for path in ["", "/", "a/.."] {
            let error = replace_file(&*fs, Path::new(path), NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(fs.calls(), [""; 0]);
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let (fs, path) = prepared();
        assert_eq!(read_file(&*fs, path, OLD.len()).unwrap().unwrap(), OLD);
        let error = read_file(&*fs, path, OLD.len() - 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("9 bytes"), "{error}");
        assert_eq!(read_file(&*fs, Path::new("d/none"), 100).unwrap(), None);
        assert_eq!(read_file(&*fs, Path::new("nowhere/none"), 100).unwrap(), None);
        assert_eq!(read_file(&*fs, Path::new("d"), 100).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
