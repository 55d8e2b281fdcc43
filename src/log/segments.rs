//! The segments of a log in order: an immutable list, replaced as a whole, which readers hold without any lock.

use crate::segment::Segment;
use std::sync::Arc;

/// Segments by base offset, ascending; never empty.
#[derive(Debug, Clone)]
pub(crate) struct SegmentList {
    segments: Vec<Arc<Segment>>,
}

impl SegmentList {
    pub(crate) fn new(segments: Vec<Arc<Segment>>) -> Self {
        assert!(!segments.is_empty(), "a log has at least one segment");
        assert!(
            segments.windows(2).all(|pair| pair[0].base_offset() < pair[1].base_offset()),
            "segments ascend"
        );
        Self { segments }
    }

    /// The same list with one more at its end.
    pub(crate) fn with(&self, segment: Arc<Segment>) -> Self {
        let mut segments = Vec::with_capacity(self.segments.len() + 1);
        segments.extend_from_slice(&self.segments);
        segments.push(segment);
        Self::new(segments)
    }

    /// Those from the one that would hold `offset` on.
    pub(crate) fn reaching(&self, offset: u64) -> &[Arc<Segment>] {
        let behind = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        &self.segments[behind.saturating_sub(1)..]
    }

    pub(crate) fn all(&self) -> &[Arc<Segment>] {
        &self.segments
    }
}
