//! The records that all write, and a sink that knows whether it gets them back.
//!
//! A writer goes round in a ring of records made beforehand, so that memory is warm and making them costs nothing:
//!
//! ```text
//! | writer, 2 bytes | place in the ring, 2 bytes | bytes that follow from both |
//! ```
//! So every record says what must come after it.

/// Records in the ring of a writer; a multiple of a batch.
const RING: usize = 500;
/// Records in a batch.
pub(crate) const BATCH: usize = 100;

/// The records of one writer.
pub(crate) struct Source {
    writer: usize,
    record_bytes: usize,
    ring: Vec<u8>,
}

/// Some records that are written at once.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    record_bytes: usize,
    bytes: &'a [u8],
}

impl Source {
    pub(crate) fn new(writer: usize, record_bytes: usize) -> Self {
        let mut ring = Vec::with_capacity(RING * record_bytes);
        for place in 0..RING {
            let mut state = (writer as u64) << 32 | place as u64 | 1 << 60;
            let begin = ring.len();
            ring.extend_from_slice(&(writer as u16).to_le_bytes());
            ring.extend_from_slice(&(place as u16).to_le_bytes());
            while ring.len() < begin + record_bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ring.push((state >> 56) as u8);
            }
        }
        Self { writer, record_bytes, ring }
    }

    pub(crate) fn writer(&self) -> usize {
        self.writer
    }

    pub(crate) fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    /// So many records, one after the other.
    pub(crate) fn records(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        self.ring.chunks_exact(self.record_bytes).cycle().take(count)
    }

    /// The same in batches.
    pub(crate) fn batches(&self, count: usize) -> impl Iterator<Item = Batch<'_>> {
        let record_bytes = self.record_bytes;
        let chunks = self.ring.chunks_exact(record_bytes * BATCH).cycle().take(count / BATCH);
        chunks.map(move |bytes| Batch { record_bytes, bytes })
    }

    fn record(&self, place: usize) -> &[u8] {
        &self.ring[place * self.record_bytes..][..self.record_bytes]
    }
}

impl<'a> Batch<'a> {
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.bytes.chunks_exact(self.record_bytes)
    }

    /// All of it, without anything between the records.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// Takes what is read.
pub(crate) struct Sink<'a> {
    wanted: usize,
    taken: usize,
    /// Of every byte that was looked at something stays, or nobody would have to read it.
    mix: u64,
    check: Option<Check<'a>>,
}

/// Looks whether each writer's records come back as they were written, in order.
struct Check<'a> {
    sources: &'a [Source],
    /// By writer: the place in the ring that comes next.
    next: Vec<usize>,
    wrong: Option<String>,
}

impl<'a> Sink<'a> {
    /// One that looks only at the beginning and the end of each record.
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, taken: 0, mix: 0, check: None }
    }

    /// One that compares all.
    pub(crate) fn checking(wanted: usize, sources: &'a [Source]) -> Self {
        let check = Check { sources, next: vec![0; sources.len()], wrong: None };
        Self { check: Some(check), ..Self::new(wanted) }
    }

    #[inline]
    pub(crate) fn take(&mut self, record: &[u8]) {
        self.taken += 1;
        self.mix = self.mix.wrapping_add(ends(record));
        if let Some(check) = &mut self.check {
            check.look(record);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken >= self.wanted
    }

    /// Whether all came, and came right.
    pub(crate) fn verdict(self) -> Result<(), String> {
        std::hint::black_box(self.mix);
        if let Some(wrong) = self.check.and_then(|check| check.wrong) {
            return Err(wrong);
        }
        match self.taken == self.wanted {
            true => Ok(()),
            false => Err(format!("{} records were written, {} came back", self.wanted, self.taken)),
        }
    }
}

impl Check<'_> {
    fn look(&mut self, record: &[u8]) {
        let writer = record.first_chunk().map_or(usize::MAX, |bytes| u16::from_le_bytes(*bytes).into());
        let Some(source) = self.sources.get(writer) else {
            self.wrong.get_or_insert_with(|| "a record came back that nobody wrote".into());
            return;
        };
        let place = self.next[writer];
        if record != source.record(place) {
            self.wrong.get_or_insert_with(|| format!("a record of writer {writer} is lost or damaged"));
        }
        self.next[writer] = (place + 1) % RING;
    }
}

#[inline]
fn ends(record: &[u8]) -> u64 {
    let first = record.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let last = record.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    first.wrapping_add(last)
}
