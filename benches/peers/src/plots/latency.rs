//! How late a record is at another thread: half of them, one in a hundred, one in a thousand.

use super::canvas::Canvas;
use crate::figures::Figures;
use crate::works::wakeup;

const LINES: [(&str, &str); 4] = [
    (wakeup::PARKED, "brooklet, parked"),
    (wakeup::SPINNING, "brooklet, spinning"),
    (wakeup::CROSSBEAM, "crossbeam-channel, parked"),
    (wakeup::STD, "std::sync::mpsc, parked"),
];
const COLUMNS: [&str; 3] = ["p50", "p99", "p99.9"];

/// None without figures.
pub(super) fn draw(figures: &Figures) -> Option<String> {
    let values = |who: &str| {
        let times = figures.times(&wakeup::name(100), who);
        [times.map(|times| times.p50), times.map(|times| times.p99), times.map(|times| times.p999)]
    };
    let all: Vec<f64> = LINES.iter().flat_map(|(who, _)| values(who)).flatten().collect();
    if all.is_empty() {
        return None;
    }
    let title = "From send to another thread, in memory, in microseconds (less is better)";
    let mut canvas = Canvas::new(title, "share of the records that are not later", &COLUMNS, &all);
    LINES.iter().for_each(|(who, label)| canvas.line(label, &values(who)));
    Some(canvas.finish())
}
