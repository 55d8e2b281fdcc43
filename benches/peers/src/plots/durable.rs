//! How many records a second become durable, by the number of threads that wait for theirs.

use super::canvas::Canvas;
use crate::contestants::{file, okaywal, ours, raft_engine};
use crate::figures::Figures;
use crate::works::durable;

const LINES: [(&str, &str); 4] = [
    (ours::DURABLE_PRODUCER.name, "brooklet, send"),
    (okaywal::OKAYWAL.name, "okaywal 0.3"),
    (raft_engine::RAFT_ENGINE_DURABLE.name, "raft-engine 0.4"),
    (file::FILE_DURABLE.name, "a sync for each record"),
];

/// None without figures.
pub(super) fn draw(figures: &Figures) -> Option<String> {
    let threads = durable::THREADS.map(|(threads, _)| threads);
    let values = |who: &str| threads.map(|threads| figures.rate(&durable::name(threads, 100), who));
    let all: Vec<f64> = LINES.iter().flat_map(|(who, _)| values(who)).flatten().collect();
    if all.is_empty() {
        return None;
    }
    let columns = threads.map(|threads| threads.to_string());
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let title = "Durable records a second, 100 bytes each (more is better)";
    let mut canvas = Canvas::new(title, "threads, each waiting for its record", &columns, &all);
    LINES.iter().for_each(|(who, label)| canvas.line(label, &values(who)));
    Some(canvas.finish())
}
