//! The machine's limit: records copied one behind the other into a new mapped file. No header, no checksum, no order.

use super::{lock, partition_dirs};
use crate::contestant::{Contestant, Log, Result, Shape};
use crate::source::{Sink, Source};
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const MAPPED: Contestant = Contestant {
    name: "limit: memcpy into a new mapped file",
    acked: "in a mapped page",
    checksum: "none",
    open: |dir, shape| open(dir, shape, false),
};

/// The same, but a call makes the pages some way ahead: cheaper than a fault for each.
pub(crate) const WARMED: Contestant = Contestant {
    name: "limit: pwrite of zeros ahead, then memcpy into the map",
    open: |dir, shape| open(dir, shape, true),
    ..MAPPED
};

const AHEAD: usize = 256 << 10;
static ZEROS: [u8; AHEAD] = [0; AHEAD];

struct Mapped {
    record_bytes: usize,
    files: Vec<MappedFile>,
}

struct MappedFile {
    map: MmapRaw,
    end: AtomicUsize,
    /// The file, and below what its pages are made; all of it, if nobody makes them ahead. Nobody copies to where there
    /// are none yet, so no zeros come upon records.
    pages: Mutex<(File, usize)>,
    paged: AtomicUsize,
}

fn open(dir: &Path, shape: &Shape, makes_pages: bool) -> Result<Box<dyn Log>> {
    // Nobody knows who writes how much where.
    let len = shape.records * shape.record_bytes;
    let open = |dir: std::path::PathBuf| -> Result<MappedFile> {
        let file = File::options().read(true).write(true).create_new(true).open(dir.join("mapped"))?;
        fallocate(&file, FallocateFlags::empty(), 0, len as u64)?;
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        let paged = if makes_pages { 0 } else { len };
        let (end, pages) = (AtomicUsize::new(0), Mutex::new((file, paged)));
        Ok(MappedFile { map, end, pages, paged: AtomicUsize::new(paged) })
    };
    let files = partition_dirs(dir, shape.partitions)?.into_iter().map(open).collect::<Result<_>>()?;
    Ok(Box::new(Mapped { record_bytes: shape.record_bytes, files }))
}

impl MappedFile {
    #[expect(
        unsafe_code,
        reason = "a copy into memory that others may write to, elsewhere, at the same time"
    )]
    fn append(&self, bytes: &[u8]) -> Result {
        let begin = self.end.fetch_add(bytes.len(), Ordering::Relaxed);
        if begin + bytes.len() > self.map.len() {
            return Err("it is full".into());
        }
        if begin + bytes.len() > self.paged.load(Ordering::Acquire) {
            self.make_pages(begin + bytes.len())?;
        }
        // SAFETY: the place is within the map, and nobody else was given it.
        unsafe { self.map.as_mut_ptr().add(begin).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    #[cold]
    fn make_pages(&self, needed: usize) -> Result {
        let (file, paged) = &mut *lock(&self.pages);
        while *paged < needed {
            let len = AHEAD.min(self.map.len() - *paged);
            file.write_all_at(&ZEROS[..len], *paged as u64)?;
            *paged += len;
        }
        self.paged.store(*paged, Ordering::Release);
        Ok(())
    }

    #[expect(unsafe_code, reason = "the other side of it")]
    fn written(&self) -> &[u8] {
        // SAFETY: all below the end is initialised, a file being zeros where nobody wrote, and the rounds read when all
        // writers are done.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.end.load(Ordering::Acquire)) }
    }
}

impl Log for Mapped {
    fn append_each(&self, partition: usize, source: &Source, records: usize) -> Result {
        source.records(records).try_for_each(|record| self.files[partition].append(record))
    }

    fn append_batches(&self, partition: usize, source: &Source, records: usize) -> Result {
        let file = &self.files[partition];
        source.batches(records).try_for_each(|batch| batch.iter().try_for_each(|record| file.append(record)))
    }

    fn read(&self, partition: usize, sink: &mut Sink<'_>) -> Result {
        let written = self.files[partition].written();
        written.chunks_exact(self.record_bytes).for_each(|record| sink.take(record));
        Ok(())
    }
}
