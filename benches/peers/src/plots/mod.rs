//! Figures to look at: SVG files, written by hand, so that they need nothing but a browser.
//!
//! - `canvas`: a frame with two axes, and what is drawn in it.
//! - `durable`: how many records a second become durable, by the number of threads.
//! - `latency`: how late a record is at another thread.

mod canvas;
mod durable;
mod latency;

use crate::figures::Figures;
use std::io;
use std::path::Path;

/// One file for each plot whose figures were measured.
pub(crate) fn write(dir: &Path, figures: &Figures) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let plots = [("durable.svg", durable::draw(figures)), ("latency.svg", latency::draw(figures))];
    for (name, svg) in plots {
        if let Some(svg) = svg {
            std::fs::write(dir.join(name), svg)?;
        }
    }
    Ok(())
}
