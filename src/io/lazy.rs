//! A file that is opened when it is first needed: of a hundred thousand segments most are never read again.

use super::{File, Fs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A path, and the file behind it once somebody asked for it.
#[derive(Debug)]
pub(crate) struct LazyFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: OnceLock<Arc<dyn File>>,
}

impl LazyFile {
    /// A file that is there, but not open yet.
    pub(crate) fn new(fs: &Arc<dyn Fs>, path: PathBuf) -> Self {
        Self { fs: fs.clone(), path, file: OnceLock::new() }
    }

    /// A file that is open already.
    pub(crate) fn opened(fs: &Arc<dyn Fs>, path: PathBuf, file: Arc<dyn File>) -> Self {
        Self { fs: fs.clone(), path, file: OnceLock::from(file) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file.
    pub(crate) fn get(&self) -> io::Result<&Arc<dyn File>> {
        match self.file.get() {
            Some(file) => Ok(file),
            None => {
                let file = self.fs.open(&self.path)?;
                Ok(self.file.get_or_init(|| file))
            }
        }
    }
}
