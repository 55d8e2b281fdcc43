//! What was done, as one number to compare runs by, and as lines for a person.

use super::faults::Op;
use super::rng::scramble;
use std::io;
use std::path::Path;

/// One call of the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) op: Op,
    pub(crate) path: &'a Path,
    /// The new name, for a rename.
    pub(crate) to: Option<&'a Path>,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// What is written.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Call<'a> {
    pub(crate) fn new(op: Op, path: &'a Path) -> Self {
        Self { op, path, to: None, offset: 0, len: 0, bytes: &[] }
    }

    pub(crate) fn to(self, to: &'a Path) -> Self {
        Self { to: Some(to), ..self }
    }

    pub(crate) fn range(self, offset: u64, len: u64) -> Self {
        Self { offset, len, ..self }
    }

    pub(crate) fn bytes(self, offset: u64, bytes: &'a [u8]) -> Self {
        Self { offset, len: bytes.len() as u64, bytes, ..self }
    }
}

/// All calls so far: their hash, and their lines if they are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) hash: u64,
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    /// Adds a call and what came of it: a number that stands for the result, or the error.
    pub(crate) fn note(&mut self, number: u64, call: &Call<'_>, result: Result<u64, &io::Error>) {
        self.mix(number);
        self.mix(call.op as u64);
        self.mix_bytes(call.path.as_os_str().as_encoded_bytes());
        self.mix_bytes(call.to.map_or(&[][..], |to| to.as_os_str().as_encoded_bytes()));
        self.mix(call.offset);
        self.mix(call.len);
        self.mix_bytes(call.bytes);
        match result {
            Ok(value) => self.mix(value),
            Err(error) => self.mix_bytes(error.to_string().as_bytes()),
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line(number, call, result));
        }
    }

    /// Adds something that is not a call, such as a crash.
    pub(crate) fn mark(&mut self, what: String) {
        self.mix_bytes(what.as_bytes());
        self.lines.iter_mut().for_each(|lines| lines.push(what.clone()));
    }

    fn mix(&mut self, word: u64) {
        self.hash = scramble(self.hash.rotate_left(5) ^ word);
    }

    fn mix_bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }
}

/// `#17 Write /t-0/0.log @512+100 -> 100`
fn line(number: u64, call: &Call<'_>, result: Result<u64, &io::Error>) -> String {
    let mut line = format!("#{number} {:?} {}", call.op, call.path.display());
    if let Some(to) = call.to {
        line += &format!(" to {}", to.display());
    }
    if call.offset > 0 || call.len > 0 {
        line += &format!(" @{}+{}", call.offset, call.len);
    }
    match result {
        Ok(value) => line + &format!(" -> {value}"),
        Err(error) => line + &format!(" -> {error}"),
    }
}
