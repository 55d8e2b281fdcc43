//! Where codecs write to: a buffer that only grows, and where in it they are. What is behind that nobody reads.

use std::io;

/// The end of a buffer that is being written.
pub(super) struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    end: usize,
}

impl<'a> Output<'a> {
    /// Begins at `end`, which is not behind the buffer's.
    pub(super) fn new(buffer: &'a mut Vec<u8>, end: usize) -> Self {
        Self { buffer, end }
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Puts these bytes behind what there is.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Room for `len` bytes or more behind the end, whatever is in it.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        let needed = self.end + len;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that so much of the room was used.
    #[cfg(any(feature = "lz4", feature = "snappy", feature = "zstd"))]
    pub(super) fn advance(&mut self, len: usize) {
        self.end += len;
        assert!(self.end <= self.buffer.len(), "nobody writes where there is no room");
    }

    /// Bytes that were written already, to be written once more.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub(super) fn rewrite(&mut self, at: usize, bytes: [u8; 4]) {
        self.buffer[at..at + 4].copy_from_slice(&bytes);
    }
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
