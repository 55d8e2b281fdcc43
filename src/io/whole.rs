//! Whole reads and writes: the loops over short and interrupted calls, written once.

use super::File;
use bytes::{Bytes, BytesMut};
use std::io;

impl dyn File {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What [`File::write_at`] says; `WriteZero` if the file takes nothing any more. Some of the bytes may be there.
    pub fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(written) => {
                    offset = offset.saturating_add(written as u64);
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads `len` bytes at `offset`, or as many as there are before the end of the file.
    ///
    /// # Errors
    /// What [`File::read_at`] says.
    pub fn read_up_to(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let first = self.read_some(offset, len)?;
        if first.len() == len || first.is_empty() {
            return Ok(first);
        }
        // The caller's `len` may be any number; the file's own length bounds what is set aside for it.
        let rest = usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut all = BytesMut::with_capacity(len.min(rest));
        all.extend_from_slice(&first);
        while all.len() < len {
            let more = self.read_some(offset.saturating_add(all.len() as u64), len - all.len())?;
            if more.is_empty() {
                break;
            }
            all.extend_from_slice(&more);
        }
        Ok(all.freeze())
    }

    /// Reads exactly `len` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; else what [`File::read_at`] says.
    pub fn read_exact_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = self.read_up_to(offset, len)?;
        if bytes.len() < len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(bytes)
    }

    fn read_some(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        loop {
            match self.read_at(offset, len) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io::ErrorKind;
    use std::sync::Arc;

    /// A file that does what it must, and no more: it is interrupted at every other call, and takes or gives at most
    /// three bytes at a time.
    #[derive(Debug, Default)]
    struct Reluctant {
        bytes: Mutex<Vec<u8>>,
        calls: Mutex<usize>,
        full_at: Option<usize>,
    }

    impl Reluctant {
        fn interrupts(&self) -> io::Result<()> {
            let mut calls = self.calls.lock();
            *calls += 1;
            if *calls % 2 == 1 { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
    }

    impl File for Reluctant {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.lock().len() as u64)
        }

        fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
            self.interrupts()?;
            let bytes = self.bytes.lock();
            let start = bytes.len().min(offset as usize);
            Ok(Bytes::copy_from_slice(&bytes[start..bytes.len().min(start.saturating_add(len.min(3)))]))
        }

        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            self.interrupts()?;
            let offset = offset as usize;
            let mut taken = bytes.len().min(3);
            if let Some(full_at) = self.full_at {
                taken = taken.min(full_at.saturating_sub(offset));
            }
            let mut file = self.bytes.lock();
            let len = file.len().max(offset + taken);
            file.resize(len, 0);
            file[offset..offset + taken].copy_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn allocate(&self, _: u64) -> io::Result<()> {
            Err(ErrorKind::Unsupported.into())
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            Err(ErrorKind::Unsupported.into())
        }

        fn sync(&self) -> io::Result<()> {
            Err(ErrorKind::Unsupported.into())
        }
    }

    fn reluctant(full_at: Option<usize>) -> (Arc<Reluctant>, Arc<dyn File>) {
        let file = Arc::new(Reluctant { full_at, ..Reluctant::default() });
        (file.clone(), file)
    }

    #[test]
    fn everything_is_written_and_read_in_however_many_calls() {
        let (_, file) = reluctant(None);
        file.write_all_at(0, b"0123456789").unwrap();
        file.write_all_at(12, b"cdefg").unwrap();
        assert_eq!(&file.read_exact_at(0, 17).unwrap()[..], b"0123456789\0\0cdefg");
        assert_eq!(&file.read_exact_at(5, 4).unwrap()[..], b"5678");
        assert_eq!(&file.read_exact_at(5, 2).unwrap()[..], b"56");
        assert_eq!(&file.read_up_to(14, 100).unwrap()[..], b"efg");
        assert_eq!(&file.read_up_to(17, 100).unwrap()[..], b"");
        assert_eq!(&file.read_up_to(14, usize::MAX).unwrap()[..], b"efg");
    }

    #[test]
    fn an_end_that_comes_too_early_is_an_error_of_the_exact_read_only() {
        let (_, file) = reluctant(None);
        file.write_all_at(0, b"01234").unwrap();
        assert_eq!(file.read_exact_at(1, 5).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(&file.read_up_to(1, 5).unwrap()[..], b"1234");
    }

    #[test]
    fn a_file_that_takes_nothing_any_more_ends_the_write() {
        let (inner, file) = reluctant(Some(5));
        assert_eq!(file.write_all_at(0, b"0123456789").unwrap_err().kind(), ErrorKind::WriteZero);
        assert_eq!(*inner.bytes.lock(), b"01234");
    }

    #[test]
    fn nothing_to_write_or_read_needs_no_bytes() {
        let (inner, file) = reluctant(Some(0));
        file.write_all_at(7, b"").unwrap();
        assert_eq!(file.read_exact_at(7, 0).unwrap().len(), 0);
        assert_eq!(*inner.bytes.lock(), b"");
    }

    #[test]
    fn other_errors_end_the_loop_at_once() {
        let fs = super::super::faulty::FaultyFs::new();
        let file = super::super::Fs::create(&*fs, std::path::Path::new("a")).unwrap();
        file.write_all_at(0, b"0123").unwrap();
        fs.plan(|_| super::super::faulty::Fate::Refused(ErrorKind::StorageFull));
        fs.calls();
        assert_eq!(file.write_all_at(0, b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(file.read_up_to(0, 4).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs.calls(), ["write a", "read a"]);
    }
}
