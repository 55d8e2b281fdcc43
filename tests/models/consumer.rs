//! The consumer's side: what other threads wake it with.

#[expect(unreachable_pub, reason = "it is public where it is at home")]
#[path = "../../src/consumer/wakeup_handle.rs"]
mod wakeup_handle;

pub(super) use wakeup_handle::{Shared, WakeupHandle};
