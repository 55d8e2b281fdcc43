//! Where the contestants write: a directory of its own for each round, gone after it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The directory above. Empty when it is made, and gone when it is dropped.
pub(crate) struct Scratch {
    path: PathBuf,
    made: AtomicUsize,
}

/// The directory of one round.
pub(crate) struct RoundDir {
    path: PathBuf,
}

impl Scratch {
    /// In the directory that was named, or beside this program: so on the disk that the build is on, and not in memory,
    /// as the directories for temporary files often are.
    pub(crate) fn make(dir: Option<&str>) -> io::Result<Self> {
        let above = match dir {
            Some(dir) => std::path::absolute(dir)?,
            None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let path = above.join(format!("peers-scratch-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, made: AtomicUsize::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn round(&self) -> io::Result<RoundDir> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("round-{number}"));
        std::fs::create_dir(&path)?;
        Ok(RoundDir { path })
    }
}

impl RoundDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RoundDir {
    fn drop(&mut self) {
        // What is left is removed with the directory above.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}
