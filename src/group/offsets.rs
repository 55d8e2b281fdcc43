//! A committed offset, as users say and hear it.

/// Where a group is to read on in a partition, and what the consumer noted beside it.
///
/// ```
/// use brooklet::OffsetAndMetadata;
///
/// let plain = OffsetAndMetadata::from(42);
/// let noted = OffsetAndMetadata::new(42).metadata("file 7, line 3");
/// assert_eq!((plain.offset, plain.metadata.as_str()), (42, ""));
/// assert_eq!(noted.metadata, "file 7, line 3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OffsetAndMetadata {
    /// The next offset to read: that of the last record that is dealt with, and one.
    pub offset: u64,
    /// Whatever the consumer wants to find again; at most 4,096 bytes.
    pub metadata: String,
    /// The epoch of the last record that was read, if it is known.
    pub leader_epoch: Option<u32>,
}

impl OffsetAndMetadata {
    /// Kafka's `offset.metadata.max.bytes`.
    pub(crate) const METADATA_BYTES_MAX: usize = 4096;

    /// An offset without a note.
    pub fn new(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Notes something beside it.
    #[must_use]
    pub fn metadata(self, metadata: impl Into<String>) -> Self {
        Self { metadata: metadata.into(), ..self }
    }
}

impl From<u64> for OffsetAndMetadata {
    fn from(offset: u64) -> Self {
        Self::new(offset)
    }
}
