//! Why bytes are not a batch: each reason says what was expected and what was found.

use crate::error::Error;

/// Why bytes are not a record batch, or not the records that its header promises.
///
/// One of them is not a fault: [`Invalid::Incomplete`] says that the bytes end too early, which is what the end of a
/// chunk and a torn tail look like. [`Invalid::is_incomplete`] tells it apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The bytes end before the batch does.
    #[error("expected at least {needed} bytes, found {available}")]
    Incomplete {
        /// How many bytes are needed to say more: those of the header, or of the whole batch once it is known.
        needed: usize,
        /// How many there are.
        available: usize,
    },

    /// A length that no batch has.
    #[error("expected a batch length of 49 or more, found {found}")]
    Length {
        /// What stands there.
        found: i32,
    },

    /// Another format of batches, or no batch at all.
    #[error("expected magic 2, found {found}")]
    Magic {
        /// What stands there.
        found: u8,
    },

    /// The bytes are not what they were when the batch was written.
    #[error("expected checksum {expected:#010x}, found {found:#010x}")]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },

    /// A field of the header that cannot be.
    #[error("expected {expected} as {field}, found {found}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: i64,
    },

    /// A codec that this library has never heard of.
    #[error("expected a codec from 0 to 4, found {found}")]
    UnknownCodec {
        /// Its number in the attributes.
        found: u8,
    },

    /// Bytes behind the only batch that there may be.
    #[error("expected one batch of {expected} bytes, found {found} bytes")]
    TrailingBytes {
        /// The size of the first batch.
        expected: usize,
        /// The size of what was handed in.
        found: usize,
    },

    /// A record that breaks the format, though the checksum held: whoever wrote it wrote it wrong.
    #[error("expected {expected} in record {index} of the batch, found {found}")]
    Records {
        /// Which record, counted from zero.
        index: u32,
        /// What the format asks for.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },

    /// A compressed batch that does not decompress.
    #[error("expected {codec} data that decompresses, found {what}")]
    Decompression {
        /// The codec, as its feature is called.
        codec: &'static str,
        /// What is wrong with the data.
        what: String,
    },

    /// A compressed batch that holds more than it may.
    #[error("expected at most {limit} bytes of decompressed records, found more")]
    TooLargeDecompressed {
        /// How many bytes there may be.
        limit: usize,
    },

    /// A compressed batch whose codec was not compiled in.
    #[error("the codec {codec} is not compiled in")]
    CodecMissing {
        /// The codec, as its feature is called.
        codec: &'static str,
    },

    /// A control batch that does not hold one control record.
    #[error("expected {expected} in a control batch, found {found}")]
    Control {
        /// What the format asks for.
        expected: &'static str,
        /// What is there, in numbers.
        found: i64,
    },
}

impl Invalid {
    /// Whether more bytes could still make it a batch.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Invalid::Incomplete { .. })
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::CodecMissing { codec } => Error::CodecMissing { codec },
            other => Error::InvalidBatch { why: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_become_the_errors_sentence() {
        let error = Error::from(Invalid::Checksum { expected: 1, found: 0xabcd_ef01 });
        assert!(error.to_string().contains("expected checksum 0x00000001, found 0xabcdef01"), "{error}");
        assert!(matches!(
            Error::from(Invalid::CodecMissing { codec: "zstd" }),
            Error::CodecMissing { codec: "zstd" }
        ));
    }

    #[test]
    fn only_a_short_read_is_incomplete() {
        assert!(Invalid::Incomplete { needed: 61, available: 3 }.is_incomplete());
        assert!(!Invalid::Length { found: 0 }.is_incomplete());
    }
}
