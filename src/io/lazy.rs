//! A file that is opened when it is first needed: of a hundred thousand segments most are never read again.

use super::{File, Fs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A file, once somebody asked for it. Where it is is known to those who ask.
#[derive(Debug, Default)]
pub(crate) struct OpenedFile(OnceLock<Arc<dyn File>>);

impl OpenedFile {
    /// A file that is open already.
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        Self(OnceLock::from(file))
    }

    /// The file, if need be from `open`.
    #[inline]
    pub(crate) fn get_or(
        &self,
        open: impl FnOnce() -> io::Result<Arc<dyn File>>,
    ) -> io::Result<&Arc<dyn File>> {
        match self.0.get() {
            Some(file) => Ok(file),
            None => open().map(|file| self.0.get_or_init(|| file)),
        }
    }
}

/// A path, and the file behind it once somebody asked for it.
#[derive(Debug)]
pub(crate) struct LazyFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: OpenedFile,
}

impl LazyFile {
    /// A file that is there, but not open yet.
    pub(crate) fn new(fs: &Arc<dyn Fs>, path: PathBuf) -> Self {
        Self { fs: fs.clone(), path, file: OpenedFile::default() }
    }

    /// A file that is open already.
    pub(crate) fn opened(fs: &Arc<dyn Fs>, path: PathBuf, file: Arc<dyn File>) -> Self {
        Self { fs: fs.clone(), path, file: OpenedFile::new(file) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file.
    pub(crate) fn get(&self) -> io::Result<&Arc<dyn File>> {
        self.file.get_or(|| self.fs.open(&self.path))
    }
}
