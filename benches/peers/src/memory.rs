//! Memory that was touched before.
//!
//! On a virtual machine a page that the guest has never used costs some 15 us when it is first written to, because the
//! host has to find one: more than all that is measured here. Whoever comes first would pay that for the others. So memory
//! is taken, written to and given back before every work, and the pages that are handed out next are known to the host.

use std::time::Instant;

const PAGE: usize = 4096;
const GIB: usize = 1 << 30;

/// Touches so many gibibytes, and half of what there is at most; says how long that took. If it takes as long each time,
/// a page is dear on this machine whoever had it before, and what is written to new pages is measured with that.
pub(crate) fn touch(gibibytes: usize) {
    let bytes = (available_bytes() / 2).min(gibibytes * GIB);
    let begun = Instant::now();
    let mut memory: Vec<u8> = Vec::new();
    if memory.try_reserve_exact(bytes).is_err() {
        return eprintln!("memory is not touched beforehand: there is none");
    }
    // A vector that is made of zeros has no pages yet.
    memory.resize(bytes, 0);
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
    eprintln!("{:.1} GiB of memory touched in {:.1?}", bytes as f64 / GIB as f64, begun.elapsed());
}

/// What could be had without swapping, as the system guesses; a gibibyte where it does not say.
fn available_bytes() -> usize {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = said.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.map_or(GIB, |kib| kib * 1024)
}
