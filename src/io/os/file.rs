//! One open file of the real file system, mapped or not.

use super::super::File;
use super::super::mapped::Mapped;
use super::pages::PageMaker;
use super::{LEN_MAX, OsFs};
use bytes::Bytes;
use parking_lot::RwLock;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::sync::Arc;

/// Above this size a read first asks how much there is, so that nobody's `len` becomes an allocation of that size.
const READ_UNCHECKED_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct OsFile {
    file: Arc<std::fs::File>,
    maps: bool,
    page_maker: PageMaker,
    /// Held for reading by those who read, for writing by those who change the file in any way.
    mapped: RwLock<Option<Mapped>>,
}

impl OsFile {
    pub(super) fn new(file: std::fs::File, fs: &OsFs) -> Self {
        let page_maker = fs.page_maker.clone();
        Self { file: Arc::new(file), maps: fs.maps, page_maker, mapped: RwLock::new(None) }
    }
}

impl File for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, mut len: usize) -> io::Result<Bytes> {
        if let Some(bytes) = self.mapped.read().as_ref().and_then(|mapped| mapped.read(offset, len)) {
            return Ok(bytes);
        }
        if len > READ_UNCHECKED_MAX {
            len = len.min(usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX));
        }
        if len == 0 || offset > LEN_MAX {
            return Ok(Bytes::new());
        }
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len)?;
        rustix::io::pread(&*self.file, spare_capacity(&mut buffer), offset)?;
        // An allocator may give more room than it was asked for.
        buffer.truncate(len);
        if buffer.len() < buffer.capacity() / 2 {
            // A short answer would hold on to the whole buffer for as long as somebody reads it.
            buffer.shrink_to_fit();
        }
        Ok(Bytes::from(buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut mapped = self.mapped.write();
        if !bytes.is_empty() {
            part_from(&mut mapped, offset)?;
        }
        if let Some(mapped) = &mut *mapped {
            mapped.settle(offset.saturating_add(bytes.len() as u64), |from, zeros| {
                // If it fails, pages are made one by one.
                let _ = rustix::io::pwrite(&*self.file, zeros, from);
            });
            let len = mapped.write(offset, bytes);
            if let Some(pages) = mapped.pages_ahead() {
                self.page_maker.ask(&self.file, pages);
            }
            if len > 0 {
                return Ok(len);
            }
        }
        let len = rustix::io::pwrite(&*self.file, bytes, offset)?;
        if let Some(mapped) = &mut *mapped {
            mapped.note_written(offset, len);
        }
        Ok(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        if len > LEN_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut mapped = self.mapped.write();
        let before = self.len()?;
        set_aside(&self.file, len)?;
        match &mut *mapped {
            Some(mapped) => mapped.set_allocated(len),
            None if self.maps => *mapped = Mapped::of(&self.file, before, len.max(before)),
            None => {}
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut mapped = self.mapped.write();
        part_from(&mut mapped, len)?;
        if let Some(mapped) = &mut *mapped {
            mapped.set_end(len);
        }
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(mapped) = &mut *self.mapped.write() {
            mapped.note_sync();
        }
        self.file.sync_data()
    }
}

/// Goes on without a map if readers may have what is to be changed from `offset` on.
fn part_from(mapped: &mut Option<Mapped>, offset: u64) -> io::Result<()> {
    if let Some(shared) = mapped.as_ref().filter(|mapped| mapped.is_written_at(offset)) {
        shared.part_from(offset)?;
        *mapped = None;
    }
    Ok(())
}

/// Has the file system keep space for the first `len` bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_aside(file: &std::fs::File, len: u64) -> io::Result<()> {
    /// Where a block that was set aside is the one that is written to. Others (Btrfs, ZFS, those over a network) say
    /// yes and may run out of space all the same.
    const KEEPS_ITS_PROMISE: [i64; 3] = [EXT4, XFS, TMPFS];
    const EXT4: i64 = 0xEF53;
    const XFS: i64 = 0x5846_5342;
    const TMPFS: i64 = 0x0102_1994;
    let kind = retry_on_intr(|| rustix::fs::fstatfs(file))?.f_type;
    #[expect(clippy::useless_conversion, reason = "its width differs between systems")]
    if !KEEPS_ITS_PROMISE.contains(&i64::from(kind)) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    match retry_on_intr(|| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len)) {
        // What ext4 says for files of its predecessors.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_aside(_file: &std::fs::File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::super::super::Fs;
    use super::*;

    fn scratch(maps: bool) -> (tempfile::TempDir, Arc<dyn File>) {
        let dir = tempfile::tempdir().unwrap();
        let fs = if maps { OsFs::new() } else { OsFs::without_maps() };
        let file = fs.create(&dir.path().join("file")).unwrap();
        (dir, file)
    }

    /// A file with space for two pages, and ten bytes in it.
    fn mapped() -> (tempfile::TempDir, Arc<dyn File>) {
        let (dir, file) = scratch(true);
        file.allocate(8192).unwrap();
        file.write_all_at(0, b"0123456789").unwrap();
        (dir, file)
    }

    #[test]
    fn what_was_written_is_read_without_a_copy() {
        let (_dir, file) = mapped();
        let (one, other) = (file.read_at(2, 3).unwrap(), file.read_at(2, 100).unwrap());
        assert_eq!((&one[..], &other[..]), (&b"234"[..], &b"23456789"[..]));
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert_eq!(&file.read_exact_at(8, 4).unwrap()[..], b"89\0\0", "behind it lie zeros");
    }

    #[test]
    fn what_a_reader_holds_never_changes() {
        let changes: [fn(&dyn File); 4] = [
            |file| file.write_all_at(3, b"new").unwrap(),
            |file| file.truncate(0).unwrap(),
            |file| file.truncate(5).unwrap(),
            |file| file.write_all_at(9, &[7; 9000]).unwrap(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (_dir, file) = mapped();
            file.write_all_at(5000, b"further on").unwrap();
            let held = (file.read_at(0, 10).unwrap(), file.read_at(5000, 10).unwrap());
            change(&*file);
            assert_eq!((&held.0[..], &held.1[..]), (&b"0123456789"[..], &b"further on"[..]), "{index}");
        }
    }

    #[test]
    fn what_was_written_is_read_without_a_copy_when_the_space_behind_it_is_given_back() {
        let (dir, file) = mapped();
        let held = file.read_at(0, 10).unwrap();
        file.truncate(10).unwrap();
        assert_eq!(file.read_at(0, 10).unwrap().as_ptr(), held.as_ptr());
        file.write_all_at(10, b"more").unwrap();
        file.allocate(9000).unwrap();
        file.write_all_at(14, b" and more").unwrap();
        let again = OsFs::new().open(&dir.path().join("file")).unwrap();
        for file in [file, again] {
            assert_eq!(&file.read_exact_at(0, 24).unwrap()[..], b"0123456789more and more\0");
        }
    }

    #[test]
    fn a_change_of_what_was_written_is_seen_by_all_who_read_later() {
        let (dir, file) = mapped();
        let _held = file.read_at(0, 10).unwrap();
        file.write_all_at(3, b"new").unwrap();
        file.allocate(16_384).unwrap();
        file.write_all_at(16_000, b"mapped anew").unwrap();
        let again = OsFs::new().open(&dir.path().join("file")).unwrap();
        for file in [file, again] {
            assert_eq!(&file.read_exact_at(0, 10).unwrap()[..], b"012new6789");
            assert_eq!(&file.read_exact_at(16_000, 11).unwrap()[..], b"mapped anew");
        }
    }

    #[test]
    fn a_file_goes_on_behind_the_space_that_was_set_aside() {
        for maps in [true, false] {
            let (dir, file) = scratch(maps);
            file.allocate(100).unwrap();
            file.write_all_at(90, &[1; 50]).unwrap();
            file.write_all_at(140, &[2; 5000]).unwrap();
            file.allocate(20_000).unwrap();
            file.write_all_at(5140, &[3; 100]).unwrap();
            let again = OsFs::new().open(&dir.path().join("file")).unwrap();
            for file in [file, again] {
                let bytes = file.read_exact_at(0, 20_000).unwrap();
                let parts: Vec<_> =
                    bytes.chunk_by(|one, next| one == next).map(|part| (part[0], part.len())).collect();
                assert_eq!(parts, [(0, 90), (1, 50), (2, 5000), (3, 100), (0, 14_760)]);
            }
        }
    }

    #[test]
    fn pages_that_are_made_ahead_hold_zeros_and_overwrite_nothing() {
        for sync in [false, true] {
            let (dir, file) = scratch(true);
            file.allocate(5 << 20).unwrap();
            let piece: Vec<u8> = (0..30_011).map(|at| at as u8 | 1).collect();
            for index in 0..170 {
                file.write_all_at(index * 30_011, &piece).unwrap();
                if sync && index == 60 {
                    file.sync().unwrap();
                }
            }
            let again = OsFs::new().open(&dir.path().join("file")).unwrap();
            for file in [file, again] {
                let bytes = file.read_exact_at(0, 5 << 20).unwrap();
                assert!(bytes[..170 * 30_011].chunks(30_011).all(|part| part == piece));
                assert!(bytes[170 * 30_011..].iter().all(|byte| *byte == 0));
            }
        }
    }

    /// Whoever makes pages writes zeros, on a thread of his own: never where something is, whatever is done meanwhile.
    #[test]
    fn zeros_of_another_thread_overwrite_nothing() {
        for seed in 0..12_u64 {
            let (dir, mut file) = scratch(true);
            let (mut written, mut file_len, mut state) = (Vec::new(), 0, seed);
            let mut draw = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            while written.len() < 12 << 20 {
                let (end, len) = (written.len() as u64, 1 + draw(200_000));
                match draw(60) {
                    0 => file.sync().unwrap(),
                    // The page maker may be at it still.
                    1 | 2 => {
                        drop(file);
                        file = OsFs::new().open(&dir.path().join("file")).unwrap();
                    }
                    3 | 4 => {
                        file.truncate(end).unwrap();
                        file_len = end;
                    }
                    5 => {
                        let from = end.saturating_sub(len);
                        file.write_all_at(from, &vec![9; (end - from) as usize]).unwrap();
                        written[from as usize..].fill(9);
                    }
                    _ => {
                        if draw(8) == 0 {
                            file_len = file_len.max(end + len) + draw(8 << 20);
                            file.allocate(file_len).unwrap();
                        }
                        let piece = vec![1 + draw(250) as u8; len as usize];
                        file.write_all_at(end, &piece).unwrap();
                        written.extend(piece);
                        file_len = file_len.max(end + len);
                    }
                }
            }
            let bytes = file.read_exact_at(0, written.len()).unwrap();
            let wrong = bytes.iter().zip(&written).position(|(found, written)| found != written);
            assert_eq!(wrong, None, "seed {seed}");
            drop(file);
            let len = OsFs::new().metadata(&dir.path().join("file")).unwrap().len;
            assert_eq!(len, file_len, "seed {seed}: nothing was written behind a cut");
        }
    }

    #[test]
    fn no_zeros_of_another_thread_come_behind_a_cut() {
        let (_dirs, files): (Vec<_>, Vec<_>) = (0..40).map(|_| scratch(true)).unzip();
        for file in &files {
            file.allocate(16 << 20).unwrap();
            file.write_all_at(0, &vec![1; 3 << 20]).unwrap();
            file.truncate(3 << 20).unwrap();
            file.write_all_at(3 << 20, b"behind it").unwrap();
        }
        let lens: Vec<_> = files.iter().map(|file| file.len().unwrap()).collect();
        assert_eq!(lens, [(3 << 20) + 9; 40]);
    }

    #[test]
    fn a_write_where_no_file_reaches_is_refused_and_changes_nothing() {
        let (_dir, file) = mapped();
        for offset in [u64::MAX, u64::MAX - 20_000, i64::MAX as u64] {
            file.write_at(offset, b"too far").unwrap_err();
        }
        file.write_all_at(10, b"and on").unwrap();
        assert_eq!(&file.read_exact_at(0, 16).unwrap()[..], b"0123456789and on");
    }

    #[test]
    fn a_file_may_be_longer_than_its_map() {
        const FAR: u64 = (1 << 31) - 2;
        let (_dir, file) = scratch(true);
        file.write_at(FAR - 1, b"a hole before").unwrap();
        file.truncate(FAR).unwrap();
        file.allocate(10).unwrap();
        file.write_all_at(FAR, b"across").unwrap();
        assert_eq!(&file.read_exact_at(FAR, 6).unwrap()[..], b"across");
        assert_eq!(file.len().unwrap(), FAR + 6);
    }

    #[test]
    fn a_short_answer_does_not_hold_on_to_a_large_buffer() {
        let (_dir, file) = scratch(false);
        file.write_at(0, b"short").unwrap();
        let bytes = file.read_at(0, READ_UNCHECKED_MAX).unwrap();
        assert!(Vec::from(bytes).capacity() < 1024);
    }
}
