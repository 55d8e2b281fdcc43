//! A file that is written through memory: the only file with `unsafe`.
//!
//! ```text
//!  0                 written        allocated                           RESERVED
//!  | never changes      | zeros        | behind the end of the file        |      one map, address space only
//!    shared with          copied into,   not touched: that would be
//!    readers, no copy     once           a SIGBUS
//!                       settled
//!                     | pages | none yet: zeros may be written there, to make some
//! ```
//!
//! - Only space that the file system has set aside is written to, so that a full disk is an error of [`File::allocate`]
//!   and not a signal. What lies behind goes to the file with a call.
//! - A page is made by writing zeros to the file where nothing is yet, ahead of the writer and perhaps by another thread.
//!   Zeros come only behind `settled`, under a lock; bytes only before it. Whoever writes moves it first.
//! - What was written is handed out without a copy, and so must never change again. Whoever writes or cuts below `written`
//!   makes the map part with the file from there on: readers keep a copy of their own in the same place, and the file
//!   goes on without a map.
//! - That holds for whoever changes the file through this handle, and for the first change. A log makes none: what it has
//!   handed out it never cuts, but puts another file in the place of the whole (`segment/cleaned.rs`). A file that another
//!   process cuts under the map ends this one with a SIGBUS, as for every program that maps files; the log's directory has a
//!   lock against that.

#![expect(unsafe_code, reason = "writing to a map, and lending it, is what this file is for")]

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Address space for each map, and no memory: no segment is longer. Where there is not as much, there are no maps.
const RESERVED: u64 = 1 << 31;
/// At least the size of a page anywhere, and a multiple of it.
const PAGE: usize = 64 * 1024;
/// So many bytes of pages are made at once: that costs half of what a fault for each of them does.
const PAGES_AHEAD: u64 = 256 << 10;
/// Where no pages are made ahead, so much is settled at once.
const SETTLED_AHEAD: u64 = 16 << 10;
/// No more than this is made ahead by another thread.
const LEAD_MAX: u64 = 4 << 20;
/// And no more than this part of what the next sync would write anyway: it writes the new pages too.
const LEAD_SHARE: u64 = 4;
/// A file that is synced more often than once in so many bytes does without: there a sync would write large pages for
/// the sake of a few bytes in them.
const SYNCED_SELDOM: u64 = 1 << 20;
static ZEROS: [u8; PAGES_AHEAD as usize] = [0; PAGES_AHEAD as usize];

/// The map of one file, and how far it may be used.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Arc<Map>,
    /// Below this nothing changes any more.
    written: u64,
    /// Below this the file has its blocks.
    allocated: u64,
    /// What was written by the last sync.
    synced: u64,
    /// Up to here another thread was asked to make pages.
    asked: u64,
    /// Once so much is written it is time to ask again.
    ask_at: u64,
}

impl Mapped {
    /// Maps a file of `len` bytes, of which the first `allocated` have their space by now. None where the system has no
    /// room for a map: then it goes without.
    pub(super) fn of(file: &File, len: u64, allocated: u64) -> Option<Self> {
        let reserved = usize::try_from(RESERVED).ok()?;
        let raw = MmapOptions::new().len(reserved).map_raw(file).ok()?;
        let map = Arc::new(Map { raw, settled: AtomicU64::new(len), zeros_until: Mutex::new(0) });
        let mut mapped = Self { map, written: len, allocated: 0, synced: len, asked: len, ask_at: 0 };
        mapped.set_allocated(allocated);
        Some(mapped)
    }

    /// The file has space for so many bytes now.
    pub(super) fn set_allocated(&mut self, allocated: u64) {
        self.allocated = self.allocated.max(allocated.min(RESERVED));
        *self.map.zeros_until.lock() = self.allocated;
        self.ask_at = 0;
    }

    /// The file ends here now, and nothing that was written is cut.
    pub(super) fn set_end(&mut self, end: u64) {
        assert!(!self.is_written_at(end), "what was written never changes");
        self.allocated = self.allocated.min(end);
        *self.map.zeros_until.lock() = self.allocated;
    }

