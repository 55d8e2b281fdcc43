//! The checksum of our own files. It covers the name of the log's directory too, so that a file that was put into
//! another log's directory is damage there, and not believed.

use std::path::Path;

/// A CRC-32 that has read the name of a directory.
#[derive(Debug, Clone)]
pub(super) struct Seal(crc32fast::Hasher);

impl Seal {
    pub(super) fn of(dir: &Path) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(dir.file_name().unwrap_or_default().as_encoded_bytes());
        Self(hasher)
    }

    /// The checksum of all parts, one behind the other.
    pub(super) fn checksum(&self, parts: &[&[u8]]) -> u32 {
        let mut hasher = self.0.clone();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }
}
