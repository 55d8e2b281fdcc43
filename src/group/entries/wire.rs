//! The words in which Kafka writes its own records: numbers big-endian, texts and lists with their lengths before them.
//!
//! ```text
//!            fixed versions                         flexible versions
//! text       i16 length, UTF-8; null: -1            unsigned varint length + 1, UTF-8; null: 0
//! bytes      i32 length, bytes; null: -1            unsigned varint length + 1, bytes; null: 0
//! list       i32 count, items; null: -1             unsigned varint count + 1, items; null: 0
//! at the end nothing                                tagged fields: count, then (tag, length, bytes) of each
//! ```

use super::Undecodable;
use crate::record::varint;

/// Reads from the front, and knows how far it got.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_flexible: bool,
}

type Read<T> = Result<T, Undecodable>;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0, is_flexible: false }
    }

    /// Behind the version of a value, which is `flexible` at most: from that one on lengths are written another way.
    pub(super) fn versioned(bytes: &'a [u8], flexible: i16) -> Read<(Self, i16)> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        if !(0..=flexible).contains(&version) {
            return Err(Undecodable::UnknownVersion { version });
        }
        reader.is_flexible = version >= flexible;
        Ok((reader, version))
    }

    pub(super) fn corrupt<T>(&self, why: &'static str) -> Read<T> {
        Err(Undecodable::Corrupt { at: self.at, why })
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let Some(taken) = self.bytes[self.at..].get(..len) else {
            return self.corrupt("it ends early");
        };
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("so many were taken"))
    }

    pub(super) fn i16(&mut self) -> Read<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn unsigned(&mut self) -> Read<usize> {
        match varint::decode_unsigned(&self.bytes[self.at..]) {
            Ok((value, len)) => {
                self.at += len;
                Ok(value as usize)
            }
            Err(_) => self.corrupt("a length that is no number"),
        }
    }

    fn length(&mut self, is_short: bool) -> Read<Option<usize>> {
        if self.is_flexible {
            return Ok(self.unsigned()?.checked_sub(1));
        }
        match if is_short { i32::from(self.i16()?) } else { self.i32()? } {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).or_else(|_| self.corrupt("a negative length")),
        }
    }

    pub(super) fn nullable_text(&mut self) -> Read<Option<String>> {
        let Some(len) = self.length(true)? else { return Ok(None) };
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map(|text| Some(text.to_owned())).or_else(|_| self.corrupt("no UTF-8"))
    }

    pub(super) fn text(&mut self) -> Read<String> {
        self.nullable_text()?.map_or_else(|| self.corrupt("a text that is null"), Ok)
    }

    pub(super) fn nullable_bytes(&mut self) -> Read<Option<Vec<u8>>> {
        let Some(len) = self.length(false)? else { return Ok(None) };
        Ok(Some(self.take(len)?.to_vec()))
    }

    /// A list, null or not: nothing in ours tells these apart.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.length(false)?.unwrap_or(0);
        // Not as many are made room for as it says: it may lie, and each takes a byte at least.
        let mut items = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            let before = self.at;
            items.push(item(self)?);
            if self.at == before {
                return self.corrupt("items of no length");
            }
        }
        Ok(items)
    }

    /// The tagged fields at the end of a structure: those that `known` does not want are skipped.
    pub(super) fn tagged(&mut self, mut known: impl FnMut(usize, &'a [u8]) -> bool) -> Read<()> {
        if !self.is_flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned()? {
            let (tag, len) = (self.unsigned()?, self.unsigned()?);
            let field = self.take(len)?;
            if !known(tag, field) {
                return self.corrupt("a tagged field of the wrong length");
            }
        }
        Ok(())
    }

    /// That nothing is left.
    pub(super) fn end<T>(&self, value: T) -> Read<T> {
        if self.at == self.bytes.len() { Ok(value) } else { self.corrupt("bytes after its end") }
    }
}

/// Writes in the manner of fixed versions, the only one that is written.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(version: i16) -> Self {
        Writer { bytes: version.to_be_bytes().to_vec() }
    }

    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes.extend_from_slice(&bytes);
    }

    /// A text that is longer than its length can say is cut, at a whole character.
    pub(super) fn nullable_text(&mut self, text: Option<&str>) {
        let text = text.map(|text| &text[..text.floor_char_boundary_of(i16::MAX as usize)]);
        self.put(text.map_or(-1, |text| text.len() as i16).to_be_bytes());
        self.bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.nullable_text(Some(text));
    }

    pub(super) fn nullable_bytes(&mut self, bytes: Option<&[u8]>) {
        self.put(bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        self.bytes.extend_from_slice(bytes.unwrap_or_default());
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.put((items.len() as i32).to_be_bytes());
        items.iter().for_each(|each| item(self, each));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The stable name of a thing that the standard library has only in newer versions.
trait CharBoundary {
    fn floor_char_boundary_of(&self, len: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_of(&self, len: usize) -> usize {
        if len >= self.len() {
            return self.len();
        }
        (0..=len).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}