    /// All that was written is about to be synced.
    pub(super) fn note_sync(&mut self) {
        self.synced = self.written;
    }

    /// Before a write that ends at `end`: settles what lies before that, and makes pages if it pays.
    pub(super) fn settle(&mut self, end: u64, write_zeros: impl FnOnce(u64, &[u8])) {
        // Behind the map no zeros are written.
        let end = end.min(RESERVED);
        if end > self.map.settled.load(Ordering::Acquire) {
            self.settle_more(end, write_zeros);
        }
    }

    #[cold]
    fn settle_more(&self, end: u64, write_zeros: impl FnOnce(u64, &[u8])) {
        let zeros_until = self.map.zeros_until.lock();
        let from = self.map.settled.load(Ordering::Acquire);
        if end <= from {
            return;
        }
        let mut settled = end.next_multiple_of(SETTLED_AHEAD);
        if end.saturating_sub(self.synced) >= SYNCED_SELDOM {
            let to = end.next_multiple_of(PAGES_AHEAD).min(from + PAGES_AHEAD).min(*zeros_until);
            if let Some(len @ 1..) = to.checked_sub(from) {
                write_zeros(from, &ZEROS[..len as usize]);
            }
            settled = end.max(to);
        }
        self.map.settled.store(settled, Ordering::Release);
    }

    /// Pages that another thread should make before the next writes come to them, if it is time to ask.
    #[inline]
    pub(super) fn pages_ahead(&mut self) -> Option<PagesAhead> {
        if self.written < self.ask_at { None } else { self.next_pages() }
    }

    #[cold]
    fn next_pages(&mut self) -> Option<PagesAhead> {
        let unsynced = self.written.saturating_sub(self.synced);
        if unsynced < SYNCED_SELDOM {
            self.ask_at = self.synced + SYNCED_SELDOM;
            return None;
        }
        let lead = (unsynced / LEAD_SHARE).min(LEAD_MAX);
        let until = (self.written + lead).min(self.allocated);
        self.ask_at = until.saturating_sub(lead / 2).max(self.written + PAGES_AHEAD / 4);
        let is_more = until > self.asked.max(self.written);
        self.asked = self.asked.max(until);
        is_more.then(|| PagesAhead { map: self.map.clone(), until })
    }

    /// Whether a write at `offset`, or a cut, would change what may be in a reader's hands.
    pub(super) fn is_written_at(&self, offset: u64) -> bool {
        offset < self.written
    }

    /// Writes as much of `bytes` at `offset` as there is space for, behind all that was written, and says how much.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> usize {
        assert!(!self.is_written_at(offset), "what was written never changes");
        let room = usize::try_from(self.allocated.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = bytes.len().min(room);
        if len > 0 {
            debug_assert!(offset + len as u64 <= self.map.settled.load(Ordering::Relaxed));
            let target = self.map.at(offset);
            // SAFETY: `offset + len <= allocated <= RESERVED`, so it lies within the map, and within the file. Nobody
            // reads or writes there: slices end at `written`, and `&mut self` keeps other writers out.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, len) };
            self.note_written(offset, len);
        }
        len
    }

    /// So many bytes are in the file from `offset` on, however they came there.
    pub(super) fn note_written(&mut self, offset: u64, len: usize) {
        self.written = self.written.max(offset.saturating_add(len as u64));
    }

    /// What was written from `offset` on, at most `len` bytes, without a copy; none where nothing was.
    pub(super) fn read(&self, offset: u64, len: usize) -> Option<Bytes> {
        let end = self.written.min(self.allocated);
        let len = len.min(usize::try_from(end.checked_sub(offset)?).unwrap_or(usize::MAX));
        (len > 0).then(|| Bytes::from_owner(Slice { map: self.map.clone(), offset, len }))
    }

    /// Parts with the file from `offset` on, before that is changed: those who have slices keep what they were given.
    pub(super) fn part_from(&self, offset: u64) -> io::Result<()> {
        let written = self.written.min(self.allocated);
        // Nobody can get another slice any more: this is the only way to them, and it is ours.
        let is_shared = Arc::strong_count(&self.map) > 1;
        if is_shared && offset < written { self.map.keep_copy(offset, written) } else { Ok(()) }
    }
}

/// Nobody writes zeros to the file any more: another handle of it may be next.
impl Drop for Mapped {
    fn drop(&mut self) {
        self.map.settle_for_good();
    }
}

/// Pages to be made by whoever has the time.
#[derive(Debug)]
pub(super) struct PagesAhead {
    map: Arc<Map>,
    until: u64,
}

impl PagesAhead {
    /// Makes some of them by writing zeros; says whether there are more to be made.
    pub(super) fn make_some(&self, write_zeros: impl FnOnce(u64, &[u8]) -> io::Result<()>) -> bool {
        let Map { settled, zeros_until, .. } = &*self.map;
        let zeros_until = zeros_until.lock();
        let from = settled.load(Ordering::Acquire);
        let to = (from + 1).next_multiple_of(PAGES_AHEAD).min(self.until).min(*zeros_until);
        let Some(len @ 1..) = to.checked_sub(from) else { return false };
        if write_zeros(from, &ZEROS[..len as usize]).is_err() {
            return false;
        }
        settled.store(to, Ordering::Release);
        drop(zeros_until);
        self.map.touch(from, to);
        true
    }
}

#[derive(Debug)]
struct Map {
    raw: MmapRaw,
    /// Below this nobody writes zeros any more.
    settled: AtomicU64,
    /// How far zeros may be written; held while they are, and while `settled` moves.
    zeros_until: Mutex<u64>,
}

impl Map {
    fn settle_for_good(&self) {
        *self.zeros_until.lock() = 0;
    }

    /// Has the pages at hand for whoever comes, which saves him a fault for each.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn touch(&self, from: u64, to: u64) {
        // A system that does not know this, and a file that was cut just now, make do without.
        let _ = self.raw.advise_range(memmap2::Advice::PopulateWrite, from as usize, (to - from) as usize);
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn touch(&self, _from: u64, _to: u64) {}

    fn at(&self, offset: u64) -> *mut u8 {
        assert!(offset < RESERVED, "it lies within the map");
        // SAFETY: the map is RESERVED bytes long, and `offset` is below that.
        unsafe { self.raw.as_mut_ptr().add(offset as usize) }
    }

    /// Puts a copy of what is between these two in its place, which the file knows nothing of.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn keep_copy(&self, from: u64, to: u64) -> io::Result<()> {
        use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap_fixed};
        let start = from as usize / PAGE * PAGE;
        let len = (to as usize).next_multiple_of(PAGE) - start;
        // SAFETY: new memory, wherever the system likes.
        let copy = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        // SAFETY: the source is `start..to` of the map, below `written` and so within the file; the target is new and at
        // least as long. Nobody writes to either.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.at(start as u64).cast_const(),
                copy.cast(),
                to as usize - start,
            );
        }
        // SAFETY: `copy` is ours, and moves as a whole to whole pages of the map: both begin at a multiple of PAGE and are
        // `len` long, and RESERVED is a multiple of PAGE, so it stays within the map. Readers find the same bytes there
        // before and after.
        unsafe {
            mremap_fixed(copy, len, len, MremapFlags::MAYMOVE, self.at(start as u64).cast())?;
        }
        Ok(())
    }

    /// Files are mapped on Linux only, so nobody comes here.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn keep_copy(&self, _from: u64, _to: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A part of a map that never changes.
struct Slice {
    map: Arc<Map>,
    offset: u64,
    len: usize,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: made by `Mapped::read` alone, so it lies below `written`: within the map, initialised by the file, and
        // written to by nobody any more (`Mapped::write` asserts it, `keep_copy` puts the same bytes in their place). The
        // map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.at(self.offset), self.len) }
    }
}
